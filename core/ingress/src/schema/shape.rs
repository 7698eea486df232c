// SPDX-License-Identifier: Apache-2.0
//! What a JSON Schema says, as far as parameters and messages need it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::schema::node::Node;

/// References followed before a schema counts as saying nothing.
const HOPS: usize = 16;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basic {
    Text,
    Integer,
    Number,
    Bool,
    Null,
    List,
    Object,
    /// Several, or not said.
    Any,
}

/// A schema within its document, where its references lead.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    root: &'a Node,
    pub(crate) node: &'a Node,
    /// The last name followed: `Item` of `#/$defs/Item`.
    pub(crate) name: Option<&'a str>,
    /// `null` is allowed beside it.
    pub(crate) nullable: bool,
}

impl<'a> Shape<'a> {
    pub(crate) fn of(root: &'a Node, node: &'a Node) -> Self {
        Self { root, node, name: None, nullable: false }.resolved()
    }

    /// Another schema of the same document.
    pub(crate) fn at(self, node: &'a Node) -> Self {
        Self::of(self.root, node)
    }

    /// Follows references, and takes `T` out of `T or null`.
    fn resolved(mut self) -> Self {
        for _ in 0..HOPS {
            if let Some(reference) = self.node.field("$ref").text() {
                let Some(node) = lookup(self.root, reference) else { return self };
                self.name = reference.rsplit('/').next();
                self.node = node;
            } else if let Some((node, nullable)) = self.only_variant() {
                self.nullable |= nullable;
                self.node = node;
            } else {
                break;
            }
        }
        if self.node.field("type").texts().any(|name| name == "null") {
            self.nullable = true;
        }
        self
    }

    /// What a choice comes down to when at most `null` stands beside it, and whether it does.
    fn only_variant(self) -> Option<(&'a Node, bool)> {
        let variants = self.variants();
        let is_null = |node: &&Node| node.field("type").text() == Some("null");
        let mut others = variants.iter().filter(|node| !is_null(node));
        let only = others.next().filter(|_| others.next().is_none());
        only.map(|node| (node, variants.len() > 1))
    }

    /// Of a choice: what it is a choice of.
    pub(crate) fn variants(self) -> &'a [Node] {
        ["anyOf", "oneOf", "allOf"]
            .into_iter()
            .map(|word| self.node.field(word).list())
            .find(|list| !list.is_empty())
            .unwrap_or(&[])
    }

    pub(crate) fn basic(self) -> Basic {
        let named = self.node.field("type");
        let mut names = named.text().into_iter().chain(named.texts().filter(|name| *name != "null"));
        match (names.next(), names.next()) {
            (Some("string"), None) => Basic::Text,
            (Some("integer"), None) => Basic::Integer,
            (Some("number"), None) => Basic::Number,
            (Some("boolean"), None) => Basic::Bool,
            (Some("null"), None) => Basic::Null,
            (Some("array"), None) => Basic::List,
            (Some("object"), None) => Basic::Object,
            (None, _) => self.basic_of_values(),
            _ => Basic::Any,
        }
    }

    /// `enum` and `const` name no type but show one.
    fn basic_of_values(self) -> Basic {
        if self.node.get("properties").is_some() {
            return Basic::Object;
        }
        let values = self.node.field("enum").list().iter().chain(self.node.get("const"));
        let mut kinds = values.map(|value| match value {
            Node::Text(_) => Basic::Text,
            Node::Number(number) if number.is_f64() => Basic::Number,
            Node::Number(_) => Basic::Integer,
            Node::Bool(_) => Basic::Bool,
            Node::Null | Node::List(_) | Node::Fields(_) => Basic::Any,
        });
        let first = kinds.next().unwrap_or(Basic::Any);
        if kinds.all(|kind| kind == first) { first } else { Basic::Any }
    }

    /// The schema of a list's items.
    pub(crate) fn items(self) -> Self {
        self.at(self.node.field("items"))
    }

    /// The declared fields of an object, in order.
    pub(crate) fn properties(self) -> &'a [(String, Node)] {
        self.node.field("properties").fields()
    }

    /// Stands for everything the shape says, references followed. `prints` keeps those of named schemas, and of the ones
    /// being followed, so that a circle ends.
    pub(crate) fn print(self, prints: &mut HashMap<String, u64>) -> u64 {
        let mut hash = DefaultHasher::new();
        hash_node(self.root, self.node, &mut hash, prints);
        hash.finish()
    }

    pub(crate) fn requires(self, field: &str) -> bool {
        self.node.field("required").texts().any(|name| name == field)
    }
}

fn hash_node(root: &Node, node: &Node, hash: &mut DefaultHasher, prints: &mut HashMap<String, u64>) {
    match node {
        Node::Null => 0.hash(hash),
        Node::Bool(value) => value.hash(hash),
        Node::Number(value) => value.hash(hash),
        Node::Text(value) => value.hash(hash),
        Node::List(items) => {
            items.len().hash(hash);
            items.iter().for_each(|item| hash_node(root, item, hash, prints));
        }
        Node::Fields(fields) => {
            let said = fields.iter().filter(|(name, _)| name != "$defs" && !name.starts_with("x-adjoin-"));
            for (name, value) in said {
                name.hash(hash);
                match value.text().filter(|_| name == "$ref") {
                    Some(reference) => reference_print(root, reference, prints).hash(hash),
                    None => hash_node(root, value, hash, prints),
                }
            }
        }
    }
}

fn reference_print(root: &Node, reference: &str, prints: &mut HashMap<String, u64>) -> u64 {
    if let Some(print) = prints.get(reference) {
        return *print;
    }
    let mut hash = DefaultHasher::new();
    reference.hash(&mut hash);
    prints.insert(reference.into(), hash.finish());
    if let Some(node) = lookup(root, reference) {
        hash_node(root, node, &mut hash, prints);
    }
    prints.insert(reference.into(), hash.finish());
    hash.finish()
}

pub(crate) fn lookup<'a>(root: &'a Node, reference: &str) -> Option<&'a Node> {
    let pointer = reference.strip_prefix('#')?;
    pointer.split('/').skip(1).try_fold(root, |node, step| node.get(&step.replace("~1", "/").replace("~0", "~")))
}

/// The parameters of a handler, from `x-adjoin-params` of its input schema: their names in order, each with its schema.
pub(crate) fn parameters(input: &Node) -> Option<Vec<(&str, Shape<'_>)>> {
    let names: Vec<&str> = input.get("x-adjoin-params")?.texts().collect();
    Some(match names.as_slice() {
        [] => Vec::new(),
        [one] => vec![(*one, Shape::of(input, input))],
        several => {
            several.iter().map(|name| (*name, Shape::of(input, input.field("properties").field(name)))).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(schema: &str) -> (Basic, bool) {
        let node = Node::parse(schema).expect("JSON");
        let shape = Shape::of(&node, &node);
        (shape.basic(), shape.nullable)
    }

    #[test]
    fn types_are_found_behind_references_and_beside_null() {
        assert_eq!(basic(r#"{"type":"string"}"#), (Basic::Text, false));
        assert_eq!(basic(r#"{"type":["integer","null"]}"#), (Basic::Integer, true));
        assert_eq!(basic(r#"{"anyOf":[{"type":"number"},{"type":"null"}]}"#), (Basic::Number, true));
        assert_eq!(
            basic(r##"{"$ref":"#/$defs/A","$defs":{"A":{"$ref":"#/$defs/B"},"B":{"type":"object"}}}"##),
            (Basic::Object, false)
        );
        assert_eq!(basic(r#"{"enum":["a","b"]}"#), (Basic::Text, false));
        assert_eq!(basic(r#"{"const":1}"#), (Basic::Integer, false));
        assert_eq!(basic(r#"{"enum":["a",1]}"#), (Basic::Any, false));
        assert_eq!(basic("true"), (Basic::Any, false));
        assert_eq!(basic(r#"{"anyOf":[{"type":"number"},{"type":"string"}]}"#), (Basic::Any, false));
        assert_eq!(basic(r#"{"allOf":[{"type":"number"}]}"#), (Basic::Number, false));
    }

    #[test]
    fn a_circle_of_references_says_nothing() {
        assert_eq!(basic(r##"{"$ref":"#/$defs/A","$defs":{"A":{"$ref":"#/$defs/A"}}}"##), (Basic::Any, false));
        assert_eq!(basic(r##"{"$ref":"#/nowhere"}"##), (Basic::Any, false));
    }

    #[test]
    fn parameters_have_their_names_and_shapes() {
        let node = Node::parse(r#"{"type":"string","x-adjoin-params":["product"]}"#).expect("JSON");
        let found = parameters(&node).expect("named");
        assert_eq!((found[0].0, found[0].1.basic()), ("product", Basic::Text));
        let node = r#"{"properties":{"b":{"type":"integer"},"a":{"type":"string"}},"x-adjoin-params":["b","a"]}"#;
        let node = Node::parse(node).expect("JSON");
        let found: Vec<_> =
            parameters(&node).expect("named").iter().map(|(name, shape)| (*name, shape.basic())).collect();
        assert_eq!(found, [("b", Basic::Integer), ("a", Basic::Text)]);
        assert!(parameters(&Node::parse("{}").expect("JSON")).is_none());
    }
}
