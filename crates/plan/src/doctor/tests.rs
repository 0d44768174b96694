use super::*;
use svirt_model::{Cgroups, DeviceNode, MachineUsers, Offer};

fn host(uid: u32) -> HostFacts {
    let none = || Offer::No("it is for a test".into());
    HostFacts {
        kernel: "6.1".into(),
        uid,
        gid: uid,
        groups: Vec::new(),
        landlock_abi: 2,
        seccomp: Offer::Yes,
        user_namespaces: none(),
        cgroups: Cgroups::None("none".into()),
        memfd_noexec: none(),
        mdwe: none(),
        machine_users: MachineUsers::None("none".into()),
        security_modules: vec!["capability".into()],
        labels: Default::default(),
    }
}

fn survey(files: &[(&str, &str)], processor: &[(&str, &str)]) -> Survey {
    let owned = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    Survey { files: owned(files), processor: owned(processor), ..Survey::default() }
}

fn text(conditions: &[Condition]) -> String {
    let line = |c: &Condition| {
        let Condition { what, found, grade, consequence, remedy } = c;
        let line = format!("{grade:?} {what}: {found} | {consequence} | {remedy}");
        line.trim_end_matches([' ', '|']).to_owned() + "\n"
    };
    conditions.iter().map(line).collect()
}

#[test]
fn each_thing_has_its_consequence_and_what_is_missing_its_remedy() {
    let layers = [
        LayerStatus::full(Layer::Seccomp, "profile qemu"),
        LayerStatus::partial(Layer::Landlock, "ABI 2", "it leaves open: TCP"),
        LayerStatus::missing(Layer::User, "no range"),
    ];
    let survey = survey(
        &[
            ("/proc/sys/kernel/kptr_restrict", "0"),
            ("/proc/sys/kernel/randomize_va_space", "2"),
            ("/sys/kernel/mm/ksm/run", "1"),
            ("/sys/module/kvm_amd/parameters/nested", "Y"),
        ],
        &[
            ("mds", "Not affected"),
            ("l1tf", "Mitigation: PTE Inversion; VMX: SMT vulnerable"),
            ("retbleed", "Vulnerable"),
        ],
    );
    insta::assert_snapshot!(text(&diagnose(&host(1000), &layers, &survey, Kvm::Untried)), @r"
    Good seccomp: in full | only the system calls that the VMM needs
    Fair landlock: in part | no file, port, signal or abstract socket outside the manifest; but it leaves open: TCP | a newer kernel closes more
    Bad user: missing | not: a user of its own; no range | give the user a range: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER, and install newuidmap (the package uidmap)
    Fair security modules with labels: capability | no label is given: machines are held by Landlock, seccomp and namespaces | boot with selinux, apparmor or smack in the list of the boot parameter lsm=
    Fair KVM: there is no /dev/kvm | guests are translated: slower, and their VMM must execute memory that it wrote | switch virtualization on in the firmware, and load kvm_intel or kvm_amd
    Good kernel.randomize_va_space: 2
    Fair kernel.kptr_restrict: 0 | programs on the host may learn where the kernel's memory lies; machines see no /proc | sysctl -w kernel.kptr_restrict=1
    Bad kernel same-page merging: 1 | machines share pages that are alike, and can tell which: a way from one to another | echo 2 > /sys/kernel/mm/ksm/run
    Fair nested virtualization (kvm_amd): Y | guests reach the kernel's code for machines in machines, which has had holes | load kvm_amd with nested=0
    Fair machines that run as their user: and ptrace is not restricted | a program of yours that is no machine may read the memory of one | sysctl -w kernel.yama.ptrace_scope=1, or a range in /etc/subuid
    Note processor: 1 of 3 known weaknesses are closed | as far as the kernel knows
    Fair processor: l1tf: Mitigation: PTE Inversion; VMX: SMT vulnerable | a guest may read what runs beside it on the same core | update the microcode and the kernel; the boot parameter mitigations=auto,nosmt closes what can be closed
    Bad processor: retbleed: Vulnerable | a guest on KVM may read what it must not, of the kernel or of another machine | update the microcode and the kernel; the boot parameter mitigations=auto,nosmt closes what can be closed
    Note trusted platform module: none | a start cannot be measured and attested
    Note IMA: none | what was executed on the host is not measured
    ");
}

#[test]
fn every_switch_that_is_not_well_says_what_follows_and_what_can_be_done() {
    for path in files() {
        let odd = BTreeMap::from([(path.to_owned(), "[none] 1-".to_owned())]);
        let said = |files| switches::conditions(files).pop().unwrap();
        let bad = said(&odd);
        if bad.grade != Grade::Good {
            assert!(!bad.consequence.is_empty() && !bad.remedy.is_empty(), "{bad:?}");
        }
    }
    assert!(switches::conditions(&BTreeMap::new()).is_empty(), "what is not there is not judged");
}

#[test]
fn kvm_is_good_only_where_it_was_seen_to_run() {
    let node = DeviceNode { uid: 0, gid: 104, mode: 0o660, usable: true };
    let grade = |kvm: Option<DeviceNode>, runs| {
        let survey = Survey { kvm, ..Survey::default() };
        of_kvm(&survey, runs).grade
    };
    assert_eq!(grade(Some(node), Kvm::Runs), Grade::Good);
    assert_eq!(grade(Some(node), Kvm::Fails), Grade::Fair);
    assert_eq!(grade(Some(DeviceNode { usable: false, ..node }), Kvm::Untried), Grade::Fair);
    assert_eq!(grade(Some(DeviceNode { mode: 0o666, ..node }), Kvm::Runs), Grade::Note);
    assert_eq!(grade(None, Kvm::Untried), Grade::Fair);
}

#[test]
fn a_machine_that_shares_its_user_is_told_of_ptrace() {
    let shared = [LayerStatus::missing(Layer::User, "no range")];
    let own = [LayerStatus::full(Layer::User, "uid 7")];
    let files =
        |scope: &str| BTreeMap::from([(switches::PTRACE_SCOPE.to_owned(), scope.to_owned())]);
    assert!(shared_user(&host(1000), &shared, &files("0")).is_some());
    assert!(shared_user(&host(1000), &shared, &BTreeMap::new()).is_some());
    assert!(shared_user(&host(1000), &shared, &files("1")).is_none());
    assert!(shared_user(&host(1000), &own, &files("0")).is_none());
    assert!(shared_user(&host(0), &shared, &files("0")).is_none());
}
