//! Starting, pausing and ending domains.

use super::{
    Answer, Call,
    definitions::{Impact, gone, kib},
    domains::size,
};
use crate::{
    apart::{self, Task, What},
    conditions::Condition,
    daemon::domain,
    failure::{self, argument, error, failed, invalid, no_agent, only},
};
use std::{sync::Arc, time::Duration};
use svirt_engine::{Failure, Known, StopLimits};
use svirt_rpc::{Code, Domain, Error, table};
use uuid::Uuid;

/// `virDomainCreateFlags`.
mod created {
    pub(super) const PAUSED: u32 = 1;
    pub(super) const AUTODESTROY: u32 = 1 << 1;
    pub(super) const BYPASS_CACHE: u32 = 1 << 2;
    pub(super) const FORCE_BOOT: u32 = 1 << 3;
    pub(super) const VALIDATE: u32 = 1 << 4;
}

/// `VIR_DOMAIN_MEM_MAXIMUM`.
const MOST: u32 = 1 << 2;
/// `VIR_DOMAIN_DESTROY_GRACEFUL`.
const GRACEFUL: u32 = 1;
/// How long a VMM may take to end that was told to.
const GRACE: Duration = Duration::from_secs(15);
/// The same of one that is not killed after that.
const POLITE: Duration = Duration::from_secs(10);
/// Ways to ask a guest (`virDomainShutdownFlagValues`, and `virDomainRebootFlagValues`, which say the same).
mod asked {
    pub(super) const POWER_BUTTON: u32 = 1;
    pub(super) const AGENT: u32 = 1 << 1;
}

impl table::Lives for Call {
    fn domain_create(&mut self, domain: Domain) -> Answer<()> {
        self.domain_create_with_flags(domain, 0).map(|_| ())
    }

    fn domain_create_xml(&mut self, xml: String, flags: u32) -> Answer<Domain> {
        use created::*;
        only(flags, PAUSED | AUTODESTROY | VALIDATE)?;
        let (name, uuid, spec) =
            self.daemon.engine.check_domain(&xml).map_err(|refused| failure::refused(&refused))?;
        // Without an identity of its own, the document is about none that there is.
        let id = uuid.unwrap_or(Uuid::nil());
        self.daemon.refuse_another(&name, id)?;
        let what = match self.daemon.machines()?.get(&id) {
            Some(known) if known.is_running() => {
                return Err(invalid(&format!("domain is already active as '{name}'")));
            }
            Some(_) => What::Instead(name.to_string(), Box::new(spec)),
            None => What::Transient(Box::new(spec)),
        };
        self.begin(what, flags)
    }

    fn domain_destroy(&mut self, domain: Domain) -> Answer<()> {
        self.domain_destroy_flags(domain, 0)
    }

    fn domain_reboot(&mut self, domain: Domain, flags: u32) -> Answer<()> {
        by_the_button(flags)?;
        let known = self.daemon.running(&domain)?;
        self.daemon.engine.reboot(&known.name).map_err(|failure| error(&failure))
    }

    fn domain_resume(&mut self, domain: Domain) -> Answer<()> {
        let known = self.daemon.running(&domain)?;
        if !self.daemon.condition(&known).is_held() {
            return Err(invalid("domain is already running"));
        }
        self.daemon.engine.resume(&known.name).map_err(|failure| error(&failure))?;
        self.daemon.note(known.id, Condition::RESUMED);
        Ok(())
    }

    fn domain_set_memory(&mut self, domain: Domain, memory: u64) -> Answer<()> {
        self.domain_set_memory_flags(domain, memory, 1)
    }

    fn domain_shutdown(&mut self, domain: Domain) -> Answer<()> {
        self.domain_shutdown_flags(domain, 0)
    }

    fn domain_suspend(&mut self, domain: Domain) -> Answer<()> {
        let known = self.daemon.running(&domain)?;
        self.daemon.engine.pause(&known.name).map_err(|failure| error(&failure))?;
        self.daemon.note(known.id, Condition::HELD);
        Ok(())
    }

    fn domain_create_with_flags(&mut self, domain: Domain, flags: u32) -> Answer<Domain> {
        use created::*;
        only(flags, PAUSED | AUTODESTROY | BYPASS_CACHE | FORCE_BOOT)?;
        let known = self.daemon.defined(&domain)?;
        if known.is_running() {
            return Err(invalid("domain is already running"));
        }
        if flags & FORCE_BOOT != 0 {
            let forgotten = self.daemon.engine.forget_managed_save(&known.name);
            forgotten.map_err(|failure| error(&failure))?;
        }
        self.begin(What::Defined(known.name.to_string()), flags)
    }

    fn domain_set_memory_flags(&mut self, domain: Domain, memory: u64, flags: u32) -> Answer<()> {
        let (known, memory) = (self.daemon.machine(&domain)?, kib(memory)?);
        let (impact, most) = (Impact::of(&known, flags, MOST)?, flags & MOST != 0);
        if impact.live && most {
            return Err(invalid("cannot resize the maximum memory on an active domain"));
        }
        if impact.live && memory.0 / 1024 > size(&known).0 {
            return Err(argument("cannot set memory higher than max memory"));
        }
        let engine = &self.daemon.engine;
        if impact.config {
            use svirt_engine::Amendment::{MaxMemory, Memory};
            let change = if most { MaxMemory(memory) } else { Memory(memory) };
            self.amend(&known, &change)?;
        }
        if impact.live {
            engine.balloon(&known.name, memory).map_err(|failure| error(&failure))?;
        }
        Ok(())
    }

    fn domain_inject_nmi(&mut self, domain: Domain, flags: u32) -> Answer<()> {
        only(flags, 0)?;
        let known = self.daemon.running(&domain)?;
        self.daemon.engine.inject_nmi(&known.name).map_err(|failure| error(&failure))
    }

    fn domain_destroy_flags(&mut self, domain: Domain, flags: u32) -> Answer<()> {
        only(flags, GRACEFUL)?;
        let known = self.daemon.running(&domain)?;
        self.daemon.destroys(&known, true);
        let limits = StopLimits { acpi: Duration::ZERO, terminate: GRACE };
        let ended = match flags & GRACEFUL {
            0 => self.daemon.engine.stop(&known.name, limits).map(Some),
            _ => self.daemon.engine.terminate(&known.name, POLITE),
        };
        let ended = ended.map_err(|failure| error(&failure)).and_then(|ended| match ended {
            Some(_) => Ok(()),
            None => Err(still_there(&known)),
        });
        match &ended {
            Ok(_) => self.daemon.note(known.id, Condition::DESTROYED),
            Err(_) => self.daemon.destroys(&known, false),
        }
        self.daemon.changed.notify_one();
        ended
    }

    fn domain_reset(&mut self, domain: Domain, flags: u32) -> Answer<()> {
        only(flags, 0)?;
        let known = self.daemon.running(&domain)?;
        self.daemon.engine.reset(&known.name).map_err(|failure| error(&failure))
    }

    fn domain_shutdown_flags(&mut self, domain: Domain, flags: u32) -> Answer<()> {
        by_the_button(flags)?;
        let known = self.daemon.running(&domain)?;
        let pressed = self.daemon.engine.press_power_button(&known.name);
        pressed.map_err(|failure| error(&failure))
    }
}

impl Call {
    /// Starts a machine and answers what it is called then.
    fn begin(&self, what: What, flags: u32) -> Answer<Domain> {
        let asks = |flag| flags & flag != 0;
        let (paused, bound) = (asks(created::PAUSED), asks(created::AUTODESTROY));
        let begun = apart::bind::<Uuid>(&Task::Start { what, paused, bound });
        self.daemon.changed.notify_one();
        let (id, bond) = begun.map_err(|failure| refused(&failure))?;
        let condition = if paused { Condition::STARTED_HELD } else { Condition::BOOTED };
        self.daemon.note_begun(id, condition);
        let known: Option<Arc<Known>> = self.daemon.machines()?.get(&id).cloned();
        if let Some(life) = known.as_ref().and_then(|known| known.life.as_ref()).filter(|_| bound) {
            self.client.bind(id, life.supervisor, bond);
        }
        known.map(|known| domain(&known)).ok_or_else(gone)
    }
}

/// The power button is the one way to ask a guest; whoever names another besides is content with it.
fn by_the_button(flags: u32) -> Answer<()> {
    only(flags, asked::POWER_BUTTON | asked::AGENT)?;
    match flags {
        asked::AGENT => Err(no_agent()),
        _ => Ok(()),
    }
}

/// A VMM that did not end when it was told to.
fn still_there(known: &Known) -> Error {
    let vmm = known.life.as_ref().and_then(|life| life.vmm).unwrap_or(0);
    let what = format!("Failed to terminate process {vmm} with SIGTERM: Device or resource busy");
    Error::new(Code::System, what)
}

/// A start that did not come to be.
fn refused(failure: &Failure) -> Error {
    failed(Code::OperationFailed, failure)
}
