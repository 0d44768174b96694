//! Temporary.
#![allow(dead_code)]
use svirt_engine::{Code, Engine, Failure, model::MachineName};
pub(crate) enum Amendment {
    Description(Option<String>),
    Title(Option<String>),
    Metadata { uri: String, key: Option<String>, xml: Option<String> },
    MaxMemory(svirt_engine::model::Bytes),
    Memory(svirt_engine::model::Bytes),
    Vcpus(u32),
}
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
    fn amend(&self, _: &MachineName, _: Amendment) -> Result<(), Failure> {
        no()
    }
    fn title(&self, _: &MachineName) -> Result<Option<String>, Failure> {
        no()
    }
    fn description(&self, _: &MachineName) -> Result<Option<String>, Failure> {
        no()
    }
    fn metadata(&self, _: &MachineName, _: &str) -> Result<Option<String>, Failure> {
        no()
    }
    fn reboot(&self, _: &MachineName) -> Result<(), Failure> {
        no()
    }
}
impl Soon for Engine {}
