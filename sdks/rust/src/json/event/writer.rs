// SPDX-License-Identifier: Apache-2.0
//! An event on its way into the journal.

use serde::ser::{Error as _, Serialize, SerializeStruct, SerializeStructVariant, Serializer};
use serde_json::Error;

use super::NO_EVENT;
use crate::json::canonical::{Never, Object, Writer};

/// The stored name of an event, and its canonical data.
pub(crate) fn encode<E: Serialize>(event: &E) -> Result<(&'static str, Vec<u8>), Error> {
    let mut writer = Writer::default();
    let name = event.serialize(Outer(&mut writer))?;
    Ok((name, writer.out))
}

/// Takes the outermost layer of an event off.
struct Outer<'a>(&'a mut Writer);

fn no_event<T>() -> Result<T, Error> {
    Err(Error::custom(NO_EVENT))
}

macro_rules! refuse {
    ($($method:ident($($type:ty),*) -> $ok:ty;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<$ok, Error> { no_event() })*
    };
}

impl<'a> Serializer for Outer<'a> {
    type Ok = &'static str;
    type Error = Error;
    type SerializeSeq = Never<Self::Ok>;
    type SerializeTuple = Never<Self::Ok>;
    type SerializeTupleStruct = Never<Self::Ok>;
    type SerializeTupleVariant = Never<Self::Ok>;
    type SerializeMap = Never<Self::Ok>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Self::Ok, Error> {
        self.0.out.extend_from_slice(b"{}");
        Ok(variant)
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<Self::Ok, Error> {
        self.0.out.extend_from_slice(b"{}");
        Ok(name)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Self::Ok, Error> {
        value.serialize(self.0)?;
        Ok(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Self::Ok, Error> {
        value.serialize(self)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields<'a>, Error> {
        Ok(Fields { object: self.0.object(false), name })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields<'a>, Error> {
        Ok(Fields { object: self.0.object(false), name: variant })
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Self::Ok, Error> {
        no_event()
    }

    refuse! {
        serialize_bool(bool) -> Self::Ok;
        serialize_i8(i8) -> Self::Ok;
        serialize_i16(i16) -> Self::Ok;
        serialize_i32(i32) -> Self::Ok;
        serialize_i64(i64) -> Self::Ok;
        serialize_u8(u8) -> Self::Ok;
        serialize_u16(u16) -> Self::Ok;
        serialize_u32(u32) -> Self::Ok;
        serialize_u64(u64) -> Self::Ok;
        serialize_f32(f32) -> Self::Ok;
        serialize_f64(f64) -> Self::Ok;
        serialize_char(char) -> Self::Ok;
        serialize_str(&str) -> Self::Ok;
        serialize_bytes(&[u8]) -> Self::Ok;
        serialize_none() -> Self::Ok;
        serialize_unit() -> Self::Ok;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
    }
}

/// The fields of an event.
struct Fields<'a> {
    object: Object<'a>,
    name: &'static str,
}

impl SerializeStruct for Fields<'_> {
    type Ok = &'static str;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        SerializeStruct::serialize_field(&mut self.object, key, value)
    }

    fn end(self) -> Result<Self::Ok, Error> {
        self.object.close()?;
        Ok(self.name)
    }
}

impl SerializeStructVariant for Fields<'_> {
    type Ok = &'static str;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        SerializeStruct::serialize_field(&mut self.object, key, value)
    }

    fn end(self) -> Result<Self::Ok, Error> {
        SerializeStruct::end(self)
    }
}
