//! What holds of any domain.

#[path = "../../../fuzz/cases/domain_xml.rs"]
mod case;

mod tables;

use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestCaseError};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::LazyLock,
};
use svirt_formats::{
    domain::{
        DomainError, Problem, read,
        resources::{HostResource, Thing},
    },
    spec::{DiskSpec, DisplaySpec, GuestSpec, NetSpec, SerialSpec},
    xml::Document,
};
use svirt_model::Access;

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

/// The devices of all tables, and among them what of them can be started.
static DEVICES: LazyLock<Vec<String>> = LazyLock::new(|| cases(|_| true));
static STARTABLE: LazyLock<Vec<String>> = LazyLock::new(|| cases(|e| e.starts_with("=> starts")));

/// The devices of which some line says this.
fn cases(says: impl Fn(&str) -> bool) -> Vec<String> {
    let cases = tables::all().into_iter().flat_map(|(_, cases)| cases);
    let devices = cases.filter(|case| !tables::is_beside(&case.xml));
    devices.filter(|case| case.expected.lines().any(&says)).map(|case| case.xml).collect()
}

fn devices(of: &'static LazyLock<Vec<String>>) -> impl Strategy<Value = String> {
    vec(0..of.len(), 0..6).prop_map(|chosen| {
        let chosen: Vec<&str> = chosen.iter().map(|number| of[*number].as_str()).collect();
        chosen.join("\n")
    })
}

/// Every path in a specification.
fn spec_paths(guest: &GuestSpec) -> BTreeSet<PathBuf> {
    let GuestSpec {
        kernel,
        dtb,
        firmware,
        initrd,
        disks,
        cdrom,
        vnc_socket,
        serial,
        channels,
        random,
        ..
    } = guest;
    let flash = firmware.iter().flat_map(|f| std::iter::once(&f.code).chain(&f.vars));
    let below = disks.iter().flat_map(|disk| disk.backing.iter().flatten()).map(|b| &b.path);
    let ports = serial.iter().filter_map(|port| match port {
        SerialSpec::File(path) | SerialSpec::Listen(path) => Some(path),
        SerialSpec::Console | SerialSpec::Null => None,
    });
    let ports = ports.chain(channels.iter().filter_map(|channel| channel.listen.as_ref()));
    let plain = [kernel, dtb, initrd, cdrom, vnc_socket, random].into_iter().flatten();
    let disks = disks.iter().flat_map(|disk| &disk.path);
    plain.chain(flash).chain(disks).chain(below).chain(ports).cloned().collect()
}

/// Whether what a machine has anyway, or gets in its own way, stands for a thing.
fn stands_for(guest: &GuestSpec, thing: &Thing) -> bool {
    match thing {
        Thing::Terminal => guest.serial.contains(&SerialSpec::Console),
        Thing::HostNetwork => guest.net == Some(NetSpec::User),
        Thing::Listen(None) => {
            let own = guest.channels.iter().any(|channel| channel.listen.is_none());
            own || (guest.display == DisplaySpec::Vnc && guest.vnc_socket.is_none())
        }
        _ => false,
    }
}

fn path(thing: &Thing) -> Option<&Path> {
    match thing {
        Thing::Image { path, .. }
        | Thing::File(path)
        | Thing::Key(path)
        | Thing::Output(path)
        | Thing::Directory(path)
        | Thing::Program(path)
        | Thing::Device(path)
        | Thing::Connect(path)
        | Thing::Pipe(path) => Some(path),
        Thing::Listen(path) => path.as_deref(),
        _ => None,
    }
}

/// The line that an origin names.
fn line(resource: &HostResource) -> u32 {
    let rest = resource.origin.0.split_once(" line ").unwrap().1;
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// Nothing that a domain names on the host is dropped: it is in the specification, or a note says at
/// its line what takes its place, or the domain is refused.
fn nothing_is_dropped(text: &str) -> Result<(), TestCaseError> {
    let Ok(domain) = read(text.as_bytes(), "d.xml") else { return Ok(()) };
    let Ok(converted) = domain.to_spec() else { return Ok(()) };
    let guest = converted.spec.guest.unwrap();
    let known = spec_paths(&guest);
    for resource in domain.resources() {
        let in_spec = path(&resource.what).is_some_and(|path| known.contains(path));
        let among =
            |path: &Path| guest.extra.iter().any(|word| word.contains(path.to_str().unwrap()));
        let in_spec = in_spec || path(&resource.what).is_some_and(among);
        let noted = converted.notes.iter().any(|note| note.line == line(&resource));
        let is_there = in_spec || noted || stands_for(&guest, &resource.what);
        prop_assert!(is_there, "{resource} is dropped of {text}");
        // Nor is more granted than was asked for.
        if resource.access == Access::Read {
            let written = |disk: &DiskSpec| {
                disk.path.as_deref() == path(&resource.what)
                    && !(disk.ro || disk.cdrom || disk.ephemeral)
            };
            let again = |other: &HostResource| {
                other.access == Access::Write && path(&other.what) == path(&resource.what)
            };
            let may_write = guest.disks.iter().any(written);
            prop_assert!(!may_write || domain.resources().iter().any(again), "{resource}: {text}");
        }
    }
    // Nor is anything in it that the document does not name.
    let named: BTreeSet<PathBuf> = domain
        .resources()
        .iter()
        .filter_map(|resource| path(&resource.what).map(Path::to_owned))
        .collect();
    prop_assert!(known.is_subset(&named), "{known:?} of {text}");
    Ok(())
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

    #[test]
    fn of_what_can_be_started_nothing_is_dropped(xml in devices(&STARTABLE)) {
        nothing_is_dropped(&tables::document(&xml))?;
    }

    #[test]
    fn of_any_devices_nothing_is_dropped(xml in devices(&DEVICES)) {
        nothing_is_dropped(&tables::document(&xml))?;
    }

    /// What cannot be started is named by its element and line, whatever comes after it, and the way
    /// out is said.
    #[test]
    fn what_is_refused_is_named_with_its_line(
        number in any::<prop::sample::Index>(), after in devices(&STARTABLE),
    ) {
        let device = &DEVICES[number.index(DEVICES.len())];
        prop_assume!(!STARTABLE.contains(device));
        let alone = tables::document(device);
        let refused = read(alone.as_bytes(), "d.xml").unwrap().to_spec().expect_err(&alone);
        prop_assert!(refused.hint().len() > 5);
        let DomainError::Domain { line, place, .. } = &refused else { unreachable!() };
        prop_assert!(place.starts_with("devices/"), "{place}");
        prop_assert!(alone.lines().nth(*line as usize - 1).unwrap().starts_with('<'));
        let text = tables::document(&format!("{device}\n{after}"));
        if let Ok(domain) = read(text.as_bytes(), "d.xml") {
            prop_assert_eq!(domain.to_spec().expect_err(&text), refused);
        }
    }

    /// What is read is written as it was, and means the same when it is read again.
    #[test]
    fn a_domain_that_is_written_again_means_the_same(xml in devices(&DEVICES)) {
        let text = tables::document(&xml);
        let written = Document::read(text.as_bytes()).unwrap().write();
        prop_assert_eq!(&written, &text);
        prop_assert_eq!(read(text.as_bytes(), "d.xml"), read(written.as_bytes(), "d.xml"));
    }
}

#[test]
fn of_every_case_of_the_tables_nothing_is_dropped() {
    let cases = tables::all().into_iter().flat_map(|(_, cases)| cases);
    for case in cases {
        let answer = nothing_is_dropped(&tables::document(&case.xml));
        assert!(answer.is_ok(), "{}: {answer:?}", case.title);
    }
    for seed in SEEDS.iter() {
        nothing_is_dropped(seed).unwrap();
    }
}
