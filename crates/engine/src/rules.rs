//! What the administrator does not leave to users: `/etc/svirt/rules.json`, a file of root's.
//!
//! ```json
//! { "version": 1, "never-weaken": ["landlock", "seccomp"], "always-require": ["root"],
//!   "ledger-keeps": 100000 }
//! ```

use crate::{Code, Failure};
use serde::Deserialize;
use std::{
    fs::File,
    io::{ErrorKind, Read},
    os::unix::fs::MetadataExt,
    path::Path,
};
use svirt_formats::spec::Spec;
use svirt_host::Doing;
use svirt_model::Layer;

/// Where the rules are.
pub(crate) const RULES: &str = "/etc/svirt/rules.json";
/// No rules are longer than this, in bytes.
const RULES_MAX: u64 = 64 * 1024;

/// What users may not do.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Rules {
    version: u32,
    /// Layers that nobody may give up.
    #[serde(default)]
    never_weaken: Vec<Layer>,
    /// Layers without which no machine starts.
    #[serde(default)]
    always_require: Vec<Layer>,
    /// So many changes to the host are remembered at least, whatever a user says.
    #[serde(default)]
    ledger_keeps: u32,
}

/// The specification with what the administrator requires added.
///
/// # Errors
/// It gives up a layer that nobody may give up, or the rules cannot be read: then nothing starts.
pub(crate) fn apply(spec: &Spec) -> Result<Spec, Failure> {
    ruled(spec, read(Path::new(RULES))?)
}

/// How many entries of the ledger are kept at least. Rules that cannot be read are no leave to forget.
pub(crate) fn ledger_keeps() -> u32 {
    read(Path::new(RULES)).map_or(u32::MAX, |rules| rules.ledger_keeps)
}

fn ruled(spec: &Spec, rules: Rules) -> Result<Spec, Failure> {
    if let Some(layer) = spec.weakened().iter().find(|layer| rules.never_weaken.contains(layer)) {
        let message = format!("the administrator does not allow the layer {layer} to be weakened");
        let cause = match spec.weaken.contains(layer) {
            true => format!("--weaken {layer}"),
            false => "the security label of type none".to_owned(),
        };
        let hint = format!("leave out {cause}; see {RULES}");
        return Err(Failure::new(Code::Denied, message).hint(hint));
    }
    let mut ruled = spec.clone();
    ruled.require.extend(rules.always_require);
    Ok(ruled)
}

fn read(path: &Path) -> Result<Rules, Failure> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Rules::default()),
        Err(e) => return Err(e).on("read", path)?,
    };
    let owner = file.metadata().on("look at", path)?;
    if owner.uid() != 0 || owner.mode() & 0o022 != 0 {
        let message = format!("{} is not root's alone", path.display());
        return Err(Failure::new(Code::Denied, message).hint("chown root and chmod go-w it"));
    }
    let mut text = String::new();
    file.take(RULES_MAX).read_to_string(&mut text).on("read", path)?;
    parse(&text).map_err(|why| {
        let failure = Failure::new(Code::Data, format!("{} cannot be understood", path.display()));
        Failure { causes: vec![why], ..failure }
    })
}

fn parse(text: &str) -> Result<Rules, String> {
    let rules: Rules = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if rules.version == 1 {
        Ok(rules)
    } else {
        Err(format!("version {} is not known", rules.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_a_misspelt_one_is_no_rule() {
        let rules = parse(r#"{"version":1,"never-weaken":["seccomp"]}"#).unwrap();
        assert_eq!((rules.never_weaken, rules.ledger_keeps), (vec![Layer::Seccomp], 0));
        let rules = parse(r#"{"version":1,"ledger-keeps":5000}"#).unwrap();
        assert_eq!(rules.ledger_keeps, 5000);
        assert!(parse(r#"{"version":1,"never-waeken":["seccomp"]}"#).is_err());
        assert!(parse(r#"{"version":2}"#).is_err());
        assert!(parse(r#"{"version":1,"never-weaken":["chroot"]}"#).is_err());
    }

    #[test]
    fn a_label_of_type_none_gives_its_layer_up() {
        let rules = || parse(r#"{"version":1,"never-weaken":["selinux"]}"#).unwrap();
        let spec = |label: &str| {
            let text = format!(r#"{{"version":1,"seclabels":[{label}]}}"#);
            svirt_formats::spec::read(text.as_bytes()).unwrap()
        };
        for none in [r#"{"type":"none"}"#, r#"{"type":"none","model":"selinux"}"#] {
            let failure = ruled(&spec(none), rules()).unwrap_err();
            assert_eq!(failure.code, Code::Denied);
            assert!(failure.hint.unwrap().contains("type none"));
        }
        for other in [r#"{"type":"none","model":"dac"}"#, r#"{"model":"selinux"}"#] {
            ruled(&spec(other), rules()).unwrap();
        }
    }

    #[test]
    fn no_file_is_no_rule_and_a_file_of_others_is_an_error() {
        assert_eq!(read(Path::new("/nonexistent/rules.json")).unwrap(), Rules::default());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rules.json");
        std::fs::write(&path, r#"{"version":1}"#).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666))
            .unwrap();
        assert_eq!(read(&path).unwrap_err().code, Code::Denied);
    }
}
