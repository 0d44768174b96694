//! The fuzzer's corpus of domains, as an ordinary test; and of each domain in it that is accepted,
//! what it names on the host.

#[path = "../../../fuzz/cases/domain_xml.rs"]
mod case;

use std::{fmt::Write, path::PathBuf};
use svirt_formats::{
    domain::{Domain, read},
    xml::Document,
};

fn corpus() -> Vec<(String, Vec<u8>)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/domain_xml");
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut seeds: Vec<_> = entries
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn every_seed_is_answered_and_the_named_ones_as_their_names_say() {
    let (mut accepted, mut refused) = (0, 0);
    for (name, text) in corpus() {
        let answer = case::answer(&text);
        assert!(answer.is_ok() || !name.starts_with("ok-"), "{name}: {answer:?}");
        assert!(answer.is_err() || !name.starts_with("bad-"), "{name}: {answer:?}");
        accepted += u32::from(name.starts_with("ok-"));
        refused += u32::from(name.starts_with("bad-"));
    }
    // An empty directory would otherwise pass.
    assert!(accepted >= 10 && refused >= 10, "{accepted} accepted, {refused} refused");
}

/// What a domain names on the host, and what of it was not looked at.
fn shown(domain: &Domain) -> String {
    let mut text = String::new();
    for resource in domain.resources() {
        writeln!(text, "{resource}").unwrap();
    }
    for ignored in &domain.ignored {
        writeln!(text, "ignored: line {}, {}: {}", ignored.line, ignored.place, ignored.why)
            .unwrap();
    }
    text
}

#[test]
fn each_domain_names_what_its_snapshot_says() {
    for (name, text) in corpus().into_iter().filter(|(name, _)| name.starts_with("ok-")) {
        let domain = read(&text, &name).unwrap();
        let snapshot = name.trim_start_matches("ok-").trim_end_matches(".xml").to_owned();
        insta::assert_snapshot!(snapshot, shown(&domain));
    }
}

#[test]
fn the_labels_of_a_domain_and_of_its_sources_are_typed() {
    let corpus = corpus();
    let seed = |name: &str| &corpus.iter().find(|(seed, _)| seed == name).unwrap().1;
    let domain = read(seed("ok-system.xml"), "d").unwrap();
    insta::assert_debug_snapshot!("labels", domain.labels);
    let live = read(seed("ok-virt-install-live.xml"), "d").unwrap();
    insta::assert_debug_snapshot!("labels-live", live.labels);
}

/// What a program adds to the document of a domain that runs is understood, and nothing else of the
/// document changes.
#[test]
fn what_is_added_to_a_document_while_it_runs_is_read_again() {
    for (name, text) in corpus().into_iter().filter(|(name, _)| name.starts_with("ok-")) {
        let mut document = Document::read(&text).unwrap();
        let before = read(&text, "d").unwrap();
        document.root_mut().set_attribute("id", "12").unwrap();
        let mut label = svirt_formats::xml::Element::new("seclabel").unwrap();
        label.set_attribute("type", "dynamic").unwrap();
        label.set_attribute("model", "added").unwrap();
        let mut image = svirt_formats::xml::Element::new("imagelabel").unwrap();
        image.set_text("x").unwrap();
        label.append(image);
        document.root_mut().append(label);
        let after = read(document.write().as_bytes(), "d").unwrap();
        assert_eq!(after.labels.len(), before.labels.len() + 1, "{name}");
        assert_eq!(after.labels.last().unwrap().image.as_deref(), Some("x"), "{name}");
        assert_eq!(after.resources().len(), before.resources().len(), "{name}");
    }
}
