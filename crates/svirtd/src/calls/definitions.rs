//! What domains are.

use super::{
    Answer, Call,
    domains::{kept_size, size},
};
use crate::{
    apart::{self, Task},
    daemon::{Daemon, domain},
    failure::{
        self, argument, error, invalid, no_agent, no_metadata, no_support, only, operation_failed,
        unsupported,
    },
};
use svirt_engine::{Amendment, Described, Known, XmlFlags};
use svirt_rpc::{Code, Domain, Error, Opaque, Origin, table};
use uuid::Uuid;

/// `virDomainXMLFlags`.
mod shown {
    pub(super) const SECURE: u32 = 1;
    pub(super) const INACTIVE: u32 = 1 << 1;
    pub(super) const UPDATE_CPU: u32 = 1 << 2;
    pub(super) const MIGRATABLE: u32 = 1 << 3;
}

/// `virDomainUndefineFlagsValues`: what of a machine is taken with its definition. Of some of it there is
/// never any: snapshots, checkpoints, a TPM's state; NVRAM is the user's own file and is left where it is.
mod undefined {
    pub(super) const MANAGED_SAVE: u32 = 1;
    pub(super) const ALL: u32 = (1 << 7) - 1;
}

/// `virDomainModificationImpact`: the running machine, its definition.
mod affected {
    pub(super) const LIVE: u32 = 1;
    pub(super) const CONFIG: u32 = 1 << 1;
    pub(super) const BOTH: u32 = LIVE | CONFIG;
}

/// What a call changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Impact {
    /// The machine that runs.
    pub(super) live: bool,
    /// Its definition.
    pub(super) config: bool,
}

impl Impact {
    /// Of a call with these flags, of which some may be its own. Who names neither means the machine that
    /// runs, or the definition of one that does not.
    pub(super) fn of(known: &Known, flags: u32, own: u32) -> Answer<Self> {
        only(flags, affected::BOTH | own)?;
        let (running, neither) = (known.is_running(), flags & affected::BOTH == 0);
        let live = flags & affected::LIVE != 0 || neither && running;
        let config = flags & affected::CONFIG != 0 || neither && !running;
        match () {
            () if live && !running => Err(invalid("domain is not running").by(Origin::Domain)),
            () if config && known.kept.is_none() => {
                Err(invalid("transient domains do not have any persistent config"))
            }
            () => Ok(Self { live, config }),
        }
    }

    /// The one of the two that is asked about.
    fn asked(known: &Known, flags: u32) -> Answer<Described> {
        if flags & affected::BOTH == affected::BOTH {
            let flags = "'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_AFFECT_CONFIG'";
            return Err(argument(&format!("Flags {flags} are mutually exclusive")));
        }
        let impact = Self::of(known, flags, 0)?;
        Ok(if impact.live { Described::Running } else { Described::Defined })
    }
}

/// `VIR_DOMAIN_DEFINE_VALIDATE`.
const VALIDATE: u32 = 1;

/// `virDomainVcpuFlags`.
const VCPUS_MAXIMUM: u32 = 1 << 2;
const VCPUS_GUEST: u32 = 1 << 3;
const VCPUS_OF_NO_GUEST: &str =
    "vCPU count provided by the guest agent can only be requested for live domains";

impl table::Definitions for Call {
    fn domain_attach_device(&mut self, domain: Domain, _xml: String) -> Answer<()> {
        self.daemon.running(&domain)?;
        Err(no_support("virDomainAttachDevice"))
    }

    fn domain_define_xml(&mut self, xml: String) -> Answer<Domain> {
        self.domain_define_xml_flags(xml, 0)
    }

    fn domain_define_xml_flags(&mut self, xml: String, flags: u32) -> Answer<Domain> {
        // What is not understood where it might matter is refused in any case.
        only(flags, VALIDATE)?;
        let (name, uuid, spec) =
            self.daemon.engine.check_domain(&xml).map_err(|refused| failure::refused(&refused))?;
        let machines = self.daemon.machines()?;
        let same_name = machines.values().find(|known| known.name == name);
        let id = uuid.or(same_name.map(|known| known.id));
        let id = id.map_or_else(svirt_engine::new_id, Ok).map_err(|failure| error(&failure))?;
        self.daemon.refuse_another(&name, id)?;
        self.daemon.engine.keep(&name, id, &spec).map_err(|failure| error(&failure))?;
        self.daemon.changed.notify_one();
        let known = self.daemon.machines()?.get(&id).cloned();
        known.map(|known| domain(&known)).ok_or_else(gone)
    }

    fn domain_detach_device(&mut self, domain: Domain, _xml: String) -> Answer<()> {
        self.daemon.running(&domain)?;
        Err(no_support("virDomainDetachDevice"))
    }

    fn domain_get_xml_desc(&mut self, domain: Domain, flags: u32) -> Answer<String> {
        use shown::*;
        only(flags, SECURE | INACTIVE | UPDATE_CPU | MIGRATABLE)?;
        let known = self.daemon.machine(&domain)?;
        let secure = flags & SECURE != 0;
        if secure && !self.client.may(table::Access::Define) {
            let message = "virDomainGetXMLDesc with secure flag";
            return Err(Error::new(Code::OperationDenied, message).by(Origin::Access));
        }
        let (inactive, migratable) = (flags & INACTIVE != 0, flags & MIGRATABLE != 0);
        let how = XmlFlags { inactive, secure, migratable };
        let at_hand = self.daemon.engine.domain_xml_at_hand(&known.name, how);
        if let Some(document) = at_hand.map_err(|failure| error(&failure))? {
            return Ok(document);
        }
        let name = known.name.to_string();
        let task = Task::Document { name, inactive, secure, migratable };
        apart::ask(&task).map_err(|failure| error(&failure))
    }

    fn domain_get_max_memory(&mut self, domain: Domain) -> Answer<u64> {
        Ok(size(self.daemon.machine(&domain)?.as_ref()).0)
    }

    fn domain_get_max_vcpus(&mut self, domain: Domain) -> Answer<i32> {
        Ok(size(self.daemon.running(&domain)?.as_ref()).1.into())
    }

    fn domain_pin_vcpu(&mut self, domain: Domain, _vcpu: u32, _map: Opaque<2048>) -> Answer<()> {
        self.daemon.running(&domain)?;
        Err(no_support("virDomainPinVcpu"))
    }

    fn domain_set_autostart(&mut self, domain: Domain, autostart: i32) -> Answer<()> {
        let known = self.daemon.defined(&domain)?;
        let set = self.daemon.engine.set_autostart(&known.name, autostart != 0);
        set.map_err(|failure| error(&failure))
    }

    fn domain_set_max_memory(&mut self, domain: Domain, memory: u64) -> Answer<()> {
        let known = self.daemon.defined(&domain)?;
        if known.is_running() {
            return Err(invalid("cannot resize the maximum memory on an active domain"));
        }
        self.amend(&known, &Amendment::MaxMemory(kib(memory)?))
    }

    fn domain_set_vcpus(&mut self, domain: Domain, count: u32) -> Answer<()> {
        self.domain_set_vcpus_flags(domain, count, affected::LIVE)
    }

    fn domain_undefine(&mut self, domain: Domain) -> Answer<()> {
        self.domain_undefine_flags(domain, 0)
    }

    fn domain_attach_device_flags(&mut self, _: Domain, _: String, _: u32) -> Answer<()> {
        Err(no_support("virDomainAttachDeviceFlags"))
    }

    fn domain_detach_device_flags(&mut self, _: Domain, _: String, _: u32) -> Answer<()> {
        Err(no_support("virDomainDetachDeviceFlags"))
    }

    fn domain_set_vcpus_flags(&mut self, domain: Domain, count: u32, flags: u32) -> Answer<()> {
        if flags & VCPUS_GUEST != 0 {
            return self.ask_guest(&domain);
        }
        let known = self.daemon.machine(&domain)?;
        if Impact::of(&known, flags, VCPUS_MAXIMUM)?.live {
            return Err(unsupported("processors of a running machine stay as many as they are"));
        }
        let most = flags & VCPUS_MAXIMUM != 0;
        let amendment = if most { Amendment::MaxVcpus(count) } else { Amendment::Vcpus(count) };
        self.amend(&known, &amendment)
    }

    fn domain_get_vcpus_flags(&mut self, domain: Domain, flags: u32) -> Answer<i32> {
        let known = self.daemon.machine(&domain)?;
        if flags & VCPUS_GUEST != 0 {
            return Err(match known.is_running() {
                true => no_agent(),
                false => argument(VCPUS_OF_NO_GUEST),
            });
        }
        let impact = Impact::of(&known, flags, VCPUS_MAXIMUM)?;
        // What runs has as many as it had from its start; the definition may have others by now.
        let count = if impact.live { size(&known).1 } else { kept_size(&known).1 };
        Ok(count.into())
    }

    fn domain_undefine_flags(&mut self, domain: Domain, flags: u32) -> Answer<()> {
        use undefined::*;
        only(flags, ALL)?;
        let known = self.daemon.machine(&domain)?;
        if known.kept.is_none() {
            return Err(invalid("cannot undefine transient domain"));
        }
        let engine = &self.daemon.engine;
        // It goes with the definition, once nothing else is in the way.
        if flags & MANAGED_SAVE == 0 && engine.has_managed_save(&known) {
            return Err(invalid("Refusing to undefine while domain managed save image exists"));
        }
        engine.forget(&known.name).map_err(|failure| error(&failure))?;
        self.daemon.changed.notify_one();
        Ok(())
    }

    fn domain_set_metadata(
        &mut self,
        domain: Domain,
        kind: i32,
        text: Option<String>,
        key: Option<String>,
        uri: Option<String>,
        flags: u32,
    ) -> Answer<()> {
        let known = self.daemon.machine(&domain)?;
        let impact = Impact::of(&known, flags, 0)?;
        let amendment = match (kind, uri.clone()) {
            (0, _) => Amendment::Description(text),
            (1, _) => Amendment::Title(text),
            (2, Some(uri)) => Amendment::Metadata { uri, key, xml: text },
            _ => return Err(unknown_metadata(kind)),
        };
        if impact.live {
            let noted = self.daemon.engine.note(&known.name, &amendment);
            noted.map_err(|failure| error(&failure))?;
        }
        if impact.config {
            self.amend(&known, &amendment)?;
        }
        self.daemon.tell(23, &known, |callback, domain| svirt_rpc::Event::Metadata {
            callback,
            domain,
            kind,
            uri: uri.clone(),
        });
        Ok(())
    }

    fn domain_get_metadata(
        &mut self,
        domain: Domain,
        kind: i32,
        uri: Option<String>,
        flags: u32,
    ) -> Answer<String> {
        let known = self.daemon.machine(&domain)?;
        let (how, engine) = (Impact::asked(&known, flags)?, &self.daemon.engine);
        let found = match (kind, uri) {
            (0, _) => engine.description(&known.name, how),
            (1, _) => engine.title(&known.name, how),
            (2, Some(uri)) => engine.metadata(&known.name, how, &uri),
            _ => return Err(unknown_metadata(kind)),
        };
        found.map_err(|failure| error(&failure))?.ok_or_else(no_metadata)
    }

    fn domain_rename(
        &mut self,
        _domain: Domain,
        _name: Option<String>,
        _flags: u32,
    ) -> Answer<i32> {
        Err(unsupported("a machine keeps its name; define another and undefine this one"))
    }
}

impl Call {
    /// Changes a definition, whatever call it is that asks for it.
    pub(super) fn amend(&self, known: &Known, amendment: &Amendment) -> Answer<()> {
        if !self.client.may(table::Access::Define) {
            let message = "access denied: to change what a machine is";
            return Err(Error::new(Code::AccessDenied, message).by(Origin::Access));
        }
        let amended = self.daemon.engine.amend(&known.name, amendment);
        self.daemon.changed.notify_one();
        amended.map_err(|failure| error(&failure))
    }
}

impl Daemon {
    /// Refuses a name or an identity that another machine has, in the words that clients look for.
    pub(crate) fn refuse_another(
        &self,
        name: &svirt_engine::model::MachineName,
        id: Uuid,
    ) -> Answer<()> {
        let machines = self.machines()?;
        let refuse = |message: String| Err(operation_failed(&message).by(Origin::Domain));
        if let Some(known) = machines.values().find(|known| known.name == *name && known.id != id) {
            return refuse(format!("domain '{name}' already exists with uuid {}", known.id));
        }
        match machines.get(&id).filter(|known| known.name != *name) {
            Some(known) => {
                refuse(format!("domain '{}' is already defined with uuid {id}", known.name))
            }
            None => Ok(()),
        }
    }
}

fn unknown_metadata(kind: i32) -> Error {
    argument(&format!("unknown metadata type '{kind}'")).by(Origin::Domain)
}

/// KiB as bytes.
pub(super) fn kib(memory: u64) -> Answer<svirt_engine::model::Bytes> {
    let bytes = memory.checked_mul(1024).ok_or_else(|| argument("too much memory"))?;
    Ok(svirt_engine::model::Bytes(bytes))
}

/// Somebody else took it away in this moment.
pub(super) fn gone() -> Error {
    Error::new(Code::NoDomain, "Domain not found: it was removed in this moment")
}
