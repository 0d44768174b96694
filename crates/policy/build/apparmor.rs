//! AppArmor's data file: what it may say, whether it is well formed, and the constant that it
//! becomes.

use serde::Deserialize;

/// What the rules may be about, and the permissions of each in AppArmor's words (`apparmor.d(5)`).
const CLASSES: &[(&str, &[&str])] = &[
    ("network", &[]),
    ("ptrace", &["read", "readby", "trace", "tracedby"]),
    ("signal", &["receive", "send"]),
    ("unix", &UNIX),
];

const UNIX: [&str; 12] = [
    "accept", "bind", "connect", "create", "getattr", "getopt", "listen", "receive", "send",
    "setattr", "setopt", "shutdown",
];

/// The data file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    rule: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    class: String,
    #[serde(default)]
    permissions: Vec<String>,
    #[serde(default)]
    words: String,
    peer: Peer,
    #[serde(default)]
    network: bool,
    why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Peer {
    Launcher,
    Machine,
    None,
    #[serde(rename = "self")]
    Own,
}

/// Parses the file, and says what is wrong with it; `name` is for its errors.
pub(crate) fn parse(name: &str, text: &str) -> Result<File, String> {
    let file: File = toml::from_str(text).map_err(|e| format!("{name}: {e}"))?;
    file.rule.iter().try_for_each(|rule| {
        check(rule).map_err(|e| format!("{name}: {} {}: {e}", rule.class, rule.words))
    })?;
    Ok(file)
}

fn check(rule: &Rule) -> Result<(), String> {
    if rule.why.trim().is_empty() {
        return Err("the reason is empty".into());
    }
    let Some((_, known)) = CLASSES.iter().find(|(class, _)| *class == rule.class) else {
        return Err("no rule is about this".into());
    };
    if let Some(wrong) = rule.permissions.iter().find(|p| !known.contains(&p.as_str())) {
        return Err(format!("there is no permission {wrong:?}"));
    }
    if rule.permissions.is_empty() != known.is_empty() {
        return Err("a rule without a permission".into());
    }
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b" =()".contains(&b);
    match rule.words.bytes().all(is_word) {
        true => Ok(()),
        false => Err("the words are not plain".into()),
    }
}

/// The constant.
pub(crate) fn emit(file: &File) -> String {
    let rules: String = file.rule.iter().map(rule).collect();
    format!("static RULES: &[Fixed] = &[\n{rules}];\n")
}

fn rule(rule: &Rule) -> String {
    let peer = match rule.peer {
        Peer::Launcher => "Launcher",
        Peer::Machine => "Machine",
        Peer::None => "None",
        Peer::Own => "Own",
    };
    format!(
        "Fixed {{ class: {:?}, permissions: &{:?}, words: {:?}, peer: Peer::{peer}, \
         network: {}, why: {:?} }},\n",
        rule.class,
        rule.permissions,
        rule.words,
        rule.network,
        rule.why.trim()
    )
}
