//! What a host is for machines.

use crate::{escape, output::Style};
use svirt_model::{Condition, Grade};

/// The worst first, each with what follows and what can be done; what is well is counted, unless it is
/// wanted.
pub(crate) fn conditions(all: &[Condition], verbose: bool, style: Style) -> String {
    let shown = |grade: Grade| verbose || grade > Grade::Note;
    let mut order: Vec<&Condition> = all.iter().filter(|c| shown(c.grade)).collect();
    order.sort_by_key(|condition| std::cmp::Reverse(condition.grade));
    let mut text: String = order.into_iter().map(|condition| one(condition, style)).collect();
    let count = |grade| all.iter().filter(|c| c.grade == grade).count();
    let [good, note, fair, bad] = [Grade::Good, Grade::Note, Grade::Fair, Grade::Bad].map(count);
    text.push_str(&format!("{bad} bad, {fair} fair, {note} to be known, {good} good"));
    text.push_str(if verbose { "\n" } else { " (-v shows all)\n" });
    text
}

fn one(condition: &Condition, style: Style) -> String {
    let Condition { what, found, grade, consequence, remedy } = condition;
    let word = match grade {
        Grade::Good => style.good("good"),
        Grade::Note => "note".to_owned(),
        Grade::Fair => style.fair("fair"),
        Grade::Bad => style.bad("BAD "),
    };
    let below = |lead: &str, text: &str| match text {
        "" => String::new(),
        text => format!("      {lead}{}\n", escape::line(text)),
    };
    let title = format!("{}: {}", escape::line(what), escape::line(found));
    format!("{word}  {title}\n{}{}", below("", consequence), below("do: ", remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(what: &str, grade: Grade, consequence: &str, remedy: &str) -> Condition {
        let (what, found) = (what.into(), "a\u{1b}b".into());
        Condition { what, found, grade, consequence: consequence.into(), remedy: remedy.into() }
    }

    #[test]
    fn the_worst_comes_first_and_what_is_well_is_counted() {
        let all = [
            condition("one", Grade::Good, "well", ""),
            condition("two", Grade::Fair, "less", "this"),
            condition("three", Grade::Note, "so", ""),
            condition("four", Grade::Bad, "ill", "that"),
        ];
        insta::assert_snapshot!(conditions(&all, false, Style::PLAIN), @r"
        BAD   four: a\u{1b}b
              ill
              do: that
        fair  two: a\u{1b}b
              less
              do: this
        1 bad, 1 fair, 1 to be known, 1 good (-v shows all)
        ");
        let text = conditions(&all, true, Style::PLAIN);
        assert!(text.contains("good  one") && text.contains("note  three"), "{text}");
    }
}
