//! Security labels in a specification: libvirt's words, in JSON. What they mean is `model`'s.

use serde::{Deserialize, Serialize};
use svirt_model::label::{
    LabelError, Relabelling, Seclabel, SeclabelWords, SecurityModel, SourceLabel,
};

/// How a machine gets its label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelKind {
    /// One that no other machine has.
    #[default]
    Dynamic,
    /// A stated one.
    Static,
    /// None: the machine gives the model up.
    None,
}

impl LabelKind {
    /// Every kind, with its word.
    pub const ALL: [(&'static str, Self); 3] =
        [("dynamic", Self::Dynamic), ("static", Self::Static), ("none", Self::None)];

    /// libvirt's word for it.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("dynamic", |(word, _)| word)
    }
}

/// How a machine is labelled by one security model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SeclabelSpec {
    /// How it gets its label.
    #[serde(default, rename = "type")]
    pub kind: LabelKind,
    /// The model; without it, the first that the host has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<SecurityModel>,
    /// From which label a dynamic one is made, in place of the model's usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baselabel: Option<String>,
    /// A static label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether the machine's resources are relabelled: by default those of a dynamic label are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relabel: Option<bool>,
}

/// How one file or device is labelled by one model, where that differs from its machine's other resources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RelabelSpec {
    /// The model; without it, each of which nothing else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<SecurityModel>,
    /// Its label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `false`: it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relabel: Option<bool>,
    /// Whether it is accepted that its file system has no labels.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub labelskip: bool,
}

fn yes_or_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

impl SeclabelSpec {
    /// What it means.
    ///
    /// # Errors
    /// It says two things that exclude each other, or has a label that its model cannot have.
    pub fn read(&self) -> Result<Seclabel, LabelError> {
        let Self { kind, model, baselabel, label, relabel } = self;
        let useless = match kind {
            LabelKind::Dynamic if label.is_some() => Some("has no label of the user's"),
            LabelKind::Static if baselabel.is_some() => Some("has no baselabel"),
            LabelKind::None if label.is_some() || baselabel.is_some() => Some("has no label"),
            _ => None,
        };
        if let Some(why) = useless {
            return Err(LabelError::Contradiction { kind: kind.word(), why });
        }
        Seclabel::read(SeclabelWords {
            kind: Some(kind.word()),
            model: model.map(SecurityModel::word),
            relabel: relabel.map(yes_or_no),
            labelskip: None,
            label: label.as_deref(),
            baselabel: baselabel.as_deref(),
        })
    }
}

impl RelabelSpec {
    /// What it means.
    ///
    /// # Errors
    /// It says nothing, or two things that exclude each other, or has a label that its model cannot
    /// have.
    pub fn read(&self) -> Result<SourceLabel, LabelError> {
        let refuse = |why| Err(LabelError::Contradiction { kind: "label", why });
        let said = [self.label.is_some(), self.relabel == Some(false), self.labelskip];
        if said.into_iter().filter(|said| *said).count() > 1 {
            return refuse("of one source says one of label, relabel and labelskip, not several");
        }
        if self.model == Some(SecurityModel::Dac) && self.relabel != Some(false) {
            let why = "cannot be set: the owner of a file is never changed";
            return Err(LabelError::Contradiction { kind: "dac", why });
        }
        let relabelling = Relabelling::read(SeclabelWords {
            kind: None,
            model: self.model.map(SecurityModel::word),
            relabel: self.relabel.map(yes_or_no),
            labelskip: self.labelskip.then_some("yes"),
            label: self.label.as_deref(),
            baselabel: None,
        })?;
        match relabelling {
            Some(what) => Ok(SourceLabel { model: self.model, what }),
            None => refuse("of one source says nothing: write label, relabel or labelskip"),
        }
    }
}
