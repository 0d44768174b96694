//! Who may make which calls: decided when somebody connects, and looked at before anything of a call is
//! parsed.

use serde::Deserialize;
use svirt_engine::peer::Peer;
use svirt_rpc::Access;

/// A kind of call, as the list names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// To see what there is.
    Look,
    /// To sit at a machine.
    Use,
    /// To start, pause and end machines.
    Run,
    /// To say what machines are, and so which files of the host they reach.
    Define,
    /// To say anything to a hypervisor.
    All,
}

impl Kind {
    fn of(access: Access) -> Option<Self> {
        match access {
            Access::Greet => None,
            Access::Look => Some(Self::Look),
            Access::Use => Some(Self::Use),
            Access::Run => Some(Self::Run),
            Access::Define => Some(Self::Define),
            Access::All => Some(Self::All),
        }
    }
}

/// An entry of the list: who, and which kinds of calls. Who is meant must be everything that it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Entry {
    /// A user's number.
    pub(crate) uid: Option<u32>,
    /// A group's number.
    pub(crate) gid: Option<u32>,
    /// A security label, to the byte.
    pub(crate) label: Option<String>,
    /// What they may.
    pub(crate) may: Vec<Kind>,
}

impl Entry {
    fn is_about(&self, peer: &Peer) -> bool {
        let says_who = self.uid.is_some() || self.gid.is_some() || self.label.is_some();
        says_who
            && self.uid.is_none_or(|uid| peer.uid == uid)
            && self.gid.is_none_or(|gid| peer.groups.contains(&gid))
            && self.label.as_ref().is_none_or(|label| peer.label.as_ref() == Some(label))
    }
}

/// What one connection may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Allowed(Vec<Kind>);

impl Allowed {
    /// Of a peer: the daemon's own user may everything, anybody else what the entries about it say. On a
    /// socket that is read-only nobody may more than look.
    pub(crate) fn to(peer: &Peer, own: u32, list: &[Entry], read_only: bool) -> Self {
        let every = [Kind::Look, Kind::Use, Kind::Run, Kind::Define, Kind::All];
        let said =
            |kind: &Kind| list.iter().any(|entry| entry.is_about(peer) && entry.may.contains(kind));
        let may = |kind: &Kind| peer.uid == own || said(kind);
        let here = |kind: &Kind| !read_only || *kind == Kind::Look;
        Self(every.into_iter().filter(may).filter(here).collect())
    }

    /// Whether a call of this kind may be made.
    pub(crate) fn covers(&self, access: Access) -> bool {
        Kind::of(access).is_none_or(|kind| self.0.contains(&kind))
    }

    /// Whether nothing may be done at all.
    pub(crate) fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32, groups: &[u32], label: Option<&str>) -> Peer {
        Peer { process: 1, uid, groups: groups.to_vec(), label: label.map(str::to_owned) }
    }

    #[test]
    fn the_daemons_user_may_everything_and_others_nothing() {
        assert!(Allowed::to(&peer(7, &[], None), 7, &[], false).covers(Access::All));
        assert!(Allowed::to(&peer(8, &[7], None), 7, &[], false).is_nothing());
    }

    #[test]
    fn greeting_is_for_all() {
        assert!(Allowed::default().covers(Access::Greet));
        assert!(!Allowed::default().covers(Access::Look));
    }

    #[test]
    fn a_read_only_socket_is_for_looking() {
        let root = Allowed::to(&peer(0, &[], None), 0, &[], true);
        assert!(root.covers(Access::Look) && !root.covers(Access::Use));
    }

    #[test]
    fn an_entry_is_about_who_is_all_that_it_says() {
        let entry =
            Entry { gid: Some(5), label: Some("a".into()), may: vec![Kind::Run], uid: None };
        let may =
            |peer| Allowed::to(&peer, 0, std::slice::from_ref(&entry), false).covers(Access::Run);
        assert!(may(peer(1, &[4, 5], Some("a"))));
        assert!(!may(peer(1, &[4, 5], Some("ab"))) && !may(peer(1, &[4, 5], None)));
        assert!(!may(peer(1, &[4], Some("a"))));
    }

    #[test]
    fn an_entry_that_says_nobody_is_about_nobody() {
        let entry = Entry { may: vec![Kind::All], ..Entry::default() };
        assert!(Allowed::to(&peer(1, &[1], None), 0, &[entry], false).is_nothing());
    }

    #[test]
    fn what_may_be_defined_need_not_be_used() {
        let entry = Entry { uid: Some(1), may: vec![Kind::Define], ..Entry::default() };
        let allowed = Allowed::to(&peer(1, &[], None), 0, &[entry], false);
        assert!(allowed.covers(Access::Define) && !allowed.covers(Access::Use));
    }
}
