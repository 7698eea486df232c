// SPDX-License-Identifier: Apache-2.0
//! Stages: what each runs, how its tests are counted, and the summary.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::server::Folder;
use crate::{demo, docs, r#gen, program, python, setup, tidy};

/// Every stage, in the order of `cargo xtask test`: the cheap ones that fail soonest come first.
pub const ALL: [&str; 13] = [
    "setup",
    "fmt",
    "tidy",
    "gen",
    "clippy",
    "no-std",
    "tests",
    "python",
    "docs",
    "conformance",
    "interop",
    "crash",
    "demo",
];

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

/// The conformance matrix, with the SDKs, the proxy and the apps built first.
pub fn conformance(root: &Path, words: &[std::ffi::OsString]) -> Result<(), String> {
    setup::run(root)?;
    let interpreter = python::ready(root)?;
    let mut all = words.to_vec();
    all.extend(["--python".into(), interpreter.into()]);
    let packages = ["adjoin-conformance", "adjoin-cli", "adjoin-conformance-app"];
    program::run(root, &packages, false, "adjoin-conformance", &all)
}

/// The whole matrix, every case counted.
fn conformance_cases(root: &Path, total: &mut Count) -> Result<(), String> {
    let folder = Folder::new("conformance")?;
    let json = folder.path().join("cases.json");
    let outcome = conformance(root, &["--json".into(), json.clone().into()]);
    let text = std::fs::read_to_string(&json).unwrap_or_default();
    let count = |status: &str| text.matches(&format!("\"status\":\"{status}\"")).count() as u64;
    total.passed += count("passed");
    total.failed += count("failed");
    if count("passed") == 0 {
        return outcome.and(Err("no case was asked".into()));
    }
    outcome
}

/// Services on Cloudstate SDKs, by themselves and behind the proxy.
pub fn interop(root: &Path, words: &[std::ffi::OsString]) -> Result<(), String> {
    setup::run(root)?;
    program::run(root, &INTEROP, false, INTEROP[0], words)
}

/// The runner, and the proxy beside it.
const INTEROP: [&str; 2] = ["adjoin-interop", "adjoin-cli"];

/// The same, every scenario counted.
fn interop_scenarios(root: &Path, total: &mut Count) -> Result<(), String> {
    let mut command = program::command(root, &INTEROP, false, INTEROP[0])?;
    counted_by(&mut command, INTEROP[0], total, plain_line)
}

/// A few rounds of the crash proof, with the programs of the other stages.
fn crash(root: &Path, total: &mut Count) -> Result<(), String> {
    let packages = ["adjoin-bench", "adjoin-cli", "adjoin-shop"];
    program::run(root, &packages, false, "adjoin-bench", &["crash", "--rounds", "5"].map(Into::into))?;
    total.passed += 1;
    Ok(())
}

/// The demo as a person runs it, with its output read back.
fn demo(root: &Path, total: &mut Count) -> Result<(), String> {
    let output = Command::new("cargo").args(["xtask", "demo"]).current_dir(root).output();
    let output = output.map_err(|error| format!("the demo did not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}{}", String::from_utf8_lossy(&output.stderr));
    match demo::missing(&said) {
        None if output.status.success() => total.passed += 1,
        None => return Err(format!("the demo ended with {}", output.status)),
        Some(part) => return Err(format!("the demo did not print {part:?}")),
    }
    Ok(())
}

/// The Python SDK's own tests and types, and the examples in Python.
fn python_tests(root: &Path, total: &mut Count) -> Result<(), String> {
    let interpreter = python::ready(root)?;
    let sdk = root.join("sdks/python");
    let mut tests = Command::new(interpreter);
    tests.args(["-m", "pytest", "-p", "no:cacheprovider"]).env("PYTHONPATH", python::path(root)).current_dir(sdk);
    counted(&mut tests, "pytest", total)
}

/// One stage, after `setup` if it builds anything.
pub fn with_setup(name: &str) -> Vec<&str> {
    let builds = !matches!(name, "setup" | "fmt" | "tidy" | "gen");
    if builds { vec!["setup", name] } else { vec![name] }
}

/// Where tests that cannot run on this machine say so, a line each; in CI they fail instead.
fn skipped_list() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("adjoin-skipped-{}", std::process::id()))
}

/// Lists the tests that did not run, and says how the last line ends.
fn skipped(list: &Path) -> String {
    let text = std::fs::read_to_string(list).unwrap_or_default();
    let _ = std::fs::remove_file(list);
    text.lines().for_each(|line| println!("{line}"));
    match text.lines().count() {
        0 => String::new(),
        count => format!(", {count} skipped"),
    }
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
    println!("{} passed, {failed} failed{}", total.passed, skipped(&skipped_list()));
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
        "python" => python_tests(root, total),
        "docs" => docs::run(root, false).map(|blocks| total.passed += blocks),
        "conformance" => conformance_cases(root, total),
        "interop" => interop_scenarios(root, total),
        "crash" => crash(root, total),
        "demo" => demo(root, total),
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
    counted(Command::new(program).args(arguments).current_dir(root), &line, total)
}

/// Runs a command, shows what it prints, and counts the tests in the closing lines of cargo and pytest.
fn counted(command: &mut Command, line: &str, total: &mut Count) -> Result<(), String> {
    counted_by(command, line, total, closing_line)
}

/// Runs a command, shows what it prints, and counts what this finds in each line.
fn counted_by(
    command: &mut Command,
    line: &str,
    total: &mut Count,
    found: impl Fn(&str) -> Count,
) -> Result<(), String> {
    let child = command.env("ADJOIN_SKIPPED", skipped_list()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("`{line}` did not start: {error}"))?;
    if let Some(output) = child.stdout.take() {
        for text in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{text}");
            let count = found(&text);
            total.passed += count.passed;
            total.failed += count.failed;
        }
    }
    let status = child.wait().map_err(|error| format!("`{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` ended with {status}")) }
}

/// Reads `test result: ok. 7 passed; 0 failed; …` as cargo's test runner prints it; other lines count nothing.
fn closing_line(text: &str) -> Count {
    let Some(rest) = text.strip_prefix("test result: ") else { return pytest_line(text) };
    let number = |word: &str| {
        rest.split([';', '.']).find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok()).unwrap_or(0)
    };
    Count { passed: number("passed"), failed: number("failed") }
}

/// Reads `41 passed, 3 failed` and `41 passed, 3 failed, 1 skipped`, alone on a line.
fn plain_line(text: &str) -> Count {
    let number = |part: &str, word: &str| part.strip_suffix(word)?.trim().parse::<u64>().ok();
    let mut parts = text.split(", ");
    let passed = parts.next().and_then(|part| number(part, " passed"));
    let failed = parts.next().and_then(|part| number(part, " failed"));
    match (passed, failed) {
        (Some(passed), Some(failed)) => Count { passed, failed },
        _ => Count::default(),
    }
}

/// Reads `3 failed, 41 passed in 1.2s` as pytest prints it.
fn pytest_line(text: &str) -> Count {
    let line = text.trim_matches(['=', ' ']);
    if !line.contains(" in ") || !(line.contains(" passed") || line.contains(" failed") || line.contains(" error")) {
        return Count::default();
    }
    let number = |word: &str| {
        let counts = line.split(" in ").next().unwrap_or_default().split(", ");
        counts.filter_map(|part| part.strip_suffix(word)?.trim().parse::<u64>().ok()).sum::<u64>()
    };
    Count { passed: number(" passed"), failed: number(" failed") + number(" error") + number(" errors") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_cargo_are_counted() {
        let line = "test result: FAILED. 6 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.17s";
        assert_eq!(closing_line(line), Count { passed: 6, failed: 1 });
        assert_eq!(closing_line("test a::b ... ok"), Count::default());
        assert_eq!(closing_line("1 failed, 41 passed in 1.23s"), Count { passed: 41, failed: 1 });
        assert_eq!(closing_line("2 passed, 1 error in 0.1s"), Count { passed: 2, failed: 1 });
        assert_eq!(closing_line("put in 3 passed hands"), Count::default());
        assert_eq!(plain_line("41 passed, 3 failed, 1 skipped"), Count { passed: 41, failed: 3 });
        assert_eq!(plain_line("41 passed"), Count::default());
    }

    #[test]
    fn tests_that_did_not_run_are_counted() {
        let list = skipped_list().with_extension("test");
        assert_eq!(skipped(&list), "");
        std::fs::write(&list, "skipped: a: why\nskipped: b: why\n").expect("written");
        assert_eq!(skipped(&list), ", 2 skipped");
        assert!(!list.exists(), "the next run begins anew");
    }

    #[test]
    fn an_unknown_stage_fails() {
        assert!(!run(Path::new("."), &["no-such-stage"]));
    }
}
