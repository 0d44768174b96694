//! Which namespace a prefix stands for, where.

use super::{Attribute, Problem, XML_NAMESPACE, XMLNS_NAMESPACE, error::shown, text::split_name};
use std::{collections::HashMap, sync::Arc};

/// The declarations in force. The default namespace has the empty prefix.
#[derive(Debug, Default)]
pub(super) struct Scope(HashMap<String, Vec<Option<Arc<str>>>>);

/// The prefixes that one element declares.
pub(super) type Declared = Vec<String>;

impl Scope {
    /// Enters an element: takes its declarations, then says what its own name and those of its
    /// attributes stand for.
    pub(super) fn enter(
        &mut self,
        name: &str,
        attributes: &mut [Attribute],
    ) -> Result<(Option<Arc<str>>, Declared), Problem> {
        let mut declared = Vec::new();
        for attribute in attributes.iter() {
            if let Some(prefix) = declares(&attribute.name) {
                self.declare(prefix, attribute)?;
                declared.push(prefix.to_owned());
            }
        }
        let (prefix, _) = split_name(name)?;
        let namespace = self.find(prefix.unwrap_or(""))?;
        for attribute in attributes.iter_mut() {
            attribute.namespace = self.of_attribute(&attribute.name)?;
        }
        twice(attributes)?;
        Ok((namespace, declared))
    }

    /// Leaves an element that declared these.
    pub(super) fn leave(&mut self, declared: &Declared) {
        for prefix in declared {
            if let Some(bindings) = self.0.get_mut(prefix) {
                bindings.pop();
            }
        }
    }

    /// The constraints of section 3 of Namespaces in XML 1.0.
    fn declare(&mut self, prefix: &str, attribute: &Attribute) -> Result<(), Problem> {
        let uri = attribute.value();
        let refused = match prefix {
            "xml" => uri != XML_NAMESPACE,
            "xmlns" => true,
            "" => uri == XML_NAMESPACE || uri == XMLNS_NAMESPACE,
            _ => uri.is_empty() || uri == XML_NAMESPACE || uri == XMLNS_NAMESPACE,
        };
        if refused {
            return Err(Problem::Declaration(shown(&format!("{}={uri}", attribute.name))));
        }
        let bound = (!uri.is_empty()).then(|| Arc::from(uri));
        self.0.entry(prefix.to_owned()).or_default().push(bound);
        Ok(())
    }

    fn of_attribute(&self, name: &str) -> Result<Option<Arc<str>>, Problem> {
        if declares(name).is_some() {
            return Ok(Some(Arc::from(XMLNS_NAMESPACE)));
        }
        // The default namespace is not one of attributes.
        split_name(name)?.0.map_or(Ok(None), |prefix| self.find(prefix))
    }

    fn find(&self, prefix: &str) -> Result<Option<Arc<str>>, Problem> {
        let bound = self.0.get(prefix).and_then(|bindings| bindings.last()).cloned();
        match (prefix, bound) {
            ("xml", _) => Ok(Some(Arc::from(XML_NAMESPACE))),
            ("", bound) => Ok(bound.flatten()),
            ("xmlns", _) | (_, None) => Err(Problem::Prefix(shown(prefix))),
            (_, Some(bound)) => Ok(bound),
        }
    }
}

/// The prefix that an attribute of this name declares.
fn declares(name: &str) -> Option<&str> {
    if name == "xmlns" { Some("") } else { name.strip_prefix("xmlns:") }
}

fn twice(attributes: &[Attribute]) -> Result<(), Problem> {
    let same = |a: &Attribute, b: &Attribute| {
        a.name == b.name
            || a.namespace.is_some() && a.namespace == b.namespace && a.name() == b.name()
    };
    for (index, attribute) in attributes.iter().enumerate() {
        let before = attributes.get(..index).unwrap_or_default();
        if before.iter().any(|other| same(other, attribute)) {
            return Err(Problem::Twice(shown(&attribute.name)));
        }
    }
    Ok(())
}
