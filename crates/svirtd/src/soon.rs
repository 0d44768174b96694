//! Temporary.
#![allow(dead_code)]
use svirt_engine::{Code, Engine, Failure, model::MachineName};
fn no<T>() -> Result<T, Failure> {
    Err(Failure::new(Code::Unavailable, "not yet"))
}
pub(crate) trait Soon {
    fn has_managed_save(&self, _: &MachineName) -> bool {
        false
    }
    fn forget_managed_save(&self, _: &MachineName) -> Result<(), Failure> {
        Ok(())
    }
    fn reboot(&self, _: &MachineName) -> Result<(), Failure> {
        no()
    }
}
impl Soon for Engine {}
