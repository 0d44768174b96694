//! From a document to the tree.
//!
//! `quick-xml` says where each piece of markup ends; what is in it is read here, from the same
//! bytes, so that nothing of how it was written is lost and nothing is believed unchecked.

use super::{
    DEPTH_MAX, DOCUMENT_MAX, Document, Element, NODES_MAX, Node, Problem, XmlError,
    error::shown,
    namespaces::{Declared, Scope},
    tag::{self, Tag, lines},
    text::{check_name, forbidden, is_blank, is_space, line_ends, unescape},
    tree::{Layout, Text},
};
use quick_xml::{Reader, events::Event};

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// It is not well-formed XML 1.0 in UTF-8 without a document type, or passes a limit of this
    /// module; see [`Problem`].
    pub fn read(bytes: &[u8]) -> Result<Self, XmlError> {
        if bytes.len() > DOCUMENT_MAX {
            return Err(Problem::TooLarge.at(1));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let before = good.iter().filter(|byte| **byte == b'\n').count();
            Problem::NotUtf8.at(u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1))
        })?;
        let (mark, text) = text.strip_prefix('\u{feff}').map_or((false, text), |t| (true, t));
        if let Some((at, bad)) = forbidden(text) {
            let line = 1 + lines(text.get(..at).unwrap_or_default());
            return Err(Problem::Character(bad as u32).at(line));
        }
        Builder::new(text).build(mark)
    }
}

/// An element whose end has not come yet.
struct Open {
    element: Element,
    declared: Declared,
}

struct Builder<'a> {
    text: &'a str,
    line: u32,
    /// Where that line begins.
    line_start: usize,
    nodes: usize,
    scope: Scope,
    open: Vec<Open>,
    before: Vec<Node>,
    root: Option<Element>,
    after: Vec<Node>,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str) -> Self {
        let (before, after, open) = (Vec::new(), Vec::new(), Vec::new());
        let (line, line_start, nodes, scope, root) = (1, 0, 0, Scope::default(), None);
        Self { text, line, line_start, nodes, scope, open, before, root, after }
    }

    fn build(mut self, mark: bool) -> Result<Document, XmlError> {
        let mut reader = Reader::from_str(self.text);
        reader.config_mut().check_comments = true;
        loop {
            let start = position(reader.buffer_position());
            let event = reader.read_event().map_err(|error| {
                let end = position(reader.error_position());
                let line = 1 + lines(self.text.get(..end).unwrap_or_default());
                Problem::syntax(shown(&error.to_string())).at(line)
            })?;
            let end = position(reader.buffer_position());
            if matches!(event, Event::Eof) {
                break;
            }
            let raw = self.text.get(start..end).unwrap_or_default();
            self.event(&event, raw, start)?;
            self.line += lines(raw);
            if let Some(last) = raw.rfind('\n') {
                self.line_start = start + last + 1;
            }
        }
        self.finish(mark)
    }

    fn event(&mut self, event: &Event<'_>, raw: &str, start: usize) -> Result<(), XmlError> {
        let line = self.line;
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Problem::TooManyNodes.at(line));
        }
        match event {
            Event::Start(_) => self.start(cut(raw, "<", ">"), start, false),
            Event::Empty(_) => {
                self.start(cut(raw, "<", "/>"), start, true)?;
                self.close();
                Ok(())
            }
            Event::End(_) => self.end(cut(raw, "</", ">")).map_err(|p| p.at(line)),
            Event::Text(_) | Event::GeneralRef(_) => {
                self.character_data(raw).map_err(|p| p.at(line))
            }
            Event::CData(_) => self.cdata(raw).map_err(|p| p.at(line)),
            Event::Comment(_) => {
                self.add(Node::Other(raw.to_owned()));
                Ok(())
            }
            Event::Decl(_) => self.declaration(raw, start).map_err(|p| p.at(line)),
            Event::PI(instruction) => {
                self.instruction(instruction.target(), raw).map_err(|p| p.at(line))
            }
            Event::DocType(_) => Err(Problem::DocumentType.at(line)),
            Event::Eof => Ok(()),
        }
    }

    fn start(&mut self, inner: &str, at: usize, closed: bool) -> Result<(), XmlError> {
        let line = self.line;
        if self.open.is_empty() && self.root.is_some() {
            return Err(Problem::syntax("there is a second outermost element").at(line));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(Problem::TooDeep.at(line));
        }
        let Tag { name, mut attributes, tail } = tag::read(inner, line)?;
        self.nodes += attributes.len();
        let entered = self.scope.enter(&name, &mut attributes);
        let (namespace, declared) = entered.map_err(|problem| problem.at(line))?;
        let layout = Layout { indent: self.indent(at), tail, closed, end: String::new() };
        let children = Vec::new();
        let element = Element { name, namespace, attributes, children, line, layout };
        self.open.push(Open { element, declared });
        Ok(())
    }

    /// The white space between the beginning of the line and this place, if nothing else is there.
    fn indent(&self, at: usize) -> String {
        let line = self.text.get(self.line_start..at).unwrap_or_default();
        if is_blank(line) { line.to_owned() } else { String::new() }
    }

    fn end(&mut self, inner: &str) -> Result<(), Problem> {
        let name = inner.trim_end_matches(is_space);
        let open = self.open.last_mut().filter(|open| open.element.name == name);
        let open = open.ok_or_else(|| {
            Problem::syntax(format!("</{}> ends nothing that is open", shown(name)))
        })?;
        open.element.layout.end = inner.get(name.len()..).unwrap_or_default().to_owned();
        self.close();
        Ok(())
    }

    fn close(&mut self) {
        let Some(Open { element, declared }) = self.open.pop() else { return };
        self.scope.leave(&declared);
        match self.open.last_mut() {
            Some(parent) => parent.element.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
    }

    /// Where what comes next belongs.
    fn place(&mut self) -> &mut Vec<Node> {
        match self.open.last_mut() {
            Some(open) => &mut open.element.children,
            None if self.root.is_none() => &mut self.before,
            None => &mut self.after,
        }
    }

    fn add(&mut self, node: Node) {
        self.place().push(node);
    }

    /// Text, or a reference in it: what follows a text directly is the same text.
    fn character_data(&mut self, raw: &str) -> Result<(), Problem> {
        if self.open.is_empty() && !is_blank(raw) {
            return Err(Problem::syntax("there is text outside the outermost element"));
        }
        if raw.contains("]]>") {
            return Err(Problem::syntax("]]> stands in a text: write ]]&gt;"));
        }
        let value = unescape(raw)?;
        let here = self.place();
        if let Some(Node::Text(text)) = here.last_mut() {
            text.raw.push_str(raw);
            text.value.push_str(&value);
        } else {
            here.push(Node::Text(Text { raw: raw.to_owned(), value }));
        }
        Ok(())
    }

    fn cdata(&mut self, raw: &str) -> Result<(), Problem> {
        if self.open.is_empty() {
            return Err(Problem::syntax("there is text outside the outermost element"));
        }
        let value = line_ends(cut(raw, "<![CDATA[", "]]>"));
        self.add(Node::CData(Text { raw: raw.to_owned(), value }));
        Ok(())
    }

    fn instruction(&mut self, target: &str, raw: &str) -> Result<(), Problem> {
        check_name(target)?;
        if target.eq_ignore_ascii_case("xml") {
            return Err(Problem::syntax("the declaration of XML must come first"));
        }
        self.add(Node::Other(raw.to_owned()));
        Ok(())
    }

    /// The declaration of XML: `version` first, then perhaps `encoding` and `standalone`.
    fn declaration(&mut self, raw: &str, start: usize) -> Result<(), Problem> {
        if start != 0 {
            return Err(Problem::syntax("the declaration of XML must come first"));
        }
        let Tag { attributes, .. } =
            tag::read(cut(raw, "<?", "?>"), self.line).map_err(|error| error.problem)?;
        let mut known = ["version", "encoding", "standalone"].iter();
        for attribute in &attributes {
            if !known.any(|name| *name == attribute.name) {
                return Err(Problem::syntax("the declaration of XML is not one"));
            }
        }
        let value = |name| attributes.iter().find(|a| a.name == name).map(|a| a.value.as_str());
        if value("version") != Some("1.0") {
            return Err(Problem::Version);
        }
        if value("encoding").is_some_and(|name| !name.eq_ignore_ascii_case("utf-8")) {
            return Err(Problem::NotUtf8);
        }
        if value("standalone").is_some_and(|word| word != "yes" && word != "no") {
            return Err(Problem::syntax("standalone is yes or no"));
        }
        self.add(Node::Other(raw.to_owned()));
        Ok(())
    }

    fn finish(self, mark: bool) -> Result<Document, XmlError> {
        if let Some(open) = self.open.last() {
            let text =
                format!("<{}> of line {} does not end", open.element.name, open.element.line);
            return Err(Problem::syntax(text).at(self.line));
        }
        let none = || Problem::syntax("there is no element").at(self.line);
        let root = self.root.ok_or_else(none)?;
        Ok(Document { mark, before: self.before, root, after: self.after })
    }
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// What stands between two pieces of markup.
fn cut<'a>(raw: &'a str, before: &str, after: &str) -> &'a str {
    let inner = raw.strip_prefix(before).unwrap_or(raw);
    inner.strip_suffix(after).unwrap_or(inner)
}
