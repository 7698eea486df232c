// SPDX-License-Identifier: Apache-2.0
//! Reading JSON whose large integers stand in strings. Slower than serde_json, so it is asked only after that refused.

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde_json::{Error, Value};

/// Whether a string of the text looks like an integer that no JSON number can carry exactly.
pub(crate) fn has_quoted_integer(data: &[u8]) -> bool {
    data.split(|byte| *byte == b'"').any(|part| {
        let digits = part.strip_prefix(b"-").unwrap_or(part);
        digits.len() >= 16 && digits.iter().all(u8::is_ascii_digit)
    })
}

pub(crate) fn decode<T: DeserializeOwned>(data: &[u8]) -> Result<T, Error> {
    T::deserialize(Lenient(serde_json::from_slice(data)?))
}

/// The same for a variant whose name stands outside its data.
pub(crate) fn decode_tagged<T: DeserializeOwned>(name: &str, data: &[u8]) -> Result<T, Error> {
    let tagged = serde_json::Map::from_iter([(name.to_owned(), serde_json::from_slice(data)?)]);
    T::deserialize(Lenient(Value::Object(tagged)))
}

struct Lenient(Value);

impl IntoDeserializer<'_, Error> for Lenient {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

type Entries = std::iter::Map<serde_json::map::IntoIter, fn((String, Value)) -> (Lenient, Lenient)>;

fn entries(map: serde_json::Map<String, Value>) -> MapDeserializer<'static, Entries, Error> {
    MapDeserializer::new(map.into_iter().map(|(key, value)| (Lenient(Value::String(key)), Lenient(value))))
}

macro_rules! integers {
    ($($method:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match &self.0 {
                Value::String(text) => match (text.parse::<u64>(), text.parse::<i128>()) {
                    (Ok(value), _) => visitor.visit_u64(value),
                    (_, Ok(value)) if i64::try_from(value).is_ok() => visitor.visit_i64(value as i64),
                    (_, Ok(value)) => visitor.visit_i128(value),
                    _ => match text.parse::<u128>() {
                        Ok(value) => visitor.visit_u128(value),
                        Err(_) => Err(Error::custom(format!("{text:?} is no integer"))),
                    },
                },
                _ => self.0.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Lenient {
    type Error = Error;

    integers!(
        deserialize_i8,
        deserialize_i16,
        deserialize_i32,
        deserialize_i64,
        deserialize_i128,
        deserialize_u8,
        deserialize_u16,
        deserialize_u32,
        deserialize_u64,
        deserialize_u128
    );

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(list) => visitor.visit_seq(SeqDeserializer::new(list.into_iter().map(Lenient))),
            Value::Object(map) => visitor.visit_map(entries(map)),
            scalar => scalar.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(variant) => visitor.visit_enum(variant.into_deserializer()),
            Value::Object(map) => visitor.visit_enum(MapAccessDeserializer::new(entries(map))),
            _ => Err(Error::custom("a variant is a string or an object with one entry")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}
