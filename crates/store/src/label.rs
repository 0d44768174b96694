//! What the security modules call the live machines: apart from their plans, which are long, so that
//! whoever looks for the machine of a label reads labels alone.

use crate::column::{Json, Word};
use crate::error::Fault;
use rusqlite::{Connection, params};
use svirt_model::{MachineName, Uuid, label::MachineLabel};

pub(crate) fn labels(c: &Connection) -> Result<Vec<(MachineName, MachineLabel)>, Fault> {
    let query = "SELECT name, label FROM labels JOIN runs ON runs.id = run ORDER BY name, model";
    let mut labels = c.prepare(query)?;
    let rows = labels.query_map([], |row| {
        Ok((row.get::<_, Word<_>>(0)?.0, row.get::<_, Json<MachineLabel>>(1)?.0))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn save(tx: &Connection, run: Uuid, labels: &[MachineLabel]) -> Result<(), Fault> {
    let mut insert = tx.prepare("INSERT INTO labels (run, model, label) VALUES (?1, ?2, ?3)")?;
    for label in labels {
        insert.execute(params![Word(run), label.model.word(), Json(label)])?;
    }
    Ok(())
}
