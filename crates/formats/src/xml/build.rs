//! Making elements that did not come from a document.

use super::{Element, Problem};

/// An element that was made, unless a document cannot hold what is in it.
pub(crate) type Built = Result<Element, Problem>;

/// An element with attributes.
pub(crate) fn element(name: &str, attributes: &[(&str, &str)]) -> Built {
    let mut element = Element::new(name)?;
    attributes.iter().try_for_each(|(name, value)| element.set_attribute(name, value))?;
    Ok(element)
}

/// An element with a text in it.
pub(crate) fn text(name: &str, value: &str) -> Built {
    let mut element = Element::new(name)?;
    element.set_text(value)?;
    Ok(element)
}

/// An element with a text in it, and attributes.
pub(crate) fn said(name: &str, attributes: &[(&str, &str)], value: &str) -> Built {
    let mut element = element(name, attributes)?;
    element.set_text(value)?;
    Ok(element)
}

/// An element with one other in it.
pub(crate) fn around(mut outer: Element, inner: Element) -> Element {
    outer.append(inner);
    outer
}

/// An element with others in it.
pub(crate) fn holding(mut outer: Element, inner: impl IntoIterator<Item = Built>) -> Built {
    inner.into_iter().try_for_each(|inner| inner.map(|inner| outer.append(inner)))?;
    Ok(outer)
}
