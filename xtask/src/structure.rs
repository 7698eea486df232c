// SPDX-License-Identifier: Apache-2.0
//! The rings and the tree, as ARCHITECTURE.md draws them, compared with what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What a crate may depend on, by its folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum Ring {
    Pure = 0,
    Driver = 1,
    Edge = 2,
}

/// Libraries that do not belong everywhere, and the innermost ring that may use them.
const BOUND: [(&str, Ring); 8] = [
    ("tokio", Ring::Driver),
    ("prost", Ring::Driver),
    ("rocksdb", Ring::Driver),
    ("metrics", Ring::Driver),
    ("tracing", Ring::Driver),
    ("tonic", Ring::Edge),
    ("axum", Ring::Edge),
    ("hyper", Ring::Edge),
];

/// Driver crates that must stay free of the runtime too.
const NO_RUNTIME: [&str; 2] = ["core/storage", "core/wire"];

fn ring(folder: &str) -> Ring {
    match folder {
        "core/model" | "core/entity" | "core/crdt" | "core/cluster" => Ring::Pure,
        "core/wire" | "core/storage" | "core/engine" => Ring::Driver,
        folder if folder.starts_with("core/stores/") => Ring::Driver,
        _ => Ring::Edge,
    }
}

/// Every breach of the rings and of the tree drawing below `root`, one a line.
pub fn check(root: &Path, manifests: &[PathBuf]) -> Vec<String> {
    let crates: Vec<(String, String)> = manifests
        .iter()
        .filter_map(|path| Some((folder(root, path)?, fs::read_to_string(path).ok()?)))
        .filter(|(_, text)| text.contains("[package]"))
        .collect();
    let folders: BTreeMap<String, String> =
        crates.iter().filter_map(|(folder, text)| Some((name(text)?, folder.clone()))).collect();
    let mut found: Vec<String> =
        crates.iter().flat_map(|(folder, text)| ring_breaches(folder, text, &folders)).collect();
    let drawing = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap_or_default();
    found.extend(tree_breaches(&drawing, crates.iter().map(|(folder, _)| folder.as_str()), |path| {
        root.join(path).exists()
    }));
    found
}

fn folder(root: &Path, manifest: &Path) -> Option<String> {
    Some(manifest.parent()?.strip_prefix(root).ok()?.display().to_string())
}

fn name(manifest: &str) -> Option<String> {
    let line = manifest.lines().find_map(|line| line.strip_prefix("name = "))?;
    Some(line.trim_matches('"').into())
}

/// Names under `[dependencies]`; what only tests use may point anywhere.
fn dependencies(manifest: &str) -> BTreeSet<&str> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside && let Some(name) = line.split(['.', '=', ' ']).next().filter(|name| !name.is_empty()) {
            names.insert(name);
        }
    }
    names
}

fn ring_breaches(folder: &str, manifest: &str, folders: &BTreeMap<String, String>) -> Vec<String> {
    let own = ring(folder);
    let mut found = Vec::new();
    for dependency in dependencies(manifest) {
        let theirs = match folders.get(dependency) {
            Some(other) => ring(other),
            None => BOUND.iter().find(|(name, _)| dependency.starts_with(name)).map_or(Ring::Pure, |(_, ring)| *ring),
        };
        if theirs > own {
            found.push(format!(
                "{folder}/Cargo.toml: {dependency} belongs to ring {}, this is {}",
                theirs as u8, own as u8
            ));
        }
        if dependency == "tokio" && NO_RUNTIME.contains(&folder) {
            found.push(format!("{folder}/Cargo.toml: no runtime here: the engine has it"));
        }
    }
    found
}

/// The drawing under "## The tree" names every crate's folder (or one above it) and nothing that is not there.
fn tree_breaches<'a>(text: &str, crates: impl Iterator<Item = &'a str>, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let block = text.split("## The tree").nth(1).and_then(|rest| rest.split("```").nth(1)).unwrap_or_default();
    let drawn: Vec<&str> = block
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(|path| path.trim_end_matches('/'))
        .collect();
    let gone = drawn.iter().filter(|path| !exists(path)).map(|path| format!("ARCHITECTURE.md: there is no {path}"));
    let missing = crates
        .filter(|folder| !drawn.iter().any(|path| *folder == *path || folder.starts_with(&format!("{path}/"))))
        .map(|folder| format!("ARCHITECTURE.md: the tree does not show {folder}"));
    gone.chain(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(folder: &str, dependency: &str) -> usize {
        let folders = BTreeMap::from([("adjoin-engine".into(), "core/engine".into())]);
        let manifest = format!("[package]\nname = \"x\"\n[dependencies]\n{dependency}.workspace = true\n");
        ring_breaches(folder, &manifest, &folders).len()
    }

    #[test]
    fn arrows_point_inwards_only() {
        assert_eq!(breaches("core/entity", "adjoin-engine"), 1);
        assert_eq!(breaches("core/entity", "tokio"), 1);
        assert_eq!(breaches("core/engine", "tonic"), 1);
        assert_eq!(breaches("core/storage", "tokio"), 1);
        assert_eq!(breaches("proxy", "adjoin-engine") + breaches("core/ingress", "axum"), 0);
        let test_only = "[package]\nname = \"x\"\n[dev-dependencies]\ntokio.workspace = true\n";
        assert!(ring_breaches("core/entity", test_only, &BTreeMap::new()).is_empty());
    }

    #[test]
    fn the_drawing_shows_what_is_there() {
        let text = "## The tree\n```\ncore/model   words\nsdks/gone    none\n```";
        let found = tree_breaches(text, ["core/model", "proxy"].into_iter(), |path| path == "core/model");
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
