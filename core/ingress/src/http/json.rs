// SPDX-License-Identifier: Apache-2.0
//! Whether a body is one JSON value, without keeping anything of it.

use std::fmt;

use adjoin_model::{Error, Result};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Checks that `body` is one JSON value in UTF-8, nested at most `depth` deep. Reads it once, keeps nothing.
///
/// # Errors
/// `Invalid`, saying what is wrong and in which line and column.
pub(crate) fn check(body: &[u8], depth: u8) -> Result<()> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let checked = Nested { left: depth }.deserialize(&mut reader).and_then(|()| reader.end());
    checked.map_err(|error| Error::invalid(format!("the body is no JSON value: {error}")))
}

/// Visits a value and lets go of it; `left` is how deep it may still nest.
#[derive(Clone, Copy)]
struct Nested {
    left: u8,
}

impl Nested {
    fn inner<E: serde::de::Error>(self) -> core::result::Result<Self, E> {
        let left = self.left.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { left })
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> core::result::Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> core::result::Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> core::result::Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> core::result::Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> core::result::Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> core::result::Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> core::result::Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> core::result::Result<(), A::Error> {
        let inner = self.inner::<A::Error>()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> core::result::Result<(), A::Error> {
        let inner = self.inner::<A::Error>()?;
        while fields.next_key_seed(Name)?.is_some() {
            fields.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// A field's name.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> core::result::Result<(), D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> core::result::Result<(), E> {
        Ok(())
    }

    fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> core::result::Result<(), E> {
        Err(E::custom("a field name is UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_of_every_kind_pass() {
        for good in
            ["null", "true", "-1.5e3", "18446744073709551615", "\"ü\\n\"", "[]", "{\"a\":[{\"b\":null}]}", " 7 "]
        {
            assert_eq!(check(good.as_bytes(), 8), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_no_single_value_is_invalid() {
        let bad: [&[u8]; 10] =
            [b"", b"{", b"{\"a\":}", b"[1,]", b"01", b"1 2", b"nul", b"'a'", b"\"\xff\"", b"{\"\xff\":1}"];
        for bad in bad {
            assert!(check(bad, 8).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        assert!(check(br#""\ud800""#, 8).is_err(), "half a character");
        assert!(check(b"1e999", 8).is_err(), "no number of ours");
    }

    #[test]
    fn depth_is_counted_exactly() {
        assert!(check(b"[[[1]]]", 3).is_ok());
        let error = check(b"[[[1]]]", 2).expect_err("too deep");
        assert!(error.message.contains("too deep"), "{error}");
        let bomb = vec![b'['; 1 << 20];
        assert!(check(&bomb, 127).is_err());
        let bomb = "{\"a\":".repeat(1 << 16);
        assert!(check(bomb.as_bytes(), 127).is_err());
    }

    proptest! {
        /// What passes here is what a reader of JSON takes, and the reverse, for shallow bodies.
        #[test]
        fn agrees_with_a_reader(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(check(&body, 100).is_ok(), serde_json::from_slice::<serde_json::Value>(&body).is_ok());
        }

        #[test]
        fn agrees_with_a_reader_on_json_like_text(body in r#"[\[\]{}:,"a0-9.eE\\u ntruefalse-]{0,24}"#) {
            let read = serde_json::from_str::<serde_json::Value>(&body);
            prop_assert_eq!(check(body.as_bytes(), 100).is_ok(), read.is_ok());
        }
    }
}
