//! One object: byte for byte, and on the descriptor alone.

use super::{NEW, file, held, label, place, set};
use std::{fs, os::unix::fs::symlink};
use svirt_host::mac::attribute::{AttributeError, Attributes, PutBack, Xattr};

#[test]
fn a_label_is_put_back_to_the_byte() {
    let Some(place) = place() else { return };
    let path = file(place.path().join("image"));
    let object = held(&path);
    let attributes = Attributes::open().unwrap();
    let long = vec![b'x'; 3000];
    let befores: [Option<&[u8]>; 6] = [
        None,
        Some(b"system_u:object_r:tmp_t:s0\0"),
        Some(b"no:nul:at_the_end:s0"),
        Some(b"alien\xff\xfe\nlabel\0\0"),
        Some(b""),
        Some(&long),
    ];
    for before in befores {
        match before {
            Some(before) => set(&path, before),
            None => attributes.remove(&object, Xattr::Selinux).unwrap(),
        }
        let found = attributes.read(&object, Xattr::Selinux).unwrap();
        assert_eq!(found.as_deref(), before);
        attributes.write(&object, Xattr::Selinux, NEW).unwrap();
        assert_eq!(label(&path).as_deref(), Some(NEW));
        for _ in 0..2 {
            let back = attributes.put_back(&object, Xattr::Selinux, before, NEW).unwrap();
            assert_eq!(back, PutBack::Restored);
            assert_eq!(label(&path).as_deref(), before);
        }
    }
}

#[test]
fn what_somebody_else_wrote_since_is_left() {
    let Some(place) = place() else { return };
    let path = file(place.path().join("image"));
    set(&path, b"theirs");
    let attributes = Attributes::open().unwrap();
    let back = attributes.put_back(held(&path), Xattr::Selinux, Some(b"before"), NEW).unwrap();
    assert_eq!(back, PutBack::Left(Some(b"theirs".to_vec())));
    assert_eq!(label(&path).as_deref(), Some(b"theirs".as_slice()));
    attributes.remove(held(&path), Xattr::Selinux).unwrap();
    let back = attributes.put_back(held(&path), Xattr::Selinux, Some(b"before"), NEW).unwrap();
    assert_eq!(back, PutBack::Left(None));
    // The kernel shows a context with its NUL, whether or not it was written with one.
    set(&path, NEW.strip_suffix(b"\0").unwrap());
    let back = attributes.put_back(held(&path), Xattr::Selinux, Some(b"before"), NEW).unwrap();
    assert_eq!(back, PutBack::Restored);
}

/// The name leads elsewhere now; the descriptor does not.
#[test]
fn the_object_that_was_opened_is_the_one_that_is_labelled() {
    let Some(place) = place() else {
        return;
    };
    let (path, victim) = (file(place.path().join("image")), file(place.path().join("victim")));
    set(&victim, b"victim's");
    let object = held(&path);
    let moved = place.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    symlink(&victim, &path).unwrap();
    Attributes::open().unwrap().write(&object, Xattr::Selinux, NEW).unwrap();
    assert_eq!(label(&victim).as_deref(), Some(b"victim's".as_slice()));
    assert_eq!(label(&moved).as_deref(), Some(NEW));
    assert_eq!(label(&path), None, "the link was labelled");
    // A link that is held is labelled itself, and not what it leads to.
    set(&path, b"the link's");
    assert_eq!(label(&path).as_deref(), Some(b"the link's".as_slice()));
    assert_eq!(label(&victim).as_deref(), Some(b"victim's".as_slice()));
}

#[test]
fn a_file_system_without_labels_says_so() {
    let attributes = Attributes::open().unwrap();
    // procfs keeps no attributes.
    let refused = attributes.write(held("/proc/self/status".as_ref()), Xattr::Selinux, NEW);
    let refused = refused.unwrap_err();
    let root = rustix::process::geteuid().is_root();
    assert!(matches!(refused, AttributeError::Unsupported { .. }) || !root, "{refused:?}");
    let text = refused.to_string();
    assert!(text.contains("/proc/") && text.contains("status"), "{text}");
    assert!(refused.hint().is_some());
}
