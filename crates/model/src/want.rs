//! What a machine wants of the host's objects, and the reversible changes that follow.

use crate::{
    Embedded, Known, MachineName,
    label::{SecurityModel, Tree},
};
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf};
use uuid::Uuid;

/// "This object should have this attribute with this value, for this machine."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// The machine that wants it.
    pub machine: Uuid,
    /// The object's path.
    pub object: PathBuf,
    /// Which of its attributes.
    pub attribute: Attribute,
    /// The value that it should have.
    pub value: Value,
}

/// An attribute of an object that a machine may want changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribute {
    /// Whether it is there, and what it is.
    Presence,
    /// The label that a security model keeps with it.
    Label {
        /// The model.
        model: SecurityModel,
        /// Which file it must be, whatever its name: what stands at its path later may be another.
        /// None of one that the plan itself makes.
        file: Option<Known>,
    },
}

impl Attribute {
    /// The file of which this is an attribute under whatever name; none where the path says which
    /// object it is.
    pub fn file(&self) -> Option<&Known> {
        match self {
            Attribute::Presence => None,
            Attribute::Label { file, .. } => file.as_ref(),
        }
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Nothing is there.
    Absent,
    /// A directory with this owner and mode. Undone with all that the machine left in it.
    Directory {
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link with this text.
    Link(PathBuf),
    /// A file with bytes of this program, which all may read.
    Embedded(Embedded),
    /// A control group with these limits, each a file's name and what is written to it.
    Cgroup(Vec<(String, String)>),
    /// An empty file with mode 0600. It is kept afterwards: the user asked for it.
    EmptyFile,
    /// A label, byte for byte as the kernel keeps it; none where there is no such attribute. Written as
    /// text, where it is some.
    Label(#[serde(with = "label")] Option<Vec<u8>>),
    /// The labels of a directory and of everything below it.
    Tree(Tree),
    /// A profile with this text, loaded into the kernel under the name that is the object's path.
    Profile(String),
    /// Rules that the kernel has for the label that is the object's path, each as it is written.
    Rules(Vec<String>),
}

/// A want of another live machine, on an object that this one wants too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// That machine's name.
    pub name: MachineName,
    /// What it wants.
    pub want: Want,
    /// What was there before the first machine that wants it.
    pub before: Value,
}

/// One reversible change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// The object's path.
    pub object: PathBuf,
    /// Which of its attributes.
    pub attribute: Attribute,
    /// The value before, which is put back when no machine wants the object any more.
    pub before: Value,
    /// The value after.
    pub after: Value,
}

/// The kinds of change with their names: no list of them can lack one.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal,)*) => {
        /// What kind of change an op is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum OpKind {
            $($(#[$doc])* $kind,)*
        }

        impl OpKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];
        }

        impl fmt::Display for OpKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$kind => $name,)*
                })
            }
        }
    };
}

kinds! {
    /// A directory is made.
    Directory "directory",
    /// A symbolic link is made.
    Link "link",
    /// A file with bytes of this program is made.
    Embedded "embedded file",
    /// A control group is made.
    Cgroup "control group",
    /// A file that was asked for is made.
    EmptyFile "empty file",
    /// A label is written.
    Label "label",
    /// Labels are written on a directory and all that is in it.
    Tree "tree",
    /// A profile is loaded.
    Profile "profile",
    /// Rules are put in force.
    Rules "rules",
    /// Something is removed, which no plan does.
    Removal "removal",
}

impl Op {
    /// Which kind of change it is.
    pub fn kind(&self) -> OpKind {
        match (&self.attribute, &self.after) {
            // What was there says so, for the label that comes is one.
            _ if matches!(self.before, Value::Tree(_)) => OpKind::Tree,
            (_, Value::Tree(_)) => OpKind::Tree,
            (Attribute::Label { .. }, _) | (Attribute::Presence, Value::Label(_)) => OpKind::Label,
            (Attribute::Presence, Value::Absent) => OpKind::Removal,
            (Attribute::Presence, Value::Directory { .. }) => OpKind::Directory,
            (Attribute::Presence, Value::Link(_)) => OpKind::Link,
            (Attribute::Presence, Value::Embedded(_)) => OpKind::Embedded,
            (Attribute::Presence, Value::Cgroup(_)) => OpKind::Cgroup,
            (Attribute::Presence, Value::EmptyFile) => OpKind::EmptyFile,
            (Attribute::Presence, Value::Profile(_)) => OpKind::Profile,
            (Attribute::Presence, Value::Rules(_)) => OpKind::Rules,
        }
    }
}

pub(crate) mod label {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(crate) fn serialize<S: Serializer>(
        label: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let written = |bytes: &Vec<u8>| match String::from_utf8(bytes.clone()) {
            Ok(text) => Written::Text(text),
            Err(error) => Written::Bytes(error.into_bytes()),
        };
        label.as_ref().map(written).serialize(serializer)
    }

    pub(crate) fn deserialize<'d, D: Deserializer<'d>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let written = Option::<Written>::deserialize(deserializer)?;
        Ok(written.map(|written| match written {
            Written::Text(text) => text.into_bytes(),
            Written::Bytes(bytes) => bytes,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_text_and_comes_back_to_the_byte() {
        let context = b"system_u:object_r:svirt_image_t:s0:c1,c2\0".to_vec();
        let text = serde_json::to_string(&Value::Label(Some(context.clone()))).unwrap();
        assert_eq!(text, r#"{"label":"system_u:object_r:svirt_image_t:s0:c1,c2\u0000"}"#);
        for label in [None, Some(context), Some(Vec::new()), Some(vec![0xff, b'a', 0])] {
            let value = Value::Label(label);
            let text = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value, "{text}");
        }
    }
}
