//! Columns that line up.

use crate::{escape, output::Style};

/// How a cell is emphasised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Not at all.
    Plain,
    /// It holds.
    Good,
    /// It holds in part.
    Fair,
    /// It does not hold.
    Bad,
}

/// Rows under a heading; every row has as many cells as the heading.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<(String, Tone)>>,
    indent: usize,
}

impl Table {
    /// A table with these columns, two blanks in.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let heading = columns.iter().map(|c| ((*c).to_owned(), Tone::Plain)).collect();
        Self { rows: vec![heading], indent: 2 }
    }

    /// At the left edge.
    pub(crate) fn flush_left(self) -> Self {
        Self { indent: 0, ..self }
    }

    /// Adds a row.
    pub(crate) fn toned<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = (T, Tone)>) {
        let cells =
            cells.into_iter().map(|(text, tone)| (escape::line(text.as_ref()).into_owned(), tone));
        self.rows.push(cells.collect());
    }

    /// The text, a line a row. No line ends with blanks.
    pub(crate) fn text(&self, style: Style) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = " ".repeat(self.indent);
            for ((cell, tone), width) in row.iter().zip(&widths) {
                let shown =
                    if number == 0 { style.heading(cell) } else { toned(style, cell, *tone) };
                line.push_str(&shown);
                line.push_str(&" ".repeat(width + 2 - cell.chars().count()));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.rows.first().map_or(0, Vec::len)];
        for row in &self.rows {
            for ((cell, _), width) in row.iter().zip(&mut widths) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

fn toned(style: Style, text: &str, tone: Tone) -> String {
    match tone {
        Tone::Plain => text.to_owned(),
        Tone::Good => style.good(text),
        Tone::Fair => style.fair(text),
        Tone::Bad => style.bad(text),
    }
}

/// Labels and values, two blanks in: what has no columns.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let line =
        |(label, value): &(&str, String)| format!("  {label:<width$}  {}\n", escape::line(value));
    facts.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_do_not_end_with_blanks() {
        let mut table = Table::new(&["NAME", "STATE"]);
        table.toned(["web", "running"].map(|cell| (cell, Tone::Plain)));
        table.toned(["größer", ""].map(|cell| (cell, Tone::Bad)));
        assert_eq!(table.text(Style::PLAIN), "  NAME    STATE\n  web     running\n  größer\n");
    }

    #[test]
    fn a_cell_cannot_make_a_row_of_its_own() {
        let mut table = Table::new(&["PATH"]).flush_left();
        table.toned([("/a\n/b\u{1b}[31m", Tone::Good)]);
        assert_eq!(table.text(Style::PLAIN), "PATH\n/a\\n/b\\u{1b}[31m\n");
        assert_eq!(facts(&[("path", "a\rb".into())]), "  path  a\\rb\n");
    }
}
