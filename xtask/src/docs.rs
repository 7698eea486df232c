// SPDX-License-Identifier: Apache-2.0
//! Examples in documents are files that run: a block after `<!-- from: FILE -->` is that file, a block after
//! `<!-- printed by: FILE -->` is what it prints in a fresh folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::server::Folder;
use crate::{python, setup};

/// Documents that hold such blocks.
const DOCUMENTS: [&str; 3] = ["README.md", "docs/cloudstate.md", "docs/contract-first.md"];

/// Compares every block with its file or with what the file prints; with `write` mends the documents. Then builds the
/// reference of the Rust crates, where a broken link is an error.
///
/// # Errors
/// The blocks that differ, or what did not run.
pub fn run(root: &Path, write: bool) -> Result<u64, String> {
    let interpreter = python::ready(root)?;
    let mut blocks = 0;
    for document in DOCUMENTS {
        let path = root.join(document);
        let text = fs::read_to_string(&path).map_err(|error| format!("{document}: {error}"))?;
        let fresh = refreshed(&text, |kind, file| {
            blocks += 1;
            if kind == "from" { source(root, file) } else { printed(root, &interpreter, file) }
        })?;
        if fresh != text && write {
            fs::write(&path, fresh).map_err(|error| format!("{document}: {error}"))?;
        } else if fresh != text {
            return Err(format!("{document} shows what is not so any more: `cargo xtask docs --write` mends it"));
        }
    }
    if blocks == 0 {
        return Err("no example was found in the documents".into());
    }
    let mut reference = Command::new("cargo");
    reference.args(["doc", "--workspace", "--no-deps", "--quiet", "--lib"]);
    if !setup::has_newer_rust() {
        reference.env("RUSTDOCFLAGS", "-D warnings");
    }
    python::run(reference.current_dir(root))?;
    Ok(blocks)
}

/// The document with every marked block as `content` gives it.
fn refreshed(text: &str, mut content: impl FnMut(&str, &str) -> Result<String, String>) -> Result<String, String> {
    let mut fresh = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        fresh.push_str(line);
        fresh.push('\n');
        let Some((kind, file)) = marker(line) else { continue };
        let fence = lines.next().filter(|fence| fence.starts_with("```"));
        let fence = fence.ok_or_else(|| format!("no block follows {line}"))?;
        let body = content(kind, file)?;
        fresh.push_str(&format!("{fence}\n{}\n```\n", body.trim_end()));
        if !lines.by_ref().any(|line| line == "```") {
            return Err(format!("the block after {line} does not end"));
        }
    }
    Ok(fresh)
}

fn marker(line: &str) -> Option<(&str, &str)> {
    let inner = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    inner.split_once(": ").filter(|(kind, _)| matches!(*kind, "from" | "printed by"))
}

fn source(root: &Path, file: &str) -> Result<String, String> {
    let text = fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
    Ok(text.lines().filter(|line| !line.contains("SPDX-License-Identifier")).collect::<Vec<_>>().join("\n"))
}

fn printed(root: &Path, interpreter: &Path, file: &str) -> Result<String, String> {
    let folder = Folder::new("docs")?;
    let output = Command::new(interpreter)
        .arg(root.join(file))
        .env("PYTHONPATH", python::path(root))
        .current_dir(folder.path())
        .output();
    let output = output.map_err(|error| format!("{file}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{file} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_block_is_replaced_and_others_are_left() {
        let text = "a\n<!-- from: x.py -->\n```python\nold\n```\n```text\nkept\n```\n";
        let fresh = refreshed(text, |kind, file| Ok(format!("{kind} {file}"))).expect("refreshed");
        assert_eq!(fresh, "a\n<!-- from: x.py -->\n```python\nfrom x.py\n```\n```text\nkept\n```\n");
        assert!(refreshed("<!-- from: x.py -->\nno block", |_, _| Ok(String::new())).is_err());
    }
}
