// SPDX-License-Identifier: Apache-2.0
//! Rules of the tree that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

use crate::structure;

/// Checks every tracked kind of file below `root`.
///
/// # Errors
/// One line for each thing found: file and rule.
pub fn check(root: &Path) -> Result<(), Vec<String>> {
    let mut files = Vec::new();
    collect(root, &mut files);
    let mut found: Vec<String> = Vec::new();
    for file in &files {
        let shown = file.strip_prefix(root).unwrap_or(file).to_path_buf();
        let Ok(text) = fs::read_to_string(file) else { continue };
        found.extend(rules(&shown, &text, |link| file.parent().is_some_and(|folder| folder.join(link).exists())));
        let is_crate = file.ends_with("Cargo.toml") && text.contains("[package]");
        found.extend(is_crate.then(|| readme(file)).flatten().map(|said| format!("{}: {said}", shown.display())));
    }
    if files.is_empty() {
        found.push("no files found".into());
    }
    files.retain(|file| file.ends_with("Cargo.toml"));
    found.extend(structure::check(root, &files));
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// What is wrong with the README of a crate.
fn readme(manifest: &Path) -> Option<String> {
    let Ok(text) = fs::read_to_string(manifest.with_file_name("README.md")) else {
        return Some("a crate has a README.md".into());
    };
    let lines = text.lines().count();
    (lines > README_LINES).then(|| format!("its README.md has {lines} lines, {README_LINES} are enough"))
}

/// A crate's README is read as a whole; what needs more room is a document of its own.
const README_LINES: usize = 40;

/// Folders where time and chance come from outside, so that a simulation can repeat them.
const DETERMINED: [&str; 6] =
    ["core/model/src", "core/crdt/src", "core/entity/src", "core/engine/src", "core/storage/src", "core/sim/src"];

/// The clock that all others are handed, and the simulator's program, which tells a person how long it took.
const REAL_TIME: [&str; 2] = ["core/engine/src/clock", "core/sim/src/main.rs"];

/// Ways to ask the machine for the time or for chance. Written in two halves: see [`rules`].
const CHANCE: [&str; 4] =
    [concat!("Instant::", "now"), concat!("SystemTime::", "now"), concat!("thread_", "rng"), concat!("rand::", "rng")];

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // In a work tree of git `.git` is a file, with a path of the machine in it.
        let passed_over =
            matches!(name.as_str(), "target" | ".git" | ".deps" | ".venv" | ".adjoin" | "node_modules" | "__pycache__");
        match path.is_dir() {
            _ if passed_over => {}
            true => collect(&path, into),
            false => into.push(path),
        }
    }
}

/// The rules for one file; `exists` says whether a relative link leads somewhere.
fn rules(file: &Path, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let mut say = |what: &str| found.push(format!("{}: {what}", file.display()));
    if matches!(ending, "rs" | "proto" | "py" | "go" | "java") && !text.contains("SPDX-License-Identifier: Apache-2.0")
    {
        say("a source file starts with its SPDX line");
    }
    // Written in two halves, so that this file does not break its own rules.
    for place in [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/ho", "me/")] {
        if text.contains(place) {
            say(&format!("no path of a machine ({place})"));
        }
    }
    if ending == "rs" {
        for sleep in [concat!("thread::", "sleep"), concat!("time::", "sleep(")] {
            // The one clock that really waits is the one that everything else is handed.
            if text.contains(sleep) && !file.starts_with("core/engine/src/clock") {
                say("no sleeps: wait on a condition with a deadline");
            }
        }
        let below = |places: &[&str]| places.iter().any(|place| file.starts_with(place));
        if below(&DETERMINED) && !below(&REAL_TIME) && CHANCE.iter().any(|way| text.contains(way)) {
            say("time and chance are injected here, so that a seed repeats a run");
        }
        if text.contains(concat!("fn ", "test_")) {
            say("a test is named by the fact it shows, without test_");
        }
        if text.contains(concat!("uns", "afe {")) && !file.starts_with("bindings") {
            say("unsafe only under bindings/");
        }
        if below(&["core/model/src", "core/crdt/src", "core/entity/src"])
            && text.contains(concat!("use st", "d::"))
            && !text.contains("#[cfg(test)]")
        {
            say("ring 0 is no_std");
        }
    }
    if ending == "md" {
        for link in links(text).filter(|link| !exists(link)) {
            say(&format!("dead link {link}"));
        }
    }
    found
}

/// Relative targets of Markdown links, without their anchors.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|link| !link.is_empty() && !link.contains("://") && !link.contains(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> usize {
        rules(Path::new(file), text, |link| link == "there.md").len()
    }

    #[test]
    fn every_rule_can_fail() {
        const SPDX: &str = "// SPDX-License-Identifier: Apache-2.0\n";
        assert_eq!(found("core/x/src/lib.rs", SPDX), 0);
        assert_eq!(found("core/x/src/lib.rs", ""), 1, "SPDX");
        assert_eq!(found("a.txt", concat!("see /ro", "ot/x")), 1, "machine path");
        assert_eq!(found("a.rs", &format!("{SPDX}std::{}", concat!("thread::", "sleep(d)"))), 1, "sleep");
        assert_eq!(found("a.rs", &format!("{SPDX}{}", concat!("fn ", "test_x()"))), 1, "test name");
        assert_eq!(found("core/a.rs", &format!("{SPDX}{}", concat!("uns", "afe { x }"))), 1, "unsafe");
        assert_eq!(found("bindings/a.rs", &format!("{SPDX}{}", concat!("uns", "afe { x }"))), 0, "unsafe in bindings");
        assert_eq!(found("core/model/src/a.rs", &format!("{SPDX}{}", concat!("use st", "d::io;"))), 1, "ring 0");
        let clock = format!("{SPDX}let t = {}();", concat!("Instant::", "now"));
        assert_eq!(found("core/engine/src/a.rs", &clock), 1, "determinism");
        assert_eq!(
            found("core/engine/src/clock/system.rs", &clock) + found("benches/src/a.rs", &clock),
            0,
            "real time"
        );
        assert_eq!(found("a.md", "[a](there.md) [b](https://x.y)"), 0);
        assert_eq!(found("a.md", "[a](gone.md)"), 1, "dead link");
    }

    #[test]
    fn a_crate_without_a_short_readme_is_found() {
        let folder = std::env::temp_dir().join(format!("adjoin-tidy-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("temporary folder");
        fs::write(folder.join("Cargo.toml"), "[package]\nname = \"x\"\n").expect("write");
        let without = check(&folder).expect_err("found");
        fs::write(folder.join("README.md"), "line\n".repeat(41)).expect("write");
        let long = check(&folder).expect_err("found");
        fs::remove_dir_all(&folder).expect("clean up");
        assert!(without.iter().any(|line| line.contains("a crate has a README.md")), "{without:?}");
        assert!(long.iter().any(|line| line.contains("41 lines")), "{long:?}");
    }
}
