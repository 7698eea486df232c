// SPDX-License-Identifier: Apache-2.0
//! The table of an entity type's handlers.

use std::any::TypeId;
use std::sync::atomic::AtomicBool;

use adjoin_entity::spec::Handler;
use schemars::Schema;

use crate::handler::{Bound, CommandFn, QueryFn, StreamFn};
use crate::mutant::{Mutant, is};

/// Collects the handlers of an entity type, by name.
///
/// Names are lowerCamel on the wire; `add_item` is taken as `addItem`.
pub struct Handlers<S> {
    pub(crate) entries: Vec<Entry<S>>,
}

/// One handler of the table.
pub(crate) struct Entry<S> {
    pub(crate) name: String,
    /// The function itself: how a typed call finds its name.
    pub(crate) function: TypeId,
    pub(crate) query: bool,
    pub(crate) bound: Bound<S>,
    /// It has failed after it had changed the state: from then on the state is kept aside first.
    pub(crate) keeps_state: AtomicBool,
    /// The body's name in a query string.
    parameter: String,
    summary: String,
}

impl<S: 'static> Handlers<S> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// A command: may change the entity, may refuse. Sync commands run on the entity's thread and must not block;
    /// one that waits is `async`.
    #[must_use]
    pub fn command<F, M>(self, name: &str, f: F) -> Self
    where
        F: CommandFn<S, M>,
    {
        self.entry::<F>(name, false, f.bind())
    }

    /// A query: reads only.
    #[must_use]
    pub fn query<F, M>(self, name: &str, f: F) -> Self
    where
        F: QueryFn<S, M>,
    {
        self.entry::<F>(name, true, f.bind())
    }

    /// A command of an action that streams its input, its reply, or both.
    #[must_use]
    pub fn stream<F, M>(self, name: &str, f: F) -> Self
    where
        F: StreamFn<S, M>,
    {
        self.entry::<F>(name, false, f.bind())
    }

    /// Says of the handler just named what it is for, in one line.
    #[must_use]
    pub fn summary(mut self, text: &str) -> Self {
        if let Some(last) = self.entries.last_mut() {
            text.clone_into(&mut last.summary);
        }
        self
    }

    /// Names the body of the handler just named, so that a query string can give it: `?product=p1`. An object's fields
    /// go by their own names without this.
    #[must_use]
    pub fn param(mut self, name: &str) -> Self {
        if let Some(last) = self.entries.last_mut() {
            name.clone_into(&mut last.parameter);
        }
        self
    }

    fn entry<F: 'static>(mut self, name: &str, query: bool, bound: Bound<S>) -> Self {
        self.entries.push(Entry {
            name: if is(Mutant::NamesAsWritten) { snake(name) } else { wire_name(name) },
            function: TypeId::of::<F>(),
            query,
            bound,
            keeps_state: AtomicBool::new(false),
            parameter: "body".to_owned(),
            summary: String::new(),
        });
        self
    }
}

impl<S> Entry<S> {
    /// What a host is told of it.
    pub(crate) fn spec(&self) -> Handler {
        Handler {
            name: self.name.as_str().into(),
            query: self.query,
            streamed_in: self.bound.streamed_in,
            streamed_out: self.bound.streamed_out,
            input_schema: input_schema((self.bound.input)(), &self.parameter),
            output_schema: (self.bound.output)().to_value().to_string(),
            summary: self.summary.clone(),
        }
    }
}

/// The schema of a body, which says how many parameters there are: a Rust handler has none or one.
fn input_schema(schema: Option<Schema>, parameter: &str) -> String {
    let (mut schema, parameters) = match schema {
        Some(schema) => (schema, vec![parameter.into()]),
        None => (Schema::default(), Vec::new()),
    };
    schema.insert("x-adjoin-params".into(), serde_json::Value::Array(parameters));
    schema.to_value().to_string()
}

/// `add_item` as `addItem`; a name without inner underscores stays.
fn wire_name(name: &str) -> String {
    let inner = name.trim_start_matches('_');
    let mut words = inner.split('_');
    let mut wire = name[..name.len() - inner.len()].to_owned();
    wire.push_str(words.next().unwrap_or_default());
    for word in words {
        let mut letters = word.chars();
        wire.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        wire.push_str(letters.as_str());
    }
    wire
}

/// `addItem` as `add_item`: what a broken SDK would show.
fn snake(name: &str) -> String {
    name.chars().fold(String::new(), |mut snake, letter| {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
        snake
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_camel_on_the_wire() {
        for (given, wire) in [("add_item", "addItem"), ("addItem", "addItem"), ("_x_y", "_xY"), ("a", "a"), ("", "")] {
            assert_eq!(wire_name(given), wire);
        }
    }

    #[test]
    fn a_schema_says_how_many_parameters_there_are() {
        assert_eq!(input_schema(None, "body"), r#"{"x-adjoin-params":[]}"#);
        assert!(input_schema(Some(schemars::schema_for!(u32)), "n").contains(r#""x-adjoin-params":["n"]"#));
    }
}
