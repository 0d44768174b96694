//! Security labels: of the domain (`<seclabel>` in `<domain>`), and of one source, which overrides
//! what the domain's says. The words mean what libvirt's documentation says under "Security label"
//! (<https://libvirt.org/formatdomain.html#security-label>).

use super::{
    error::Problem,
    view::{Read, View},
    words::LabelType,
};
use std::fmt;

/// What a domain says about the label of one security model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainLabel {
    /// How the label comes about. `none` for a domain that the model shall not confine.
    pub kind: LabelType,
    /// The model: `selinux`, `apparmor`, `smack`, `dac`, or another that the host may have. None:
    /// the host's first one.
    pub model: Option<String>,
    /// Whether the domain's resources get a label: as stated, or by the kind, yes for dynamic ones.
    pub relabel: bool,
    /// The process's label. Of a dynamic one, what it was when the document was written.
    pub label: Option<String>,
    /// What a dynamic label is made from, such as the type of an SELinux context.
    pub base: Option<String>,
    /// What resources had as their label when the document was written.
    pub image: Option<String>,
    /// The line.
    pub line: u32,
}

/// What one source says about its own label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLabel {
    /// The model, or all of them.
    pub model: Option<String>,
    /// What happens to its label.
    pub what: Relabel,
    /// The line.
    pub line: u32,
}

/// What happens to the label of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relabel {
    /// It stays as it is (`relabel='no'`).
    Leave,
    /// It could not be set and that was accepted (`labelskip='yes'`; only in what libvirt writes).
    Skipped,
    /// It becomes this.
    To(String),
}

impl fmt::Display for SourceLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = self.model.as_deref().unwrap_or("every model");
        match &self.what {
            Relabel::Leave => write!(f, "{model}: not relabelled"),
            Relabel::Skipped => write!(f, "{model}: could not be labelled"),
            Relabel::To(label) => write!(f, "{model}: {label}"),
        }
    }
}

/// The domain's labels, at most one for each model.
pub(super) fn domain(root: &View<'_>) -> Read<Vec<DomainLabel>> {
    let mut labels: Vec<DomainLabel> = Vec::new();
    for view in root.each("seclabel") {
        let label = one(view)?;
        if labels.iter().any(|other| other.model == label.model) {
            return Err(view.error(Problem::Contradiction("this model has a label already")));
        }
        labels.push(label);
    }
    Ok(labels)
}

fn one(view: &View<'_>) -> Read<DomainLabel> {
    let kind = view.word("type")?.unwrap_or(LabelType::Dynamic);
    let stated = view.flag("relabel")?;
    let text = |name| view.child(name).map(|child| child.text());
    let label = DomainLabel {
        kind,
        model: view.attr("model").map(str::to_owned),
        relabel: stated.unwrap_or(kind == LabelType::Dynamic),
        label: text("label"),
        base: text("baselabel"),
        image: text("imagelabel"),
        line: view.element.line(),
    };
    let refuse = |why| Err(view.error(Problem::Contradiction(why)));
    match kind {
        LabelType::Static if label.label.is_none() => refuse("a static label needs a <label>"),
        LabelType::Static if label.base.is_some() => refuse("a static label has no <baselabel>"),
        LabelType::Dynamic if !label.relabel => refuse("a dynamic label needs relabel='yes'"),
        LabelType::None if label.relabel => refuse("a label of type none has no relabel='yes'"),
        LabelType::None if label.label.is_some() || label.base.is_some() => {
            refuse("a label of type none has no label")
        }
        _ => Ok(label),
    }
}

/// The labels of a source.
pub(super) fn source(view: &View<'_>) -> Read<Vec<SourceLabel>> {
    let mut labels: Vec<SourceLabel> = Vec::new();
    for child in view.each("seclabel") {
        let model = child.attr("model").map(str::to_owned);
        if labels.iter().any(|other| other.model == model) {
            return Err(child.error(Problem::Contradiction("this model has a label already")));
        }
        labels.push(SourceLabel { model, what: relabel(child)?, line: child.element.line() });
    }
    Ok(labels)
}

fn relabel(view: &View<'_>) -> Read<Relabel> {
    let label = view.child("label").map(|child| child.text());
    match (view.flag("relabel")?, view.flag("labelskip")?, label) {
        (Some(false), _, None) => Ok(Relabel::Leave),
        (None, Some(true), None) => Ok(Relabel::Skipped),
        (None | Some(true), None | Some(false), Some(label)) => Ok(Relabel::To(label)),
        (Some(false), _, Some(_)) => {
            Err(view.error(Problem::Contradiction("a source that is not relabelled has no label")))
        }
        _ => Err(view.error(Problem::Contradiction("relabel='no' or a <label> must be said"))),
    }
}
