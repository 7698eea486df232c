// SPDX-License-Identifier: Apache-2.0
//! Compares what cargo says of every crate with `deny.toml`: licences, banned crates, sources.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What a tree of crates may hold.
struct Rules {
    allowed: Vec<String>,
    banned: Vec<String>,
}

/// Checks every crate that `Cargo.lock` names.
///
/// # Errors
/// One line for each thing found, or why nothing could be read.
pub fn check(root: &Path) -> Result<usize, Vec<String>> {
    let one = |said: String| vec![said];
    let text = std::fs::read_to_string(root.join("deny.toml")).map_err(|error| one(format!("deny.toml: {error}")))?;
    let rules = rules(&text).map_err(one)?;
    let crates = metadata(root).map_err(one)?;
    let found = found(&rules, &crates);
    if found.is_empty() { Ok(crates.len()) } else { Err(found) }
}

fn rules(text: &str) -> Result<Rules, String> {
    let table: toml::Table = text.parse().map_err(|error| format!("deny.toml: {error}"))?;
    let list = |section: &str, name: &str| {
        let list = table.get(section).and_then(|section| section.get(name)).and_then(toml::Value::as_array);
        list.cloned().ok_or_else(|| format!("deny.toml: {section}.{name} is a list"))
    };
    let allowed = list("licenses", "allow")?.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect();
    let named = |it: &toml::Value| it.get("crate").and_then(toml::Value::as_str).map(str::to_owned);
    Ok(Rules { allowed, banned: list("bans", "deny")?.iter().filter_map(named).collect() })
}

fn metadata(root: &Path) -> Result<Vec<Value>, String> {
    let mut command = Command::new("cargo");
    let output = command.args(["metadata", "--format-version", "1", "--locked"]).current_dir(root).output();
    let output = output.map_err(|error| format!("`cargo metadata` did not start: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let crates = metadata["packages"].as_array().cloned().unwrap_or_default();
    if crates.is_empty() { Err("`cargo metadata` names no crate".into()) } else { Ok(crates) }
}

fn found(rules: &Rules, crates: &[Value]) -> Vec<String> {
    let text = |one: &Value, field: &str| one[field].as_str().unwrap_or_default().to_owned();
    let licence = |one: &Value| text(one, "license");
    let mut found = Vec::new();
    for one in crates {
        let shown = format!("{} {}", text(one, "name"), text(one, "version"));
        if !allows(&licence(one), &|id| rules.allowed.iter().any(|allowed| allowed == id)) {
            found.push(format!("{shown}: no allowed licence is enough: {:?}", licence(one)));
        }
        if rules.banned.contains(&text(one, "name")) {
            found.push(format!("{shown}: banned by deny.toml"));
        }
        let source = text(one, "source");
        let others = crates.iter().map(|other| text(other, "source")).find(|other| other.starts_with("registry+"));
        if !source.is_empty() && Some(source) != others {
            found.push(format!("{shown}: comes from neither this repository nor the registry of the others"));
        }
    }
    for needed in &rules.allowed {
        let without = |id: &str| id != needed && rules.allowed.iter().any(|allowed| allowed == id);
        if crates.iter().all(|one| allows(&licence(one), &without)) {
            found.push(format!("deny.toml: no crate needs the licence {needed:?}"));
        }
    }
    found
}

/// Whether an SPDX expression holds when these licences are allowed. `/` is an old way to write OR.
fn allows(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    let holds = either(&mut rest, allowed);
    holds == Some(true) && rest.is_empty()
}

/// Alternatives; `None` for what is no expression.
fn either(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut holds = both(words, allowed)?;
    while let Some(("OR", rest)) = words.split_first().map(|(word, rest)| (*word, rest)) {
        *words = rest;
        holds |= both(words, allowed)?;
    }
    Some(holds)
}

fn both(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut holds = one(words, allowed)?;
    while let Some(("AND", rest)) = words.split_first().map(|(word, rest)| (*word, rest)) {
        *words = rest;
        holds &= one(words, allowed)?;
    }
    Some(holds)
}

fn one(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let (word, rest) = words.split_first()?;
    *words = rest;
    if *word == "(" {
        let holds = either(words, allowed)?;
        let (end, rest) = words.split_first()?;
        *words = rest;
        return (*end == ")").then_some(holds);
    }
    if let [with, exception, rest @ ..] = *words
        && *with == "WITH"
    {
        *words = rest;
        return Some(allowed(&format!("{word} WITH {exception}")));
    }
    (!matches!(*word, ")" | "OR" | "AND" | "WITH")).then(|| allowed(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(expression: &str) -> bool {
        allows(expression, &|id| matches!(id, "MIT" | "Apache-2.0 WITH LLVM-exception" | "Zlib"))
    }

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        for allowed in [
            "MIT",
            "GPL-3.0 OR MIT",
            "GPL-3.0/MIT",
            "MIT AND Zlib",
            "(X OR Zlib) AND MIT",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(holds(allowed), "{allowed}");
        }
        for refused in
            ["", "GPL-3.0", "MIT AND X", "(MIT", "MIT)", "MIT OR", "Apache-2.0", "X OR MIT AND Y", "MIT Zlib"]
        {
            assert!(!holds(refused), "{refused}");
        }
    }

    #[test]
    fn every_rule_can_fail() {
        let rules = rules("[licenses]\nallow=['MIT','ISC']\n[bans]\ndeny=[{crate='bad'}]").expect("rules");
        let registry = "registry+r";
        let sound = json!([
            {"name": "a", "version": "1.0.0", "license": "MIT", "source": registry},
            {"name": "b", "version": "1.0.0", "license": "ISC", "source": null},
        ]);
        let with = |one: Value| {
            let mut crates = sound.as_array().cloned().expect("a list");
            crates.push(one);
            found(&rules, &crates)
        };
        assert_eq!(found(&rules, sound.as_array().expect("a list")), Vec::<String>::new());
        let gpl = with(json!({"name": "c", "version": "1.0.0", "license": "GPL-3.0", "source": registry}));
        assert!(gpl[0].contains("c 1.0.0: no allowed licence"), "{gpl:?}");
        assert_eq!(with(json!({"name": "bad", "version": "1.0.0", "license": "MIT", "source": registry})).len(), 1);
        assert_eq!(with(json!({"name": "d", "version": "1.0.0", "license": "MIT", "source": "git+x"})).len(), 1);
        let unneeded = found(&rules, &sound.as_array().expect("a list")[..1]);
        assert!(unneeded[0].contains("ISC"), "{unneeded:?}");
    }
}
