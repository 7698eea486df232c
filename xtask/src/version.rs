// SPDX-License-Identifier: Apache-2.0
//! One version everywhere: it stands in the root Cargo.toml, and every other place is checked against it or written.

use std::fs;
use std::path::Path;

/// Files that name the version, and the text before it.
const PLACES: [(&str, &str); 1] = [("CHANGELOG.md", "## ")];

/// Prints the version, writes a new one, or checks that all places agree.
///
/// # Errors
/// The places that differ, or what could not be read or written.
pub fn run(root: &Path, new: Option<&str>) -> Result<String, String> {
    let manifest = root.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|error| format!("Cargo.toml: {error}"))?;
    let current = after(&text, "[workspace.package]\nversion = \"").ok_or("Cargo.toml has no workspace version")?;
    if let Some(new) = new {
        check_shape(new)?;
        let changed = text.replacen(&format!("version = \"{current}\""), &format!("version = \"{new}\""), 1);
        fs::write(&manifest, changed).map_err(|error| format!("Cargo.toml: {error}"))?;
        for (file, before) in PLACES {
            replace(&root.join(file), before, current, new)?;
        }
        return Ok(format!("{current} became {new}; the Python package takes it from Cargo"));
    }
    for (file, before) in PLACES {
        let text = fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
        let there = after(&text, before).unwrap_or("none");
        if there != current {
            return Err(format!("{file} says {there}, Cargo.toml says {current}"));
        }
    }
    Ok(format!("{current} everywhere"))
}

/// The word after `before`.
fn after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(&rest[..rest.find(|c: char| c == '"' || c.is_whitespace()).unwrap_or(rest.len())])
}

fn replace(file: &Path, before: &str, old: &str, new: &str) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let changed = text.replacen(&format!("{before}{old}"), &format!("{before}{new}"), 1);
    fs::write(file, changed).map_err(|error| format!("{}: {error}", file.display()))
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

    #[test]
    fn a_version_is_found_and_its_shape_checked() {
        assert_eq!(
            after("[workspace.package]\nversion = \"0.1.0\"", "[workspace.package]\nversion = \""),
            Some("0.1.0")
        );
        assert!(check_shape("0.2.0").is_ok());
        assert!(check_shape("0.2").is_err() && check_shape("a.b.c").is_err());
    }
}
