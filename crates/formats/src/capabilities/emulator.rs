//! What a QEMU says that it can do: the answers of its monitor to a list of questions.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What is asked, in order; the last ends QEMU.
pub const ASKED: [&str; 4] = ["qmp_capabilities", "query-version", "query-machines", "quit"];

/// Boards of this family are what sVirt starts.
const FAMILY: &str = "pc-q35-";

/// A QEMU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emulator {
    /// The program.
    pub path: PathBuf,
    /// Its version: major, minor, micro.
    pub version: (u32, u32, u32),
    /// The boards of it that sVirt starts; the usual one first, then the others by name.
    pub machines: Vec<MachineType>,
}

/// A board.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MachineType {
    /// Its name, with a version.
    pub name: String,
    /// The most processors that it has.
    pub processors: u32,
    /// A name for it that another version of QEMU gives to another one.
    pub alias: Option<String>,
}

/// A QEMU did not answer as QEMUs do.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A line that is no JSON.
    #[error("it said what is no message of a monitor")]
    Form(#[from] serde_json::Error),
    /// An answer is missing.
    #[error("it did not answer {0}")]
    Unanswered(&'static str),
    /// It has no board that sVirt starts.
    #[error("it has no q35 board")]
    NoBoard,
}

#[derive(Deserialize)]
struct Version {
    qemu: Numbers,
}

#[derive(Deserialize)]
struct Numbers {
    major: u32,
    minor: u32,
    micro: u32,
}

#[derive(Deserialize)]
struct Board {
    name: String,
    #[serde(rename = "cpu-max")]
    processors: u32,
    alias: Option<String>,
}

impl Emulator {
    /// Reads what a QEMU said on its monitor when it was asked [`ASKED`].
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub fn read(path: &Path, said: &[u8]) -> Result<Self, Unreadable> {
        let lines = said.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let messages = lines.map(serde_json::from_slice::<Value>).collect::<Result<Vec<_>, _>>()?;
        // Events stand among the answers, which come in the order of the questions.
        let answers = messages.iter().filter_map(|message| message.get("return"));
        let answers: Vec<(&str, &Value)> = ASKED.into_iter().zip(answers).collect();
        let version: Version = answer(&answers, "query-version")?;
        let boards: Vec<Board> = answer(&answers, "query-machines")?;
        let machines = machines(boards);
        if machines.is_empty() {
            return Err(Unreadable::NoBoard);
        }
        let Numbers { major, minor, micro } = version.qemu;
        Ok(Self { path: path.to_owned(), version: (major, minor, micro), machines })
    }

    /// The board that a name means, or the usual one where nothing is said.
    pub fn machine(&self, name: Option<&str>) -> Option<&MachineType> {
        let is =
            |m: &&MachineType| name.is_none_or(|n| m.name == n || m.alias.as_deref() == Some(n));
        self.machines.iter().find(is)
    }
}

fn answer<T: serde::de::DeserializeOwned>(
    answers: &[(&str, &Value)],
    question: &'static str,
) -> Result<T, Unreadable> {
    let found = answers.iter().find(|(asked, _)| *asked == question);
    let (_, value) = found.ok_or(Unreadable::Unanswered(question))?;
    Ok(serde_json::from_value((*value).clone())?)
}

/// Those of the family, the one with another name first.
fn machines(boards: Vec<Board>) -> Vec<MachineType> {
    let boards = boards.into_iter().filter(|board| board.name.starts_with(FAMILY));
    let mut machines: Vec<_> = boards
        .map(|Board { name, processors, alias }| MachineType { name, processors, alias })
        .collect();
    machines.sort();
    machines.sort_by_key(|machine| machine.alias.is_none());
    machines
}
