//! Of all the claims that live machines hold, a start sees every one that could stand in its way, and
//! few others.

mod common;

use common::{new_run, plan};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use svirt_model::{Access, FileId, Sharing};
use svirt_plan::conflict;
use svirt_store::{Claim, HeldClaim, Store, StoreError};

fn live(store: &mut Store, id: u128, claims: &[Claim]) -> Result<(), StoreError> {
    let run = new_run(id, &format!("m{id}"));
    store.start(run.clone())?.commit(&plan(&run, &[]), &[], claims)
}

/// What a machine that wants these sees of the others.
fn near(store: &mut Store, new: &[Claim]) -> Vec<HeldClaim> {
    store.start(new_run(u128::MAX, "new")).unwrap().claims_near(new).unwrap()
}

fn claim(inode: u64, path: &str, access: Access) -> Claim {
    let file = FileId { device: 1, inode };
    Claim {
        file,
        path: path.into(),
        access,
        sharing: Sharing::Private,
        beneath: false,
        labelled: false,
    }
}

/// Names of which one begins another, and those that sort just beside a slash; slashes twice.
fn path() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "a-", "a.", "a0", "ab", "%", "é"]);
    let slash = prop::sample::select(vec!["/", "/", "//", "/./"]);
    let part = (slash, name).prop_map(|(slash, name)| format!("{slash}{name}"));
    prop::collection::vec(part, 0..4).prop_map(|parts| format!("/{}", parts.concat()))
}

fn any_claim() -> impl Strategy<Value = Claim> {
    let access = prop_oneof![3 => Just(Access::Read), 1 => Just(Access::Write)];
    let group = |name: &str| Sharing::Group(name.parse().unwrap());
    let sharing = prop::sample::select(vec![Sharing::Private, group("one"), group("two")]);
    // The upper half of the numbers is stored as negative ones.
    let inode = prop::sample::select(vec![0, 1, 2, 3, 4, 5, u64::MAX, u64::MAX >> 1]);
    (0_u64..3, inode, path(), access, sharing, any::<bool>(), any::<bool>()).prop_map(
        |(device, inode, path, access, sharing, beneath, labelled)| Claim {
            file: FileId { device, inode },
            path: path.into(),
            access,
            sharing,
            beneath,
            labelled,
        },
    )
}

fn any_claims() -> impl Strategy<Value = Vec<Claim>> {
    prop::collection::vec(any_claim(), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_near_decides_as_all_would(
        held in prop::collection::vec(any_claims(), 0..4), new in any_claims(),
    ) {
        let directory = common::fast_directory();
        let mut store = Store::open(directory.path()).unwrap();
        for (id, claims) in (1..).zip(&held) {
            live(&mut store, id, claims).unwrap();
        }
        let all = store.claims().unwrap();
        let near = near(&mut store, &new);
        prop_assert_eq!(conflict(&new, &near), conflict(&new, &all));
        // The same for each alone, so that none hides another.
        for claim in &all {
            let (one, kept) = (std::slice::from_ref(claim), near.contains(claim));
            prop_assert!(kept || conflict(&new, one).is_none(), "{claim:?} was lost");
        }
    }
}

#[test]
fn what_all_read_is_seen_only_by_who_writes_it() {
    let directory = common::fast_directory();
    let mut store = Store::open(directory.path()).unwrap();
    let libraries: Vec<Claim> =
        (0..50).map(|n| claim(n, &format!("/lib/lib{n}.so"), Access::Read)).collect();
    let disk = |id: u64| claim(1000 + id, &format!("/srv/{id}.raw"), Access::Write);
    let machine = |id| [&libraries[..], &[disk(id)]].concat();
    for id in 0..20 {
        live(&mut store, u128::from(id), &machine(id)).unwrap();
    }
    let seen = |near: Vec<HeldClaim>| near.into_iter().map(|held| held.claim).collect::<Vec<_>>();
    assert_eq!(seen(near(&mut store, &machine(20))), [], "no library, and no other's disk");
    assert_eq!(seen(near(&mut store, &machine(7))), [disk(7)]);
    let library = claim(7, "/somewhere/else", Access::Write);
    assert_eq!(near(&mut store, &[library]).len(), 20);
    assert_eq!(near(&mut store, &[claim(99, "/lib", Access::Write)]).len(), 20 * 50);
    assert_eq!(near(&mut store, &[claim(99, "/lib", Access::Read)]), []);
    assert_eq!(near(&mut store, &[claim(99, "/srv", Access::Read)]).len(), 20);
}
