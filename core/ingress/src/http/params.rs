// SPDX-License-Identifier: Apache-2.0
//! Parameters of a query in an address, as the one JSON value that the handler takes.

use std::fmt::Write as _;

use adjoin_model::{Error, Result};
use bytes::Bytes;

use crate::http::json;
use crate::http::query::Pairs;
use crate::schema::node::Node;
use crate::schema::shape::{Basic, Shape, parameters};

/// Nesting of a parameter that is JSON text.
const DEPTH: u8 = 32;

/// How a handler's parameters are written in an address.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Params {
    /// The handler does not say.
    Unknown,
    /// No body.
    None,
    /// The parameter is the body. An object's fields may also stand by their own names.
    One { param: Param, fields: Vec<Param> },
    /// An object by name.
    Several(Vec<Param>),
}

/// A parameter's name and how its text is read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Param {
    pub(crate) name: String,
    form: Form,
    nullable: bool,
    /// Stands several times, for a list.
    list: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Text,
    Integer,
    Number,
    Bool,
    /// Objects, lists of them, and what the schema does not say.
    Json,
}

impl Params {
    /// From an input schema; `Unknown` where it says nothing.
    pub(crate) fn of(input_schema: &str) -> Self {
        let Ok(input) = Node::parse(input_schema) else { return Self::Unknown };
        let Some(found) = parameters(&input) else { return Self::Unknown };
        match found.as_slice() {
            [] => Self::None,
            [(name, shape)] => Self::One { param: Param::of(name, *shape), fields: fields(*shape) },
            several => Self::Several(several.iter().map(|(name, shape)| Param::of(name, *shape)).collect()),
        }
    }

    /// Whether a parameter has this name.
    pub(crate) fn declares(&self, name: &str) -> bool {
        match self {
            Self::Unknown | Self::None => false,
            Self::One { param, fields } => param.name == name || fields.iter().any(|field| field.name == name),
            Self::Several(params) => params.iter().any(|param| param.name == name),
        }
    }

    /// The body that these pairs stand for; empty for none.
    ///
    /// # Errors
    /// `Invalid`, naming the parameter that is unknown, stands twice or cannot be read.
    pub(crate) fn body(&self, pairs: &Pairs<'_>) -> Result<Bytes> {
        if pairs.is_empty() {
            return Ok(Bytes::new());
        }
        match self {
            Self::Unknown => {
                Err(Error::invalid("this query does not declare its parameters: send them as a POST body"))
            }
            Self::None => Err(unknown(pairs, &[])),
            Self::One { param, .. } if pairs.iter().all(|(name, _)| *name == *param.name) => {
                let mut body = String::new();
                param.write(pairs, &mut body)?;
                Ok(body.into())
            }
            Self::One { param, fields } if fields.is_empty() => Err(unknown(pairs, std::slice::from_ref(param))),
            Self::One { fields: params, .. } | Self::Several(params) => object(params, pairs),
        }
    }
}

fn fields(shape: Shape<'_>) -> Vec<Param> {
    shape.properties().iter().map(|(name, node)| Param::of(name, shape.at(node))).collect()
}

fn object(params: &[Param], pairs: &Pairs<'_>) -> Result<Bytes> {
    if pairs.iter().any(|(name, _)| !params.iter().any(|param| *name == *param.name)) {
        return Err(unknown(pairs, params));
    }
    let mut body = String::from("{");
    for param in params.iter().filter(|param| pairs.iter().any(|(name, _)| *name == *param.name)) {
        if body.len() > 1 {
            body.push(',');
        }
        quote(&param.name, &mut body);
        body.push(':');
        param.write(pairs, &mut body)?;
    }
    body.push('}');
    Ok(body.into())
}

fn unknown(pairs: &Pairs<'_>, params: &[Param]) -> Error {
    let stray = pairs.iter().find(|(name, _)| !params.iter().any(|param| *name == *param.name));
    let known: Vec<&str> = params.iter().map(|param| &*param.name).collect();
    let known = if known.is_empty() { "none".into() } else { known.join(", ") };
    Error::invalid(format!("no such parameter; this query has: {known}"))
        .at("parameter", stray.map_or("", |(name, _)| name))
}

impl Param {
    fn of(name: &str, shape: Shape<'_>) -> Self {
        let basic = shape.basic();
        let form = |basic| match basic {
            Basic::Text => Form::Text,
            Basic::Integer => Form::Integer,
            Basic::Number => Form::Number,
            Basic::Bool => Form::Bool,
            Basic::Null | Basic::List | Basic::Object | Basic::Any => Form::Json,
        };
        let of_items = form(shape.items().basic());
        let list = basic == Basic::List && of_items != Form::Json;
        Self { name: name.into(), form: if list { of_items } else { form(basic) }, nullable: shape.nullable, list }
    }

    /// Writes what `pairs` say of this parameter; at least one does.
    fn write(&self, pairs: &Pairs<'_>, body: &mut String) -> Result<()> {
        let mut values = pairs.iter().filter(|(name, _)| *name == *self.name).map(|(_, value)| value.as_deref());
        if self.list {
            body.push('[');
            for (at, value) in values.enumerate() {
                if at > 0 {
                    body.push(',');
                }
                self.write_one(value, body)?;
            }
            body.push(']');
            return Ok(());
        }
        let value = values.next().flatten();
        if values.next().is_some() {
            return Err(self.wrong("stands twice"));
        }
        self.write_one(value, body)
    }

    fn write_one(&self, value: Option<&str>, body: &mut String) -> Result<()> {
        let text = value.unwrap_or(if self.form == Form::Bool { "true" } else { "" });
        if self.form == Form::Text {
            quote(text, body);
            return Ok(());
        }
        let fits = match self.form {
            _ if self.nullable && text == "null" => true,
            Form::Integer => is_integer(text),
            Form::Number => text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && is_json(text),
            Form::Bool => matches!(text, "true" | "false"),
            Form::Json | Form::Text => is_json(text),
        };
        if !fits {
            return Err(self.wrong(match self.form {
                Form::Integer => "is no integer",
                Form::Number => "is no number",
                Form::Bool => "is neither true nor false",
                Form::Json | Form::Text => "is no JSON value",
            }));
        }
        body.push_str(text);
        Ok(())
    }

    fn wrong(&self, said: &str) -> Error {
        Error::invalid(format!("the parameter {} {said}", self.name)).at("parameter", &self.name)
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
}

fn is_json(text: &str) -> bool {
    json::check(text.as_bytes(), DEPTH).is_ok()
}

fn quote(text: &str, body: &mut String) {
    // Writing into a String cannot fail.
    let _ = write!(body, "{}", serde_json::Value::from(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::query::parse;
    use proptest::prelude::*;

    const FIND: &str = r#"{"type":"object","x-adjoin-params":["name","limit","exact","tags","filter","price"],"properties":{
        "name":{"type":"string"},"limit":{"anyOf":[{"type":"integer"},{"type":"null"}]},"exact":{"type":"boolean"},
        "tags":{"type":"array","items":{"type":"string"}},"filter":{"type":"object"},"price":{"type":"number"}}}"#;

    fn body(schema: &str, query: &str) -> Result<String> {
        let body = Params::of(schema).body(&parse(query)?)?;
        Ok(String::from_utf8(body.to_vec()).expect("UTF-8"))
    }

    #[test]
    fn several_parameters_are_an_object_in_order_of_declaration() {
        let said = body(FIND, "limit=3&name=a%22b&exact&tags=x&tags=y&filter=%7B%22a%22:1%7D&price=1.5e3");
        let expected = r#"{"name":"a\"b","limit":3,"exact":true,"tags":["x","y"],"filter":{"a":1},"price":1.5e3}"#;
        assert_eq!(said, Ok(expected.into()));
        assert_eq!(body(FIND, "limit=null&name=null"), Ok(r#"{"name":"null","limit":null}"#.into()));
    }

    #[test]
    fn a_single_parameter_is_the_body() {
        let text = r#"{"type":"string","x-adjoin-params":["product"]}"#;
        assert_eq!(body(text, "product=p1"), Ok("\"p1\"".into()));
        assert_eq!(body(text, ""), Ok(String::new()));
        let list = r#"{"type":"array","items":{"type":"integer"},"x-adjoin-params":["ids"]}"#;
        assert_eq!(body(list, "ids=1&ids=-2"), Ok("[1,-2]".into()));
        let item = r##"{"$ref":"#/$defs/Item","x-adjoin-params":["item"],"$defs":{"Item":{"type":"object",
            "properties":{"product":{"type":"string"},"qty":{"type":"integer"}}}}}"##;
        assert_eq!(body(item, "qty=2&product=p1"), Ok(r#"{"product":"p1","qty":2}"#.into()));
        assert_eq!(body(item, "item=%7B%22qty%22:2%7D"), Ok(r#"{"qty":2}"#.into()));
    }

    #[test]
    fn what_cannot_be_read_names_the_parameter() {
        for query in
            ["limit=x", "limit=01", "limit=1.5", "exact=yes", "price=NaN", "filter=x", "name=a&name=b", "nope=1"]
        {
            let error = body(FIND, query).expect_err(query);
            let named = query.split('=').next().expect("a name");
            assert!(error.context.iter().any(|(_, value)| value == named), "{query}: {error}");
        }
        assert!(body(r#"{"x-adjoin-params":[]}"#, "a=1").is_err());
        assert!(body("", "a=1").is_err());
        assert_eq!(body("", ""), Ok(String::new()));
    }

    proptest! {
        #[test]
        fn whatever_passes_is_json(query in "(name|limit|exact|tags|filter|price)=[ -~]{0,12}(&(name|limit)=[ -~]{0,5})?") {
            if let Ok(body) = body(FIND, &query) {
                prop_assert!(json::check(body.as_bytes(), 100).is_ok(), "{body}");
            }
        }
    }
}
