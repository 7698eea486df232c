// SPDX-License-Identifier: Apache-2.0
//! The rules that cases ask about, and the table of both.

use std::fmt::Write as _;

use crate::case::Case;

/// Rules of `architecture.md` §4 by number, then topics, each in a few words.
pub const RULES: &[(&str, &str)] = &[
    ("1", "one command at a time, in order; queries take turns; watches never go back"),
    ("2", "a reply leaves only when its events, and all earlier ones, are durable"),
    ("3", "one writer: the folder belongs to one process, and a later owner has a higher epoch"),
    ("4", "a query sees every command that was answered before it was asked"),
    ("5", "handlers see command id, attempt and epoch"),
    ("6", "a failed command changes nothing; a command answers from the state it made"),
    ("7", "forwards and side effects leave when their command is durable, and never after a failure"),
    ("8", "a command with an idempotency key has its effect once"),
    ("9", "deadlines, bounds, and a handler that never answers"),
    ("10", "after a process death unanswered commands run again, answered ones do not"),
    ("11", "passivation, restart and reload lose nothing"),
    ("12", "state from a snapshot and the events behind it is the state from all events"),
    ("13", "a delete keeps the numbering; a value's version is its sequence"),
    ("names", "wire names, addresses and methods"),
    ("body", "the body rule: what a body is, and how a reply is written"),
    ("errors", "kinds, codes, statuses and outcomes of failures"),
    ("conditions", "etag and if-match"),
    ("streams", "streamed replies and their back-pressure"),
    ("journal", "the bytes of the journal are the same in every language"),
    ("evolution", "events of one version are read by the next"),
    ("grpc", "adjoin.client.v1.Entities gives the same answers"),
    ("calls", "handlers that call other entities, and their chain"),
];

/// The rule in a few words.
#[must_use]
pub fn title(rule: &str) -> Option<&'static str> {
    RULES.iter().find(|(name, _)| *name == rule).map(|(_, title)| *title)
}

/// A table of rules and the cases that ask about each, as Markdown.
#[must_use]
pub fn table(cases: &[Case]) -> String {
    let mut text = String::from("| rule | what | cases |\n|---|---|---|\n");
    for (rule, what) in RULES {
        let asked = cases.iter().filter(|case| case.rules.iter().any(|asked| asked == rule));
        let names: Vec<String> = asked.map(|case| format!("`{}`", case.name)).collect();
        let _ = writeln!(text, "| {rule} | {what} | {} |", names.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    const BEGIN: &str = "<!-- cases: begin -->\n";
    const END: &str = "<!-- cases: end -->\n";

    #[test]
    fn every_rule_has_a_case() {
        let cases = crate::cases::all().expect("sound");
        for (rule, _) in RULES {
            let asked = cases.iter().any(|case| case.rules.iter().any(|asked| asked == rule));
            assert!(asked, "no case asks about rule {rule}");
        }
    }

    /// `ADJOIN_WRITE_DOCS=1 cargo test -p adjoin-conformance table` writes it.
    #[test]
    fn the_table_in_the_readme_is_this_one() {
        let readme = std::fs::read_to_string(README).expect("conformance/README.md");
        let (before, rest) = readme.split_once(BEGIN).expect("where the table begins");
        let (shown, after) = rest.split_once(END).expect("where it ends");
        let table = table(&crate::cases::all().expect("sound"));
        if std::env::var_os("ADJOIN_WRITE_DOCS").is_some() {
            std::fs::write(README, format!("{before}{BEGIN}{table}{END}{after}")).expect("written");
        } else {
            assert_eq!(shown, table, "write it with ADJOIN_WRITE_DOCS=1 cargo test -p adjoin-conformance table");
        }
    }
}
