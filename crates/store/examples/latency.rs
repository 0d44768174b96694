//! What the store costs a machine: the median and the worst of many whole lives (open, start,
//! running, finish), each as a process of its own would live it, on this directory's file system.
//!
//! `cargo run --release -p svirt-store --example latency [DIRECTORY [LIVES [RESOURCES [BESIDE]]]]`,
//! with BESIDE machines that live all the while, supervised by whoever runs this. With no LIVES only those
//! are made.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use svirt_model::{
    Access, Attribute, Confinement, Delivery, EventKind, Evidence, ExecutableMemory, FileId,
    FileKind, Finding, Identity, Layer, Manifest, Object, Op, Plan, Process, Resource, Role,
    Sharing, Target, Uuid, Value, Want,
};
use svirt_store::{Claim, NewRun, Outcome, Store, StoreError, Supervisor};

/// What QEMU of Debian 12 needs.
const LIBRARIES: u64 = 54;

fn main() -> Result<(), StoreError> {
    let mut arguments = std::env::args().skip(1);
    let directory =
        arguments.next().map_or_else(|| std::env::temp_dir().join("svirt-latency"), PathBuf::from);
    let mut number = |default| arguments.next().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (lives, resources, beside): (u64, u64, u64) = (number(100), number(150), number(0));
    for n in lives..lives.saturating_add(beside) {
        let (plan, mut store) = (plan(n, resources), Store::open(&directory)?);
        start(&mut store, n, &plan)?;
        store.running(plan.id, &[], &[evidence()], "")?;
    }
    if lives == 0 {
        return Ok(());
    }
    let before = private_kib();
    let mut steps = [const { Vec::new() }; 5];
    for n in 0..lives {
        for (step, took) in steps.iter_mut().zip(live(&directory, n, resources)?) {
            step.push(took);
        }
    }
    for (name, mut took) in ["open", "start", "running", "finish", "whole"].into_iter().zip(steps) {
        took.sort();
        let [best, median, worst] = [took[0], took[took.len() / 2], took[took.len() - 1]];
        println!("{name:8} best {best:>10.1?}  median {median:>10.1?}  worst {worst:>10.1?}");
    }
    println!("own memory: {before} KiB before, {} KiB after", private_kib());
    Ok(())
}

/// Memory of this process alone (its code is shared by all that run it), in KiB; 0 where the kernel does not say.
fn private_kib() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let anonymous = rollup.lines().filter(|line| line.starts_with("Anonymous:"));
    anonymous.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

/// The times of opening, start, running, finish (with an open of its own), and all of it.
fn live(directory: &Path, n: u64, resources: u64) -> Result<[Duration; 5], StoreError> {
    let plan = plan(n, resources);
    let begin = Instant::now();
    let mut store = Store::open(directory)?;
    let opened = begin.elapsed();
    start(&mut store, n, &plan)?;
    let started = begin.elapsed();
    store.running(plan.id, &[], &[evidence()], "")?;
    drop(store);
    let running = begin.elapsed();
    let mut store = Store::open(directory)?;
    let finish = store.finish(plan.id, "boot")?;
    let due = finish.due()?.entries;
    let undone: Vec<_> = due.iter().map(|e| (e.sequence, Outcome::Undone)).collect();
    finish.commit(&undone, EventKind::Stopped, "exited with code 0")?;
    drop(store);
    let whole = begin.elapsed();
    Ok([opened, started - opened, running - started, whole - running, whole])
}

/// A start up to its commit.
fn start(store: &mut Store, n: u64, plan: &Plan) -> Result<(), StoreError> {
    let (id, name) = (plan.id, plan.name.clone());
    let wants: Vec<Want> = plan.ops.iter().map(|op| want(id, op)).collect();
    let request = String::new();
    let run = NewRun { id, name, supervisor: supervisor(), transient: true, drill: false, request };
    let start = store.start(run)?;
    start.reserve_user(100_000..165_536, |_| true)?;
    let keys: Vec<_> = wants.iter().map(|want| want.attribute.clone()).collect();
    start.held(&keys)?;
    let claims = claims(n);
    start.claims_near(&claims)?;
    start.commit(plan, &wants, &claims)
}

/// Whoever runs this, who lives longer.
fn supervisor() -> Supervisor {
    let pid = std::os::unix::process::parent_id();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let stat = read(&format!("/proc/{pid}/stat"));
    // Field 22 of proc_pid_stat(5); the second may contain blanks and ends with a parenthesis.
    let field = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19));
    let start_time = field.and_then(|field| field.parse().ok()).unwrap_or(0);
    let boot_id = read("/proc/sys/kernel/random/boot_id").trim().to_owned();
    Supervisor { pid, start_time, boot_id }
}

fn plan(n: u64, resources: u64) -> Plan {
    let manifest = Manifest { resources: (0..resources).map(resource).collect() };
    let process = Process { role: Role::Vmm, manifest, confinement: confinement(), layers: vec![] };
    let name = format!("m{n}").parse().expect("a name");
    let id = Uuid::from_u128(u128::from(n) + 1);
    Plan {
        id,
        name,
        labels: vec![],
        ops: (0..8).map(|part| op(n, part)).collect(),
        processes: vec![process],
    }
}

fn op(n: u64, part: u32) -> Op {
    let object = format!("/run/svirt/machines/m{n}/{part}").into();
    let after = Value::Directory { uid: 100_000, gid: 100_000, mode: 0o700 };
    Op { object, attribute: Attribute::Presence, before: Value::Absent, after }
}

fn want(machine: Uuid, op: &Op) -> Want {
    let (object, attribute) = (op.object.clone(), op.attribute.clone());
    Want { machine, object, attribute, value: op.after.clone() }
}

/// The machine's image, and the libraries that all machines have.
fn claims(n: u64) -> Vec<Claim> {
    let path = format!("/srv/images/m{n}.qcow2").into();
    let file = FileId { device: 64_768, inode: 1_000 + n };
    let image = Claim {
        file,
        path,
        access: Access::Write,
        sharing: Sharing::Private,
        beneath: false,
        labelled: false,
    };
    let library = |n| {
        let Object { id: file, path, .. } = object(n);
        Claim { file, path, access: Access::Read, ..image.clone() }
    };
    (0..LIBRARIES).map(library).chain([image.clone()]).collect()
}

fn object(n: u64) -> Object {
    let id = FileId { device: 64_768, inode: 100_000 + n };
    let path = format!("/usr/lib/x86_64-linux-gnu/libsomething{n}.so.1.2.3").into();
    let (kind, uid, gid, mode) = (FileKind::File, 0, 0, 0o644);
    Object { path, id, kind, uid, gid, mode, links: 1, size: 123_456, rdev: 0, lies_on: Vec::new() }
}

fn resource(n: u64) -> Resource {
    let object = object(n);
    let delivery = Delivery::At(object.path.clone());
    let (access, sharing) = (Access::Read, Sharing::Private);
    Resource {
        target: Target::Code(object),
        access,
        sharing,
        delivery,
        relabelling: None,
        origin: "--vmm".into(),
    }
}

fn evidence() -> Evidence {
    let finding = |n| Finding {
        layer: Layer::Seccomp,
        what: format!("Seccomp of every thread, as row {n}"),
        expected: "2".to_owned(),
        observed: "2".to_owned(),
    };
    Evidence {
        role: Role::Vmm,
        pid: 1,
        findings: (0..30).map(finding).collect(),
        descriptors: Default::default(),
        mounts: 0,
        unseen: Vec::new(),
    }
}

fn confinement() -> Confinement {
    Confinement {
        program: object(0),
        arguments: (0..60).map(|n| format!("-argument-{n}=of-some-length")).collect(),
        environment: vec![],
        directory: "/".into(),
        host_name: "guest".to_owned(),
        identity: Identity {
            uid: 100_000,
            gid: 100_000,
            own: true,
            delegated: false,
            keeps_groups: false,
        },
        namespaces: [].into(),
        own_root: true,
        entries: vec![],
        links: Vec::new(),
        descriptors: vec![],
        labels: vec![],
        landlock: None,
        seccomp: None,
        limits: vec![],
        cgroups: vec![],
        executable_memory: ExecutableMemory::Allowed,
        memory_files_no_exec: true,
        drop_privileges: true,
    }
}
