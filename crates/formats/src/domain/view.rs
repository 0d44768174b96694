//! Looking at an element in such a way that what was not looked at is known afterwards.
//!
//! There is no list of what sVirt understands: an element or attribute is understood if the reader
//! of its device asked for it. What is left is for `harmless` to judge.

use super::{
    error::{DomainError, Problem},
    words::Word,
};
use crate::{
    command_line::shortened,
    xml::{Attribute, Element},
};
use std::{
    cell::{Cell, OnceCell},
    collections::BTreeSet,
    path::PathBuf,
    rc::Rc,
    str::FromStr,
};
use svirt_model::Origin;

/// The answer of everything that reads.
pub(super) type Read<T> = Result<T, DomainError>;

/// Where an element stands: its name, and where the one around it stands.
#[derive(Debug)]
pub(super) struct Step<'a> {
    above: Option<Rc<Step<'a>>>,
    name: &'a str,
    document: &'a str,
}

impl Step<'_> {
    /// The names from the domain's own down, without `domain` itself.
    fn path(&self) -> String {
        match &self.above {
            None => String::new(),
            Some(above) if above.above.is_none() => self.name.to_owned(),
            Some(above) => format!("{}/{}", above.path(), self.name),
        }
    }
}

/// An element, with notes of what was looked at.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) element: &'a Element,
    step: Rc<Step<'a>>,
    seen: Cell<bool>,
    text: Cell<bool>,
    attributes: Vec<(&'a Attribute, Cell<bool>)>,
    children: Vec<View<'a>>,
    /// The names of those among them that were looked at, once nobody looks any more.
    looked_at: OnceCell<BTreeSet<&'a str>>,
}

impl<'a> View<'a> {
    /// The outermost element of a document of this name.
    pub(super) fn new(element: &'a Element, document: &'a str) -> Self {
        Self::below(element, document, None)
    }

    fn below(element: &'a Element, document: &'a str, above: Option<Rc<Step<'a>>>) -> Self {
        let step = Rc::new(Step { above, name: element.written_name(), document });
        let child = |child| Self::below(child, document, Some(Rc::clone(&step)));
        let children = element.elements().map(child).collect();
        let attributes = element.attributes().iter().map(|a| (a, Cell::new(false))).collect();
        let (seen, text) = (Cell::new(false), Cell::new(false));
        Self { element, step, seen, text, attributes, children, looked_at: OnceCell::new() }
    }

    /// The path from the domain down, such as `devices/disk/source`.
    pub(super) fn path(&self) -> String {
        self.step.path()
    }

    /// An error about this element.
    pub(super) fn error(&self, problem: Problem) -> DomainError {
        self.error_at(None, self.element.line(), problem)
    }

    /// An error about an attribute of this element.
    pub(super) fn error_of(&self, attribute: &str, problem: Problem) -> DomainError {
        let mut attributes = self.element.attributes().iter();
        let there = attributes.find(|a| a.written_name() == attribute);
        let line = there.map_or(self.element.line(), Attribute::line);
        self.error_at(Some(attribute), line, problem)
    }

    fn error_at(&self, attribute: Option<&str>, line: u32, problem: Problem) -> DomainError {
        let path = self.path();
        let path = if path.is_empty() { "domain" } else { &path };
        let place = match attribute {
            Some(attribute) => format!("{path}@{attribute}"),
            None => path.to_owned(),
        };
        let document = shortened(self.step.document);
        DomainError::Domain { document, line, place: shortened(&place), problem }
    }

    /// Where something came from, for people: the document, the line, and the element as it is
    /// written with this attribute.
    pub(super) fn origin(&self, attribute: &str) -> Origin {
        let shown = match self.element.attribute(attribute) {
            Some(value) => format!(" {attribute}={:?}", shortened(value)),
            None => String::new(),
        };
        let Step { name, document, .. } = &*self.step;
        let line = self.element.line();
        format!("{} line {line}, <{}{shown}>", shortened(document), shortened(name)).into()
    }

    /// The element's name.
    pub(super) fn name(&self) -> &'a str {
        self.element.name()
    }

    /// The value of an attribute.
    pub(super) fn attr(&self, name: &str) -> Option<&'a str> {
        let named = |a: &Attribute| a.namespace().is_none() && a.written_name() == name;
        let (attribute, seen) = self.attributes.iter().find(|(a, _)| named(a))?;
        seen.set(true);
        Some(attribute.value())
    }

    /// The value of an attribute that must be there.
    pub(super) fn need(&self, name: &'static str) -> Read<&'a str> {
        self.attr(name).ok_or_else(|| self.error_of(name, Problem::Missing("the attribute")))
    }

    /// An attribute that is one of some words.
    pub(super) fn word<T: Word>(&self, name: &str) -> Read<Option<T>> {
        let Some(given) = self.attr(name) else { return Ok(None) };
        T::read(given).map(Some).map_err(|problem| self.error_of(name, problem))
    }

    /// An attribute that must be there and is one of some words.
    pub(super) fn need_word<T: Word>(&self, name: &'static str) -> Read<T> {
        self.need(name)?;
        self.word(name)?.ok_or_else(|| self.error_of(name, Problem::Missing("the attribute")))
    }

    /// An attribute that is `yes` or `no`, or as elsewhere in libvirt's form, `on` or `off`.
    pub(super) fn flag(&self, name: &str) -> Read<Option<bool>> {
        match self.attr(name) {
            None => Ok(None),
            Some("yes" | "on") => Ok(Some(true)),
            Some("no" | "off") => Ok(Some(false)),
            Some(other) => Err(self.error_of(name, Problem::form(other, "yes or no"))),
        }
    }

    /// An attribute that is a whole number.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Read<Option<T>> {
        let Some(given) = self.attr(name) else { return Ok(None) };
        let number = given.trim().parse().map_err(|_| Problem::form(given, "a whole number"));
        number.map(Some).map_err(|problem| self.error_of(name, problem))
    }

    /// An attribute that is an absolute path.
    pub(super) fn path_in(&self, name: &str) -> Read<Option<PathBuf>> {
        let Some(given) = self.attr(name) else { return Ok(None) };
        absolute(given).map(Some).map_err(|problem| self.error_of(name, problem))
    }

    /// An attribute that must be there and is an absolute path.
    pub(super) fn need_path(&self, name: &'static str) -> Read<PathBuf> {
        let given = self.need(name)?;
        absolute(given).map_err(|problem| self.error_of(name, problem))
    }

    /// The text in it.
    pub(super) fn text(&self) -> String {
        self.text.set(true);
        self.element.text()
    }

    /// The text in it, which is an absolute path.
    pub(super) fn text_path(&self) -> Read<PathBuf> {
        absolute(&self.text()).map_err(|problem| self.error(problem))
    }

    /// The text in it, which is a whole number.
    pub(super) fn text_number<T: FromStr>(&self) -> Read<T> {
        let text = self.text();
        text.trim().parse().map_err(|_| self.error(Problem::form(&text, "a whole number")))
    }

    /// The first element in it with this name. A second one is an error later.
    pub(super) fn child(&self, name: &str) -> Option<&View<'a>> {
        self.child_in(None, name)
    }

    /// The first element in it with this name in a namespace.
    pub(super) fn child_in(&self, namespace: Option<&str>, name: &str) -> Option<&View<'a>> {
        let named = |v: &&View<'a>| v.element.namespace() == namespace && v.name() == name;
        let child = self.children.iter().find(named)?;
        child.seen.set(true);
        Some(child)
    }

    /// The element in it with this name, which must be there.
    pub(super) fn need_child(&self, name: &'static str) -> Read<&View<'a>> {
        self.child(name).ok_or_else(|| {
            let what = match name {
                "source" => "<source>",
                "target" => "<target>",
                "backend" => "<backend>",
                "address" => "<address>",
                "size" => "<size>",
                "vendor" => "<vendor>",
                "product" => "<product>",
                "name" => "<name>",
                "memory" => "<memory>",
                "os" => "<os>",
                "type" => "<type>",
                _ => "an element",
            };
            self.error(Problem::Missing(what))
        })
    }

    /// All elements in it with this name.
    pub(super) fn each(&self, name: &str) -> impl Iterator<Item = &View<'a>> {
        self.each_in(None, name)
    }

    /// All elements in it with this name in a namespace.
    pub(super) fn each_in(
        &self,
        namespace: Option<&str>,
        name: &str,
    ) -> impl Iterator<Item = &View<'a>> {
        let named = move |v: &&View<'a>| v.element.namespace() == namespace && v.name() == name;
        self.children.iter().filter(named).inspect(|view| view.seen.set(true))
    }

    /// All elements in it that are in no namespace, none of which counts as looked at yet.
    pub(super) fn children(&self) -> impl Iterator<Item = &View<'a>> {
        self.children.iter().filter(|view| view.element.namespace().is_none())
    }

    /// Notes that it was looked at.
    pub(super) fn take(&self) {
        self.seen.set(true);
    }

    /// The attributes that nobody asked for.
    pub(super) fn left_attributes(&self) -> impl Iterator<Item = &'a Attribute> {
        self.attributes.iter().filter(|(_, seen)| !seen.get()).map(|(attribute, _)| *attribute)
    }

    /// All elements in it, each with whether somebody asked for it.
    pub(super) fn all(&self) -> impl Iterator<Item = (&View<'a>, bool)> {
        self.children.iter().map(|view| (view, view.seen.get()))
    }

    /// Whether there is text in it that nobody asked for.
    pub(super) fn left_text(&self) -> bool {
        !self.text.get() && self.element.has_text()
    }

    /// Whether an element of this name was looked at before this one was left: asked when all were that are.
    pub(super) fn has_seen(&self, name: &str) -> bool {
        let seen = self.children.iter().filter(|view| view.seen.get());
        let names = || seen.map(|view| view.element.written_name()).collect();
        self.looked_at.get_or_init(names).contains(name)
    }
}

/// An absolute path, as libvirt's form has it everywhere.
fn absolute(given: &str) -> Result<PathBuf, Problem> {
    match given.starts_with('/') && !given.contains(char::is_control) {
        true => Ok(PathBuf::from(given)),
        false => Err(Problem::form(given, "an absolute path")),
    }
}
