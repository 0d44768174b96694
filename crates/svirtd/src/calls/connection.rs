//! The connection itself.

use super::{Answer, Call};
use crate::{
    apart::{self, Task},
    failure::{argument, error, only},
};
use svirt_rpc::{Chars, Code, Error, List, SecurityModel, table};

/// Features of the protocol that there are (`virDrvFeature`): descriptors are passed (8), texts among typed
/// parameters (9), keepalive (10), documents for another version (11), events under callbacks (14), and the
/// close callback (15). Nothing of migration.
const FEATURES: &[i32] = &[8, 9, 10, 11, 14, 15];
/// The version of libvirt whose protocol this is.
const LIBVIRT: u64 = 9_000_000;
/// No way to say who one is: the kernel has said it (`REMOTE_AUTH_NONE`).
const NO_AUTHENTICATION: i32 = 0;
/// The most virtual processors of a machine.
const VCPUS_MAX: i32 = 255;
/// `VIR_CONNECT_RO`: opened only to look.
const LOOKS: u32 = 1;
/// That, and what clients send along though it concerns only them: that they have resolved an
/// alias, are a user's, or would have started the daemon.
const OPEN_FLAGS: u32 = LOOKS | 2 | 4;

impl table::Connection for Call {
    fn connect_open(&mut self, uri: Option<String>, flags: u32) -> Answer<()> {
        only(flags, OPEN_FLAGS)?;
        let own = self.daemon.uri();
        if let Some(other) = uri.filter(|uri| !uri.is_empty() && without_query(uri) != own) {
            let message = format!("no connection driver available for {other}: this is {own}");
            return Err(Error::new(Code::NoConnect, message));
        }
        if self.client.allowed.is_nothing() {
            let peer = &self.client.peer;
            let message = format!(
                "authentication failed: user {} (process {}) is not on the access list",
                peer.uid, peer.process
            );
            return Err(Error::new(Code::AuthFailed, message));
        }
        match self.client.open(flags & LOOKS != 0) {
            true => Ok(()),
            false => Err(Error::new(Code::Internal, "connection already open")),
        }
    }

    fn connect_close(&mut self) -> Answer<()> {
        self.client.close();
        Ok(())
    }

    fn connect_get_type(&mut self) -> Answer<String> {
        Ok("QEMU".into())
    }

    fn connect_get_version(&mut self) -> Answer<u64> {
        let version = apart::ask::<[u32; 3]>(&Task::Version).map_err(|failure| error(&failure))?;
        let [major, minor, micro] = version.map(u64::from);
        Ok(major * 1_000_000 + minor * 1000 + micro)
    }

    fn connect_get_max_vcpus(&mut self, kind: Option<String>) -> Answer<i32> {
        match kind.as_deref() {
            None | Some("qemu" | "kvm") => Ok(VCPUS_MAX),
            Some(other) => Err(argument(&format!("unknown type '{other}'"))),
        }
    }

    fn connect_get_capabilities(&mut self) -> Answer<String> {
        apart::ask(&Task::Capabilities).map_err(|failure| error(&failure))
    }

    fn connect_get_hostname(&mut self) -> Answer<String> {
        Ok(rustix::system::uname().nodename().to_string_lossy().into_owned())
    }

    fn connect_supports_feature(&mut self, feature: i32) -> Answer<i32> {
        Ok(FEATURES.contains(&feature).into())
    }

    fn auth_list(&mut self) -> Answer<List<i32, 20>> {
        Ok(List(vec![NO_AUTHENTICATION]))
    }

    fn connect_get_uri(&mut self) -> Answer<String> {
        Ok(self.daemon.uri().into())
    }

    fn node_get_security_model(&mut self) -> Answer<SecurityModel> {
        let (model, doi) = self.daemon.engine.security_model();
        Ok(SecurityModel { model: Chars(model), doi: Chars(doi) })
    }

    fn connect_domain_xml_to_native(
        &mut self,
        format: String,
        xml: String,
        flags: u32,
    ) -> Answer<String> {
        only(flags, 0)?;
        if format != "qemu-argv" {
            return Err(argument(&format!("unsupported config type {format}")));
        }
        apart::ask(&Task::Native(xml)).map_err(|failure| error(&failure))
    }

    fn connect_is_secure(&mut self) -> Answer<i32> {
        Ok(1)
    }

    fn connect_get_lib_version(&mut self) -> Answer<u64> {
        Ok(LIBVIRT)
    }

    fn connect_get_cpu_model_names(
        &mut self,
        architecture: String,
        _wanted: i32,
        flags: u32,
    ) -> Answer<(List<String, 8192>, i32)> {
        only(flags, 0)?;
        // None is the word for "any": whatever model a domain names, it gets what the accelerator offers in full.
        match architecture.as_str() {
            "x86_64" => Ok((List(Vec::new()), 0)),
            other => Err(argument(&format!("cannot find architecture {other}"))),
        }
    }

    fn connect_get_domain_capabilities(
        &mut self,
        emulator: Option<String>,
        architecture: Option<String>,
        machine: Option<String>,
        kind: Option<String>,
        flags: u32,
    ) -> Answer<String> {
        only(flags, 0)?;
        let asked = Task::DomainCapabilities([emulator, architecture, machine, kind]);
        apart::ask(&asked).map_err(|failure| error(&failure))
    }

    fn connect_register_close_callback(&mut self) -> Answer<()> {
        Ok(())
    }

    fn connect_unregister_close_callback(&mut self) -> Answer<()> {
        Ok(())
    }
}

fn without_query(uri: &str) -> &str {
    uri.split(['?', '#']).next().unwrap_or_default()
}
