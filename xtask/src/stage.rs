// SPDX-License-Identifier: Apache-2.0
//! Stages: what each runs, how its tests are counted, and the summary.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{r#gen, setup, tidy};

/// Every stage, in the order of `cargo xtask test`: the cheap ones that fail soonest come first.
pub const ALL: [&str; 7] = ["setup", "fmt", "tidy", "gen", "clippy", "no-std", "tests"];

/// Ring 0: pure crates, built for a target without std.
pub const RING_0: [&str; 2] = ["adjoin-model", "adjoin-entity"];

/// Tests counted in a runner's closing lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    passed: u64,
    failed: u64,
}

/// Makes the checkout ready and says so; says whether it is.
pub fn setup(root: &Path) -> bool {
    report(setup::run(root), "ready: plain cargo builds and tests in this checkout")
}

/// Says how it ended, in the last line; says whether well.
pub fn report(outcome: Result<(), String>, well: &str) -> bool {
    match &outcome {
        Ok(()) => println!("{well}"),
        Err(reason) => println!("failed: {reason}"),
    }
    outcome.is_ok()
}

/// One stage, after `setup` if it builds anything.
pub fn with_setup(name: &str) -> Vec<&str> {
    let builds = !matches!(name, "setup" | "fmt" | "tidy" | "gen");
    if builds { vec!["setup", name] } else { vec![name] }
}

/// Runs these stages, prints minutes for each, then what happened; says whether all passed.
pub fn run(root: &Path, names: &[&str]) -> bool {
    let mut total = Count::default();
    let mut failures = Vec::new();
    for name in names {
        println!("== {name}");
        let began = Instant::now();
        let outcome = one(root, name, &mut total);
        println!("== {name}: {:.1} min", began.elapsed().as_secs_f64() / 60.0);
        if let Err(reason) = outcome {
            println!("== {name} FAILED: {reason}; alone: cargo xtask test --only {name}");
            failures.push(*name);
            if *name == "setup" {
                break;
            }
        }
    }
    let ran_tests = !names.contains(&"tests") || total.passed + total.failed > 0;
    if !ran_tests {
        println!("no test ran, which counts as a failure");
    }
    if !failures.is_empty() {
        println!("failed stages: {}", failures.join(", "));
    }
    let failed = total.failed.max(failures.len() as u64);
    println!("{} passed, {failed} failed", total.passed);
    failed == 0 && ran_tests
}

fn one(root: &Path, name: &str, total: &mut Count) -> Result<(), String> {
    match name {
        "setup" => setup::run(root),
        "fmt" => cargo(root, &["fmt", "--all", "--check"], total),
        "clippy" => cargo(root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], total),
        "tidy" => tidy::check(root).map_err(|found| found.join("\n")),
        "gen" => r#gen::run(root, true),
        "no-std" => no_std(root, total),
        "tests" => cargo(root, &["test", "--workspace", "--no-fail-fast"], total),
        other => Err(format!("no such stage {other:?}; there are: {}", ALL.join(", "))),
    }
}

/// Builds ring 0 for a target that has no std, so an accidental `std` cannot compile.
fn no_std(root: &Path, total: &mut Count) -> Result<(), String> {
    for package in RING_0 {
        cargo(root, &["build", "--package", package, "--target", setup::NO_STD_TARGET], total)?;
    }
    Ok(())
}

fn cargo(root: &Path, arguments: &[&str], total: &mut Count) -> Result<(), String> {
    spawn(root, "cargo", arguments, total)
}

fn spawn(root: &Path, program: &str, arguments: &[&str], total: &mut Count) -> Result<(), String> {
    let line = format!("{program} {}", arguments.join(" "));
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{line}` did not start: {error}"))?;
    if let Some(output) = child.stdout.take() {
        for text in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{text}");
            let count = closing_line(&text);
            total.passed += count.passed;
            total.failed += count.failed;
        }
    }
    let status = child.wait().map_err(|error| format!("`{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` ended with {status}")) }
}

/// Reads `test result: ok. 7 passed; 0 failed; …` as cargo's test runner prints it; other lines count nothing.
fn closing_line(text: &str) -> Count {
    let Some(rest) = text.strip_prefix("test result: ") else { return Count::default() };
    let number = |word: &str| {
        rest.split([';', '.']).find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok()).unwrap_or(0)
    };
    Count { passed: number("passed"), failed: number("failed") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_cargo_are_counted() {
        let line = "test result: FAILED. 6 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.17s";
        assert_eq!(closing_line(line), Count { passed: 6, failed: 1 });
        assert_eq!(closing_line("test a::b ... ok"), Count::default());
    }

    #[test]
    fn an_unknown_stage_fails() {
        assert!(!run(Path::new("."), &["no-such-stage"]));
    }
}
