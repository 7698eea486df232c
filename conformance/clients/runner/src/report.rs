// SPDX-License-Identifier: Apache-2.0
//! What came of every step.

use std::time::Duration;

/// What came of all steps.
#[derive(Default)]
pub(crate) struct Report {
    failures: Vec<String>,
    passed: usize,
}

impl Report {
    /// Adds one, and prints it.
    pub(crate) fn add(&mut self, name: &str, fact: &str, outcome: Result<(), String>, took: Duration) {
        let line = format!("{name:<20} {fact}");
        let millis = took.as_millis();
        match outcome {
            Ok(()) => {
                self.passed += 1;
                println!("passed  {line} ({millis} ms)");
            }
            Err(said) => {
                println!("FAILED  {line} ({millis} ms)\n        {said}");
                self.failures.push(line);
            }
        }
    }

    /// Whether every step left its transcript, and there was any.
    pub(crate) fn is_good(&self) -> bool {
        self.failures.is_empty() && self.passed > 0
    }

    /// The failures once more, and the closing line.
    pub(crate) fn close(&self) {
        self.failures.iter().for_each(|failure| println!("FAILED  {failure}"));
        println!("{} passed, {} failed", self.passed, self.failures.len());
    }
}
