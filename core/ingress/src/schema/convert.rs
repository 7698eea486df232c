// SPDX-License-Identifier: Apache-2.0
//! JSON to derived messages and back.

use std::collections::HashMap;

use adjoin_model::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value};
use serde_json::{Map, Value as Json};

use crate::schema::model::{Field, Label, Message, Type};

/// Beyond it not every reader of JSON keeps an integer: it is written as a text.
const EXACT: u64 = 1 << 53;

/// The derived messages by full name.
#[derive(Debug, Default)]
pub(crate) struct Models(HashMap<String, Message>);

impl FromIterator<Message> for Models {
    fn from_iter<I: IntoIterator<Item = Message>>(messages: I) -> Self {
        Self(messages.into_iter().map(|message| (message.name.clone(), message)).collect())
    }
}

fn wrong(field: &str, said: &str) -> Error {
    Error::invalid(format!("the field {field} {said}")).at("field", field)
}

impl Models {
    pub(crate) fn get(&self, message: &MessageDescriptor) -> Option<&Message> {
        self.0.get(message.full_name())
    }

    /// The message of a JSON object. What the message does not know is left out.
    ///
    /// # Errors
    /// `Invalid`, naming the field whose value does not fit.
    pub(crate) fn message(&self, json: &Json, to: &MessageDescriptor) -> Result<DynamicMessage> {
        let mut made = DynamicMessage::new(to.clone());
        let Some(model) = self.get(to) else { return well_known(json, to) };
        let Some(object) = json.as_object() else { return Err(wrong(model.short(), "is no object")) };
        if let Some(tag) = &model.tag {
            let said = object.get(tag).and_then(Json::as_str);
            let field = model.fields.iter().find(|field| Some(field.tag.as_str()) == said);
            let field = field.ok_or_else(|| wrong(tag, "names no variant"))?;
            self.set(&mut made, model, field, json)?;
            return Ok(made);
        }
        for field in &model.fields {
            match object.get(&field.json) {
                None => {}
                Some(Json::Null) if field.kind != Type::Value => {}
                Some(value) => self.set(&mut made, model, field, value)?,
            }
        }
        Ok(made)
    }

    /// Sets one field of a message.
    ///
    /// # Errors
    /// `Invalid` when the value does not fit.
    pub(crate) fn set(&self, made: &mut DynamicMessage, model: &Message, field: &Field, json: &Json) -> Result<()> {
        let Some(described) = made.descriptor().get_field(model.number(field)) else { return Ok(()) };
        let value = match field.label {
            Label::Repeated => {
                let items = json.as_array().ok_or_else(|| wrong(&field.json, "is no list"))?;
                Value::List(items.iter().map(|item| self.single(field, item, &described)).collect::<Result<_>>()?)
            }
            Label::Map => {
                let entries = json.as_object().ok_or_else(|| wrong(&field.json, "is no object"))?;
                let Kind::Message(entry) = described.kind() else { return Ok(()) };
                let value = entry.map_entry_value_field();
                let entry = |(name, item): (&String, &Json)| {
                    Ok((MapKey::String(name.clone()), self.single(field, item, &value)?))
                };
                Value::Map(entries.iter().map(entry).collect::<Result<_>>()?)
            }
            Label::Once | Label::Optional | Label::OneOf => self.single(field, json, &described)?,
        };
        made.set_field(&described, value);
        Ok(())
    }

    fn single(&self, field: &Field, json: &Json, described: &FieldDescriptor) -> Result<Value> {
        let name = field.json.as_str();
        let value = match field.kind {
            Type::Double => json.as_f64().map(Value::F64),
            Type::Float => json.as_f64().map(|number| Value::F32(number as f32)),
            Type::Int64 => integer::<i64>(json).map(Value::I64),
            Type::Uint64 => integer::<u64>(json).map(Value::U64),
            Type::Int32 => integer::<i32>(json).map(Value::I32),
            Type::Uint32 => integer::<u32>(json).map(Value::U32),
            Type::Bool => json.as_bool().map(Value::Bool),
            Type::Text => json.as_str().map(|text| Value::String(text.into())),
            Type::Bytes => json.as_str().and_then(bytes_of).map(|bytes| Value::Bytes(bytes.into())),
            Type::Message(_) | Type::Timestamp | Type::Struct | Type::Value => {
                let Kind::Message(to) = described.kind() else { return Err(wrong(name, "is no message")) };
                return self.message(json, &to).map(Value::Message).map_err(|error| error.at("within", name));
            }
        };
        value.ok_or_else(|| wrong(name, "does not fit its type"))
    }

    /// The JSON object of a message.
    ///
    /// # Errors
    /// `Invalid` for a number that JSON cannot hold.
    pub(crate) fn json(&self, message: &DynamicMessage) -> Result<Json> {
        let described = message.descriptor();
        let Some(model) = self.get(&described) else { return well_known_json(message) };
        let mut object = Map::new();
        for field in &model.fields {
            let Some(value) = self.field_json(message, model, field)? else { continue };
            match (&model.tag, value) {
                (Some(tag), Json::Object(mut variant)) => {
                    variant.insert(tag.clone(), Json::String(field.tag.clone()));
                    return Ok(Json::Object(variant));
                }
                (_, value) => drop(object.insert(field.json.clone(), value)),
            }
        }
        if model.tag.is_some() {
            return Err(wrong(model.short(), "has no variant set"));
        }
        Ok(Json::Object(object))
    }

    /// What a field says; none where JSON is to leave it out.
    ///
    /// # Errors
    /// `Invalid` for a number that JSON cannot hold.
    pub(crate) fn field_json(&self, message: &DynamicMessage, model: &Message, field: &Field) -> Result<Option<Json>> {
        let Some(described) = message.descriptor().get_field(model.number(field)) else { return Ok(None) };
        let said = message.has_field(&described) || field.label == Label::Once && !described.supports_presence();
        if !said {
            let empty = match field.label {
                Label::Repeated => Json::Array(Vec::new()),
                Label::Map => Json::Object(Map::new()),
                Label::Optional => Json::Null,
                // A message that must stand does not: the function says so in its own words.
                Label::Once | Label::OneOf => return Ok(None),
            };
            return Ok(field.required.then_some(empty));
        }
        self.value_json(field, &message.get_field(&described)).map(Some)
    }

    fn value_json(&self, field: &Field, value: &Value) -> Result<Json> {
        Ok(match value {
            Value::Bool(value) => (*value).into(),
            Value::I32(value) => (*value).into(),
            Value::U32(value) => (*value).into(),
            Value::I64(value) if value.unsigned_abs() > EXACT => value.to_string().into(),
            Value::I64(value) => (*value).into(),
            Value::U64(value) if *value > EXACT => value.to_string().into(),
            Value::U64(value) => (*value).into(),
            Value::F32(value) => number(f64::from(*value), field)?,
            Value::F64(value) => number(*value, field)?,
            Value::String(value) => value.as_str().into(),
            Value::Bytes(value) => STANDARD.encode(value).into(),
            Value::EnumNumber(value) => (*value).into(),
            Value::Message(value) => self.json(value)?,
            Value::List(items) => {
                Json::Array(items.iter().map(|item| self.value_json(field, item)).collect::<Result<_>>()?)
            }
            Value::Map(entries) => {
                let entry = |(key, item): (&MapKey, &Value)| {
                    Ok((key.as_str().unwrap_or_default().to_owned(), self.value_json(field, item)?))
                };
                Json::Object(entries.iter().map(entry).collect::<Result<_>>()?)
            }
        })
    }
}

fn integer<T: TryFrom<i128>>(json: &Json) -> Option<T> {
    let whole = match json {
        Json::String(text) => text.parse::<i128>().ok(),
        Json::Number(number) => number.as_i128().or_else(|| {
            // JSON has one kind of number: 3.0 is an integer to many writers.
            number
                .as_f64()
                .filter(|number| number.fract() == 0.0 && number.abs() <= EXACT as f64)
                .map(|number| number as i128)
        }),
        _ => None,
    };
    whole.and_then(|whole| T::try_from(whole).ok())
}

fn number(number: f64, field: &Field) -> Result<Json> {
    let fits = serde_json::Number::from_f64(number);
    fits.map(Json::Number).ok_or_else(|| wrong(&field.json, "is no number that JSON can hold"))
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

/// `Timestamp`, `Struct` and `Value` have JSON forms of their own.
fn well_known(json: &Json, to: &MessageDescriptor) -> Result<DynamicMessage> {
    let said = |json: &Json| DynamicMessage::deserialize(to.clone(), json.clone()).ok();
    // Many write times without a zone: they are taken as UTC.
    let zoned = || json.as_str().and_then(|text| said(&Json::String(format!("{text}Z"))));
    said(json).or_else(zoned).ok_or_else(|| wrong(to.name(), "has another form"))
}

fn well_known_json(message: &DynamicMessage) -> Result<Json> {
    let json = serde_json::to_value(message).map_err(|_| wrong(message.descriptor().name(), "has no JSON form"))?;
    Ok(whole(json))
}

/// `Struct` and `Value` hold every number as a float: those that are whole were integers.
fn whole(json: Json) -> Json {
    match json {
        Json::Number(number) => match integer::<i64>(&Json::Number(number.clone())) {
            Some(whole) => whole.into(),
            None => Json::Number(number),
        },
        Json::Array(items) => Json::Array(items.into_iter().map(whole).collect()),
        Json::Object(fields) => Json::Object(fields.into_iter().map(|(name, value)| (name, whole(value))).collect()),
        other => other,
    }
}
