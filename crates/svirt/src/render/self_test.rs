//! What a self-test showed. What was said from within a confinement is not repeated here.

use super::{
    drill,
    table::{Table, Tone},
};
use crate::output::Style;
use serde_json::{Value, json};
use svirt_engine::drill::{Outcome, Row, SelfTest, Shown};

/// The machines first, then a row for each layer.
pub(crate) fn text(test: &SelfTest, style: Style) -> String {
    let mut table =
        Table::new(&["SELF-TEST", "OUTCOME", "REFUSED", "OPEN", "NOT TO BE TRIED HERE"]);
    let mut add = |what: &str, shown: Shown, rows: &[Row]| {
        let (word, tone) = said(shown);
        let plain = |text: String| (text, Tone::Plain);
        let listed = |which: fn(Outcome) -> bool| plain(words(rows, which).join(", "));
        let cells = [plain(what.to_owned()), (word.to_owned(), tone)];
        let lists = [is_refused, is_open, is_neither].map(listed);
        table.toned(cells.into_iter().chain(lists));
    };
    add(MACHINES, test.separates(), &test.separation);
    test.layers.iter().for_each(|trial| add(trial.layer.word(), trial.shows(), &trial.rows));
    table.flush_left().text(style)
}

const MACHINES: &str = "one machine on another";

fn is_refused(outcome: Outcome) -> bool {
    outcome == Outcome::Blocked
}

fn is_open(outcome: Outcome) -> bool {
    outcome == Outcome::Open
}

fn is_neither(outcome: Outcome) -> bool {
    !is_refused(outcome) && !is_open(outcome)
}

/// More words are counted.
const SHOWN_MAX: usize = 4;

fn words(rows: &[Row], which: fn(Outcome) -> bool) -> Vec<String> {
    let found = rows.iter().filter(|row| which(row.outcome));
    let mut words: Vec<String> = found.map(|row| row.attempt.word.to_owned()).collect();
    let more = words.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        words.truncate(SHOWN_MAX);
        words.push(format!("{more} more"));
    }
    words
}

fn said(shown: Shown) -> (&'static str, Tone) {
    match shown {
        Shown::Refuses => ("refuses", Tone::Good),
        Shown::Fails => ("FAILS", Tone::Bad),
        Shown::Nothing => ("shows nothing", Tone::Fair),
    }
}

/// For programs.
pub(crate) fn json(test: &SelfTest) -> Value {
    let one = |shown: Shown, rows: &[Row]| {
        let outcome = match shown {
            Shown::Refuses => "refuses",
            Shown::Fails => "fails",
            Shown::Nothing => "shows-nothing",
        };
        let attempts: Vec<Value> = rows.iter().map(drill::row_json).collect();
        (outcome, attempts)
    };
    let layers = test.layers.iter().map(|trial| {
        let (outcome, attempts) = one(trial.shows(), &trial.rows);
        json!({"layer": trial.layer, "outcome": outcome, "attempts": attempts})
    });
    let (outcome, attempts) = one(test.separates(), &test.separation);
    json!({
        "passed": test.passed(),
        "machines": {"outcome": outcome, "attempts": attempts},
        "layers": layers.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use svirt_engine::{
        drill::{Prey, Trial},
        probe::{Answer, find},
    };
    use svirt_model::Layer;

    fn row(word: &str, outcome: Outcome) -> Row {
        let (inside, outside) = (Answer::Killed, Answer::Open(String::new()));
        let attempt = find(word).unwrap();
        Row { attempt, prey: Prey::Decoy, outcome, inside, outside, layers: None }
    }

    #[test]
    fn what_fails_is_said_with_what_was_open() {
        let rows = vec![row("tcp", Outcome::Blocked), row("udp", Outcome::Open)];
        let failed = Trial { layer: Layer::Namespaces, rows };
        let nothing = Trial { layer: Layer::Cgroup, rows: vec![row("udp", Outcome::Absent)] };
        let separation = ["tcp", "udp", "stat-file", "read-file", "signal", "ptrace"];
        let separation = separation.map(|word| row(word, Outcome::Blocked)).into();
        let test = SelfTest { separation, layers: vec![failed, nothing] };
        insta::assert_snapshot!(text(&test, Style::PLAIN), @r"
        SELF-TEST               OUTCOME        REFUSED                                 OPEN  NOT TO BE TRIED HERE
        one machine on another  refuses        tcp, udp, stat-file, read-file, 2 more
        namespaces              FAILS          tcp                                     udp
        cgroup                  shows nothing                                                udp
        ");
        let document = json(&test);
        assert_eq!(document["passed"], false);
        assert_eq!(document["layers"][0]["outcome"], "fails");
        assert_eq!(document["machines"]["attempts"][0]["outcome"], "blocked");
    }
}
