//! What a drill proved. Much of it was said by a process in a confinement: all of it is escaped.

use super::table::{Table, Tone};
use crate::{escape, output::Style};
use serde_json::{Value, json};
use svirt_engine::{
    drill::{Drill, Outcome, Prey, Row, Score},
    probe::{Answer, Attempt},
};
use svirt_model::{Enforced, Layer, LayerStatus};

/// What nobody reads further than, in characters.
const SHORT: usize = 60;

/// A machine: what is open first, then every attempt.
pub(crate) fn machine(drill: &Drill, style: Style) -> String {
    let mut text = format!("{} {}\n", style.heading("drill on"), drill.name);
    text.push_str(&table(&drill.rows, style));
    text.push_str(&sum(&drill.score(), style));
    text.push_str(&hints(drill));
    text
}

/// The same of what is no machine of sVirt's.
pub(crate) fn rows(rows: &[Row], style: Style) -> String {
    table(rows, style) + &sum(&Score::of(rows), style)
}

fn table(rows: &[Row], style: Style) -> String {
    let layered = rows.iter().any(|row| row.layers.is_some());
    let mut columns = vec!["GROUP", "ATTEMPT", "OUTCOME", "ANSWER"];
    columns.extend(if layered { &["REFUSED BY EACH OF", "ONLY BY"][..] } else { &[] });
    columns.extend(["WHAT", "WHY"]);
    let mut table = Table::new(&columns).flush_left();
    let plain = |text: &str| (text.to_owned(), Tone::Plain);
    for row in rows {
        let attempt = row.attempt;
        let mut cells = vec![plain(attempt.group.word()), plain(attempt.word)];
        cells.push((row.outcome.word().to_owned(), tone(row.outcome)));
        cells.push(plain(&short(&row.inside)));
        if layered {
            let named = |layers: &[Layer]| layers.iter().map(|l| l.word()).collect::<Vec<_>>();
            let listed =
                |layers: Vec<&str>| if layers.is_empty() { "-".into() } else { layers.join(", ") };
            let found = row.layers.clone().unwrap_or_default();
            let launch = found.launch.then_some("any launch");
            let alone = launch.into_iter().chain(named(&found.alone)).collect();
            cells.push(plain(&listed(alone)));
            cells.push(plain(&listed(named(&found.needed))));
        }
        cells.extend([plain(&what(row)), plain(attempt.why)]);
        table.toned(cells);
    }
    table.text(style)
}

fn what(row: &Row) -> String {
    match row.prey {
        Prey::Decoy => row.attempt.what.to_owned(),
        Prey::Machine => format!("on another machine: {}", row.attempt.what),
    }
}

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Blocked => Tone::Good,
        Outcome::Open | Outcome::Unproven => Tone::Bad,
        Outcome::Granted | Outcome::Absent => Tone::Fair,
    }
}

fn short(answer: &Answer) -> String {
    match answer {
        Answer::Open(what) => what.chars().take(SHORT).collect(),
        Answer::Refused { errno, .. } => errno.chars().take(SHORT).collect(),
        Answer::Killed => "SIGSYS".into(),
        Answer::Unclear(why) => why.chars().take(SHORT).collect(),
    }
}

fn sum(score: &Score, style: Style) -> String {
    let Score { attempts, blocked, open, granted, absent, unproven } = score;
    let sum = format!(
        "{attempts} attempts: {blocked} blocked, {open} open, {granted} granted by the plan, \
         {absent} absent here, {unproven} unproven"
    );
    let sum = if open + unproven == 0 { style.good(&sum) } else { style.bad(&sum) };
    format!("\n{sum}\n")
}

/// What can be done about what is open.
fn hints(drill: &Drill) -> String {
    let open = drill.rows.iter().filter(|row| row.outcome == Outcome::Open);
    let words: Vec<_> = open.map(|row| row.attempt.word).collect();
    if words.is_empty() {
        return String::new();
    }
    let missing: Vec<_> = drill
        .layers
        .iter()
        .filter(|layer| layer.enforced != Enforced::Fully)
        .map(missing)
        .collect();
    let why = match missing.is_empty() {
        true => "every layer is in force: this is a defect of sVirt's, please report it".to_owned(),
        false => format!("not in force: {}", missing.join("; ")),
    };
    let again = "svirt drill --layers says which layer would refuse what";
    format!("open: {}\nhint: {}\nhint: {again}\n", words.join(", "), escape::line(&why))
}

fn missing(layer: &LayerStatus) -> String {
    format!("{} ({})", layer.layer, layer.why_not)
}

/// One answer, on a line.
pub(crate) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Open(what) => format!("OPEN: {}", escape::line(what)),
        Answer::Refused { errno, meaning } => {
            format!("refused: {} ({})", escape::line(errno), escape::line(meaning))
        }
        Answer::Killed => "refused: SIGSYS (the filter does not have the system call)".into(),
        Answer::Unclear(why) => format!("unclear: {}", escape::line(why)),
    }
}

/// What there is to try.
pub(crate) fn list<'a>(attempts: impl Iterator<Item = &'a Attempt>, style: Style) -> String {
    let mut table = Table::new(&["GROUP", "ATTEMPT", "TARGET", "WHAT", "WHY"]).flush_left();
    for attempt in attempts {
        let target = attempt.target.map_or("-", |target| target.word());
        let cells = [attempt.group.word(), attempt.word, target, attempt.what, attempt.why];
        table.toned(cells.map(|cell| (cell, Tone::Plain)));
    }
    table.text(style)
}

/// A machine, for programs.
pub(crate) fn json(drill: &Drill) -> Value {
    json!({
        "name": drill.name,
        "layers": drill.layers,
        "score": drill.score(),
        "attempts": drill.rows.iter().map(row_json).collect::<Vec<_>>(),
    })
}

/// The same of what is no machine of sVirt's.
pub(crate) fn rows_json(rows: &[Row]) -> Value {
    let attempts = rows.iter().map(row_json).collect();
    let score = serde_json::to_value(Score::of(rows)).unwrap_or(Value::Null);
    super::json::versioned([("score", score), ("attempts", attempts)])
}

pub(super) fn row_json(row: &Row) -> Value {
    let attempt = row.attempt;
    let layers = row.layers.as_ref();
    json!({
        "attempt": attempt.word,
        "group": attempt.group.word(),
        "on": row.prey,
        "what": attempt.what,
        "why": attempt.why,
        "outcome": row.outcome,
        "errno": errno(&row.inside),
        "inside": answer(&row.inside),
        "without_confinement": answer(&row.outside),
        "refused_by_launch": layers.map(|found| found.launch),
        "refused_by": layers.map(|found| &found.alone),
        "only_by": layers.map(|found| &found.needed),
    })
}

fn errno(answer: &Answer) -> Option<&str> {
    match answer {
        Answer::Refused { errno, .. } => Some(errno),
        Answer::Killed => Some("SIGSYS"),
        Answer::Open(_) | Answer::Unclear(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use svirt_engine::{drill::Refusing, probe::find};

    fn row(word: &str, outcome: Outcome, inside: Answer, layers: Option<Refusing>) -> Row {
        let outside = Answer::Open("read 3 bytes".into());
        let (attempt, prey) = (find(word).unwrap(), Prey::Decoy);
        Row { attempt, prey, outcome, inside, outside, layers }
    }

    fn sample(layers: Option<Refusing>) -> Drill {
        let refused = Answer::Refused { errno: "EPERM".into(), meaning: "not permitted".into() };
        let hostile = Answer::Open("a\u{1b}[2Jb\nc".into());
        let rows = vec![
            row("tcp", Outcome::Blocked, refused, layers),
            row("read-file", Outcome::Open, hostile, None),
            row("bpf", Outcome::Blocked, Answer::Killed, None),
        ];
        let layers =
            vec![LayerStatus::full(Layer::Landlock, "ABI 7"), LayerStatus::weakened(Layer::Root)];
        Drill { name: "web".parse().unwrap(), layers, rows }
    }

    #[test]
    fn what_is_open_is_said_with_a_hint_and_escaped() {
        insta::assert_snapshot!(machine(&sample(None), Style::PLAIN), @r"
        drill on web
        GROUP    ATTEMPT    OUTCOME  ANSWER          WHAT                                      WHY
        network  tcp        blocked  EPERM           connect by TCP                            services of the host and its network, which trust whoever is within
        files    read-file  OPEN     a\u{1b}[2Jb\nc  read a file that everybody may read       modes keep no secret that is not marked as one: the host's lists of users, other machines' shared images
        kernel   bpf        blocked  SIGSYS          give the kernel a program's memory (bpf)  programs within the kernel, whose checker has had holes

        3 attempts: 2 blocked, 1 open, 0 granted by the plan, 0 absent here, 0 unproven
        open: read-file
        hint: not in force: root (weakened by the user)
        hint: svirt drill --layers says which layer would refuse what
        ");
    }

    #[test]
    fn layers_are_shown_where_they_were_found() {
        let layers =
            Refusing { alone: vec![Layer::Landlock, Layer::Seccomp], ..Refusing::default() };
        let text = machine(&sample(Some(layers)), Style::PLAIN);
        assert!(
            text.contains("REFUSED BY EACH OF") && text.contains("landlock, seccomp"),
            "{text}"
        );
    }

    #[test]
    fn programs_read_outcome_and_errno() {
        let document = json(&sample(None));
        assert_eq!(document["score"]["open"], 1);
        assert_eq!(document["attempts"][0]["errno"], "EPERM");
        assert_eq!(document["attempts"][0]["outcome"], "blocked");
        assert_eq!(document["attempts"][2]["errno"], "SIGSYS");
        assert_eq!(document["attempts"][0]["refused_by"], Value::Null);
    }
}
