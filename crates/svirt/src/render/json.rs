//! Answers for programs. Every document is an object with `"version": 1`; fields may be added to
//! that version, and none is removed or changes its meaning.

use super::{
    machines::{self, Listed},
    verification,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use svirt_engine::{LedgerEntry, Recorded, Repair};
use svirt_model::{Event, Evidence, Finding, Role, Verification};

/// The version of every document.
const VERSION: u32 = 1;

/// A value of the model, in the form that the model gives it.
pub(crate) fn of<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// A document with these fields.
pub(crate) fn versioned<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
    let version = [("version".to_owned(), VERSION.into())];
    Value::Object(version.into_iter().chain(fields).collect::<Map<_, _>>())
}

/// An event, as a document of its own.
pub(crate) fn event(event: &Event) -> Value {
    let mut document = of(event);
    document["version"] = VERSION.into();
    document
}

/// A change, in the form in which the ledger has it. One that is damaged says so, and what is there of it is
/// text, whatever it was.
pub(crate) fn entry(entry: &Recorded) -> Value {
    match entry {
        Recorded::Whole(entry) => whole(entry),
        Recorded::Damaged(entry) => json!({
            "sequence": entry.sequence,
            "damaged": true,
            "id": entry.machine,
            "machine": entry.name,
            "object": entry.object,
            "attribute": entry.attribute,
            "before": entry.before,
            "after": entry.after,
            "phase": entry.phase,
            "reason": entry.reason,
            "time_ms": entry.time_ms,
        }),
    }
}

fn whole(entry: &LedgerEntry) -> Value {
    let file = entry.op.attribute.file();
    json!({
        "sequence": entry.sequence,
        "id": entry.machine,
        "machine": entry.name,
        "object": entry.op.object,
        "attribute": entry.op.attribute,
        "known_by": file,
        "before": entry.op.before,
        "after": entry.op.after,
        "phase": entry.phase,
        "reason": entry.reason,
        "time_ms": entry.time_ms,
    })
}

/// The same, as a document of its own.
pub(crate) fn versioned_entry(entry: &Recorded) -> Value {
    let mut document = self::entry(entry);
    document["version"] = VERSION.into();
    document
}

/// What was found on images, and whether it was repaired.
pub(crate) fn repairs(repairs: &[Repair], done: bool) -> Value {
    let one = |repair: &Repair| json!({"path": repair.path, "found": repair.found, "would": repair.would});
    versioned([("repairs", repairs.iter().map(one).collect()), ("asked", done.into())])
}

/// What a list says about a machine.
pub(crate) fn summary(listed: &Listed) -> Value {
    let Listed { machine, weakened } = listed;
    let plan = machine.plan.as_ref();
    let processes: Vec<_> =
        machine.evidence.iter().map(|read| json!({"role": read.role, "pid": read.pid})).collect();
    let vmm = plan.and_then(|plan| plan.processes.last());
    json!({
        "id": machine.id,
        "name": machine.name,
        "state": machine.state,
        "supervisor": machine.supervisor,
        "vmm": machines::vmm(machine),
        "processes": processes,
        "layers": vmm.map_or(&[][..], |vmm| &vmm.layers),
        "weakened": weakened,
        "evidence_holds": plan.map(|_| machine.evidence.iter().all(Evidence::holds)),
    })
}

/// What the kernel says of a machine that runs. Each row says of which process it is and whether it
/// holds; one that does not says since when.
pub(crate) fn verification(machine: &Verification) -> Value {
    let doubt = |role: Option<Role>, finding: &Finding| {
        machine.doubts.iter().find(|d| d.role == role && d.what == finding.what)
    };
    let row = |(role, finding): (Option<Role>, &Finding)| {
        let since = doubt(role, finding);
        json!({
            "process": role,
            "layer": finding.layer,
            "what": finding.what,
            "planned": finding.expected,
            "found": finding.observed,
            "holds": finding.holds(),
            "held_ms": since.map(|doubt| doubt.held_ms),
            "seen_ms": since.map(|doubt| doubt.seen_ms),
        })
    };
    let unseen = |read: &Evidence| json!({"process": read.role, "what": read.unseen});
    json!({
        "id": machine.id,
        "name": machine.name,
        "time_ms": machine.time_ms,
        "holds": machine.holds(),
        "broken": verification::broken(machine),
        "facts": machine.rows().map(row).collect::<Vec<_>>(),
        "unseen": machine.processes.iter().map(unseen).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use svirt_model::{EventKind, Layer, State, Status};

    #[test]
    fn every_document_has_a_version() {
        assert_eq!(
            versioned([("name", "web".into())]).to_string(),
            r#"{"name":"web","version":1}"#
        );
        let happened = Event {
            sequence: 1,
            time_ms: 2,
            machine: "web".parse().unwrap(),
            kind: EventKind::Created,
            detail: String::new(),
        };
        insta::assert_snapshot!(event(&happened), @r#"{"detail":"","kind":"created","machine":"web","sequence":1,"time_ms":2,"version":1}"#);
    }

    #[test]
    fn a_stopped_machine_has_a_summary() {
        let machine = Status {
            id: svirt_model::Uuid::nil(),
            name: "web".parse().unwrap(),
            state: State::Stopped,
            supervisor: None,
            plan: None,
            evidence: Vec::new(),
        };
        let weakened = [Layer::Cgroup].into();
        insta::assert_snapshot!(summary(&Listed { machine, weakened }), @r#"{"evidence_holds":null,"id":"00000000-0000-0000-0000-000000000000","layers":[],"name":"web","processes":[],"state":"stopped","supervisor":null,"vmm":null,"weakened":["cgroup"]}"#);
    }
}
