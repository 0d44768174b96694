//! What the security modules call the live machines: apart from their plans, which are long, so that
//! whoever looks for the machine of a label reads labels alone; and by their categories, so that whoever starts one
//! of a thousand reads those alone that could stand in its way.

use crate::column::{Json, Word};
use crate::error::Fault;
use rusqlite::{Connection, Row, params};
use std::collections::BTreeMap;
use svirt_model::{
    MachineName, Uuid,
    label::{Context, MachineLabel, Rivals, SecurityModel},
};

type Named = (MachineName, MachineLabel);

/// The models that have labels without categories.
const OTHERS: [SecurityModel; 3] =
    [SecurityModel::Apparmor, SecurityModel::Smack, SecurityModel::Dac];

/// The live machines' labels by which they could stand in the way, by name.
pub(crate) fn of_rivals(c: &Connection, rivals: &Rivals) -> Result<Vec<Named>, Fault> {
    if rivals.everybody {
        return all(c);
    }
    let mut query = c.prepare(BY_PART)?;
    let mut found = BTreeMap::new();
    let mut add = |model: SecurityModel, part: &str, parts: usize| -> Result<(), Fault> {
        let parts = i64::try_from(parts).unwrap_or(i64::MAX);
        let rows = query.query_map(params![model.word(), part, parts], named)?;
        for row in rows {
            let (name, label) = row?;
            found.insert((name, label.model.word()), label);
        }
        Ok(())
    };
    let selinux = SecurityModel::Selinux;
    rivals.own.iter().try_for_each(|category| add(selinux, &part(*category), usize::MAX))?;
    let shared = rivals.shared.len();
    rivals.shared.iter().try_for_each(|category| add(selinux, &part(*category), shared))?;
    if !rivals.own.is_empty() || shared > 0 {
        add(selinux, "", 0)?;
    }
    for label in &rivals.labels {
        OTHERS.into_iter().try_for_each(|model| add(model, label, 0))?;
    }
    Ok(found.into_iter().map(|((name, _), label)| (name, label)).collect())
}

pub(crate) const BY_PART: &str = "
    SELECT name, label FROM label_parts AS p
    CROSS JOIN labels AS l ON l.run = p.run AND l.model = p.model
    CROSS JOIN runs ON runs.id = p.run
    WHERE p.model = ?1 AND p.part = ?2 AND p.parts <= ?3";

fn all(c: &Connection) -> Result<Vec<Named>, Fault> {
    let query = "SELECT name, label FROM labels JOIN runs ON runs.id = run ORDER BY name, model";
    Ok(c.prepare(query)?.query_map([], named)?.collect::<Result<_, _>>()?)
}

fn named(row: &Row<'_>) -> rusqlite::Result<Named> {
    Ok((row.get::<_, Word<_>>(0)?.0, row.get::<_, Json<MachineLabel>>(1)?.0))
}

pub(crate) fn save(tx: &Connection, run: Uuid, labels: &[MachineLabel]) -> Result<(), Fault> {
    let mut insert = tx.prepare("INSERT INTO labels (run, model, label) VALUES (?1, ?2, ?3)")?;
    let run = Word(run).text()?;
    for label in labels {
        insert.execute(params![run, label.model.word(), Json(label)])?;
        save_parts(tx, &run, label)?;
    }
    Ok(())
}

/// Those of versions that had them in one piece.
pub(crate) fn take_apart(tx: &Connection) -> rusqlite::Result<()> {
    let mut labels = tx.prepare("SELECT run, label FROM labels")?;
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Json<MachineLabel>>(1)?.0));
    let all: Vec<(String, MachineLabel)> =
        labels.query_map([], row)?.collect::<rusqlite::Result<_>>()?;
    all.iter().try_for_each(|(run, label)| save_parts(tx, run, label))
}

fn save_parts(tx: &Connection, run: &str, label: &MachineLabel) -> rusqlite::Result<()> {
    let (parts, count) = parts(label);
    let insert = "INSERT INTO label_parts (model, part, parts, run) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = tx.prepare_cached(insert)?;
    let model = label.model.word();
    parts.iter().try_for_each(|part| insert.execute(params![model, part, count, run]).map(drop))
}

/// By what a label is found, and how many categories it has.
fn parts(label: &MachineLabel) -> (Vec<String>, u32) {
    let context = Some(label).filter(|label| label.model == SecurityModel::Selinux);
    let context = context.and_then(|label| label.label.parse::<Context>().ok());
    let categories: Vec<u16> = match context {
        None => return (vec![label.label.clone()], 0),
        Some(context) => context.categories().iter().collect(),
    };
    match categories.is_empty() {
        true => (vec![String::new()], 0),
        false => {
            let count = u32::try_from(categories.len()).unwrap_or(u32::MAX);
            (categories.into_iter().map(part).collect(), count)
        }
    }
}

fn part(category: u16) -> String {
    format!("c{category}")
}
