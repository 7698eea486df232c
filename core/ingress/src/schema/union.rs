// SPDX-License-Identifier: Apache-2.0
//! Choices between objects that a message with one `oneof` can hold.

use crate::schema::node::Node;
use crate::schema::shape::{Basic, Shape};

/// A choice whose variant can be told from the JSON.
pub(crate) struct Union<'a> {
    /// The field that tells, in each variant; none where the variant is the value of the one field that stands.
    pub(crate) tag: Option<&'a str>,
    /// What the tag says, or the field's name; and the variant.
    pub(crate) variants: Vec<(&'a str, Shape<'a>)>,
}

/// The union that a shape is, if it is one.
pub(crate) fn union<'a>(shape: Shape<'a>) -> Option<Union<'a>> {
    let others = shape.variants().iter().map(|node| shape.at(node));
    let shapes: Vec<Shape<'a>> = others.filter(|variant| variant.basic() != Basic::Null).collect();
    let objects = shapes.iter().all(|variant| variant.basic() == Basic::Object);
    if shapes.len() < 2 || !objects {
        return None;
    }
    tagged(&shapes).or_else(|| named(&shapes))
}

fn tagged<'a>(shapes: &[Shape<'a>]) -> Option<Union<'a>> {
    let candidates = shapes.first()?.properties().iter().map(|(name, _)| name.as_str());
    candidates.into_iter().find_map(|tag| {
        let variants: Option<Vec<(&str, Shape<'a>)>> =
            shapes.iter().map(|shape| Some((constant(property(*shape, tag)?)?, *shape))).collect();
        variants.filter(|variants| distinct(variants)).map(|variants| Union { tag: Some(tag), variants })
    })
}

/// `{"ItemAdded": {…}}`: an object with one field.
fn named<'a>(shapes: &[Shape<'a>]) -> Option<Union<'a>> {
    let variants: Option<Vec<(&str, Shape<'a>)>> = shapes
        .iter()
        .map(|shape| match shape.properties() {
            [(name, node)] if shape.requires(name) => Some((name.as_str(), shape.at(node))),
            _ => None,
        })
        .collect();
    variants.filter(|variants| distinct(variants)).map(|variants| Union { tag: None, variants })
}

fn property<'a>(shape: Shape<'a>, name: &str) -> Option<&'a Node> {
    shape.properties().iter().find(|(other, _)| other == name).map(|(_, node)| node)
}

fn constant(node: &Node) -> Option<&str> {
    let listed = match node.field("enum").list() {
        [only] => only.text(),
        _ => None,
    };
    node.field("const").text().or(listed)
}

fn distinct(variants: &[(&str, Shape<'_>)]) -> bool {
    variants.iter().enumerate().all(|(at, (name, _))| variants[..at].iter().all(|(other, _)| other != name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(schema: &str) -> Option<(Option<String>, Vec<String>)> {
        let node = Node::parse(schema).expect("JSON");
        let union = union(Shape::of(&node, &node))?;
        let variants = union.variants.iter().map(|(name, _)| (*name).to_owned()).collect();
        Some((union.tag.map(ToOwned::to_owned), variants))
    }

    #[test]
    fn a_tag_tells_the_variant() {
        let schema = r##"{"anyOf":[{"$ref":"#/$defs/Circle"},{"$ref":"#/$defs/Square"},{"type":"null"}],"$defs":{
            "Circle":{"type":"object","properties":{"r":{"type":"number"},"type":{"enum":["Circle"]}}},
            "Square":{"type":"object","properties":{"type":{"const":"Square"},"a":{"type":"number"}}}}}"##;
        assert_eq!(names(schema), Some((Some("type".into()), vec!["Circle".into(), "Square".into()])));
    }

    #[test]
    fn the_one_field_that_stands_tells_the_variant() {
        let schema = r#"{"oneOf":[{"type":"object","properties":{"A":{"type":"string"}},"required":["A"]},
            {"type":"object","properties":{"B":{"type":"object","properties":{}}},"required":["B"]}]}"#;
        assert_eq!(names(schema), Some((None, vec!["A".into(), "B".into()])));
    }

    #[test]
    fn other_choices_are_none() {
        assert_eq!(names(r#"{"anyOf":[{"type":"string"},{"type":"integer"}]}"#), None);
        assert_eq!(names(r#"{"anyOf":[{"type":"object"},{"type":"null"}]}"#), None);
        let alike = r#"{"anyOf":[{"type":"object","properties":{"t":{"const":"x"}}},
            {"type":"object","properties":{"t":{"const":"x"}}}]}"#;
        assert_eq!(names(alike), None);
    }
}
