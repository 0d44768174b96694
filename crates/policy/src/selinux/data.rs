//! The types of the table that the build makes of `selinux/module.toml`.

/// The data file.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) attributes: &'static [Attribute],
    pub(super) types: &'static [Type],
    pub(super) members: &'static [Member],
    pub(super) roles: &'static [Role],
    pub(super) allows: &'static [Allow],
    pub(super) dontaudits: &'static [Allow],
    pub(super) ioctls: &'static [Ioctl],
    pub(super) transitions: &'static [Transition],
    pub(super) constraints: &'static [Constraint],
}

/// A name for several of our types.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) why: &'static str,
}

/// A type of ours.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) name: &'static str,
    pub(super) attributes: &'static [&'static str],
    pub(super) translates: bool,
    pub(super) why: &'static str,
}

/// What belongs to an attribute, where one of the two is the loaded policy's.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) attribute: &'static str,
    pub(super) of: &'static [&'static str],
    pub(super) why: &'static str,
}

/// The roles that processes may have.
#[derive(Debug)]
pub(super) struct Role {
    pub(super) roles: &'static [&'static str],
    pub(super) types: &'static [&'static str],
    pub(super) why: &'static str,
}

/// What is permitted, or refused without a record.
#[derive(Debug)]
pub(super) struct Allow {
    pub(super) from: &'static str,
    pub(super) to: &'static [&'static str],
    pub(super) class: &'static str,
    pub(super) permissions: &'static [&'static str],
    pub(super) why: &'static str,
}

/// Of permitted device controls, those that are meant.
#[derive(Debug)]
pub(super) struct Ioctl {
    pub(super) from: &'static str,
    pub(super) to: &'static [&'static str],
    pub(super) class: &'static str,
    /// First and last of each range.
    pub(super) ranges: &'static [(u16, u16)],
    pub(super) why: &'static str,
}

/// What a new object is called.
#[derive(Debug)]
pub(super) struct Transition {
    pub(super) from: &'static str,
    pub(super) on: &'static str,
    pub(super) class: &'static str,
    pub(super) to: &'static str,
    pub(super) why: &'static str,
}

/// What categories decide.
#[derive(Debug)]
pub(super) struct Constraint {
    pub(super) level: Level,
    pub(super) classes: &'static [&'static str],
    /// Whether the loaded policy may lack the classes.
    pub(super) optional: bool,
    pub(super) why: &'static str,
}

/// How the categories of a process of ours and of an object must stand to each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Level {
    /// The process has all that the object has.
    Reach,
    /// The same, or the object is its launcher's.
    ReachOrInherited,
    /// The same, or the object is a socket of one of ours that somebody connected to, and the process
    /// reaches the lowest level that he has.
    ReachOrAccepted,
    /// They are equal.
    Same,
}
