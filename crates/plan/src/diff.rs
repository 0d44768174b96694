//! Ops are the difference between what is wanted and what other machines hold already. What is left
//! when a machine's wants are dropped is the same difference, which the store asks of its tables.

use svirt_model::{Op, Value, Want};

/// The ops that make these wants true where `held` is what other machines hold already. An object
/// that two machines want alike is made once.
pub fn ops(wants: &[Want], held: &[Want]) -> Vec<Op> {
    let is_held = |want: &Want| held.iter().any(|h| same(h, want));
    let op = |want: &Want| Op {
        object: want.object.clone(),
        attribute: want.attribute.clone(),
        before: Value::Absent,
        after: want.value.clone(),
    };
    wants.iter().filter(|want| !is_held(want)).map(op).collect()
}

fn same(one: &Want, other: &Want) -> bool {
    one.object == other.object && one.attribute == other.attribute && one.value == other.value
}

#[cfg(test)]
mod tests {
    use super::*;
    use svirt_model::{Attribute, Uuid};

    fn want(object: &str) -> Want {
        let value = Value::Directory { uid: 1, gid: 1, mode: 0o700 };
        let attribute = Attribute::Presence;
        Want { machine: Uuid::nil(), object: object.into(), attribute, value }
    }

    #[test]
    fn what_another_machine_holds_is_not_made_again() {
        let made = ops(&[want("/a"), want("/b"), want("/c")], &[want("/c")]);
        let objects: Vec<_> = made.iter().map(|op| op.object.to_str().unwrap()).collect();
        assert_eq!(objects, ["/a", "/b"]);
    }
}
