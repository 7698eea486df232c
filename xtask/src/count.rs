// SPDX-License-Identifier: Apache-2.0
//! Tests that ran, failed or did not run, as the runners say it in their closing lines.

use std::path::{Path, PathBuf};

/// Tests counted in closing lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Ran, and well.
    pub passed: u64,
    /// Ran, and not well.
    pub failed: u64,
    /// Marked as ignored in Rust.
    pub ignored: u64,
    /// Skipped by pytest.
    pub pytest_skipped: u64,
    /// Skipped by the conformance runner.
    pub cases_skipped: u64,
}

impl Count {
    /// Adds those of another runner.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.pytest_skipped += other.pytest_skipped;
        self.cases_skipped += other.cases_skipped;
    }

    /// Lists the tests that found their tool missing, and says how the last line ends; removes the list.
    pub fn skipped(&self, list: &Path) -> String {
        let text = std::fs::read_to_string(list).unwrap_or_default();
        let _ = std::fs::remove_file(list);
        text.lines().for_each(|line| println!("{line}"));
        let parts = [
            (text.lines().count() as u64, "without a tool"),
            (self.ignored, "ignored in Rust"),
            (self.pytest_skipped, "by pytest"),
            (self.cases_skipped, "of conformance"),
        ];
        let all: u64 = parts.iter().map(|(count, _)| count).sum();
        let said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if all == 0 { String::new() } else { format!(", {all} skipped: {}", said.join(", ")) }
    }
}

/// Where tests that cannot run on this machine say so, a line each; in CI they fail instead.
pub fn skipped_list() -> PathBuf {
    std::env::temp_dir().join(format!("adjoin-skipped-{}", std::process::id()))
}

/// Reads `test result: ok. 7 passed; 0 failed; …` as cargo's test runner prints it; other lines count nothing.
pub fn closing_line(text: &str) -> Count {
    let Some(rest) = text.strip_prefix("test result: ") else { return pytest_line(text) };
    let number = |word: &str| {
        rest.split([';', '.']).find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok()).unwrap_or(0)
    };
    Count { passed: number("passed"), failed: number("failed"), ignored: number("ignored"), ..Count::default() }
}

/// Reads `41 passed, 3 failed` and `41 passed, 3 failed, 1 skipped`, alone on a line.
pub fn plain_line(text: &str) -> Count {
    let number = |part: &str, word: &str| part.strip_suffix(word)?.trim().parse::<u64>().ok();
    let mut parts = text.split(", ");
    let passed = parts.next().and_then(|part| number(part, " passed"));
    let failed = parts.next().and_then(|part| number(part, " failed"));
    let cases_skipped = parts.next().and_then(|part| number(part, " skipped")).unwrap_or(0);
    match (passed, failed) {
        (Some(passed), Some(failed)) => Count { passed, failed, cases_skipped, ..Count::default() },
        _ => Count::default(),
    }
}

/// Reads `3 failed, 41 passed, 2 skipped in 1.2s` as pytest prints it. What it expects to fail did not show anything.
fn pytest_line(text: &str) -> Count {
    let line = text.trim_matches(['=', ' ']);
    let known = [" passed", " failed", " error", " skipped"];
    if !line.contains(" in ") || !known.iter().any(|word| line.contains(word)) {
        return Count::default();
    }
    let number = |word: &str| {
        let counts = line.split(" in ").next().unwrap_or_default().split(", ");
        counts.filter_map(|part| part.strip_suffix(word)?.trim().parse::<u64>().ok()).sum::<u64>()
    };
    Count {
        passed: number(" passed"),
        failed: number(" failed") + number(" error") + number(" errors"),
        pytest_skipped: number(" skipped") + number(" xfailed"),
        ..Count::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(passed: u64, failed: u64, ignored: u64, pytest_skipped: u64) -> Count {
        Count { passed, failed, ignored, pytest_skipped, cases_skipped: 0 }
    }

    #[test]
    fn closing_lines_are_counted() {
        let line = "test result: FAILED. 6 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.17s";
        assert_eq!(closing_line(line), count(6, 1, 2, 0));
        assert_eq!(closing_line("test a::b ... ok"), Count::default());
        assert_eq!(closing_line("1 failed, 41 passed in 1.23s"), count(41, 1, 0, 0));
        assert_eq!(closing_line("=== 41 passed, 2 skipped, 1 xfailed in 1.23s ==="), count(41, 0, 0, 3));
        assert_eq!(closing_line("2 skipped in 0.01s"), count(0, 0, 0, 2));
        assert_eq!(closing_line("2 passed, 1 error in 0.1s"), count(2, 1, 0, 0));
        assert_eq!(plain_line("41 passed, 3 failed"), count(41, 3, 0, 0));
        assert_eq!(plain_line("9 passed, 0 failed, 2 skipped"), Count { cases_skipped: 2, ..count(9, 0, 0, 0) });
        assert_eq!(plain_line("41 passed"), Count::default());
        assert_eq!(closing_line("put in 3 passed hands"), Count::default());
    }

    #[test]
    fn tests_that_did_not_run_are_said() {
        let list = skipped_list().with_extension("test");
        assert_eq!(Count::default().skipped(&list), "");
        std::fs::write(&list, "skipped: a: why\nskipped: b: why\n").expect("written");
        let mut total = count(9, 0, 1, 0);
        total.add(Count { cases_skipped: 4, ..count(1, 0, 0, 3) });
        let said = total.skipped(&list);
        assert_eq!(said, ", 10 skipped: 2 without a tool, 1 ignored in Rust, 3 by pytest, 4 of conformance");
        assert!(!list.exists(), "the next run begins anew");
    }
}
