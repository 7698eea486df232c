// SPDX-License-Identifier: Apache-2.0
//! The settings file.

use std::path::Path;

use serde_json::Value;

use super::{Layers, Settings};
use crate::failure::{Exit, Failure, Outcome};

/// Adds what the file says.
///
/// # Errors
/// NotFound without the file; Usage with file and line for what cannot be read, an unknown setting or a wrong value.
pub(super) fn add(layers: &mut Layers, path: &Path) -> Outcome<()> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(Exit::NotFound, format!("the settings file {} cannot be read: {error}", path.display()))
            .help("give another one with --settings, or none")
    })?;
    add_text(layers, &text, &path.display().to_string())
}

fn add_text(layers: &mut Layers, text: &str, shown: &str) -> Outcome<()> {
    // Typed first, for an error that knows its line; then as a tree, for only what the file says.
    toml::from_str::<Settings>(text).map_err(|error| wrong(layers, text, shown, &error))?;
    let table: toml::Table = text.parse().map_err(|error| wrong(layers, text, shown, &error))?;
    add_table(layers, table, "", &format!("file {shown}"))
}

fn add_table(layers: &mut Layers, table: toml::Table, path: &str, origin: &str) -> Outcome<()> {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => add_table(layers, inner, &format!("{path}{key}."), origin)?,
            value => layers.set(&format!("{path}{key}"), plain(value), origin.to_owned())?,
        }
    }
    Ok(())
}

fn plain(value: toml::Value) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

fn wrong(layers: &Layers, text: &str, shown: &str, error: &toml::de::Error) -> Failure {
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let message = error.message();
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let Some(name) = unknown else {
        return Failure::usage(message).at("file", format!("{shown}, line {line}"));
    };
    let help = match layers.nearest(name) {
        Some(near) => format!("did you mean `{near}`? `adjoin serve --print-settings` lists all of them"),
        None => "`adjoin serve --print-settings` lists all of them".into(),
    };
    Failure::usage(format!("there is no setting `{name}`")).at("file", format!("{shown}, line {line}")).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Outcome<Settings> {
        let mut layers = Layers::new(&Settings::default())?;
        add_text(&mut layers, text, "a.toml")?;
        layers.settings()
    }

    #[test]
    fn a_file_sets_what_it_says_and_nothing_else() {
        let text = "memory = true\n[engine.limits]\nmailbox = 7\n[ingress]\ncors_origins = [\"https://a.example\"]\n";
        let settings = read(text).unwrap();
        assert_eq!(settings.ingress.cors_origins, ["https://a.example"]);
        assert!(settings.memory);
        assert_eq!(settings.engine.limits.mailbox, 7);
        assert_eq!(settings.shards, Settings::default().shards);
    }

    #[test]
    fn an_unknown_setting_is_refused_with_line_and_suggestion() {
        let said = read("memory = true\n\n[engine.limits]\nmailbx = 7\n").unwrap_err().to_string();
        for part in ["no setting `mailbx`", "a.toml, line 4", "did you mean `engine.limits.mailbox`"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_line() {
        let said = read("shards = \"many\"\n").unwrap_err().to_string();
        assert!(said.contains("line 1") && said.contains("expected"), "{said}");
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let mut layers = Layers::new(&Settings::default()).unwrap();
        add_text(&mut layers, "data = \"a\\\"b\"\nlisten = \"127.0.0.1:1\"", "a.toml").unwrap();
        let printed = layers.print();
        let again = read(&printed).unwrap();
        assert_eq!(again.data, Some("a\"b".into()));
        assert_eq!(again.listen.port(), 1);
        assert!(printed.contains("# file a.toml") && printed.contains("# default"), "{printed}");
    }
}
