//! libvirt's words for choosing labels: the element `seclabel` of a domain and of a device
//! (formatdomain, "Security label").

use super::{Context, Ink, LabelError, ProfileName, SmackLabel};
use crate::Layer;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest label in bytes, whatever its model (`VIR_SECURITY_LABEL_BUFLEN` of libvirt, less the
/// NUL).
pub const LABEL_MAX: usize = 4096;

/// A security model that puts labels on things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecurityModel {
    /// SELinux.
    Selinux,
    /// AppArmor.
    Apparmor,
    /// Smack.
    Smack,
    /// User and group.
    Dac,
}

impl SecurityModel {
    /// The word that `model=` has.
    pub fn word(self) -> &'static str {
        match self {
            Self::Selinux => "selinux",
            Self::Apparmor => "apparmor",
            Self::Smack => "smack",
            Self::Dac => "dac",
        }
    }

    /// Reads the word.
    ///
    /// # Errors
    /// There is no such model.
    pub fn from_word(given: &str) -> Result<Self, LabelError> {
        let choices = "selinux, apparmor, smack or dac";
        let all = [Self::Selinux, Self::Apparmor, Self::Smack, Self::Dac];
        let word = LabelError::Word { what: "security model", given: Ink::of(given), choices };
        all.into_iter().find(|model| model.word() == given).ok_or(word)
    }

    /// Whether a text can be a label of this model for a machine.
    ///
    /// # Errors
    /// Why not.
    pub fn accepts(self, label: &str) -> Result<(), LabelError> {
        match self {
            Self::Selinux => label.parse::<Context>().map(drop),
            Self::Apparmor => label.parse::<ProfileName>().map(drop),
            Self::Smack => SmackLabel::for_machine(label).map(drop),
            Self::Dac => owner(label),
        }
    }
}

impl fmt::Display for SecurityModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// `user:group`, each a name, or a number after `+`.
fn owner(label: &str) -> Result<(), LabelError> {
    let name = |part: &str| {
        let text = part.strip_prefix('+').unwrap_or(part);
        let number = !part.starts_with('+') || text.parse::<u32>().is_ok();
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '$');
        !text.is_empty() && number && text.chars().all(known)
    };
    match label.split_once(':') {
        Some((user, group)) if name(user) && name(group) => Ok(()),
        _ => Err(LabelError::Malformed {
            what: "owner",
            given: Ink::of(label),
            why: "it is user:group, each a name, or a number after '+'",
        }),
    }
}

/// How a machine gets its label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeclabelKind {
    /// One that no other machine has; its resources are relabelled.
    Dynamic {
        /// From which label it is made, instead of the model's usual one.
        base: Option<String>,
    },
    /// This one.
    Static {
        /// The label.
        label: String,
        /// Whether its resources are relabelled.
        relabel: bool,
    },
    /// None: the machine gives this model up.
    None,
}

/// How a machine is labelled by one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seclabel {
    /// The model; `None` means the first that the host has.
    pub model: Option<SecurityModel>,
    /// How.
    pub kind: SeclabelKind,
}

/// The words of one element, as they stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeclabelWords<'a> {
    /// `type=`: `dynamic`, `static` or `none`; `dynamic` where it is missing.
    pub kind: Option<&'a str>,
    /// `model=`.
    pub model: Option<&'a str>,
    /// `relabel=`: `yes` or `no`.
    pub relabel: Option<&'a str>,
    /// `labelskip=`: `yes` or `no`, of a device only.
    pub labelskip: Option<&'a str>,
    /// The text of `<label>`.
    pub label: Option<&'a str>,
    /// The text of `<baselabel>`.
    pub baselabel: Option<&'a str>,
}

impl Seclabel {
    /// Reads a domain's element. What libvirt writes about a running machine (a label beside
    /// `dynamic`, `imagelabel`) is output and is passed over.
    ///
    /// # Errors
    /// A word without meaning, words that contradict each other, a label that its model cannot have.
    pub fn read(words: SeclabelWords<'_>) -> Result<Self, LabelError> {
        let model = words.model.map(SecurityModel::from_word).transpose()?;
        let relabel = words.relabel.map(|word| yes_or_no("relabel", word)).transpose()?;
        let contradiction = |kind, why| Err(LabelError::Contradiction { kind, why });
        let kind = match words.kind.unwrap_or("dynamic") {
            "dynamic" if relabel == Some(false) => {
                return contradiction(
                    "dynamic",
                    "needs its resources relabelled: leave relabel out",
                );
            }
            "dynamic" => SeclabelKind::Dynamic { base: checked(model, words.baselabel)? },
            "static" => {
                let Some(label) = checked(model, words.label)? else {
                    return contradiction("static", "needs a label");
                };
                SeclabelKind::Static { label, relabel: relabel.unwrap_or(false) }
            }
            "none" if relabel == Some(true) => {
                return contradiction("none", "has nothing to relabel with: leave relabel out");
            }
            "none" => SeclabelKind::None,
            given => {
                let choices = "dynamic, static or none";
                return Err(LabelError::Word {
                    what: "type of label",
                    given: Ink::of(given),
                    choices,
                });
            }
        };
        Ok(Self { model, kind })
    }

    /// The layers that the machine gives up by it. Without a model, those of every model that labels
    /// by a policy of the host's: the host has one of them, and which one is not known here.
    pub fn gives_up(&self) -> &'static [Layer] {
        match (&self.kind, self.model) {
            (SeclabelKind::Dynamic { .. } | SeclabelKind::Static { .. }, _) => &[],
            (SeclabelKind::None, None) => &[Layer::Selinux, Layer::Apparmor, Layer::Smack],
            (SeclabelKind::None, Some(SecurityModel::Selinux)) => &[Layer::Selinux],
            (SeclabelKind::None, Some(SecurityModel::Apparmor)) => &[Layer::Apparmor],
            (SeclabelKind::None, Some(SecurityModel::Smack)) => &[Layer::Smack],
            (SeclabelKind::None, Some(SecurityModel::Dac)) => &[Layer::User],
        }
    }

    /// Whether the machine's resources are relabelled.
    pub fn relabels(&self) -> bool {
        match self.kind {
            SeclabelKind::Dynamic { .. } => true,
            SeclabelKind::Static { relabel, .. } => relabel,
            SeclabelKind::None => false,
        }
    }
}

/// How one resource is labelled, where that differs from its machine's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relabelling {
    /// With this label.
    Label(String),
    /// It stays as it is (`relabel='no'`).
    Leave,
    /// It could not be labelled, because its file system has no labels, and that was accepted
    /// (`labelskip='yes'`).
    Skip,
}

/// How one model labels one resource, where that differs from its machine's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLabel {
    /// The model; `None` means each of which nothing else is said.
    pub model: Option<SecurityModel>,
    /// How.
    pub what: Relabelling,
}

impl SourceLabel {
    /// What is said for a model: under its name, or else under none.
    pub fn of(labels: &[Self], model: SecurityModel) -> Option<&Relabelling> {
        let about = |model| labels.iter().find(move |label| label.model == model);
        about(Some(model)).or_else(|| about(None)).map(|label| &label.what)
    }
}

impl Relabelling {
    /// Reads a device's element; `None` where it asks for nothing else than its machine's.
    ///
    /// # Errors
    /// A word without meaning, words that contradict each other, a label that its model cannot have.
    pub fn read(words: SeclabelWords<'_>) -> Result<Option<Self>, LabelError> {
        let model = words.model.map(SecurityModel::from_word).transpose()?;
        let relabel = words.relabel.map(|word| yes_or_no("relabel", word)).transpose()?;
        let skip = words.labelskip.map(|word| yes_or_no("labelskip", word)).transpose()?;
        match (checked(model, words.label)?, relabel, skip) {
            (Some(_), Some(false), _) => Err(LabelError::Contradiction {
                kind: "label",
                why: "and relabel='no' contradict each other: leave one of them out",
            }),
            (_, _, Some(true)) => Ok(Some(Self::Skip)),
            (_, Some(false), _) => Ok(Some(Self::Leave)),
            (Some(label), _, _) => Ok(Some(Self::Label(label))),
            (None, _, _) => Ok(None),
        }
    }
}

fn yes_or_no(what: &'static str, given: &str) -> Result<bool, LabelError> {
    match given {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(LabelError::Word { what, given: Ink::of(given), choices: "yes or no" }),
    }
}

/// A label in the form that its model wants; where the model is not known yet, within any limit.
fn checked(
    model: Option<SecurityModel>,
    label: Option<&str>,
) -> Result<Option<String>, LabelError> {
    let Some(label) = label else { return Ok(None) };
    let (what, given, length, limit) = ("label", Ink::of(label), label.len(), LABEL_MAX);
    if length > limit {
        return Err(LabelError::TooLong { what, given, length, limit });
    }
    if label.is_empty() || label.chars().any(char::is_control) {
        let why = "it is empty, or has control characters in it";
        return Err(LabelError::Malformed { what, given, why });
    }
    model.map_or(Ok(()), |model| model.accepts(label))?;
    Ok(Some(label.to_owned()))
}
