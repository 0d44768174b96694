//! Every element and attribute that libvirt's schema has is understood, harmless, or refused by name.

mod tables;

use std::collections::BTreeSet;
use svirt_formats::domain::{DomainError, Problem, read};
use tables::document;

const CASES: &str = include_str!("tables/schema.txt");

#[test]
fn what_the_schema_permits_is_understood_or_harmless_or_refused_where_it_stands() {
    let (mut accepted, mut refused, mut harmless) = (0, 0, BTreeSet::new());
    for case in CASES.lines().filter(|line| !line.starts_with('#')) {
        match case.split_at(2) {
            ("+ ", xml) => {
                let domain = read(document(xml).as_bytes(), "d.xml");
                let domain = domain.unwrap_or_else(|error| panic!("{error}: {xml}"));
                let row = |i: &svirt_formats::domain::Ignored| format!("{}: {}\n", i.place, i.why);
                harmless.extend(domain.ignored.iter().map(row));
                accepted += 1;
            }
            ("- ", rest) => {
                let (place, xml) = rest.split_once('\t').unwrap();
                let error = read(document(xml).as_bytes(), "d.xml").unwrap_err();
                let DomainError::Domain { place: at, problem, .. } = &error else {
                    panic!("{error}");
                };
                assert_eq!((at.as_str(), problem), (place, &Problem::Unknown), "{xml}");
                refused += 1;
            }
            _ => panic!("{case}"),
        }
    }
    assert!(accepted > 50 && refused > 10, "{accepted} accepted, {refused} refused");
    // What is passed over, for people to judge.
    insta::assert_snapshot!("harmless", harmless.into_iter().collect::<String>());
}
