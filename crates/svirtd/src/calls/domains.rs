//! Which domains there are, and how each is.

use super::{Answer, Call};
use crate::{
    daemon::{domain, no_domain},
    failure::{error, only},
};
use std::sync::Arc;
use svirt_engine::{
    Known,
    spec::{GuestSpec, Spec},
};
use svirt_rpc::{Chars, Domain, DomainInfo, List, SecurityLabel, table};
use uuid::Uuid;

/// `virConnectListAllDomainsFlags`: of each group, a domain must have one that is asked for.
pub(super) mod wanted {
    pub(super) const ACTIVE: u32 = 1;
    pub(super) const INACTIVE: u32 = 1 << 1;
    pub(super) const PERSISTENT: u32 = 1 << 2;
    pub(super) const TRANSIENT: u32 = 1 << 3;
    pub(super) const RUNNING: u32 = 1 << 4;
    pub(super) const PAUSED: u32 = 1 << 5;
    pub(super) const SHUTOFF: u32 = 1 << 6;
    pub(super) const OTHER: u32 = 1 << 7;
    pub(super) const SAVED: u32 = 1 << 8;
    pub(super) const NOT_SAVED: u32 = 1 << 9;
    pub(super) const AUTOSTART: u32 = 1 << 10;
    pub(super) const NO_AUTOSTART: u32 = 1 << 11;
    pub(super) const SNAPSHOT: u32 = 1 << 12;
    pub(super) const NO_SNAPSHOT: u32 = 1 << 13;
    pub(super) const CHECKPOINT: u32 = 1 << 14;
    pub(super) const NO_CHECKPOINT: u32 = 1 << 15;
    pub(super) const ALL: u32 = (1 << 16) - 1;
    /// Those that also figures are asked by.
    pub(in crate::calls) const STATES: u32 = SAVED - 1;
    pub(super) const GROUPS: [u32; 7] = [
        ACTIVE | INACTIVE,
        PERSISTENT | TRANSIENT,
        RUNNING | PAUSED | SHUTOFF | OTHER,
        SAVED | NOT_SAVED,
        AUTOSTART | NO_AUTOSTART,
        SNAPSHOT | NO_SNAPSHOT,
        CHECKPOINT | NO_CHECKPOINT,
    ];
}

impl table::Domains for Call {
    fn domain_get_autostart(&mut self, domain: Domain) -> Answer<i32> {
        let known = self.daemon.machine(&domain)?;
        Ok(known.kept.as_ref().is_some_and(|kept| kept.autostart).into())
    }

    fn domain_get_info(&mut self, domain: Domain) -> Answer<DomainInfo> {
        let known = self.daemon.machine(&domain)?;
        let (max_memory, vcpus) = size(&known);
        let memory = self.memory(&known);
        let used = known.processor_time();
        let state = u8::try_from(self.daemon.condition(&known).state).unwrap_or(0);
        let cpu_time = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        Ok(DomainInfo { state, max_memory, memory, vcpus, cpu_time })
    }

    fn domain_get_os_type(&mut self, domain: Domain) -> Answer<String> {
        self.daemon.machine(&domain).map(|_| "hvm".into())
    }

    fn connect_list_defined_domains(&mut self, most: i32) -> Answer<List<String, 16_384>> {
        let names = self.all()?.into_iter().filter(|known| !known.is_running());
        Ok(names.take(count(most)).map(|known| known.name.to_string()).collect())
    }

    fn domain_lookup_by_id(&mut self, id: i32) -> Answer<Domain> {
        let machines = self.daemon.machines()?;
        let number = |known: &&Arc<Known>| known.life.as_ref().map(|life| life.supervisor);
        let meant = u32::try_from(id).ok().filter(|id| *id > 0);
        let found = machines.values().find(|known| meant.is_some() && number(known) == meant);
        let found = found.map(|known| domain(known));
        found.ok_or_else(|| no_domain(&format!("no domain with matching id {id}")))
    }

    fn domain_lookup_by_name(&mut self, name: String) -> Answer<Domain> {
        let machines = self.daemon.machines()?;
        let found = machines.values().find(|known| known.name.as_str() == name);
        let found = found.map(|known| domain(known));
        found.ok_or_else(|| no_domain(&format!("no domain with matching name '{name}'")))
    }

    fn domain_lookup_by_uuid(&mut self, uuid: Uuid) -> Answer<Domain> {
        let found = self.daemon.machines()?.get(&uuid).map(|known| domain(known));
        found.ok_or_else(|| no_domain(&format!("no domain with matching uuid '{uuid}'")))
    }

    fn connect_num_of_defined_domains(&mut self) -> Answer<i32> {
        Ok(number(self.daemon.machines()?.values().filter(|known| !known.is_running()).count()))
    }

    fn connect_list_domains(&mut self, most: i32) -> Answer<List<i32, 16_384>> {
        let running = self.all()?.into_iter().filter(|known| known.is_running());
        Ok(running.take(count(most)).map(|known| domain(&known).id).collect())
    }

    fn connect_num_of_domains(&mut self) -> Answer<i32> {
        Ok(number(self.daemon.machines()?.values().filter(|known| known.is_running()).count()))
    }

    fn domain_get_security_label(&mut self, domain: Domain) -> Answer<SecurityLabel> {
        // What does not run has none, which is no error: virsh asks of every domain.
        let first = self.labels(&domain)?.into_iter().next();
        let (label, enforcing) = first.unwrap_or_default();
        Ok(SecurityLabel { label: Chars(label), enforcing: enforcing.into() })
    }

    fn domain_is_active(&mut self, domain: Domain) -> Answer<i32> {
        Ok(self.daemon.machine(&domain)?.is_running().into())
    }

    fn domain_is_persistent(&mut self, domain: Domain) -> Answer<i32> {
        Ok(self.daemon.machine(&domain)?.kept.is_some().into())
    }

    fn domain_is_updated(&mut self, domain: Domain) -> Answer<i32> {
        // Of what is defined here, nothing is written elsewhere and read again.
        self.daemon.machine(&domain).map(|_| 0)
    }

    fn domain_get_state(&mut self, domain: Domain, flags: u32) -> Answer<(i32, i32)> {
        only(flags, 0)?;
        let condition = self.daemon.condition(self.daemon.machine(&domain)?.as_ref());
        Ok((condition.state, condition.reason))
    }

    fn domain_get_control_info(&mut self, domain: Domain, flags: u32) -> Answer<(u32, u32, u64)> {
        only(flags, 0)?;
        self.daemon.running(&domain).map(|_| (0, 0, 0))
    }

    fn connect_list_all_domains(
        &mut self,
        wanted: i32,
        flags: u32,
    ) -> Answer<(List<Domain, 16_384>, u32)> {
        only(flags, wanted::ALL)?;
        let meant = |known: &&Arc<Known>| self.is_one_of(known, flags);
        let found: Vec<_> = self.all()?.iter().filter(meant).map(|k| domain(k)).collect();
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        Ok((List(if wanted != 0 { found } else { Vec::new() }), count))
    }

    fn domain_get_hostname(&mut self, domain: Domain, _flags: u32) -> Answer<String> {
        self.ask_guest(&domain)
    }

    fn domain_get_security_label_list(
        &mut self,
        domain: Domain,
    ) -> Answer<(List<SecurityLabel, 64>, i32)> {
        let labels = self.labels(&domain)?;
        let one = |(label, enforcing): (String, bool)| SecurityLabel {
            label: Chars(label),
            enforcing: enforcing.into(),
        };
        let labels: List<_, 64> = labels.into_iter().map(one).collect();
        let count = number(labels.len());
        Ok((labels, count))
    }

    fn domain_get_messages(&mut self, domain: Domain, _flags: u32) -> Answer<List<String, 2048>> {
        let known = self.daemon.machine(&domain)?;
        let weakened = known.spec().into_iter().flat_map(|spec| spec.weakened());
        Ok(weakened.map(|layer| format!("tainted: without {layer}")).collect())
    }
}

impl Call {
    /// Every machine, by name.
    fn all(&self) -> Answer<Vec<Arc<Known>>> {
        let mut all: Vec<_> = self.daemon.machines()?.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// What each security model calls a machine, and whether that is enforced.
    fn labels(&self, domain: &Domain) -> Answer<Vec<(String, bool)>> {
        let known = self.daemon.machine(domain)?;
        match known.is_running() {
            true => self.daemon.engine.security_labels(&known).map_err(|f| error(&f)),
            false => Ok(Vec::new()),
        }
    }

    /// Whether a machine has of each group of flags one that is asked for.
    pub(super) fn is_one_of(&self, known: &Known, flags: u32) -> bool {
        let asked = |group: &&u32| flags & **group != 0;
        let mut groups = wanted::GROUPS.iter().filter(asked).peekable();
        let has = groups.peek().map_or(0, |_| self.has(known, flags));
        groups.all(|group| flags & group & has != 0)
    }

    /// Of each group of flags, the one that a machine has. For its saved state its file is looked for, which is
    /// done for whoever asks for that only.
    fn has(&self, known: &Known, asked: u32) -> u32 {
        use wanted::*;
        let either = |is, yes, no| if is { yes } else { no };
        let state = match self.daemon.condition(known).state {
            1 => RUNNING,
            3 => PAUSED,
            5 => SHUTOFF,
            _ => OTHER,
        };
        let autostart = known.kept.as_ref().is_some_and(|kept| kept.autostart);
        let saved = asked & (SAVED | NOT_SAVED) != 0 && self.daemon.engine.has_managed_save(known);
        state
            | either(known.is_running(), ACTIVE, INACTIVE)
            | either(known.kept.is_some(), PERSISTENT, TRANSIENT)
            | either(autostart, AUTOSTART, NO_AUTOSTART)
            | either(saved, SAVED, NOT_SAVED)
            | NO_SNAPSHOT
            | NO_CHECKPOINT
    }
}

/// A machine's memory in KiB and its virtual processors; of one with a command line of its user's own, the memory
/// that it says.
pub(super) fn size(known: &Known) -> (u64, u16) {
    measures(known.spec())
}

/// The same of what is kept of it.
pub(super) fn kept_size(known: &Known) -> (u64, u16) {
    measures(known.kept_spec().as_ref())
}

fn measures(spec: Option<&Spec>) -> (u64, u16) {
    let guest = spec.and_then(|spec| match (&spec.guest, &spec.command) {
        (Some(guest), _) => Some((guest.memory.0 / 1024, guest.cpus)),
        (None, Some(command)) => Some((command.memory()?.0 / 1024, 1)),
        (None, None) => {
            let usual = GuestSpec::default();
            Some((usual.memory.0 / 1024, usual.cpus))
        }
    });
    guest.map_or((0, 1), |(memory, cpus)| (memory, u16::try_from(cpus).unwrap_or(u16::MAX)))
}

fn count(most: i32) -> usize {
    usize::try_from(most).unwrap_or(0)
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
