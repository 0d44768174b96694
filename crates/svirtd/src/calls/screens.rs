//! What a person sees of a domain, and types.

use super::{Answer, Call};
use crate::failure::{error, no_support, only};
use svirt_rpc::{Domain, List, table};

/// `virDomainConsoleFlags`: whoever sits at it is sent away, or there is only one. Here all see the same, and
/// any number may.
const CONSOLE_FLAGS: u32 = 1 | 2;

impl table::Screens for Call {
    fn domain_open_console(
        &mut self,
        domain: Domain,
        _device: Option<String>,
        flags: u32,
    ) -> Answer<()> {
        only(flags, CONSOLE_FLAGS)?;
        let known = self.daemon.running(&domain)?;
        let console = self.daemon.engine.console(&known.name).map_err(|failure| error(&failure))?;
        self.stream = Some(console);
        Ok(())
    }

    fn domain_screenshot(
        &mut self,
        _domain: Domain,
        _screen: u32,
        _flags: u32,
    ) -> Answer<Option<String>> {
        Err(no_support("virDomainScreenshot"))
    }

    fn domain_send_key(
        &mut self,
        _: Domain,
        _: u32,
        _: u32,
        _: List<u32, 16>,
        _: u32,
    ) -> Answer<()> {
        Err(no_support("virDomainSendKey"))
    }

    fn domain_open_graphics_fd(&mut self, _: Domain, _: u32, _: u32) -> Answer<()> {
        Err(no_support("virDomainOpenGraphicsFD"))
    }
}
