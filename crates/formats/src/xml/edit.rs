//! Changing a document: what is added looks like what stands around it, and the rest stays as it is.

use super::{
    Attribute, Document, Element, Node, Problem, VALUE_MAX, XML_NAMESPACE, XMLNS_NAMESPACE,
    text::{check_characters, check_name, escape, escape_value, is_blank},
    tree::{Layout, Text, Written},
};

/// One step of indentation, as libvirt writes it.
const STEP: &str = "  ";

impl Document {
    /// A new document, with these comments before its outermost element. A comment cannot have two
    /// hyphens in a row, or control characters: each of them becomes an underscore.
    pub fn new(root: Element, comments: &[String]) -> Self {
        let plain = |text: &String| {
            let text =
                text.replace(|c: char| c.is_control() || c == '\u{fffe}' || c == '\u{ffff}', "_");
            text.replace("--", "__")
        };
        let comment =
            |text: &String| [Node::Other(format!("<!-- {} -->", plain(text))), line("").into()];
        let before = comments.iter().flat_map(comment).collect();
        Self { mark: false, before, root, after: vec![line("").into()] }
    }

    /// Begins it with its outermost element, as libvirt's documents begin: comments that stand before that move
    /// into it, and the declaration goes.
    pub fn begin_with_root(&mut self) {
        self.mark = false;
        let before = std::mem::take(&mut self.before);
        let is_comment = |node: &Node| matches!(node, Node::Other(raw) if raw.starts_with("<!--"));
        let comments = before.into_iter().filter(is_comment);
        let lines = comments.flat_map(|comment| [line(STEP).into(), comment]);
        self.root.children.splice(..0, lines);
    }
}

impl From<Text> for Node {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl Written {
    /// As libvirt writes attributes.
    fn usual(raw: String) -> Self {
        Self { space: " ".into(), equals: "=".into(), quote: '\'', raw }
    }
}

impl Element {
    /// An empty element in no namespace.
    ///
    /// # Errors
    /// `name` is no name, or has a prefix.
    pub fn new(name: &str) -> Result<Self, Problem> {
        check_name(name)?;
        let layout = Layout { closed: true, ..Layout::default() };
        let (attributes, children) = (Vec::new(), Vec::new());
        Ok(Self { name: name.to_owned(), namespace: None, attributes, children, line: 0, layout })
    }

    /// Puts it in a namespace, under a prefix that it declares itself. What is in it stays where it is.
    ///
    /// # Errors
    /// `prefix` is no name, or stands for another namespace in this element; or there is no namespace of
    /// this name.
    pub fn enter_namespace(&mut self, prefix: &str, uri: &str) -> Result<(), Problem> {
        check_name(prefix)?;
        check_characters(uri)?;
        let name = format!("xmlns:{prefix}");
        if uri.is_empty()
            || [XML_NAMESPACE, XMLNS_NAMESPACE].contains(&uri)
            || prefix.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("xml"))
        {
            return Err(Problem::Declaration(name));
        }
        let there = self.attributes.iter().find(|attribute| attribute.name == name);
        match there.map(Attribute::value) {
            Some(same) if same == uri => {}
            Some(_) => return Err(Problem::Twice(name)),
            None if self.attributes.len() >= super::ATTRIBUTES_MAX => {
                return Err(Problem::TooManyAttributes);
            }
            None => self.attributes.push(Attribute {
                name,
                namespace: Some(XMLNS_NAMESPACE.into()),
                value: uri.to_owned(),
                line: 0,
                written: Written::usual(escape_value(uri)),
            }),
        }
        self.name = format!("{prefix}:{}", self.name());
        self.namespace = Some(uri.into());
        Ok(())
    }

    /// The same with whatever is in this namespace in none.
    #[must_use]
    pub fn without_namespace(mut self, uri: &str) -> Self {
        let declares = |a: &Attribute| a.namespace() == Some(XMLNS_NAMESPACE) && a.value == uri;
        self.attributes.retain(|attribute| !declares(attribute));
        for attribute in self.attributes.iter_mut().filter(|a| a.namespace() == Some(uri)) {
            (attribute.name, attribute.namespace) = (attribute.name().to_owned(), None);
        }
        if self.namespace() == Some(uri) {
            (self.name, self.namespace) = (self.name().to_owned(), None);
        }
        self.children = std::mem::take(&mut self.children)
            .into_iter()
            .map(|node| match node {
                Node::Element(element) => Node::Element(element.without_namespace(uri)),
                other => other,
            })
            .collect();
        self
    }

    /// Gives an attribute in no namespace a value: in its place and its quotation marks if it is
    /// there, else behind the others.
    ///
    /// # Errors
    /// `name` is no name or has a prefix, or a document cannot hold `value`.
    pub fn set_attribute(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        check_name(name)?;
        check_characters(value)?;
        if name == "xmlns" {
            return Err(Problem::Declaration(name.to_owned()));
        }
        let raw = escape_value(value);
        if raw.len() > VALUE_MAX {
            return Err(Problem::ValueTooLong);
        }
        let value = value.to_owned();
        if let Some(there) = self.attributes.iter_mut().find(|a| a.is(name)) {
            (there.value, there.written.raw) = (value, raw);
            return Ok(());
        }
        if self.attributes.len() >= super::ATTRIBUTES_MAX {
            return Err(Problem::TooManyAttributes);
        }
        let written = Written::usual(raw);
        let name = name.to_owned();
        self.attributes.push(Attribute { name, namespace: None, value, line: 0, written });
        Ok(())
    }

    /// Takes an attribute in no namespace away. Answers whether it was there.
    pub fn remove_attribute(&mut self, name: &str) -> bool {
        let before = self.attributes.len();
        self.attributes.retain(|attribute| !attribute.is(name));
        self.attributes.len() < before
    }

    /// Puts a text in place of everything in it.
    ///
    /// # Errors
    /// A document cannot hold `text`.
    pub fn set_text(&mut self, text: &str) -> Result<(), Problem> {
        check_characters(text)?;
        self.children = vec![Node::Text(Text { raw: escape(text), value: text.to_owned() })];
        Ok(())
    }

    /// Adds an element behind all others in it, on a line of its own and indented like them.
    /// Where text that is not white space stands in it, the element follows that directly,
    /// because white space would change what the text says.
    pub fn append(&mut self, mut child: Element) {
        if self.has_text() {
            self.children.push(Node::Element(child));
            return;
        }
        let indent = self.inner_indent();
        child.move_to(&indent);
        // White space before the end tag moves behind the new element.
        let own = self.layout.indent.clone();
        if let Some(Node::Text(text)) = self.children.last_mut() {
            *text = line(&indent);
        } else {
            self.children.push(Node::Text(line(&indent)));
        }
        self.children.push(Node::Element(child));
        self.children.push(Node::Text(line(&own)));
    }

    /// Adds an element on a line of its own behind the first one with this name, or behind all where
    /// there is none.
    pub fn insert_after(&mut self, name: &str, mut child: Element) {
        let named = |node: &Node| matches!(node, Node::Element(element) if element.is(name));
        let Some(at) = self.children.iter().position(named) else { return self.append(child) };
        let indent = self.inner_indent();
        child.move_to(&indent);
        self.children.insert(at + 1, Node::Text(line(&indent)));
        self.children.insert(at + 2, Node::Element(child));
    }

    /// Adds an element on a line of its own before the first one with this name, or behind all where
    /// there is none.
    pub fn insert_before(&mut self, name: &str, mut child: Element) {
        let named = |node: &Node| matches!(node, Node::Element(element) if element.is(name));
        let Some(at) = self.children.iter().position(named) else { return self.append(child) };
        let indent = self.inner_indent();
        child.move_to(&indent);
        // What is before the other one is before this one now.
        self.children.insert(at, Node::Element(child));
        self.children.insert(at + 1, Node::Text(line(&indent)));
    }

    /// Takes away the elements for which `which` holds, with the white space before each.
    /// Answers how many there were.
    pub fn remove_elements(&mut self, which: impl Fn(&Element) -> bool) -> usize {
        let mut kept: Vec<Node> = Vec::with_capacity(self.children.len());
        let mut removed = 0;
        for node in std::mem::take(&mut self.children) {
            match &node {
                Node::Element(element) if which(element) => {
                    removed += 1;
                    kept.pop_if(|last| matches!(last, Node::Text(text) if is_blank(&text.raw)));
                }
                _ => kept.push(node),
            }
        }
        self.children = kept;
        removed
    }

    /// How the elements in it are indented.
    fn inner_indent(&self) -> String {
        let last = self.elements().last().filter(|element| !element.layout.indent.is_empty());
        last.map_or_else(
            || format!("{}{STEP}", self.layout.indent),
            |element| element.layout.indent.clone(),
        )
    }

    /// Makes this its indentation, and that of all in it follow.
    fn move_to(&mut self, indent: &str) {
        let (was, now) = (format!("\n{}", self.layout.indent), format!("\n{indent}"));
        self.layout.indent = indent.to_owned();
        for node in &mut self.children {
            match node {
                Node::Element(element) => {
                    let below = element.layout.indent.strip_prefix(was.trim_start_matches('\n'));
                    let below = format!("{indent}{}", below.unwrap_or(STEP));
                    element.move_to(&below);
                }
                Node::Text(text) if is_blank(&text.raw) => {
                    text.raw = text.raw.replace(&was, &now);
                    text.value.clone_from(&text.raw);
                }
                _ => {}
            }
        }
    }
}

fn line(indent: &str) -> Text {
    let raw = format!("\n{indent}");
    Text { value: raw.clone(), raw }
}
