// SPDX-License-Identifier: Apache-2.0
//! Schemas of many handlers in one document: what each keeps under `$defs` moves to one place, under a name of its own.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value as Json};

use crate::schema::node::Node;
use crate::schema::shape::Shape;

/// Where moved schemas are found.
const PLACE: &str = "#/components/schemas/";

/// Words that mean something only where the schema came from.
const DROPPED: [&str; 5] = ["$defs", "$schema", "$id", "x-adjoin-params", "definitions"];

/// Moves schemas.
#[derive(Default)]
pub(crate) struct Hoist {
    /// What was moved, by name.
    pub(crate) moved: BTreeMap<String, Json>,
    /// The shape that has a name.
    prints: HashMap<String, u64>,
}

impl Hoist {
    /// A schema as it may stand in the document. `owner` distinguishes equal names of different schemas.
    pub(crate) fn schema(&mut self, root: &Node, owner: &str) -> Json {
        self.rewrite(root, root, owner)
    }

    /// A part of a schema.
    pub(crate) fn part(&mut self, root: &Node, part: &Node, owner: &str) -> Json {
        self.rewrite(root, part, owner)
    }

    fn rewrite(&mut self, root: &Node, node: &Node, owner: &str) -> Json {
        match node {
            Node::Null => Json::Null,
            Node::Bool(value) => (*value).into(),
            Node::Number(value) => Json::Number(value.clone()),
            Node::Text(value) => value.as_str().into(),
            Node::List(items) => Json::Array(items.iter().map(|item| self.rewrite(root, item, owner)).collect()),
            Node::Fields(fields) => {
                let mut object = Map::new();
                for (name, value) in fields.iter().filter(|(name, _)| !DROPPED.contains(&name.as_str())) {
                    self.field(root, name, value, owner, &mut object);
                }
                Json::Object(object)
            }
        }
    }

    fn field(&mut self, root: &Node, name: &str, value: &Node, owner: &str, object: &mut Map<String, Json>) {
        let moved = match (name, value.text()) {
            // One that leads nowhere says nothing.
            ("$ref", Some(reference)) => match self.reference(root, reference, owner) {
                Some(place) => Json::String(place),
                None => return,
            },
            // Values, in which no word means anything.
            ("const" | "enum" | "default" | "examples" | "example", _) => plain(value),
            ("properties", _) => Json::Object(
                value.fields().iter().map(|(name, node)| (name.clone(), self.rewrite(root, node, owner))).collect(),
            ),
            ("discriminator", _) => self.discriminator(root, value, owner),
            _ => self.rewrite(root, value, owner),
        };
        object.insert(name.into(), moved);
    }

    fn discriminator(&mut self, root: &Node, node: &Node, owner: &str) -> Json {
        let mut moved = plain(node);
        for (tag, target) in node.field("mapping").fields() {
            let place = target.text().and_then(|reference| self.reference(root, reference, owner));
            if let (Some(place), Some(mapping)) = (place, moved.get_mut("mapping")) {
                mapping[tag] = Json::String(place);
            }
        }
        moved
    }

    fn reference(&mut self, root: &Node, reference: &str, owner: &str) -> Option<String> {
        let target = crate::schema::shape::lookup(root, reference)?;
        let print = Shape::of(root, target).print(&mut HashMap::new());
        let name = self.name(reference.rsplit('/').next().unwrap_or_default(), owner, print);
        if self.prints.insert(name.clone(), print).is_none() {
            // Stands there before its parts are moved, since they may lead back to it.
            self.moved.insert(name.clone(), Json::Null);
            let moved = self.rewrite(root, target, owner);
            self.moved.insert(name.clone(), moved);
        }
        Some(format!("{PLACE}{name}"))
    }

    fn name(&self, wanted: &str, owner: &str, print: u64) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let wanted: String = wanted.chars().map(|c| if fits(c) { c } else { '_' }).collect();
        let wanted = if wanted.is_empty() || wanted == "_" { "Schema".into() } else { wanted };
        let free = |name: &String| self.prints.get(name).is_none_or(|other| *other == print);
        let longer = format!("{owner}.{wanted}");
        let numbered = (2..).map(|number| format!("{owner}.{wanted}{number}"));
        [wanted.clone(), longer].into_iter().chain(numbered).find(free).unwrap_or_default()
    }
}

fn plain(node: &Node) -> Json {
    serde_json::to_value(node).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn moved(hoist: &mut Hoist, schema: &Json, owner: &str) -> Json {
        let node = Node::parse(&schema.to_string()).expect("JSON");
        hoist.schema(&node, owner)
    }

    #[test]
    fn equal_schemas_share_a_place_and_others_do_not() {
        let mut hoist = Hoist::default();
        let item =
            |kind: &str| json!({"type": "array", "items": {"$ref": "#/$defs/Item"}, "$defs": {"Item": {"type": kind}}});
        let first = moved(&mut hoist, &item("string"), "Cart");
        assert_eq!(first, json!({"type": "array", "items": {"$ref": "#/components/schemas/Item"}}));
        assert_eq!(moved(&mut hoist, &item("string"), "Wish"), first);
        let other = moved(&mut hoist, &item("integer"), "Wish");
        assert_eq!(other["items"]["$ref"], "#/components/schemas/Wish.Item");
        assert_eq!(hoist.moved["Item"], json!({"type": "string"}));
        assert_eq!(hoist.moved["Wish.Item"], json!({"type": "integer"}));
    }

    #[test]
    fn circles_end_and_values_stay_as_they_are() {
        let mut hoist = Hoist::default();
        let node = json!({"$ref": "#/$defs/N", "$defs": {"N": {"type": "object", "properties": {
            "next": {"$ref": "#/$defs/N"}, "$ref": {"const": {"$ref": "x"}}, "gone": {"$ref": "#/$defs/No"}}}}});
        assert_eq!(moved(&mut hoist, &node, "T"), json!({"$ref": "#/components/schemas/N"}));
        let expected = json!({"type": "object", "properties": {
            "next": {"$ref": "#/components/schemas/N"}, "$ref": {"const": {"$ref": "x"}}, "gone": {}}});
        assert_eq!(hoist.moved["N"], expected);
        // A schema that refers to itself as a whole.
        let whole = json!({"type": "array", "items": {"$ref": "#"}});
        let place = moved(&mut hoist, &whole, "T")["items"]["$ref"].as_str().expect("a place").to_owned();
        assert_eq!(hoist.moved[place.trim_start_matches(PLACE)]["items"]["$ref"], place.as_str());
    }
}
