// SPDX-License-Identifier: Apache-2.0
//! The derived services of a table, ready to be called.

use std::collections::HashMap;
use std::sync::Arc;

use adjoin_entity::spec::EntityType;
use adjoin_model::{Error, Result};
use bytes::Bytes;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Map, Value as Json};

use crate::schema::convert::Models;
use crate::schema::derive::derive;
use crate::schema::descriptor;
use crate::schema::lock::Lock;
use crate::schema::model::{Field, Message, Method};

/// The body of a call, as its parameters make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyRule {
    None,
    /// The one parameter is the body.
    One,
    /// An object by name.
    Several,
}

/// A method of a derived service.
#[derive(Debug)]
pub(crate) struct TypedMethod {
    pub(crate) entity_type: Arc<EntityType>,
    pub(crate) method: Method,
    pub(crate) input: MessageDescriptor,
    pub(crate) output: MessageDescriptor,
    rule: BodyRule,
    models: Arc<Models>,
}

/// Every derived method, by the path of its call.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    pub(crate) pool: DescriptorPool,
    /// Full names, in order.
    pub(crate) services: Vec<String>,
    methods: HashMap<String, Arc<TypedMethod>>,
    pub(crate) notes: Vec<String>,
}

impl Typed {
    /// Derives services of these types, beside what `pool` has.
    pub(crate) fn of(types: &[Arc<EntityType>], lock: &Lock, schema_bytes: usize, mut pool: DescriptorPool) -> Self {
        let derived = derive(types, lock, schema_bytes);
        let mut notes = derived.notes;
        let mut taken = Vec::new();
        for package in derived.packages {
            match pool.add_file_descriptor_proto(descriptor::file(&package)) {
                Ok(()) => taken.push(package),
                Err(error) => notes.push(format!("{} has no gRPC services: {error}", package.file())),
            }
        }
        let models: Arc<Models> = Arc::new(taken.iter().flat_map(|package| package.messages.iter().cloned()).collect());
        let mut typed = Self { pool, services: Vec::new(), methods: HashMap::new(), notes };
        for package in &taken {
            for service in &package.services {
                let name = package.full(&service.name);
                for method in &service.methods {
                    typed.add(&name, &service.entity_type, method, &models);
                }
                typed.services.push(name);
            }
        }
        typed
    }

    fn add(&mut self, service: &str, entity_type: &Arc<EntityType>, method: &Method, models: &Arc<Models>) {
        let descriptors = (self.pool.get_message_by_name(&method.input), self.pool.get_message_by_name(&method.output));
        let (Some(input), Some(output)) = descriptors else { return };
        let rule = entity_type.handler(&method.handler).map_or(BodyRule::None, |handler| rule(&handler.input_schema));
        let path = format!("/{service}/{}", method.name);
        let (entity_type, method, models) = (entity_type.clone(), method.clone(), models.clone());
        let made = TypedMethod { entity_type, method, input, output, rule, models };
        self.methods.insert(path, Arc::new(made));
    }

    pub(crate) fn method(&self, path: &str) -> Option<&Arc<TypedMethod>> {
        self.methods.get(path)
    }
}

fn rule(input_schema: &str) -> BodyRule {
    let node = crate::schema::node::Node::parse(input_schema).ok();
    match node.as_ref().and_then(|node| node.get("x-adjoin-params")).map(|names| names.list().len()) {
        Some(0) => BodyRule::None,
        // A handler that does not say takes one `body`.
        None | Some(1) => BodyRule::One,
        Some(_) => BodyRule::Several,
    }
}

impl TypedMethod {
    /// The key and the JSON body of a request.
    ///
    /// # Errors
    /// `Invalid` for a number that JSON cannot hold, or a union without a variant.
    pub(crate) fn body(&self, request: &DynamicMessage) -> Result<(String, Bytes)> {
        let (model, key, params) = self.request()?;
        let key = self.models.field_json(request, model, key)?;
        let key = key.as_ref().and_then(Json::as_str).unwrap_or_default().to_owned();
        let body = match self.rule {
            BodyRule::None => None,
            BodyRule::One => match params.first() {
                Some(param) => self.models.field_json(request, model, param)?,
                None => None,
            },
            BodyRule::Several => {
                let mut object = Map::new();
                for param in params {
                    if let Some(value) = self.models.field_json(request, model, param)? {
                        object.insert(param.json.clone(), value);
                    }
                }
                Some(Json::Object(object))
            }
        };
        Ok((key, body.map_or(Bytes::new(), |body| body.to_string().into())))
    }

    fn request(&self) -> Result<(&Message, &Field, &[Field])> {
        let model = self.models.get(&self.input);
        let parts = model.and_then(|model| Some((model, model.fields.split_first()?)));
        let (model, (key, params)) = parts.ok_or_else(|| Error::internal("a derived request has no key"))?;
        Ok((model, key, params))
    }

    /// The message of a result.
    ///
    /// # Errors
    /// `Protocol` when the result is not what the function's schema says: the command itself has ended well.
    pub(crate) fn response(&self, result: &[u8], sequence: u64) -> Result<DynamicMessage> {
        self.message(result, sequence).map_err(|error| {
            let said = "the result is not what the function's schema says; the command itself has ended well";
            Error { context: error.context, ..Error::protocol(format!("{said}: {}", error.message)) }
        })
    }

    fn message(&self, result: &[u8], sequence: u64) -> Result<DynamicMessage> {
        let mut made = DynamicMessage::new(self.output.clone());
        let Some(model) = self.models.get(&self.output) else { return Ok(made) };
        let json: Json = serde_json::from_slice(result).map_err(|_| Error::invalid("it is no JSON"))?;
        for field in &model.fields {
            match field.name.as_str() {
                "sequence" if self.method.watch => {
                    self.models.set(&mut made, model, field, &Json::String(sequence.to_string()))?;
                }
                _ if json.is_null() && field.kind != crate::schema::model::Type::Value => {}
                _ => self.models.set(&mut made, model, field, &json)?,
            }
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_entity::spec::{EntityKind, Handler};
    use prost::Message as _;
    use serde_json::json;

    const ITEM: &str = r#"{"product":{"type":"string"},"name":{"type":"string"},"qty":{"type":"integer","default":1}}"#;
    const MOVED: &str =
        r#"{"qty":{"type":"integer"},"gift":{"type":"boolean"},"name":{"type":"string"},"product":{"type":"string"}}"#;

    fn one(input: &str, output: &str) -> Arc<EntityType> {
        let handler = Handler {
            name: "addItem".into(),
            query: false,
            streamed_in: false,
            streamed_out: false,
            input_schema: input.into(),
            output_schema: output.into(),
            summary: String::new(),
        };
        Arc::new(EntityType { handlers: vec![handler], ..EntityType::new("shop.Cart", EntityKind::Value) })
    }

    fn method_of(entity_type: Arc<EntityType>, lock: &Lock) -> Arc<TypedMethod> {
        let typed = Typed::of(&[entity_type], lock, usize::MAX, DescriptorPool::global());
        assert_eq!(typed.notes, Vec::<String>::new());
        typed.method("/shop.Cart/AddItem").expect("a method").clone()
    }

    fn method(input: &str) -> Arc<TypedMethod> {
        method_of(one(input, input), &Lock::default())
    }

    fn item(properties: &str) -> String {
        format!(
            r#"{{"type":"object","title":"Item","properties":{properties},"required":["product"],"x-adjoin-params":["item"]}}"#
        )
    }

    /// A request of this body; the key is `k`.
    fn request(method: &TypedMethod, body: &Json) -> DynamicMessage {
        let model = method.models.get(&method.input).expect("a model");
        let mut made = DynamicMessage::new(method.input.clone());
        method.models.set(&mut made, model, &model.fields[0], &json!("k")).expect("a key");
        for param in &model.fields[1..] {
            let value = if method.rule == BodyRule::Several { body.get(&param.json) } else { Some(body) };
            if let Some(value) = value {
                method.models.set(&mut made, model, param, value).expect("it fits");
            }
        }
        made
    }

    fn back(method: &TypedMethod, body: &Json) -> Json {
        let bytes = request(method, body).encode_to_vec();
        let read = DynamicMessage::decode(method.input.clone(), &bytes[..]).expect("its own bytes");
        let (key, body) = method.body(&read).expect("a body");
        assert_eq!(key, "k");
        if body.is_empty() { Json::Null } else { serde_json::from_slice(&body).expect("JSON") }
    }

    #[test]
    fn a_message_keeps_its_bytes_when_fields_move() {
        let lock = crate::schema::lock(&[one(&item(ITEM), "")], &Lock::default()).lock;
        let body = json!({"product": "p1", "name": "Book", "qty": 2});
        let before = request(&method_of(one(&item(ITEM), ""), &lock), &body).encode_to_vec();
        let after = request(&method_of(one(&item(MOVED), ""), &lock), &body).encode_to_vec();
        assert_eq!(before, after);
        assert_eq!(before, b"\x0a\x01k\x12\x0c\x0a\x02p1\x12\x04Book\x18\x02");
    }

    #[test]
    fn what_is_left_out_stays_left_out() {
        let method = method(&item(ITEM));
        assert_eq!(back(&method, &json!({"product": "p1", "qty": 0})), json!({"product": "p1", "qty": 0}));
        assert_eq!(back(&method, &json!({"product": ""})), json!({"product": ""}));
    }

    #[test]
    fn every_form_comes_back() {
        let input = r##"{"type":"object","x-adjoin-params":["a","b"],"properties":{
            "at":{"type":"string","format":"date-time"},"raw":{"type":"string","contentEncoding":"base64"},
            "ratio":{"type":"number"},"big":{"type":"integer"},"maybe":{"anyOf":[{"type":"string"},{"type":"null"}]},
            "counts":{"type":"object","additionalProperties":{"type":"integer"}},"free":{"type":"object"},"any":{},
            "grid":{"type":"array","items":{"type":"array","items":{"type":"integer"}}},"list":{"type":"array","items":{"type":"string"}},
            "shape":{"anyOf":[{"$ref":"#/$defs/Circle"},{"$ref":"#/$defs/Square"}]},
            "event":{"oneOf":[{"type":"object","properties":{"Added":{"type":"string"}},"required":["Added"]},
              {"type":"object","properties":{"Gone":{"type":"object","properties":{}}},"required":["Gone"]}]},
            "rest":{"type":"array","items":{"$ref":"#/$defs/Circle"}}},
            "required":["at","raw","ratio","big","maybe","counts","free","any","grid","list","shape","event"],
            "$defs":{"Circle":{"type":"object","properties":{"type":{"const":"Circle"},"r":{"type":"number"}},"required":["type","r"]},
            "Square":{"type":"object","properties":{"type":{"const":"Square"},"a":{"type":"number"}},"required":["type","a"]}}}"##;
        // One parameter whose type is all of these.
        let method = method(&input.replace(r#"["a","b"]"#, r#"["all"]"#));
        let body = json!({
            "at": "2024-05-06T07:08:09.500Z", "raw": "AP8=", "ratio": 0.5, "big": "9007199254740993", "maybe": null,
            "counts": {"x": 1}, "free": {"y": [1.5, null]}, "any": [true], "grid": [[1, 2]], "list": [],
            "shape": {"type": "Square", "a": 2.0}, "event": {"Gone": {}},
        });
        assert_eq!(back(&method, &body), body);
        let mut naive = body.clone();
        naive["at"] = json!("2024-05-06T07:08:09");
        assert_eq!(back(&method, &naive)["at"], "2024-05-06T07:08:09Z");
    }

    #[test]
    fn a_result_that_does_not_fit_is_the_functions_fault() {
        let method = method_of(one("", r#"{"type":"integer"}"#), &Lock::default());
        let error = method.response(b"\"x\"", 1).expect_err("no integer");
        assert_eq!((error.kind, error.outcome), (adjoin_model::Kind::Protocol, adjoin_model::Outcome::Unknown));
        assert!(method.response(b"3", 1).is_ok());
        assert!(method.response(b"3.0", 1).is_ok());
    }
}
