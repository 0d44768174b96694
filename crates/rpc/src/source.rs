//! What libvirt's own definitions say, to compare with: read where a developer has libvirt's source, whose
//! directory `SVIRT_LIBVIRT_SOURCE` names (`apt-get source libvirt`). They are not copied.

use std::{collections::BTreeMap, fs, path::PathBuf};

/// A protocol's definitions.
pub(crate) struct Definitions {
    text: String,
    structs: BTreeMap<String, String>,
    constants: BTreeMap<String, String>,
}

impl Definitions {
    /// Those of a file below `src`, if there is any source.
    pub(crate) fn read(file: &str) -> Option<Self> {
        let source = PathBuf::from(std::env::var_os("SVIRT_LIBVIRT_SOURCE")?);
        let text = fs::read_to_string(source.join("src").join(file)).unwrap();
        let mut own = Self {
            text: without_comments(&text),
            structs: BTreeMap::new(),
            constants: BTreeMap::new(),
        };
        for part in own.text.split("\nstruct ").skip(1) {
            let (name, rest) = part.split_once('{').unwrap();
            let body = rest.split('}').next().unwrap();
            own.structs.insert(name.trim().into(), body.into());
        }
        for line in own.text.lines().filter_map(|line| line.strip_prefix("const ")) {
            let (name, value) = line.trim_end_matches(';').split_once('=').unwrap();
            own.constants.insert(name.trim().into(), value.trim().into());
        }
        Some(own)
    }

    /// The name of a procedure, in small letters.
    pub(crate) fn name(&self, program: &str, number: u32) -> Option<String> {
        let ends = format!(" = {number}");
        let of =
            |line: &str| line.trim().trim_end_matches(',').strip_suffix(&ends).map(str::to_owned);
        let mut names = self.text.lines().filter_map(of);
        let prefix = format!("{program}_PROC_");
        names.find_map(|name| Some(name.strip_prefix(&prefix)?.to_lowercase()))
    }

    /// What a structure is on the wire; nothing, where there is none of this name.
    pub(crate) fn shape(&self, name: &str) -> String {
        let fields = self.structs.get(name).map_or("", String::as_str);
        let fields = fields.split(';').map(str::trim).filter(|field| !field.is_empty());
        fields.map(|field| self.field(field)).collect()
    }

    fn field(&self, field: &str) -> String {
        let (kind, name) = field.rsplit_once([' ', '*']).unwrap();
        let kind = kind.trim();
        match (name.split_once(['<', '[']), kind) {
            (None, kind) => self.kind(kind),
            (Some((_, bound)), "opaque") => format!("opaque{};", self.bound(bound)),
            (Some((_, bound)), "char") if name.ends_with(']') => {
                format!("char[{}];", self.bound(bound))
            }
            (Some((_, bound)), "char") => format!("char<{}>;", self.bound(bound)),
            (Some((_, bound)), kind) => format!("<{}{}>", self.kind(kind), self.bound(bound)),
        }
    }

    fn kind(&self, kind: &str) -> String {
        match kind {
            "remote_nonnull_string" => "string;".into(),
            "remote_string" => "*(string;)".into(),
            "remote_uuid" => "uuid;".into(),
            "remote_typed_param_value" => "value;".into(),
            "remote_auth_type" => "int;".into(),
            _ if self.structs.contains_key(kind) => self.shape(kind),
            _ => {
                let whole = kind.replacen("remote_", "remote_nonnull_", 1);
                match self.structs.contains_key(&whole) {
                    true => format!("*({})", self.shape(&whole)),
                    false => format!("{};", if kind == "unsigned" { "unsigned int" } else { kind }),
                }
            }
        }
    }

    fn bound(&self, bound: &str) -> String {
        let word = bound.trim_end_matches(['>', ']']);
        let known = match word {
            "VIR_SECURITY_MODEL_BUFLEN" | "VIR_SECURITY_DOI_BUFLEN" => Some("257".to_owned()),
            "VIR_SECURITY_LABEL_BUFLEN" => Some("4097".to_owned()),
            _ => None,
        };
        match self.constants.get(word) {
            Some(value) => self.bound(value),
            None => known.unwrap_or_else(|| word.to_owned()),
        }
    }
}

fn without_comments(text: &str) -> String {
    let parts = text.split("/*").enumerate();
    parts
        .map(
            |(at, part)| {
                if at == 0 { part } else { part.split_once("*/").map_or("", |(_, rest)| rest) }
            },
        )
        .collect()
}
