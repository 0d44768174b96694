//! What holds of any domain.

#[path = "../../../fuzz/cases/domain_xml.rs"]
mod case;

use proptest::{collection::vec, prelude::*, sample::select};
use std::sync::LazyLock;
use svirt_formats::domain::{DomainError, Problem};

static SEEDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/domain_xml");
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let accepted = paths.filter(|path| path.to_str().unwrap().contains("/ok-"));
    accepted.map(|path| std::fs::read_to_string(path).unwrap()).collect()
});

fn seed() -> impl Strategy<Value = String> {
    (0..SEEDS.len()).prop_map(|number| SEEDS[number].clone())
}

/// The places right behind a start tag, inside `<devices>`.
fn inside_devices(text: &str) -> Vec<usize> {
    let Some(start) = text.find("<devices>") else { return Vec::new() };
    let end = text.find("</devices>").unwrap_or(start);
    let tags = text.match_indices('>').map(|(at, _)| at + 1);
    let open = |at: &usize| {
        let before = &text[..*at];
        let tag = &before[before.rfind('<').unwrap_or(0)..];
        !tag.ends_with("/>") && !tag.starts_with("</")
    };
    tags.filter(|at| (start + 9..end).contains(at)).filter(open).collect()
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..256)) {
        let _ = case::answer(&bytes);
    }

    #[test]
    fn a_domain_with_bytes_changed_is_answered(
        text in seed(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = text.into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = case::answer(&bytes);
    }

    #[test]
    fn a_word_in_a_domain_exchanged_for_another_is_answered(
        text in seed(), at in any::<prop::sample::Index>(),
        word in select(vec!["", "x", "/x", "0", "-1", "file", "no", "network", "unix", "&amp;"]),
    ) {
        let quotes: Vec<usize> = text.match_indices(['\'', '"']).map(|(at, _)| at).collect();
        let pair = at.index(quotes.len() / 2) * 2;
        let changed = format!("{}{word}{}", &text[..=quotes[pair]], &text[quotes[pair + 1]..]);
        let _ = case::answer(changed.as_bytes());
    }

    /// Wherever in `<devices>` something unknown is put, it is found.
    #[test]
    fn an_unknown_element_among_the_devices_is_never_overlooked(
        text in seed(), at in any::<prop::sample::Index>(),
        element in select(vec![
            "<teapot file='/etc/shadow'/>", "<x:y xmlns:x='u'/>", "<teapot xmlns='u'/>",
        ]),
    ) {
        let places = inside_devices(&text);
        prop_assume!(!places.is_empty());
        let at = places[at.index(places.len())];
        let changed = format!("{}{element}{}", &text[..at], &text[at..]);
        let answer = case::answer(changed.as_bytes());
        let unknown = matches!(
            &answer,
            Err(DomainError::Domain { problem: Problem::Unknown, place, .. })
                if place.ends_with("teapot") || place.ends_with("x:y")
        );
        prop_assert!(unknown, "{:?}", answer.err());
    }

    /// Wherever in `<devices>` an attribute that nobody knows is put, it is found.
    #[test]
    fn an_unknown_attribute_among_the_devices_is_never_overlooked(
        text in seed(), at in any::<prop::sample::Index>(),
    ) {
        let places = inside_devices(&text);
        prop_assume!(!places.is_empty());
        let at = places[at.index(places.len())] - 1;
        let changed = format!("{} shadow='/etc/shadow'{}", &text[..at], &text[at..]);
        let answer = case::answer(changed.as_bytes());
        let unknown = matches!(
            &answer,
            Err(DomainError::Domain { problem: Problem::Unknown, place, .. })
                if place.ends_with("@shadow")
        );
        prop_assert!(unknown, "{:?}", answer.err());
    }
}
