// SPDX-License-Identifier: Apache-2.0
//! What commands print: a table for people, JSON for programs.

use std::io::Write;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::failure::{Exit, Failure, Outcome};

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
}

/// Something that is printed as a row.
pub(crate) trait Row: Serialize {
    /// The columns' names.
    const COLUMNS: &'static [&'static str];

    /// The columns' values.
    fn cells(&self) -> Vec<String>;
}

/// Prints rows one after the other, without keeping them, except for a table whose columns want to be measured.
pub(crate) struct Rows<R> {
    format: Format,
    measured: Option<Vec<R>>,
    printed: usize,
}

/// Prints a bounded number of rows.
///
/// # Errors
/// When standard output takes no more.
pub(crate) fn all<R: Row>(format: Format, rows: impl IntoIterator<Item = R>) -> Outcome<()> {
    let mut printed = Rows::measured(format);
    rows.into_iter().try_for_each(|row| printed.print(row))?;
    printed.end()
}

impl<R: Row> Rows<R> {
    /// For a bounded number of rows: the table's columns are as wide as what they hold.
    pub(crate) fn measured(format: Format) -> Self {
        Self { format, measured: (format == Format::Table).then(Vec::new), printed: 0 }
    }

    /// For any number of rows, also endless ones: a table's columns are separated by two spaces.
    pub(crate) fn streamed(format: Format) -> Self {
        Self { format, measured: None, printed: 0 }
    }

    /// Prints one row, or keeps it for the table.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub(crate) fn print(&mut self, row: R) -> Outcome<()> {
        if let Some(rows) = &mut self.measured {
            rows.push(row);
            return Ok(());
        }
        let line = match self.format {
            Format::Table => row.cells().join("  "),
            Format::Jsonl => json(&row)?,
            Format::Json => format!("{}{}", if self.printed == 0 { "[" } else { "," }, json(&row)?),
        };
        self.printed += 1;
        self::line(&line)
    }

    /// Ends the document.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub(crate) fn end(self) -> Outcome<()> {
        match (self.measured, self.format) {
            (Some(rows), _) => line(&table(&rows)),
            (None, Format::Json) => line(if self.printed == 0 { "[]" } else { "]" }),
            (None, Format::Table | Format::Jsonl) => Ok(()),
        }
    }
}

fn table<R: Row>(rows: &[R]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(R::COLUMNS);
    table.add_rows(rows.iter().map(Row::cells));
    let trimmed: Vec<_> =
        table.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    trimmed.join("\n")
}

/// Prints one thing: named lines for people, or one JSON object.
///
/// # Errors
/// When standard output takes no more.
pub(crate) fn one<R: Row>(format: Format, thing: &R) -> Outcome<()> {
    match format {
        Format::Table => {
            let width = R::COLUMNS.iter().map(|name| name.len()).max().unwrap_or(0);
            let mut named = R::COLUMNS.iter().zip(thing.cells()).filter(|(_, value)| !value.is_empty());
            named.try_for_each(|(name, value)| line(&format!("{name:<width$}  {value}")))
        }
        Format::Json => {
            line(&serde_json::to_string_pretty(thing).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?)
        }
        Format::Jsonl => line(&json(thing)?),
    }
}

/// Says what was done with a thing: a sentence for people, or one JSON object with its name.
///
/// # Errors
/// When standard output takes no more.
pub(crate) fn done(format: Format, what: &str, thing: &impl std::fmt::Display, how: &str) -> Outcome<()> {
    match format {
        Format::Table => line(&format!("{thing} {how}")),
        Format::Json | Format::Jsonl => line(&serde_json::json!({ what: thing.to_string() }).to_string()),
    }
}

/// Says on standard error that a list was cut off: what is on standard output stays what was asked for.
pub(crate) fn cut(limit: usize) {
    let mut out = anstream::stderr().lock();
    // Nobody reads it: then nobody misses it.
    drop(writeln!(out, "only the first {limit}; --limit shows more"));
}

fn json(thing: &impl Serialize) -> Outcome<String> {
    serde_json::to_string(thing).map_err(|error| Failure::new(Exit::Failed, format!("cannot be shown: {error}")))
}

/// Prints one line to standard output, at once.
///
/// # Errors
/// When standard output takes no more.
pub(crate) fn line(text: &str) -> Outcome<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

/// Text from a journal, safe for a terminal: control characters are shown as escapes, and at most `width` characters.
pub(crate) fn shown(text: &str, width: usize) -> String {
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == width {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Pair(&'static str, u32);

    impl Row for Pair {
        const COLUMNS: &'static [&'static str] = &["KEY", "SEQUENCE"];
        fn cells(&self) -> Vec<String> {
            vec![self.0.into(), self.1.to_string()]
        }
    }

    #[test]
    fn columns_are_aligned() {
        let text = table(&[Pair("ada", 1), Pair("a-long-key", 12)]);
        let at: Vec<_> = text.lines().map(|line| line.find(['S', '1'])).collect();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(at.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
    }

    #[test]
    fn a_terminal_is_not_steered_by_a_journal() {
        assert_eq!(shown("a\u{1b}[2Jb\n", 99), "a\\u{1b}[2Jb\\n");
        assert_eq!(shown("abcdef", 3), "abc…");
    }
}
