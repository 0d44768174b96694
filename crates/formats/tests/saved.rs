//! The head of a saved machine, from anybody's hands.

use proptest::{prelude::*, test_runner::FileFailurePersistence};
use svirt_formats::saved::{DOCUMENT_MAX, HEAD, Head, SavedError, finished, unfinished};

fn first(bytes: &[u8]) -> [u8; HEAD] {
    bytes[..HEAD].try_into().unwrap()
}

#[test]
fn what_was_not_finished_is_not_read() {
    let bytes = unfinished(b"{}").unwrap();
    assert_eq!(bytes.len(), 4096);
    assert_eq!(&bytes[HEAD..HEAD + 3], b"{}\0");
    assert_eq!(Head::parse(&first(&bytes)), Err(SavedError::Unfinished));
    assert_eq!(unfinished(&vec![0; DOCUMENT_MAX + 1]), Err(SavedError::Document));
}

#[test]
fn another_version_and_another_file_are_told_apart() {
    let mut bytes = finished(2, 7);
    bytes[16] = 2;
    assert_eq!(Head::parse(&bytes), Err(SavedError::Version(2)));
    assert_eq!(Head::parse(&[0; HEAD]), Err(SavedError::Magic));
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_written_is_read(document in 0..=DOCUMENT_MAX, stream in 0..u64::MAX) {
        let head = Head::parse(&finished(document, stream)).unwrap();
        prop_assert_eq!(head, Head { document, stream });
        prop_assert_eq!(head.start() % 4096, 0);
        prop_assert!(head.start() >= (HEAD + document) as u64);
        prop_assert!(head.start() < (HEAD + document + 4096) as u64);
        prop_assert!(head.end() >= head.start());
    }

    #[test]
    fn whatever_is_read_is_bounded(mut bytes: [u8; HEAD], ours: bool) {
        if ours {
            bytes[..20].copy_from_slice(&finished(0, 0)[..20]);
        }
        if let Ok(head) = Head::parse(&bytes) {
            prop_assert!(head.document <= DOCUMENT_MAX);
            prop_assert_eq!(finished(head.document, head.stream), bytes);
        }
    }
}
