// SPDX-License-Identifier: Apache-2.0
//! Lists of what does not pass or does not apply: each entry has its reason, and each reason its entry.
//!
//! A transcript says `failed X …` or `skipped X …`; the lines before the first step say `* X: why`.

use std::collections::BTreeSet;

use crate::scenario::Scenario;

/// Whether both lists name the same; nothing for a scenario that has neither.
pub(crate) fn check(scenario: &Scenario) -> Option<Result<(), String>> {
    let transcripts = scenario.steps.iter().flat_map(|step| step.transcript.lines());
    let named: BTreeSet<&str> = transcripts.filter_map(named).collect();
    let explained: BTreeSet<&str> = scenario.preface.lines().filter_map(explained).collect();
    if named.is_empty() && explained.is_empty() {
        return None;
    }
    let missing: Vec<&str> = named.symmetric_difference(&explained).copied().collect();
    Some(if missing.is_empty() { Ok(()) } else { Err(format!("in one of the two only: {}", missing.join(", "))) })
}

fn named(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("failed ").or_else(|| line.strip_prefix("skipped "))?;
    rest.split_whitespace().next()
}

fn explained(line: &str) -> Option<&str> {
    let (name, why) = line.strip_prefix("* ")?.split_once(": ")?;
    (!why.trim().is_empty()).then_some(name)
}
