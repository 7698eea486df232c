// SPDX-License-Identifier: Apache-2.0
//! Stages: what each runs, how its tests are counted, and the summary.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Instant;

use crate::count::{Count, closing_line, plain_line, skipped_list};
use crate::server::Folder;
use crate::setup::Services;
use crate::{demo, docs, r#gen, licences, options, program, python, setup, tidy, version};

/// Every stage, in the order of `cargo xtask test`: the cheap ones that fail soonest come first.
pub const ALL: [&str; 15] = [
    "setup",
    "fmt",
    "tidy",
    "licences",
    "gen",
    "clippy",
    "no-std",
    "tests",
    "python",
    "docs",
    "conformance",
    "interop",
    "clients",
    "proofs",
    "demo",
];

/// Ring 0: pure crates, built for a target without std.
pub const RING_0: [&str; 3] = ["adjoin-model", "adjoin-crdt", "adjoin-entity"];

/// Makes the checkout ready and says so; says whether it is.
pub fn setup(root: &Path) -> bool {
    report(setup::run(root), "ready: plain cargo builds and tests in this checkout")
}

/// When this command began.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Begins the time that [`report`] says.
pub fn begin() {
    LazyLock::force(&BEGAN);
}

/// Says how it ended and after how long, in the last line; says whether well.
pub fn report(outcome: Result<(), String>, well: &str) -> bool {
    let took = minutes(*BEGAN);
    match &outcome {
        Ok(()) => println!("{well} ({took})"),
        Err(reason) => println!("failed: {reason} ({took})"),
    }
    outcome.is_ok()
}

fn minutes(began: Instant) -> String {
    format!("{:.1} min", began.elapsed().as_secs_f64() / 60.0)
}

/// The version: checked, or written to every place.
pub fn version(root: &Path, new: Option<&str>, check: bool) -> bool {
    let said = match new {
        Some(new) if !check => version::write(root, new),
        wanted => version::check(root, wanted),
    };
    let well = said.clone().unwrap_or_default();
    report(said.map(drop), &well)
}

/// The conformance matrix, with the SDKs, the proxy and the apps built first.
pub fn conformance(root: &Path, options: &options::Conformance) -> Result<(), String> {
    setup::run(root)?;
    let interpreter = python::ready(root)?;
    let mut all = options.words();
    all.extend(["--python".into(), interpreter.into()]);
    // The apps can be broken on purpose, and a proxy built together with them could be too: what is asked is the one that
    // ships. It is built last, since both calls leave their programs in the same folder.
    let apps = ["adjoin-conformance", "adjoin-conformance-app"];
    program::build_packages(root, &apps, false)?;
    program::run(root, &["adjoin-cli"], false, "adjoin-conformance", &all)
}

/// The whole matrix, every case counted.
fn conformance_cases(root: &Path, total: &mut Count) -> Result<(), String> {
    let folder = Folder::new("conformance")?;
    let json = folder.path().join("cases.json");
    let outcome = conformance(root, &options::Conformance::all(&json));
    let text = std::fs::read_to_string(&json).unwrap_or_default();
    let count = |status: &str| text.matches(&format!("\"status\":\"{status}\"")).count() as u64;
    total.passed += count("passed");
    total.failed += count("failed");
    total.cases_skipped += count("skipped");
    if count("passed") == 0 {
        return outcome.and(Err("no case was asked".into()));
    }
    outcome
}

/// Services on Cloudstate SDKs, by themselves and behind the proxy.
pub fn interop(root: &Path, options: &options::Interop) -> Result<(), String> {
    setup::with_services(root, options.services())?;
    let mut words = options.words();
    if options.python() {
        words.extend(interpreter(root)?);
    }
    program::run(root, &INTEROP, false, INTEROP[0], &words)
}

/// What runs the service on adjoin's own SDK, with the native module fresh.
fn interpreter(root: &Path) -> Result<[OsString; 2], String> {
    Ok(["--python".into(), python::ready(root)?.into()])
}

/// The runner, and the proxy beside it.
const INTEROP: [&str; 2] = ["adjoin-interop", "adjoin-cli"];

/// The same, every scenario counted.
fn interop_scenarios(root: &Path, total: &mut Count) -> Result<(), String> {
    let interpreter = interpreter(root)?;
    let mut command = program::command(root, &INTEROP, false, INTEROP[0])?;
    command.args(interpreter);
    counted_by(&mut command, INTEROP[0], total, plain_line)
}

/// Clients that nobody here wrote, against a contract behind the proxy.
pub fn clients(root: &Path, options: &options::Clients) -> Result<(), String> {
    setup::with_services(root, Services { clients: true, ..Services::default() })?;
    let mut words = options.words();
    words.extend(["--python".into(), python::environment(root)?.into()]);
    program::run(root, &CLIENTS, false, CLIENTS[0], &words)
}

/// The runner, and the proxy beside it.
const CLIENTS: [&str; 2] = ["adjoin-clients", "adjoin-cli"];

/// The same, every step counted.
fn clients_scenarios(root: &Path, total: &mut Count) -> Result<(), String> {
    let interpreter = python::environment(root)?;
    let mut command = program::command(root, &CLIENTS, false, CLIENTS[0])?;
    counted_by(command.arg("--python").arg(interpreter), CLIENTS[0], total, plain_line)
}

/// Short forms of the crash and the overload proof, with the programs of the other stages.
fn proofs(root: &Path, total: &mut Count) -> Result<(), String> {
    for words in [["crash", "--rounds", "5"], ["overload", "--minutes", "0.2"]] {
        program::bench_with(root, false, &words.map(Into::into))?;
        total.passed += 1;
    }
    Ok(())
}

/// The demo as a person runs it: by itself to its end, and kept until a signal.
fn demo(root: &Path, total: &mut Count) -> Result<(), String> {
    demo::shown::ends_by_itself(root)?;
    total.passed += 1;
    for signal in ["INT", "TERM"] {
        demo::shown::is_kept_until(root, signal)?;
        total.passed += 1;
    }
    Ok(())
}

/// The Python SDK's own tests and types, and the examples in Python.
fn python_tests(root: &Path, total: &mut Count) -> Result<(), String> {
    let interpreter = python::ready(root)?;
    let sdk = root.join("sdks/python");
    let mut tests = Command::new(interpreter);
    tests
        .args(["-m", "pytest", "-rs", "-p", "no:cacheprovider"])
        .env("PYTHONPATH", python::path(root))
        .current_dir(sdk);
    counted(&mut tests, "pytest", total)
}

/// One stage, after `setup` if it builds anything.
pub fn with_setup(name: &str) -> Vec<&str> {
    let builds = !matches!(name, "setup" | "fmt" | "tidy" | "licences" | "gen");
    if builds { vec!["setup", name] } else { vec![name] }
}

/// Runs these stages, prints minutes for each, then what happened; says whether all passed.
pub fn run(root: &Path, names: &[&str]) -> bool {
    let mut total = Count::default();
    let mut failures = Vec::new();
    for name in names {
        println!("== {name}");
        let began = Instant::now();
        // What later stages need is installed or named before anything is built.
        let outcome = match *name {
            "setup" => setup::with_services(root, services(names)),
            name => one(root, name, &mut total),
        };
        println!("== {name}: {}", minutes(began));
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
    println!("{} passed, {failed} failed{}", total.passed, total.skipped(&skipped_list()));
    failed == 0 && ran_tests
}

/// What these stages need beside what every checkout needs.
fn services(names: &[&str]) -> Services {
    let interop = names.contains(&"interop");
    Services { go: interop, java: interop, clients: names.contains(&"clients") }
}

fn one(root: &Path, name: &str, total: &mut Count) -> Result<(), String> {
    match name {
        "fmt" => cargo(root, &["fmt", "--all", "--check"], total),
        "clippy" => clippy(root, total),
        "tidy" => tidy(root),
        "licences" => licences(root),
        "gen" => r#gen::run(root, true),
        "no-std" => no_std(root, total),
        "tests" => cargo(root, &["test", "--workspace", "--no-fail-fast"], total),
        "python" => python_tests(root, total),
        "docs" => docs::run(root, false).map(|blocks| total.passed += blocks),
        "conformance" => conformance_cases(root, total),
        "interop" => interop_scenarios(root, total),
        "clients" => clients_scenarios(root, total),
        "proofs" => proofs(root, total),
        "demo" => demo(root, total),
        other => Err(format!("no such stage {other:?}; there are: {}", ALL.join(", "))),
    }
}

fn licences(root: &Path) -> Result<(), String> {
    let crates = licences::check(root).map_err(|found| found.join("\n"))?;
    println!("{crates} crates, as deny.toml allows");
    Ok(())
}

/// The lints; those of a newer Rust than they are written for fail nothing.
fn clippy(root: &Path, total: &mut Count) -> Result<(), String> {
    let mut words = vec!["clippy", "--workspace", "--all-targets"];
    if !setup::has_newer_rust() {
        words.extend(["--", "-D", "warnings"]);
    }
    cargo(root, &words, total)
}

/// The rules of the tree, and one version everywhere.
fn tidy(root: &Path) -> Result<(), String> {
    let mut found = tidy::check(root).err().unwrap_or_default();
    found.extend(version::check(root, None).err());
    if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
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
            total.add(found(&text));
        }
    }
    let status = child.wait().map_err(|error| format!("`{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_names_every_stage_in_order() {
        let readme = include_str!("../README.md");
        let mut rest = readme.split("Stages of `test`:").nth(1).expect("the line of stages");
        for stage in ALL {
            rest = rest.split_once(stage).unwrap_or_else(|| panic!("{stage} is not named in its place")).1;
        }
    }

    #[test]
    fn an_unknown_stage_fails() {
        assert!(!run(Path::new("."), &["no-such-stage"]));
    }
}
