//! Temporary.
#![allow(dead_code)]
use svirt_engine::{
    Code, Engine, Failure,
    model::MachineName,
    spec::{DomainSpec, Spec},
};
use uuid::Uuid;
pub(crate) struct XmlFlags {
    pub(crate) inactive: bool,
    pub(crate) secure: bool,
    pub(crate) migratable: bool,
}
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
    fn domain_to_native(&self, _: &str) -> Result<String, Failure> {
        no()
    }
    fn has_managed_save(&self, _: &MachineName) -> bool {
        false
    }
    fn forget_managed_save(&self, _: &MachineName) -> Result<(), Failure> {
        Ok(())
    }
    fn check_domain(&self, xml: &str) -> Result<(MachineName, Option<Uuid>, Spec), Failure> {
        let domain = Some(DomainSpec::read(xml.as_bytes(), "domain")?);
        let spec = Spec { version: svirt_engine::spec::VERSION, domain, ..Spec::default() };
        let e = spec.expanded()?.spec;
        Ok((e.name.unwrap(), e.uuid, spec))
    }
    fn domain_xml(&self, name: &MachineName, _: XmlFlags) -> Result<String, Failure>;
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
impl Soon for Engine {
    fn domain_xml(&self, name: &MachineName, _: XmlFlags) -> Result<String, Failure> {
        self.domain(name)
    }
}
