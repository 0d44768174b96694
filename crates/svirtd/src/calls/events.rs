//! Being told what happens. Of what sVirt has not, nothing ever happens: whoever wants to be told of that has
//! a callback that is never called.

use super::{Answer, Call};
use crate::{
    client::Callback,
    failure::{argument, invalid},
};
use svirt_rpc::{Code, Domain, Error, Network, NodeDevice, Secret, StoragePool, table};

/// Kinds of events of domains (`virDomainEventID`), 0 to this.
const LAST_EVENT: i32 = 26;
/// A kind that nothing ever is, for callbacks about what there is not.
const NEVER: i32 = -1;

impl table::Events for Call {
    fn connect_domain_event_register(&mut self) -> Answer<i32> {
        match self.client.register_first(true) {
            true => Ok(1),
            false => Err(registered("already")),
        }
    }

    fn connect_domain_event_deregister(&mut self) -> Answer<i32> {
        match self.client.register_first(false) {
            true => Ok(0),
            false => Err(registered("not")),
        }
    }

    fn connect_network_event_register_any(&mut self, _: i32, _: Option<Network>) -> Answer<i32> {
        self.register(NEVER, None)
    }

    fn connect_network_event_deregister_any(&mut self, callback: i32) -> Answer<()> {
        self.deregister(callback)
    }

    fn connect_domain_event_callback_register_any(
        &mut self,
        event: i32,
        domain: Option<Domain>,
    ) -> Answer<i32> {
        if !(0..=LAST_EVENT).contains(&event) {
            return Err(argument(&format!("unsupported event ID {event}")));
        }
        self.register(event, domain.as_ref())
    }

    fn connect_domain_event_callback_deregister_any(&mut self, callback: i32) -> Answer<()> {
        self.deregister(callback)
    }

    fn connect_storage_pool_event_register_any(
        &mut self,
        _: i32,
        _: Option<StoragePool>,
    ) -> Answer<i32> {
        self.register(NEVER, None)
    }

    fn connect_storage_pool_event_deregister_any(&mut self, callback: i32) -> Answer<()> {
        self.deregister(callback)
    }

    fn connect_node_device_event_register_any(
        &mut self,
        _: i32,
        _: Option<NodeDevice>,
    ) -> Answer<i32> {
        self.register(NEVER, None)
    }

    fn connect_node_device_event_deregister_any(&mut self, callback: i32) -> Answer<()> {
        self.deregister(callback)
    }

    fn connect_secret_event_register_any(&mut self, _: i32, _: Option<Secret>) -> Answer<i32> {
        self.register(NEVER, None)
    }

    fn connect_secret_event_deregister_any(&mut self, callback: i32) -> Answer<()> {
        self.deregister(callback)
    }
}

fn registered(how: &str) -> Error {
    Error::new(Code::Internal, format!("internal error: domain event 0 {how} registered"))
}

impl Call {
    fn register(&self, event: i32, domain: Option<&Domain>) -> Answer<i32> {
        let machine = domain.map(|domain| self.daemon.machine(domain)).transpose()?;
        let callback = Callback { event, machine: machine.map(|known| known.id) };
        self.client.register(callback).ok_or_else(|| invalid("too many callbacks"))
    }

    fn deregister(&self, callback: i32) -> Answer<()> {
        match self.client.deregister(callback) {
            true => Ok(()),
            false => Err(argument(&format!("domain event callback {callback} not registered"))),
        }
    }
}
