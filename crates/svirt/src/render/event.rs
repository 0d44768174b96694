//! Events.

use crate::{escape, output::Style};
use svirt_model::{Event, EventKind};

/// One line.
pub(crate) fn event(event: &Event, style: Style) -> String {
    let Event { sequence, time_ms, machine, kind, detail } = event;
    let kind = toned(style, *kind);
    let line = format!("{sequence:>5}  {}  {machine}  {kind}", utc(*time_ms));
    if detail.is_empty() { line + "\n" } else { format!("{line}: {}\n", escape::line(detail)) }
}

/// The word for a kind of event.
pub(crate) fn word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Created => "created",
        EventKind::Edited => "edited",
        EventKind::Started => "started",
        EventKind::Refused => "refused",
        EventKind::Paused => "paused",
        EventKind::Resumed => "resumed",
        EventKind::Rebooted => "rebooted",
        EventKind::Panicked => "panicked",
        EventKind::Stopped => "stopped",
        EventKind::Removed => "removed",
        EventKind::Recovered => "recovered",
        EventKind::Doubted => "doubted",
        EventKind::Drilled => "drilled",
    }
}

fn toned(style: Style, kind: EventKind) -> String {
    match kind {
        EventKind::Started => style.good(word(kind)),
        EventKind::Refused | EventKind::Panicked | EventKind::Doubted => style.bad(word(kind)),
        EventKind::Recovered => style.fair(word(kind)),
        _ => word(kind).to_owned(),
    }
}

/// A time in milliseconds since 1970, as RFC 3339 has it.
pub(super) fn utc(time_ms: u64) -> String {
    let (seconds, milliseconds) = (time_ms / 1000, time_ms % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{milliseconds:03}Z",
        second % 60
    )
}

/// The Gregorian date of a day counted from 1970-01-01. Years are counted from March, so that the
/// leap day is a year's last, and in eras of 400 years, which all have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let since_year_0 = days + 719_468;
    let (era, of_era) = (since_year_0 / 146_097, since_year_0 % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_gregorian() {
        // Checked with date(1) of GNU coreutils.
        for (time_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_798_761_599_001, "2026-12-31T23:59:59.001Z"),
        ] {
            assert_eq!(utc(time_ms), text);
        }
    }

    #[test]
    fn an_event_is_one_line_whatever_it_says() {
        let said = Event {
            sequence: 7,
            time_ms: 0,
            machine: "web".parse().unwrap(),
            kind: EventKind::Refused,
            detail: "no\nfile \u{1b}[2J".into(),
        };
        let line = event(&said, Style::PLAIN);
        assert_eq!(line, "    7  1970-01-01T00:00:00.000Z  web  refused: no\\nfile \\u{1b}[2J\n");
    }
}
