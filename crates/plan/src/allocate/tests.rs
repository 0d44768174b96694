//! For any two machines: what one has the other does not reach, except what both share.

use super::*;
use proptest::prelude::*;
use svirt_model::label::{Context, LevelRange};

fn pool(range: &str, categories: u16) -> Pool {
    Pool::new(&range.parse().unwrap(), categories).unwrap()
}

/// A source that is the same for each seed (splitmix64).
fn source(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn group(name: &str) -> GroupName {
    name.parse().unwrap()
}

fn base() -> Context {
    "system_u:system_r:svirt_t:s0".parse().unwrap()
}

fn reaches(process: &Context, object: &Context) -> bool {
    process.range().unwrap().dominates(object.range().unwrap())
}

#[test]
fn a_small_range_gives_every_pair_once_and_then_says_so() {
    for (range, categories) in
        [("s0-s0:c0,c1", 2), ("s0-s0:c0.c4", 5), ("s0-s0:c3,c7,c9.c12", 40), ("s0-s0:c0.c69", 80)]
    {
        let pool = pool(range, categories);
        let (pairs, own) = (pool.pairs(), pool.own().clone());
        let mut allocator = Allocator::new(pool);
        let mut random = source(7);
        let mut given = BTreeSet::new();
        for _ in 0..pairs {
            let pair = allocator.pair(&mut random).unwrap();
            assert!(pair.both().into_iter().all(|c| own.contains(c)), "{pair:?}");
            assert!(given.insert(pair), "{pair:?} was given twice");
        }
        let none = allocator.pair(&mut random).unwrap_err();
        assert!(none.to_string().contains(&format!("all {pairs} pairs")), "{none}");
        assert!(none.to_string().contains(&own.to_string()), "{none}");
    }
}

/// Ten thousand machines: bits and rows looked at are a few for each of them, and a thousand or two
/// for the choice, whatever is in use.
#[test]
fn the_work_of_a_choice_grows_with_the_machines_and_no_faster() {
    let mut random = source(3);
    let mut first = Allocator::new(pool("s0-s0:c0.c1023", 1024));
    let live: Vec<Pair> = (0..10_000).map(|_| first.pair(&mut random).unwrap()).collect();
    let mut calls = 0;
    let mut counted = || {
        calls += 1;
        random()
    };
    let mut next = Allocator::new(pool("s0-s0:c0.c1023", 1024));
    live.iter().for_each(|pair| next.in_use(*pair));
    assert_eq!(next.grid.steps, live.len());
    let pair = next.pair(&mut counted).unwrap();
    assert!(!live.contains(&pair));
    assert!(next.grid.steps - live.len() < 2 * 1024, "{}", next.grid.steps);
    assert_eq!(calls, 1);
}

/// A source that is broken makes bad choices, and neither a wrong one nor an endless search.
#[test]
fn a_source_that_says_always_the_same_ends_too() {
    for word in [0, 1, u64::MAX / 2, u64::MAX] {
        let mut allocator = Allocator::new(pool("s0-s0:c0.c9", 10));
        let pairs = allocator.pool().pairs();
        let given: BTreeSet<_> =
            (0..pairs).map(|_| allocator.pair(&mut || word).unwrap()).collect();
        assert_eq!(given.len(), pairs);
        assert!(allocator.pair(&mut || word).is_err());
    }
}

#[test]
fn every_pair_is_about_as_likely() {
    let mut random = source(11);
    let mut count = std::collections::BTreeMap::new();
    for _ in 0..4500 {
        let mut allocator = Allocator::new(pool("s0-s0:c0.c9", 1024));
        *count.entry(allocator.pair(&mut random).unwrap()).or_insert(0) += 1;
    }
    assert_eq!(count.len(), 45);
    assert!(count.values().all(|n| (50..170).contains(n)), "{count:?}");
}

#[test]
fn a_group_keeps_its_category_and_the_block_is_finite() {
    let mut allocator = Allocator::new(pool("s0-s0:c0.c31", 32));
    let all = allocator.pool().groups().clone();
    assert_eq!(all.to_string(), "c28.c31");
    let mut random = source(5);
    let mut given = BTreeSet::new();
    for name in ["a", "b", "c", "d"] {
        let category = allocator.group_category(&group(name), &mut random).unwrap();
        assert!(all.contains(category) && given.insert(category));
        assert_eq!(allocator.group_category(&group(name), &mut random), Ok(category));
    }
    let none = allocator.group_category(&group("e"), &mut random).unwrap_err();
    assert_eq!(none.to_string(), "there is no category for the group e: 4 of 4 are in use");
    let mut without = Allocator::new(pool("s0-s0:c0,c1", 2));
    assert!(without.group_category(&group("a"), &mut random).is_err());
}

#[test]
fn a_category_that_was_lost_is_not_given_again() {
    let mut allocator = Allocator::new(pool("s0-s0:c0.c31", 32));
    let (name, mut random) = (group("a"), source(6));
    let mut lost = BTreeSet::new();
    for _ in 0..4 {
        assert!(lost.insert(allocator.group_category(&name, &mut random).unwrap()));
        allocator.lost(&name);
    }
    let none = allocator.group_category(&name, &mut random).unwrap_err();
    assert!(none.to_string().contains("4 of 4 are in use"), "{none}");
}

#[test]
fn what_others_run_with_is_not_given() {
    let mut allocator = Allocator::new(pool("s0-s0:c0.c4", 5));
    let all = |text: &str| text.parse::<LevelRange>().unwrap().high().categories.clone();
    allocator.alien(&all("s0-s0:c0.c1023"));
    allocator.alien(&all("s0:c0,c1"));
    allocator.alien(&all("s0:c2.c4"));
    allocator.alien(&all("s0:c900"));
    let mut random = source(1);
    let given: BTreeSet<_> =
        std::iter::from_fn(|| allocator.pair(&mut random).ok()).map(Pair::both).collect();
    let expected = [[0, 2], [0, 3], [0, 4], [1, 2], [1, 3], [1, 4]];
    assert_eq!(given, expected.into_iter().collect());
    let mut allocator = Allocator::new(pool("s0-s0:c0.c2", 3));
    allocator.alien(&all("s0:c1"));
    assert_eq!(allocator.pair(&mut random).map(Pair::both), Ok([0, 2]));
    assert!(allocator.pair(&mut random).is_err());
}

/// Another launcher, with another idea of the groups' block, is no way around it.
#[test]
fn a_pair_and_a_group_never_have_a_category_in_common() {
    let mut random = source(9);
    let mut allocator = Allocator::new(pool("s0-s0:c0.c31", 32));
    allocator.in_use(Pair::new(28, 29).unwrap());
    allocator.in_use(Pair::new(3, 30).unwrap());
    assert_eq!(allocator.group_category(&group("g"), &mut random), Ok(31));
    assert!(allocator.group_category(&group("h"), &mut random).is_err());
    let mut allocator = Allocator::new(pool("s0-s0:c0.c2", 32));
    allocator.group(group("g"), 0);
    assert_eq!(allocator.pair(&mut random).map(Pair::both), Ok([1, 2]));
    assert!(allocator.pair(&mut random).is_err());
}

#[test]
fn the_base_labels_sensitivity_is_kept() {
    let mls = pool("s0-s15:c0.c1023", 1024);
    let pair = Pair::new(2, 1).unwrap();
    let at = |base: &str| label(&base.parse().unwrap(), "svirt_image_t", &mls, pair, &[1000]);
    let labels = at("u:r:custom_t:s3").unwrap();
    assert_eq!(labels.process.to_string(), "u:r:custom_t:s3:c1,c2,c1000");
    assert_eq!(labels.private.to_string(), "u:object_r:svirt_image_t:s3:c1,c2");
    assert_eq!(labels.groups[0].to_string(), "u:object_r:svirt_image_t:s3:c1000");
    let ranged = at("u:r:custom_t:s0-s15:c0.c1023").unwrap();
    assert_eq!(ranged.process.to_string(), "u:r:custom_t:s0:c1,c2,c1000");
    assert!(matches!(at("u:r:t:s0:c1,c2"), Err(AllocateError::BaseCategories(_))));
    assert!(matches!(at("u:r:t"), Err(AllocateError::NoLevel(_))));
    let narrow = pool("s0-s0:c0.c1023", 1024);
    let beyond = label(&"u:r:t:s3".parse().unwrap(), "i_t", &narrow, pair, &[]).unwrap_err();
    assert_eq!(
        beyond.to_string(),
        "the base label is at s3, and the range of sVirt itself is s0-s0:c0.c1023"
    );
    assert!(label(&base(), "not a type", &narrow, pair, &[]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Machines with groups come and go; each process reaches its own objects and those of its
    /// groups, and of no other machine and no other group.
    #[test]
    fn no_machine_reaches_what_it_does_not_share(
        size in 4u16..200,
        seed in any::<u64>(),
        machines in prop::collection::vec(prop::collection::btree_set(0u8..6, 0..3), 1..40),
    ) {
        let range = format!("s0-s0:c0.c{}", size - 1);
        let mut allocator = Allocator::new(pool(&range, size));
        let mut random = source(seed);
        let mut live: Vec<(BTreeSet<u8>, Labels)> = Vec::new();
        for groups in machines {
            let pair = match allocator.pair(&mut random) {
                Ok(pair) => pair,
                Err(none) => {
                    prop_assert_eq!(live.len(), allocator.pool().pairs(), "{}", none);
                    break;
                }
            };
            let mut category = |g: &u8| allocator.group_category(&group(&format!("g{g}")), &mut random).ok();
            let given: Vec<(u8, u16)> = groups.iter().filter_map(|g| Some((*g, category(g)?))).collect();
            let categories: Vec<u16> = given.iter().map(|(_, c)| *c).collect();
            let groups = given.iter().map(|(g, _)| *g).collect();
            let labels = label(&base(), "svirt_image_t", allocator.pool(), pair, &categories).unwrap();
            live.push((groups, labels));
        }
        for (index, (mine, one)) in live.iter().enumerate() {
            prop_assert!(reaches(&one.process, &one.private));
            prop_assert!(one.groups.iter().all(|object| reaches(&one.process, object)));
            for (other_index, (theirs, other)) in live.iter().enumerate() {
                prop_assert_eq!(reaches(&one.process, &other.private), index == other_index);
                for (name, object) in theirs.iter().zip(&other.groups) {
                    prop_assert_eq!(reaches(&one.process, object), mine.contains(name));
                }
            }
        }
    }

    /// Whatever is in use, what is given is not, and something is given exactly while there is.
    #[test]
    fn a_free_pair_is_found_exactly_when_there_is_one(
        size in 2u16..12,
        used in prop::collection::vec((0u16..14, 0u16..14), 0..80),
        seed in any::<u64>(),
    ) {
        let mut allocator = Allocator::new(pool(&format!("s0-s0:c0.c{}", size - 1), size));
        let own = allocator.pool().own().clone();
        let used: BTreeSet<Pair> = used.into_iter().filter_map(|(a, b)| Pair::new(a, b).ok()).collect();
        used.iter().for_each(|pair| allocator.in_use(*pair));
        let inside = used.iter().filter(|p| p.both().into_iter().all(|c| own.contains(c))).count();
        let free = allocator.pool().pairs() - inside;
        let mut random = source(seed);
        let given: BTreeSet<Pair> =
            std::iter::from_fn(|| allocator.pair(&mut random).ok()).take(100).collect();
        prop_assert_eq!(given.len(), free);
        prop_assert!(given.is_disjoint(&used));
    }
}
