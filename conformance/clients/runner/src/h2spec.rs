// SPDX-License-Identifier: Apache-2.0
//! What h2spec found, out of its report for JUnit.

use std::collections::BTreeMap;
use std::path::Path;

/// One line for each case that did not pass, with what came, then how many passed.
///
/// # Errors
/// If there is no report, or no case in it.
pub(crate) fn read(report: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(report).map_err(|error| format!("no report of h2spec: {error}"))?;
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut lines, mut passed) = (Vec::new(), 0);
    for case in text.split("<testcase ").skip(1) {
        let section = attribute(case, "package").ok_or("a case without its section")?;
        let number = numbers.entry(section).or_default();
        *number += 1;
        let title = attribute(case, "classname").unwrap_or_default();
        match outcome(case) {
            None => passed += 1,
            Some(word) => lines.push(plain(&format!("{word} {section}/{number} {title}"))),
        }
    }
    if passed == 0 {
        return Err("no case of h2spec passed".into());
    }
    lines.push(format!("{passed} passed"));
    Ok(lines.join("\n"))
}

fn outcome(case: &str) -> Option<&'static str> {
    let inner = case.split("</testcase>").next().unwrap_or_default();
    if inner.contains("<failure") || inner.contains("<error") {
        return Some("failed");
    }
    inner.contains("<skipped").then_some("skipped")
}

fn attribute<'a>(case: &'a str, name: &str) -> Option<&'a str> {
    case.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split('"').next())
}

/// Text with the characters that XML has other words for.
fn plain(text: &str) -> String {
    [("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (word, character)| text.replace(word, character))
}
