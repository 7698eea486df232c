// SPDX-License-Identifier: Apache-2.0
//! The writer of canonical JSON: objects are written as they come and put in order only when they are not.

use serde::ser::{
    Error as _, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Error;
use serde_json::ser::{CompactFormatter, Formatter};

use crate::mutant::{Mutant, is};

/// Where one entry of an object stands in the output.
#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    key_end: usize,
    end: usize,
}

/// Writes canonical JSON. One allocation for the output; the stack of entries is shared by all nested objects.
#[derive(Default)]
pub(crate) struct Writer {
    /// What was written.
    pub(crate) out: Vec<u8>,
    entries: Vec<Entry>,
    /// The last value written was an unset optional.
    unset: bool,
}

/// The largest magnitude that every JSON reader takes as a number.
const EXACT: u64 = 1 << 53;

impl Writer {
    fn integer(&mut self, negative: bool, magnitude: u128) {
        let quoted = magnitude > u128::from(EXACT);
        let text = format_integer(negative, magnitude, quoted);
        self.out.extend_from_slice(text.as_bytes());
    }

    fn signed(&mut self, value: i64) -> Result<(), Error> {
        if value.unsigned_abs() <= EXACT {
            return CompactFormatter.write_i64(&mut self.out, value).map_err(Error::io);
        }
        self.integer(value < 0, u128::from(value.unsigned_abs()));
        Ok(())
    }

    fn unsigned(&mut self, value: u64) -> Result<(), Error> {
        if value <= EXACT {
            return CompactFormatter.write_u64(&mut self.out, value).map_err(Error::io);
        }
        self.integer(false, u128::from(value));
        Ok(())
    }

    fn text(&mut self, value: &str) -> Result<(), Error> {
        serde_json::to_writer(&mut self.out, value)
    }

    /// A key: strings as they are, numbers and booleans in quotes.
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let start = self.out.len();
        key.serialize(&mut *self)?;
        match self.out.get(start) {
            Some(b'"') => {}
            Some(b'0'..=b'9' | b'-' | b't' | b'f') => {
                self.out.insert(start, b'"');
                self.out.push(b'"');
            }
            _ => return Err(Error::custom("a key of an object must be a string, a number or a boolean")),
        }
        Ok(())
    }

    fn tag(&mut self, variant: &str) -> Result<(), Error> {
        self.out.push(b'{');
        self.text(variant)?;
        self.out.push(b':');
        Ok(())
    }

    fn list(&mut self, tagged: bool) -> List<'_> {
        self.out.push(b'[');
        List { writer: self, first: true, tagged }
    }

    pub(crate) fn object(&mut self, tagged: bool) -> Object<'_> {
        self.out.push(b'{');
        Object { open: self.out.len(), base: self.entries.len(), sorted: true, tagged, key: 0..0, writer: self }
    }
}

fn format_integer(negative: bool, magnitude: u128, quoted: bool) -> String {
    let (quote, sign) = (if quoted { "\"" } else { "" }, if negative { "-" } else { "" });
    format!("{quote}{sign}{magnitude}{quote}")
}

macro_rules! integers {
    ($($method:ident $type:ty => $to:ident as $wide:ty;)*) => {
        $(fn $method(self, value: $type) -> Result<(), Error> {
            self.$to(<$wide>::from(value))
        })*
    };
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Object<'a>;

    integers! {
        serialize_i8 i8 => signed as i64;
        serialize_i16 i16 => signed as i64;
        serialize_i32 i32 => signed as i64;
        serialize_i64 i64 => signed as i64;
        serialize_u8 u8 => unsigned as u64;
        serialize_u16 u16 => unsigned as u64;
        serialize_u32 u32 => unsigned as u64;
        serialize_u64 u64 => unsigned as u64;
    }

    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        self.integer(value < 0, value.unsigned_abs());
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        self.integer(false, value);
        Ok(())
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        if !value.is_finite() {
            return Err(Error::custom(format!("{value} has no JSON form")));
        }
        CompactFormatter.write_f32(&mut self.out, value).map_err(Error::io)
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        if !value.is_finite() {
            return Err(Error::custom(format!("{value} has no JSON form")));
        }
        CompactFormatter.write_f64(&mut self.out, value).map_err(Error::io)
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.out.extend_from_slice(b"null");
        self.unset = true;
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.tag(variant)?;
        value.serialize(&mut *self)?;
        self.out.push(b'}');
        self.unset = false;
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, Error> {
        Ok(self.list(false))
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'a>, Error> {
        Ok(self.list(false))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'a>, Error> {
        Ok(self.list(false))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'a>, Error> {
        self.tag(variant)?;
        Ok(self.list(true))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, Error> {
        Ok(self.object(false))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'a>, Error> {
        Ok(self.object(false))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'a>, Error> {
        self.tag(variant)?;
        Ok(self.object(true))
    }
}

/// An array being written.
pub(crate) struct List<'a> {
    writer: &'a mut Writer,
    first: bool,
    tagged: bool,
}

impl List<'_> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if !std::mem::take(&mut self.first) {
            self.writer.out.push(b',');
        }
        value.serialize(&mut *self.writer)
    }

    fn close(self) -> Result<(), Error> {
        self.writer.out.extend_from_slice(if self.tagged { b"]}" } else { b"]" });
        self.writer.unset = false;
        Ok(())
    }
}

macro_rules! lists {
    ($($trait:ident $method:ident),*) => {
        $(impl $trait for List<'_> {
            type Ok = ();
            type Error = Error;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.push(value)
            }
            fn end(self) -> Result<(), Error> {
                self.close()
            }
        })*
    };
}

lists!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

/// An object being written.
pub(crate) struct Object<'a> {
    writer: &'a mut Writer,
    /// Where its first entry stands.
    open: usize,
    /// Its first entry in the shared stack.
    base: usize,
    sorted: bool,
    tagged: bool,
    /// The key that waits for its value.
    key: std::ops::Range<usize>,
}

impl Object<'_> {
    fn begin<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        if self.writer.out.len() > self.open {
            self.writer.out.push(b',');
        }
        let start = self.writer.out.len();
        self.writer.key(key)?;
        self.key = start..self.writer.out.len();
        self.writer.out.push(b':');
        Ok(())
    }

    fn finish<T: Serialize + ?Sized>(&mut self, value: &T, omit_unset: bool) -> Result<(), Error> {
        self.writer.unset = false;
        value.serialize(&mut *self.writer)?;
        if omit_unset && std::mem::take(&mut self.writer.unset) {
            let comma = usize::from(self.key.start > self.open);
            self.writer.out.truncate(self.key.start - comma);
            return Ok(());
        }
        let entry = Entry { start: self.key.start, key_end: self.key.end, end: self.writer.out.len() };
        self.sorted &= self.follows(entry);
        self.writer.entries.push(entry);
        Ok(())
    }

    /// Whether the entry comes after the one before; a key with an escape is not decided here.
    fn follows(&self, entry: Entry) -> bool {
        let Some(last) = self.writer.entries[self.base..].last() else {
            return true;
        };
        let (before, after) = (self.inner(last), self.inner(&entry));
        !before.contains(&b'\\') && !after.contains(&b'\\') && before < after
    }

    /// The key without its quotes: a quote would sort `ab` behind `a!`.
    fn inner(&self, entry: &Entry) -> &[u8] {
        &self.writer.out[entry.start + 1..entry.key_end - 1]
    }

    fn sort(&mut self) {
        let mut entries = self.writer.entries[self.base..].to_vec();
        entries.sort_by_cached_key(|entry| {
            serde_json::from_slice::<String>(&self.writer.out[entry.start..entry.key_end]).unwrap_or_default()
        });
        let mut sorted = Vec::with_capacity(self.writer.out.len() - self.open);
        for (index, entry) in entries.iter().enumerate() {
            if index > 0 {
                sorted.push(b',');
            }
            sorted.extend_from_slice(&self.writer.out[entry.start..entry.end]);
        }
        self.writer.out.truncate(self.open);
        self.writer.out.extend_from_slice(&sorted);
    }

    pub(crate) fn close(mut self) -> Result<(), Error> {
        if !self.sorted && !is(Mutant::KeysUnsorted) {
            self.sort();
        }
        self.writer.entries.truncate(self.base);
        self.writer.out.extend_from_slice(if self.tagged { b"}}" } else { b"}" });
        self.writer.unset = false;
        Ok(())
    }
}

impl SerializeMap for Object<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.begin(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.finish(value, false)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

macro_rules! fields {
    ($($trait:ident),*) => {
        $(impl $trait for Object<'_> {
            type Ok = ();
            type Error = Error;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
                self.begin(key)?;
                self.finish(value, true)
            }
            fn end(self) -> Result<(), Error> {
                self.close()
            }
        })*
    };
}

fields!(SerializeStruct, SerializeStructVariant);

/// What an event's serializer never begins.
pub(crate) type Never<T> = Impossible<T, Error>;
