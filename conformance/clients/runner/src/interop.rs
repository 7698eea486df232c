// SPDX-License-Identifier: Apache-2.0
//! What gRPC's interoperability client in Go says.

/// How a case ended, and what was said if not well.
pub(crate) fn outcome(case: &str, printed: &str) -> String {
    if printed.is_empty() {
        return format!("passed {case}");
    }
    // A date and a time stand before what it says.
    let said = printed.lines().next().unwrap_or_default();
    let said = said.split_once("FATAL: ").map_or(said, |(_, said)| said);
    format!("failed {case} {said}")
}

/// The cases in its list of options that are not among these.
pub(crate) fn others(help: &str, known: &[String]) -> String {
    let list = help.split("-test_case").nth(1).and_then(|rest| rest.split("-use_alts").next()).unwrap_or_default();
    let cases = list.lines().filter_map(|line| line.split_once(" : ").or_else(|| line.split_once(": ")));
    let cases = cases.map(|(case, _)| case.trim()).filter(|case| !case.is_empty() && !case.contains(' '));
    let others: Vec<String> =
        cases.filter(|case| known.iter().all(|known| known != case)).map(|case| format!("skipped {case}")).collect();
    others.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_out_of_the_options() {
        let help =
            "  -test_case string\n    \tOptions are:\n    \t   one : x;\n    \t   two: y;\n  -use_alts\n    \tno : z";
        assert_eq!(others(help, &["one".into()]), "skipped two");
        assert_eq!(outcome("one", ""), "passed one");
        assert_eq!(outcome("one", "2026/11/25 14:17:08 FATAL: [x] no\n\nexit 1"), "failed one [x] no");
    }
}
