// SPDX-License-Identifier: Apache-2.0
//! Where a report is kept besides the screen.

use std::fs::File;
use std::path::PathBuf;

use crate::report::Report;

/// Files that a report is written to. That they can be written is found out before the first case is asked.
#[derive(Debug)]
pub struct Files {
    json: Option<PathBuf>,
    junit: Option<PathBuf>,
}

impl Files {
    /// Opens them, makes those that are not there, and leaves what others hold as it is.
    ///
    /// # Errors
    /// Which one cannot be written, and why.
    pub fn open(json: Option<PathBuf>, junit: Option<PathBuf>) -> Result<Self, String> {
        for file in json.iter().chain(&junit) {
            let opened = File::options().write(true).create(true).truncate(false).open(file);
            opened.map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
        }
        Ok(Self { json, junit })
    }

    /// Writes the report to each, in its form.
    ///
    /// # Errors
    /// As [`Files::open`].
    pub fn write(&self, report: &Report) -> Result<(), String> {
        for (file, text) in [(&self.json, report.json()), (&self.junit, report.junit())] {
            let Some(file) = file else { continue };
            std::fs::write(file, text).map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_named_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let said = Files::open(None, Some(folder.path().join("no/such.xml"))).unwrap_err();
        assert!(said.contains("such.xml cannot be written"), "{said}");
        let json = folder.path().join("cases.json");
        let files = Files::open(Some(json.clone()), None).expect("a file");
        files.write(&Report::default()).expect("written");
        assert_eq!(std::fs::read_to_string(json).expect("there"), Report::default().json());
    }
}
