// SPDX-License-Identifier: Apache-2.0
//! An event on its way out of the journal.

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, VariantAccess, Visitor};
use serde_json::Error;

use super::NO_EVENT;
use crate::json::lenient;

/// The event of this stored name.
pub(crate) fn decode<E: DeserializeOwned>(name: &str, data: &[u8]) -> Result<E, Error> {
    let strict = match E::deserialize(Stored { name, data }) {
        Ok(event) => return Ok(event),
        Err(error) => error,
    };
    if lenient::has_quoted_integer(data) && names::<E>().contains(&name) {
        let event = lenient::decode_tagged(name, data).or_else(|_| lenient::decode(data));
        return event.map_err(|_| strict);
    }
    Err(strict)
}

/// The stored names that an event type reads, aliases included; empty when it is neither enum nor struct.
pub(crate) fn names<E: DeserializeOwned>() -> Vec<&'static str> {
    let mut found = Vec::new();
    let _ = E::deserialize(Probe(&mut found));
    found
}

/// A stored event on its way into an enum.
#[derive(Clone, Copy)]
struct Stored<'a> {
    name: &'a str,
    data: &'a [u8],
}

impl Stored<'_> {
    /// A struct is an event of its own name only.
    fn is(&self, name: &str) -> Result<(), Error> {
        if name == self.name {
            return Ok(());
        }
        Err(Error::custom(format!("unknown event `{}`, expected `{name}`", self.name)))
    }
}

impl<'de> Deserializer<'de> for Stored<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        no_event_to_read()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.is(name)?;
        self.struct_variant(fields, visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.is(name)?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit seq tuple
        tuple_struct map identifier ignored_any
    }
}

fn no_event_to_read<T>() -> Result<T, Error> {
    Err(Error::custom(NO_EVENT))
}

impl<'de> EnumAccess<'de> for Stored<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name = serde::de::value::BorrowedStrDeserializer::<Error>::new(self.name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Stored<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let mut json = serde_json::Deserializer::from_slice(self.data);
        let value = seed.deserialize(&mut json)?;
        json.end()?;
        Ok(value)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let mut json = serde_json::Deserializer::from_slice(self.data);
        let value = (&mut json).deserialize_tuple(len, visitor)?;
        json.end()?;
        Ok(value)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let mut json = serde_json::Deserializer::from_slice(self.data);
        let value = (&mut json).deserialize_struct("", fields, visitor)?;
        json.end()?;
        Ok(value)
    }
}

/// Asks an event type for its names, then gives up.
struct Probe<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        no_event_to_read()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend_from_slice(variants);
        no_event_to_read()
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.push(name);
        no_event_to_read()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, _: V) -> Result<V::Value, Error> {
        self.0.push(name);
        no_event_to_read()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit seq tuple
        tuple_struct map identifier ignored_any
    }
}
