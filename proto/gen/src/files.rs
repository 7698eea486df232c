// SPDX-License-Identifier: Apache-2.0
//! What is written, and how it is compared with what lies in the checkout.

use std::fs;
use std::path::{Path, PathBuf};

/// A file to write: its place below the checkout, and its bytes.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) content: Vec<u8>,
}

/// Writes the files that differ; says how many did.
pub(crate) fn write(root: &Path, files: &[File]) -> Result<String, String> {
    let mut written = 0;
    for file in files {
        let path = root.join(&file.path);
        if fs::read(&path).is_ok_and(|found| found == file.content) {
            continue;
        }
        let folder = path.parent().unwrap_or(root);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, &file.content))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        written += 1;
    }
    Ok(format!("generated code: {} files, {written} changed", files.len()))
}

/// Names every file that is missing or differs.
pub(crate) fn compare(root: &Path, files: &[File]) -> Result<String, String> {
    let differs = |file: &&File| fs::read(root.join(&file.path)).map_or(true, |found| found != file.content);
    let stale: Vec<String> = files.iter().filter(differs).map(|file| file.path.display().to_string()).collect();
    if stale.is_empty() {
        return Ok(format!("generated code: {} files agree with proto/", files.len()));
    }
    Err(format!("differs from what proto/ gives: {}; run `cargo xtask gen` and commit", stale.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str) -> [File; 1] {
        [File { path: "a/b.rs".into(), content: content.as_bytes().to_vec() }]
    }

    #[test]
    fn what_differs_or_is_missing_is_named() {
        let root = std::env::temp_dir().join(format!("adjoin-gen-{}", std::process::id()));
        let missing = compare(&root, &file("x"));
        let first = write(&root, &file("x"));
        let agrees = compare(&root, &file("x"));
        let differs = compare(&root, &file("y"));
        let again = write(&root, &file("x"));
        fs::remove_dir_all(&root).expect("clean up");
        assert!(missing.expect_err("missing").contains("a/b.rs"));
        assert_eq!(first.expect("written"), "generated code: 1 files, 1 changed");
        assert!(agrees.is_ok());
        assert!(differs.expect_err("differs").contains("cargo xtask gen"));
        assert_eq!(again.expect("written"), "generated code: 1 files, 0 changed");
    }
}
