// SPDX-License-Identifier: Apache-2.0
//! A JSON document whose fields keep their order: field numbers follow the order of declaration.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value, as far as schemas need it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    /// Fields in their order; of equal names the first is found.
    Fields(Vec<(String, Node)>),
}

/// What stands for a field that is not there.
static NOTHING: Node = Node::Null;

impl Node {
    pub(crate) fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The field of this name, or `Null`.
    pub(crate) fn field(&self, name: &str) -> &Self {
        self.get(name).unwrap_or(&NOTHING)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.fields().iter().find(|(other, _)| other == name).map(|(_, node)| node)
    }

    pub(crate) fn fields(&self) -> &[(String, Self)] {
        if let Self::Fields(fields) = self { fields } else { &[] }
    }

    pub(crate) fn list(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn number(&self) -> Option<&serde_json::Number> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// The texts of a list of texts.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.list().iter().filter_map(Self::text)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Reader)
    }
}

impl serde::Serialize for Node {
    fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => writer.serialize_unit(),
            Self::Bool(value) => writer.serialize_bool(*value),
            Self::Number(value) => value.serialize(writer),
            Self::Text(value) => writer.serialize_str(value),
            Self::List(items) => writer.collect_seq(items),
            Self::Fields(fields) => writer.collect_map(fields.iter().map(|(name, node)| (name, node))),
        }
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(serde_json::Number::from_f64(value).map_or(Node::Null, Node::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = items.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order() {
        let text = r#"{"z":1,"a":{"y":[true,null,-2,0.5,"s"],"b":{}}}"#;
        let node = Node::parse(text).expect("JSON");
        assert_eq!(serde_json::to_string(&node).expect("JSON"), text);
        assert_eq!(node.field("a").field("y").list().len(), 5);
        assert_eq!(node.field("no").field("such"), &Node::Null);
    }

    #[test]
    fn depth_stays_bounded() {
        assert!(Node::parse(&"[".repeat(1000)).is_err());
    }
}
