// SPDX-License-Identifier: Apache-2.0
//! What the cases were answered: as a table, as JSON, as JUnit.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::target::{Home, Store};

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// As it must.
    Passed,
    /// Otherwise; which step, and how.
    Failed(String),
    /// It could not be asked.
    Skipped,
    /// By a contract it is otherwise; why.
    Exempt(String),
}

impl Status {
    const fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Skipped => "skipped",
            Self::Exempt(_) => "exempt",
        }
    }
}

/// One case on one target.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The case.
    pub case: String,
    /// Its rules.
    pub rules: Vec<String>,
    /// The SDK.
    pub sdk: String,
    /// Where the host ran.
    pub home: Home,
    /// Where the journal was.
    pub store: Store,
    /// How it ended.
    pub status: Status,
    /// How long it took.
    pub took: Duration,
}

/// All cases that were asked.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order of asking.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// Adds those of another target.
    pub fn add(&mut self, other: Self) {
        self.outcomes.extend(other.outcomes);
    }

    /// How many ended so.
    #[must_use]
    pub fn count(&self, status: &str) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.status.name() == status).count()
    }

    /// Whether some were asked and none failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.count("passed") > 0 && self.count("failed") == 0
    }

    /// The rules of the cases that failed.
    #[must_use]
    pub fn broken_rules(&self) -> Vec<&str> {
        let failed = self.outcomes.iter().filter(|outcome| matches!(outcome.status, Status::Failed(_)));
        failed.flat_map(|outcome| outcome.rules.iter().map(String::as_str)).collect()
    }

    /// A line for each target and each case that failed, and one with all numbers.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (target, outcomes) in self.by_target() {
            let of = |name: &str| outcomes.iter().filter(|outcome| outcome.status.name() == name).count();
            let (passed, failed, skipped, exempt) = (of("passed"), of("failed"), of("skipped"), of("exempt"));
            let took: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
            let seconds = took.as_secs_f64();
            let _ = writeln!(
                text,
                "{target:<36} {passed:>4} passed {failed:>4} failed {skipped:>4} skipped {exempt:>4} exempt {seconds:>7.1} s"
            );
            for outcome in outcomes {
                if let Status::Failed(said) = &outcome.status {
                    let _ = writeln!(text, "  FAILED {} (rules {}): {said}", outcome.case, outcome.rules.join(", "));
                }
            }
        }
        let _ = write!(
            text,
            "{} passed, {} failed, {} skipped, {} exempt",
            self.count("passed"),
            self.count("failed"),
            self.count("skipped"),
            self.count("exempt")
        );
        text
    }

    fn by_target(&self) -> Vec<(String, Vec<&Outcome>)> {
        let mut targets: Vec<(String, Vec<&Outcome>)> = Vec::new();
        for outcome in &self.outcomes {
            let name = outcome.target();
            match targets.iter_mut().find(|(target, _)| *target == name) {
                Some((_, outcomes)) => outcomes.push(outcome),
                None => targets.push((name, vec![outcome])),
            }
        }
        targets
    }

    /// `{"cases":[{"case","sdk","home","store","status"}]}`.
    #[must_use]
    pub fn json(&self) -> String {
        let cases: Vec<_> = self.outcomes.iter().map(Outcome::json).collect();
        json!({ "cases": cases }).to_string()
    }

    /// A test suite for each target.
    #[must_use]
    pub fn junit(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
        for (target, outcomes) in self.by_target() {
            let failed = outcomes.iter().filter(|outcome| outcome.status.name() == "failed").count();
            let skipped =
                outcomes.iter().filter(|outcome| matches!(outcome.status, Status::Skipped | Status::Exempt(_))).count();
            let _ = writeln!(
                text,
                "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" skipped=\"{skipped}\">",
                escaped(&target),
                outcomes.len()
            );
            outcomes.iter().for_each(|outcome| text.push_str(&outcome.junit()));
            text.push_str("  </testsuite>\n");
        }
        text.push_str("</testsuites>\n");
        text
    }
}

impl Outcome {
    fn target(&self) -> String {
        let (home, store) = (word(&self.home), word(&self.store));
        format!("{} {home} {store}", self.sdk)
    }

    fn json(&self) -> serde_json::Value {
        let mut shown = json!({
            "case": self.case, "sdk": self.sdk, "home": self.home, "store": self.store, "status": self.status.name(),
        });
        if let Status::Failed(said) | Status::Exempt(said) = &self.status {
            shown["reason"] = said.clone().into();
        }
        shown
    }

    fn junit(&self) -> String {
        let head = format!(
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
            escaped(&self.target()),
            escaped(&self.case),
            self.took.as_secs_f64()
        );
        match &self.status {
            Status::Passed => format!("{head}/>\n"),
            Status::Failed(said) => format!("{head}><failure message=\"{}\"/></testcase>\n", escaped(said)),
            Status::Skipped => format!("{head}><skipped/></testcase>\n"),
            Status::Exempt(said) => format!("{head}><skipped message=\"{}\"/></testcase>\n", escaped(said)),
        }
    }
}

/// A name as it stands in JSON.
fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(' '),
            control if control.is_control() => escaped.push('\u{FFFD}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(case: &str, status: Status) -> Outcome {
        let took = Duration::from_millis(5);
        let (sdk, home, store) = ("rust".to_owned(), Home::InProcess, Store::RocksDb);
        Outcome { case: case.to_owned(), rules: vec!["6".to_owned()], sdk, home, store, status, took }
    }

    fn report() -> Report {
        let failed = outcome("b", Status::Failed("step 1: \"<x>\"".to_owned()));
        let exempt = outcome("d", Status::Exempt("it has routes of its own".to_owned()));
        Report { outcomes: vec![outcome("a", Status::Passed), failed, outcome("c", Status::Skipped), exempt] }
    }

    #[test]
    fn json_names_every_case() {
        let shown: serde_json::Value = serde_json::from_str(&report().json()).expect("JSON");
        let first = json!({"case": "a", "sdk": "rust", "home": "in-process", "store": "rocksdb", "status": "passed"});
        assert_eq!(shown["cases"][0], first);
        assert_eq!(shown["cases"][1]["status"], "failed");
        assert_eq!(shown["cases"][2]["status"], "skipped");
        assert_eq!(
            (&shown["cases"][3]["status"], &shown["cases"][3]["reason"]),
            (&json!("exempt"), &json!("it has routes of its own"))
        );
    }

    #[test]
    fn the_table_says_what_failed_and_counts() {
        let table = report().table();
        assert!(table.contains("FAILED b (rules 6): step 1"), "{table}");
        assert!(table.ends_with("1 passed, 1 failed, 1 skipped, 1 exempt"), "{table}");
        assert!(!report().is_good());
        assert!(!Report::default().is_good(), "nothing asked is nothing proved");
        assert_eq!(report().broken_rules(), ["6"]);
    }

    #[test]
    fn junit_is_escaped() {
        let text = report().junit();
        assert!(text.contains("failures=\"1\" skipped=\"2\"") && text.contains("&quot;&lt;x&gt;&quot;"), "{text}");
    }
}
