//! Labels are read with limits and printed as the kernel prints them.

use super::*;
use proptest::prelude::*;

fn context(text: &str) -> Context {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn level(text: &str) -> Level {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn a_context_is_printed_as_it_was_read() {
    for text in [
        "system_u:system_r:svirt_t:s0:c1,c2",
        "system_u:object_r:virt_image_t:s0",
        "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023",
        "root:sysadm_r:sysadm_t:s0-s15:c0.c1023",
        "u:r:t:s3:c5,c7.c9,c11,c12,c1000.c1002",
        "u:object_r:no.mls-here_t",
        "system_u:system_r:kernel_t:s15:c0.c1023",
        "u:r:t:s1:c3-s2:c3,c4",
    ] {
        assert_eq!(context(text).to_string(), text);
        let bytes = format!("{text}\0");
        assert_eq!(Context::from_kernel(bytes.as_bytes()).unwrap().to_string(), text);
    }
}

#[test]
fn what_is_written_otherwise_is_printed_canonically() {
    for (given, canonical) in [
        ("s0:c2,c1", "s0:c1,c2"),
        ("s0:c1,c2,c3", "s0:c1.c3"),
        ("s0:c1.c2", "s0:c1,c2"),
        ("s0:c0.c5,c3.c9,c10", "s0:c0.c10"),
        ("s0:c7,c7", "s0:c7"),
        ("s0:c1-s0:c1", "s0:c1"),
    ] {
        let range: LevelRange = given.parse().unwrap();
        assert_eq!(range.to_string(), canonical, "{given}");
    }
}

#[test]
fn what_is_no_context_is_refused_by_name() {
    let long = format!("u:r:{}:s0", "t".repeat(CONTEXT_MAX));
    for bad in [
        "",
        "u",
        "u:r",
        ":r:t:s0",
        "u::t:s0",
        "u:r::s0",
        "u:r:t:",
        "u:r:t:s0:",
        "u:r:t:s0:c",
        "u:r:t:s0:c1,",
        "u:r:t:s0:,c1",
        "u:r:t:s0:c1.c1",
        "u:r:t:s0:c5.c1",
        "u:r:t:s0:c01",
        "u:r:t:s0:c1.",
        "u:r:t:s00",
        "u:r:t:S0",
        "u:r:t:s0:c-1",
        "u:r:t:s0:c99999",
        "u:r:t:s300",
        "u:r:t:s0:c99999999999999999999",
        "u:r:t:s0-",
        "u:r:t:s1-s0",
        "u:r:t:s0:c1-s0:c2",
        "u:r:t:s0 ",
        "u r:r:t:s0",
        "u:r:t\n:s0",
        "u:r:(t):s0",
        "u:r:\"t:s0",
        "ü:r:t:s0",
        "u:r:t:s0-s1-s2",
        "u:r:t:c1",
        "u:r:t:s0:c1.c2.c3",
        "u:r:t:s0:s1",
        &long,
    ] {
        let refused = bad.parse::<Context>();
        assert!(refused.is_err(), "{bad:?} was accepted");
        assert!(refused.unwrap_err().to_string().len() < 300);
    }
    let beyond = "u:r:t:s0:c16384".parse::<Context>().unwrap_err();
    assert_eq!(beyond.to_string(), "\"c16384\" is beyond 16383, the last category");
    let inverted = "u:r:t:s0:c1-s0:c2".parse::<Context>().unwrap_err();
    assert!(inverted.to_string().contains("s0:c1-s0:c2"), "{inverted}");
    assert!(Context::from_kernel(b"u:r:t:s0\0\0").is_err());
    assert!(Context::from_kernel(b"u:r:t\xff:s0").is_err());
}

#[test]
fn a_category_that_the_policy_lacks_is_named() {
    let given = context("u:r:t:s0:c1,c1023");
    assert_eq!(given.within(1024), Ok(()));
    let beyond = given.within(1000).unwrap_err();
    assert_eq!(beyond.to_string(), "\"c1023\" is beyond 999, the last category of this policy");
    assert_eq!(context("u:r:t").within(0), Ok(()));
}

#[test]
fn dominance_is_inclusion_and_not_equality() {
    let (a, b) = (level("s0:c1,c2,c960"), level("s0:c1,c2"));
    assert!(a.dominates(&b) && a.dominates(&level("s0:c960")) && a.dominates(&level("s0")));
    assert!(!b.dominates(&a) && !a.dominates(&level("s0:c1,c3")));
    // What CVE-2021-3631 was: one category twice is in the reach of every pair that has it.
    assert!(level("s0:c1,c2").dominates(&level("s0:c1,c1")));
    assert_eq!(Pair::new(1, 1), Err(LabelError::Twice(1)));
    assert!(level("s1:c1").dominates(&level("s0:c1")) && !level("s0:c1").dominates(&level("s1")));
}

#[test]
fn an_objects_context_has_the_level_of_its_process() {
    let process = context("system_u:system_r:svirt_t:s0").at(level("s0:c3,c9"));
    assert_eq!(process.to_string(), "system_u:system_r:svirt_t:s0:c3,c9");
    let object = process.object("svirt_image_t").unwrap();
    assert_eq!(object.to_string(), "system_u:object_r:svirt_image_t:s0:c3,c9");
    assert!(process.object("a:b").is_err() && process.with_kind("").is_err());
}

#[test]
fn a_pool_keeps_the_end_of_the_policys_categories_for_groups() {
    let pool = |range: &str, categories| Pool::new(&range.parse().unwrap(), categories);
    let full = pool("s0-s0:c0.c1023", 1024).unwrap();
    assert_eq!(
        (full.own().to_string(), full.groups().to_string()),
        ("c0.c959".into(), "c960.c1023".into())
    );
    assert_eq!(full.pairs(), 960 * 959 / 2);
    // Another launcher of the same host, with less, never takes a pair where groups are.
    let less = pool("s0-s0:c900.c1000", 1024).unwrap();
    assert_eq!(less.own().to_string(), "c900.c959");
    assert_eq!(less.groups().to_string(), "c960.c1000");
    let none = pool("s0-s0:c0.c99", 1024).unwrap();
    assert!(none.groups().is_empty() && none.own().len() == 100);
    let tiny = pool("s0-s0:c0,c1", 2).unwrap();
    assert_eq!((tiny.pairs(), tiny.groups().len()), (1, 0));
    let marked = pool("s0:c0.c9-s1:c0.c99", 1024).unwrap();
    assert_eq!(marked.own().to_string(), "c10.c99");
    assert!(marked.has_sensitivity(1) && !marked.has_sensitivity(2));
    for (range, categories) in
        [("s0", 1024), ("s0-s0:c5", 1024), ("s0-s0:c960.c1023", 1024), ("s0-s0:c0.c1023", 1)]
    {
        let few = pool(range, categories).unwrap_err();
        assert!(
            matches!(few, LabelError::TooFew { .. }) && few.to_string().contains(range),
            "{few}"
        );
    }
}

#[test]
fn smack_labels_are_what_the_kernel_takes() {
    for good in ["a", "svirt-0f", "_", "?", "User::Home", &"x".repeat(SMACK_MAX)] {
        assert_eq!(good.parse::<SmackLabel>().unwrap().as_str(), good);
    }
    for bad in [
        "",
        "-a",
        "a b",
        "a/b",
        "a\"b",
        "a\\b",
        "a'b",
        "a\tb",
        "ä",
        "a\u{7f}",
        &"x".repeat(SMACK_MAX + 1),
    ] {
        assert!(bad.parse::<SmackLabel>().is_err(), "{bad:?} was accepted");
    }
    for reserved in ["_", "^", "*", "?", "@"] {
        assert!(matches!(SmackLabel::for_machine(reserved), Err(LabelError::Reserved(_))));
    }
    assert!(SmackLabel::for_machine("__").is_ok());
}

#[test]
fn profile_names_are_one_harmless_word() {
    for good in ["svirt-0f", "a.b_c", "9", &"x".repeat(PROFILE_MAX)] {
        assert_eq!(good.parse::<ProfileName>().unwrap().as_str(), good);
    }
    for bad in [
        "",
        "/usr/bin/qemu",
        "a//b",
        "a&b",
        "a//&b",
        ":ns:a",
        ":a",
        "a b",
        "a\nb",
        "a{b",
        "*",
        "a^",
        "-a",
        ".a",
        "unconfined",
        "ä",
        &"x".repeat(PROFILE_MAX + 1),
    ] {
        assert!(bad.parse::<ProfileName>().is_err(), "{bad:?} was accepted");
    }
}

#[test]
fn what_apparmor_shows_is_read_whole() {
    let name: ProfileName = "svirt-1".parse().unwrap();
    let shown = |text: &str| ShownProfile::read(text);
    assert!(shown("svirt-1 (enforce)\n").is_exactly(&name));
    assert!(shown("svirt-1 (kill)").is_exactly(&name));
    for other in [
        "svirt-1 (complain)\n",
        "svirt-1//&other (enforce)",
        "svirt-1",
        "unconfined\n",
        "svirt-1 (unconfined)",
        "svirt-1 (enforce) (complain)",
        ":ns:svirt-1 (enforce)",
    ] {
        assert!(!shown(other).is_exactly(&name), "{other:?}");
    }
    assert!(shown("unconfined\n").is_unconfined() && shown("a (unconfined)").is_unconfined());
    assert_eq!(shown("/usr/bin/x (deleted) (enforce)").label, "/usr/bin/x (deleted)");
}

#[test]
fn a_machines_own_labels_are_labels_and_no_groups() {
    let machine = crate::Uuid::from_u128(u128::MAX);
    let (label, name) = (SmackLabel::of_machine(machine), ProfileName::of_machine(machine));
    assert_eq!(SmackLabel::for_machine(label.as_str()), Ok(label));
    assert_eq!(name.as_str().parse(), Ok(name));
    let longest = "x".repeat(crate::NAME_MAX).parse().unwrap();
    let group = SmackLabel::of_group(&longest);
    assert_eq!(SmackLabel::for_machine(group.as_str()), Ok(group));
}

fn words<'a>(kind: &'a str, relabel: Option<&'a str>) -> SeclabelWords<'a> {
    let model = Some("selinux");
    SeclabelWords { kind: Some(kind), model, relabel, ..SeclabelWords::default() }
}

#[test]
fn a_domains_label_is_dynamic_static_or_none() {
    let label = Some("u:r:t:s0:c1,c2");
    let read = |words| Seclabel::read(words).unwrap();
    let plain = read(SeclabelWords::default());
    assert_eq!(plain, Seclabel { model: None, kind: SeclabelKind::Dynamic { base: None } });
    let based =
        read(SeclabelWords { baselabel: Some("u:r:t:s3"), ..words("dynamic", Some("yes")) });
    assert!(based.relabels());
    assert_eq!(based.kind, SeclabelKind::Dynamic { base: Some("u:r:t:s3".into()) });
    let fixed = read(SeclabelWords { label, ..words("static", None) });
    assert!(!fixed.relabels());
    assert!(read(SeclabelWords { label, ..words("static", Some("yes")) }).relabels());
    assert_eq!(read(words("none", Some("no"))).kind, SeclabelKind::None);
    assert!(!read(words("none", None)).relabels());
}

#[test]
fn words_that_contradict_or_mean_nothing_are_refused() {
    let refused = |words: SeclabelWords<'_>| Seclabel::read(words).unwrap_err().to_string();
    assert!(refused(words("dynamic", Some("no"))).contains("dynamic"));
    assert!(refused(words("none", Some("yes"))).contains("none"));
    assert!(refused(words("static", None)).contains("needs a label"));
    assert!(refused(words("always", None)).contains("dynamic, static or none"));
    assert!(refused(words("none", Some("maybe"))).contains("yes or no"));
    assert!(
        refused(SeclabelWords { model: Some("tomoyo"), ..words("none", None) }).contains("tomoyo")
    );
    assert!(
        refused(SeclabelWords { label: Some("nonsense"), ..words("static", None) })
            .contains("nonsense")
    );
    let long = "x".repeat(LABEL_MAX + 1);
    let bare = SeclabelWords { kind: Some("static"), label: Some(&long), ..Default::default() };
    assert!(refused(bare).contains("4096"));
    let bare = SeclabelWords { kind: Some("static"), label: Some("a\nb"), ..Default::default() };
    assert!(refused(bare).contains("control"));
}

#[test]
fn a_device_may_differ_from_its_domain() {
    let read = |words| Relabelling::read(words).unwrap();
    let none = SeclabelWords::default();
    let label = Some("u:object_r:t:s0:c1");
    assert_eq!(read(none), None);
    assert_eq!(read(SeclabelWords { relabel: Some("no"), ..none }), Some(Relabelling::Leave));
    assert_eq!(read(SeclabelWords { relabel: Some("yes"), ..none }), None);
    assert_eq!(read(SeclabelWords { labelskip: Some("yes"), ..none }), Some(Relabelling::Skip));
    assert_eq!(read(SeclabelWords { labelskip: Some("no"), ..none }), None);
    let labelled = Relabelling::Label("u:object_r:t:s0:c1".into());
    assert_eq!(read(SeclabelWords { label, ..none }), Some(labelled));
    assert!(Relabelling::read(SeclabelWords { label, relabel: Some("no"), ..none }).is_err());
}

#[test]
fn owners_are_names_or_numbers() {
    for good in ["qemu:qemu", "+107:+107", "root:+0"] {
        assert_eq!(SecurityModel::Dac.accepts(good), Ok(()));
    }
    for bad in ["", "qemu", "a:b:c", "+x:+1", ":", "+:+", "a b:c", "+4294967296:+0"] {
        assert!(SecurityModel::Dac.accepts(bad).is_err(), "{bad:?}");
    }
}

fn categories() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(prop_oneof![0u16..40, 1000u16..1024], 0..30)
}

proptest! {
    #[test]
    fn a_set_says_what_its_categories_say(one in categories(), other in categories()) {
        use std::collections::BTreeSet;
        let (a, b): (BTreeSet<u16>, BTreeSet<u16>) =
            (one.iter().copied().collect(), other.iter().copied().collect());
        let (x, y): (CategorySet, CategorySet) = (one.into_iter().collect(), other.into_iter().collect());
        prop_assert_eq!(x.iter().collect::<Vec<_>>(), a.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(x.len(), a.len());
        prop_assert_eq!(x.includes(&y), a.is_superset(&b));
        prop_assert_eq!(x == y, a == b);
        prop_assert_eq!(x.with(&y).iter().collect::<BTreeSet<_>>(), a.union(&b).copied().collect());
        prop_assert_eq!(x.without(&y).iter().collect::<BTreeSet<_>>(), a.difference(&b).copied().collect());
    }

    #[test]
    fn what_is_printed_reads_as_the_same(
        low in 0u16..16, more in 0u16..16, some in categories(), all in categories(),
    ) {
        let (some, all): (CategorySet, CategorySet) =
            (some.into_iter().collect(), all.into_iter().collect());
        let (low, high) = (Level { sensitivity: low, categories: some.clone() },
            Level { sensitivity: low + more, categories: some.with(&all) });
        let range = LevelRange::new(low, high).unwrap();
        let text = format!("u:r:t:{range}");
        let read = context(&text);
        prop_assert_eq!(read.range(), Some(&range));
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "\\PC{0,60}", level in "[s0-9c:.,-]{0,40}") {
        let _ = (text.parse::<Context>(), text.parse::<SmackLabel>(), text.parse::<ProfileName>());
        let _ = ShownProfile::read(&text);
        if let Ok(range) = level.parse::<LevelRange>() {
            prop_assert_eq!(range.to_string().parse::<LevelRange>(), Ok(range));
        }
    }
}

#[test]
fn what_is_said_of_a_model_counts_before_what_is_said_of_each() {
    use super::{Relabelling::*, SecurityModel::*, SourceLabel};
    let every = SourceLabel { model: None, what: Leave };
    let smack = SourceLabel { model: Some(Smack), what: Skip };
    let both = [every.clone(), smack.clone()];
    assert_eq!(SourceLabel::of(&both, Smack), Some(&Skip));
    assert_eq!(SourceLabel::of(&both, Selinux), Some(&Leave));
    assert_eq!(SourceLabel::of(&[smack], Selinux), None);
}
