// SPDX-License-Identifier: Apache-2.0
//! One version everywhere: it stands in the root Cargo.toml, and every other place is checked against it or written.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The place that the others follow; the Python package's own metadata is made from it.
const FIRST: (&str, &str) = ("Cargo.toml", "[workspace.package]\nversion = \"");

/// Other files that name the version once, and the text before it. Cargo.lock names it for every crate: see [`locked`].
const PLACES: [(&str, &str); 2] =
    [("CHANGELOG.md", "\n## "), ("sdks/python/python/adjoin/__init__.py", "\n__version__ = \"")];

/// Checks that every place has the version of Cargo.toml, or the one that is given.
///
/// # Errors
/// Every place that differs, or what could not be read.
pub fn check(root: &Path, wanted: Option<&str>) -> Result<String, String> {
    let first = found(root, FIRST)?;
    let wanted = wanted.unwrap_or(&first);
    check_shape(wanted)?;
    let mut differ = Vec::new();
    for place in std::iter::once(FIRST).chain(PLACES) {
        let there = found(root, place)?;
        if there != wanted {
            differ.push(format!("{} says {there}", place.0));
        }
    }
    let lock = read(root, "Cargo.lock")?;
    differ.extend(
        locked(&lock)
            .filter(|(_, version)| *version != wanted)
            .map(|(name, version)| format!("Cargo.lock says {version} for {name}")),
    );
    if differ.is_empty() {
        let places: Vec<&str> = PLACES.iter().map(|(file, _)| *file).collect();
        return Ok(format!("{wanted} in Cargo.toml, Cargo.lock, {}", places.join(", ")));
    }
    Err(format!("the version is {wanted}, but {}", differ.join("; ")))
}

/// Writes a new version to every place.
///
/// # Errors
/// That it is no version, or what could not be read or written.
pub fn write(root: &Path, new: &str) -> Result<String, String> {
    check_shape(new)?;
    let old = found(root, FIRST)?;
    for (file, before) in std::iter::once(FIRST).chain(PLACES) {
        let changed = replaced(&read(root, file)?, before, new).ok_or_else(|| lacks(file))?;
        fs::write(root.join(file), changed).map_err(|error| format!("{file}: {error}"))?;
    }
    lock(root)?;
    check(root, Some(new)).map(|said| format!("{old} became {said}"))
}

/// Has cargo write the new version of the workspace's crates to Cargo.lock, and nothing else.
fn lock(root: &Path) -> Result<(), String> {
    let mut update = Command::new("cargo");
    let output = update.args(["update", "--workspace", "--offline", "--quiet"]).current_dir(root).output();
    let output = output.map_err(|error| format!("cargo update: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("Cargo.lock was not written: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn read(root: &Path, file: &str) -> Result<String, String> {
    fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))
}

fn found(root: &Path, (file, before): (&str, &str)) -> Result<String, String> {
    after(&read(root, file)?, before).map(str::to_owned).ok_or_else(|| lacks(file))
}

fn lacks(file: &str) -> String {
    format!("{file} names no version where it should")
}

/// The word after the first `before`.
fn after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(&rest[..rest.find(|c: char| c == '"' || c.is_whitespace()).unwrap_or(rest.len())])
}

/// The text with `new` after the first `before`. A heading of something that was released stays: a new one comes first.
fn replaced(text: &str, before: &str, new: &str) -> Option<String> {
    let (head, rest) = text.split_once(before)?;
    let old = after(text, before)?;
    let tail = &rest[old.len()..];
    let released = before.trim_start().starts_with('#') && !tail.starts_with(" (unreleased)") && old != new;
    Some(match released {
        true => format!("{head}{before}{new} (unreleased)\n{before}{rest}"),
        false => format!("{head}{before}{new}{tail}"),
    })
}

/// The crates of this workspace in Cargo.lock: those that come from nowhere else.
fn locked(lock: &str) -> impl Iterator<Item = (&str, &str)> {
    let own = lock.split("[[package]]\n").skip(1).filter(|package| !package.contains("\nsource = "));
    own.filter_map(|package| Some((after(package, "name = \"")?, after(package, "version = \"")?)))
}

fn check_shape(version: &str) -> Result<(), String> {
    let numbers: Vec<&str> = version.split('.').collect();
    if numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok()) {
        return Ok(());
    }
    Err(format!("{version:?} is no version: give three numbers, for example 0.2.0"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Folder;

    /// A tree with a version in every place; `python` is the one of the Python package.
    fn tree(name: &str, python: &str) -> Folder {
        let folder = Folder::new(name).expect("a folder");
        let files = [
            ("Cargo.toml", "[workspace.package]\nversion = \"0.1.0\"\n".to_owned()),
            ("Cargo.lock", lock_file("0.1.0")),
            ("CHANGELOG.md", "# Changelog\n\n## 0.1.0 (unreleased)\n".to_owned()),
            (PLACES[1].0, format!("# top\n__version__ = \"{python}\"\n")),
        ];
        for (file, text) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        folder
    }

    fn lock_file(own: &str) -> String {
        format!(
            "version = 4\n\n[[package]]\nname = \"other\"\nversion = \"9.9.9\"\nsource = \"x\"\n\n\
             [[package]]\nname = \"adjoin\"\nversion = \"{own}\"\n"
        )
    }

    #[test]
    fn every_place_has_the_version() {
        let good = tree("version-good", "0.1.0");
        assert!(check(good.path(), None).expect("the same").starts_with("0.1.0 in Cargo.toml"));
        let refused = check(good.path(), Some("0.2.0")).expect_err("nothing has it yet");
        assert!(["Cargo.toml", "CHANGELOG", "__init__", "for adjoin"].iter().all(|x| refused.contains(x)), "{refused}");
        let odd = tree("version-odd", "0.1.1");
        let refused = check(odd.path(), None).expect_err("one differs");
        assert!(refused.ends_with("__init__.py says 0.1.1"), "{refused}");
    }

    #[test]
    fn a_crate_of_this_workspace_is_found_in_the_lock_file() {
        assert_eq!(locked(&lock_file("0.1.0")).collect::<Vec<_>>(), [("adjoin", "0.1.0")]);
    }

    #[test]
    fn a_released_heading_stays() {
        let unreleased = replaced("# C\n\n## 0.1.0 (unreleased)\n* a\n", "\n## ", "0.2.0");
        assert_eq!(unreleased.as_deref(), Some("# C\n\n## 0.2.0 (unreleased)\n* a\n"));
        let released = replaced("# C\n\n## 0.1.0\n* a\n", "\n## ", "0.2.0");
        assert_eq!(released.as_deref(), Some("# C\n\n## 0.2.0 (unreleased)\n\n## 0.1.0\n* a\n"));
        assert_eq!(replaced("# C\n", "\n## ", "0.2.0"), None);
    }

    #[test]
    fn a_version_is_three_numbers() {
        assert!(check_shape("0.2.0").is_ok());
        assert!(check_shape("0.2").is_err() && check_shape("a.b.c").is_err());
    }
}
