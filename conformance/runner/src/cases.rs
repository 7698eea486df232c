// SPDX-License-Identifier: Apache-2.0
//! Every case there is, carried in the program, so that a stranger needs no checkout.

use crate::case::{Case, File};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every file of `conformance/cases`.
        pub(crate) const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../cases/", $name, ".toml")))),*];
    };
}

files!(
    "actions",
    "body",
    "commands",
    "conditions",
    "crash",
    "deadlines",
    "effects",
    "evolution",
    "failures",
    "grpc",
    "idempotency",
    "journal",
    "limits",
    "names",
    "queries",
    "redelivery",
    "restart",
    "shop",
    "streams",
    "values",
    "watch",
);

/// Every case, in the order of the files.
///
/// # Errors
/// Which file cannot be read, and why.
pub fn all() -> Result<Vec<Case>, String> {
    let read = |(name, text): &(&str, &str)| {
        let file: Result<File, _> = toml::from_str(text);
        file.map(|file| file.case).map_err(|error| format!("conformance/cases/{name}.toml: {error}"))
    };
    Ok(FILES.iter().map(read).collect::<Result<Vec<_>, _>>()?.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_carried_and_can_be_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../cases");
        let found: BTreeSet<String> = std::fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").path())
            .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
            .collect();
        let carried: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, carried);
        assert!(!all().expect("sound").is_empty());
    }

    #[test]
    fn names_are_unique_and_rules_are_known() {
        let mut names = BTreeSet::new();
        for case in all().expect("sound") {
            assert!(names.insert(case.name.clone()), "{} stands twice", case.name);
            assert!(!case.rules.is_empty() && !case.steps.is_empty(), "{} asks nothing", case.name);
            for rule in &case.rules {
                assert!(crate::rules::title(rule).is_some(), "{}: no rule {rule:?}", case.name);
            }
        }
    }

    #[test]
    fn a_case_that_a_contract_is_not_asked_says_why() {
        for case in all().expect("sound") {
            let needs = case.needs.contains(&crate::case::Need::CodeFirst);
            assert_eq!(needs, case.why.is_some(), "{}: `why` stands where code-first is needed", case.name);
        }
    }
}
