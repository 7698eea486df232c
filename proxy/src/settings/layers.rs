// SPDX-License-Identifier: Apache-2.0
//! Settings as a tree of named values, each with the place it came from.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::Settings;
use crate::failure::{Exit, Failure, Outcome};

/// Settings on their way from several sources to one [`Settings`].
pub(crate) struct Layers {
    tree: Map<String, Value>,
    origins: BTreeMap<String, String>,
    /// What deserves a word in the log once there is one.
    pub(crate) notices: Vec<String>,
}

impl Layers {
    /// Starts with what holds when nothing is said.
    ///
    /// # Errors
    /// Never in practice: settings are plain data.
    pub(crate) fn new(defaults: &Settings) -> Outcome<Self> {
        match serde_json::to_value(defaults) {
            Ok(Value::Object(tree)) => Ok(Self { tree, origins: BTreeMap::new(), notices: Vec::new() }),
            other => Err(Failure::new(Exit::Failed, format!("settings cannot be shown: {other:?}"))),
        }
    }

    /// Every setting's name, with dots between tables and setting.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(&self.tree, "", &mut names);
        names
    }

    /// The present value of a setting.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let (first, rest) = name.split_once('.').unwrap_or((name, ""));
        let value = self.tree.get(first)?;
        if rest.is_empty() { Some(value) } else { value.pointer(&format!("/{}", rest.replace('.', "/"))) }
    }

    /// Sets one setting and remembers where that was said.
    ///
    /// # Errors
    /// Usage, naming setting and origin, when the value does not fit.
    pub(crate) fn set(&mut self, name: &str, value: Value, origin: String) -> Outcome<()> {
        let shown = value.to_string();
        let before = self.place(name).map(|place| std::mem::replace(place, value));
        if let Err(failure) = self.settings() {
            if let (Some(place), Some(before)) = (self.place(name), before) {
                *place = before;
            }
            let said = format!("{shown} is no value for the setting `{name}`: {failure}");
            return Err(Failure::usage(said).at("said by", origin));
        }
        self.origins.insert(name.to_owned(), origin);
        Ok(())
    }

    fn place(&mut self, name: &str) -> Option<&mut Value> {
        let (first, rest) = name.split_once('.').unwrap_or((name, ""));
        let value = self.tree.get_mut(first)?;
        if rest.is_empty() { Some(value) } else { value.pointer_mut(&format!("/{}", rest.replace('.', "/"))) }
    }

    /// The settings as they stand.
    ///
    /// # Errors
    /// Usage when a value does not fit its setting.
    pub(crate) fn settings(&self) -> Outcome<Settings> {
        serde_json::from_value(Value::Object(self.tree.clone())).map_err(|error| Failure::usage(error.to_string()))
    }

    /// The settings as a file that can be read again, each with where it came from.
    pub(crate) fn print(&self) -> String {
        let mut out = String::new();
        self.table(&mut out, "", &self.tree);
        out
    }

    /// One table: its own settings first, then the tables within, as TOML wants it.
    fn table(&self, out: &mut String, path: &str, table: &Map<String, Value>) {
        let within = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        for (key, value) in table.iter().filter(|(_, value)| !value.is_object()) {
            self.line(out, &within(key), value);
        }
        for (key, value) in table {
            if let Value::Object(inner) = value {
                let _ = writeln!(out, "\n[{}]", within(key));
                self.table(out, &within(key), inner);
            }
        }
    }

    fn line(&self, out: &mut String, name: &str, value: &Value) {
        let key = name.rsplit('.').next().unwrap_or(name);
        let origin = self.origins.get(name).map_or("default", String::as_str);
        let line = match value {
            Value::Null => format!("# {key} ="),
            Value::String(text) => format!("{key} = {}", toml::Value::from(text.as_str())),
            other => format!("{key} = {other}"),
        };
        let _ = writeln!(out, "{line:<38} # {origin}");
    }

    /// The name among all settings that `wrong` was most likely meant to be.
    pub(crate) fn nearest(&self, wrong: &str) -> Option<String> {
        let near = |name: &String| {
            let key = name.rsplit('.').next().unwrap_or(name);
            strsim::jaro_winkler(wrong, key).max(strsim::jaro_winkler(wrong, name))
        };
        let best = self.names().into_iter().max_by(|a, b| near(a).total_cmp(&near(b)))?;
        (near(&best) > 0.8).then_some(best)
    }
}

fn collect(table: &Map<String, Value>, path: &str, names: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            Value::Object(inner) => collect(inner, &format!("{path}{key}."), names),
            _ => names.push(format!("{path}{key}")),
        }
    }
}
