// SPDX-License-Identifier: Apache-2.0
//! `/{type}/{key}/{command}`, percent-decoded.

use std::borrow::Cow;

use adjoin_model::{Error, Result};
use percent_encoding::percent_decode_str;

/// What a path of three segments names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) entity_type: Cow<'a, str>,
    /// May hold anything, an encoded `/` or NUL too.
    pub(crate) key: Cow<'a, str>,
    pub(crate) command: Cow<'a, str>,
}

/// Splits a path first and decodes the segments then, so that an encoded `/` belongs to its segment.
///
/// # Errors
/// `NotFound` unless there are three segments; `Invalid` for a bad escape or one that is not UTF-8.
pub(crate) fn parse(path: &str) -> Result<Target<'_>> {
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
    let three = (segments.next(), segments.next(), segments.next(), segments.next());
    let (Some(entity_type), Some(key), Some(command), None) = three else {
        return Err(Error::not_found("nothing here: entities answer at /{type}/{key}/{command}"));
    };
    if entity_type.is_empty() || key.is_empty() || command.is_empty() {
        return Err(Error::not_found("an entity type, a key or a command is empty in /{type}/{key}/{command}"));
    }
    Ok(Target { entity_type: decode(entity_type)?, key: decode(key)?, command: decode(command)? })
}

/// Percent-decodes a piece of a path or a query.
///
/// # Errors
/// `Invalid` for a broken escape, or one that is not UTF-8.
pub(crate) fn decode(segment: &str) -> Result<Cow<'_, str>> {
    if !segment.contains('%') {
        return Ok(Cow::Borrowed(segment));
    }
    if !escapes_are_whole(segment.as_bytes()) {
        return Err(Error::invalid("'%' in an address is followed by two hexadecimal digits; write '%25' for itself"));
    }
    percent_decode_str(segment).decode_utf8().map_err(|_| Error::invalid("an escape in the address is not UTF-8"))
}

/// The decoder lets a broken escape stand; two spellings of one key would be two entities.
fn escapes_are_whole(segment: &[u8]) -> bool {
    segment
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| segment.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_model::Kind;
    use proptest::prelude::*;

    #[test]
    fn a_key_may_hold_anything_encoded() {
        let target = parse("/shop.Cart/a%2Fb%00%c3%bc%25/addItem").expect("parsed");
        assert_eq!(target.key, "a/b\0ü%");
        assert_eq!((&*target.entity_type, &*target.command), ("shop.Cart", "addItem"));
    }

    #[test]
    fn other_shapes_are_not_found() {
        for path in ["", "/", "/a", "/a/b", "/a/b/c/d", "/a/b/c/", "//b/c", "/a//c", "/a/b/"] {
            assert_eq!(parse(path).expect_err(path).kind, Kind::NotFound, "{path}");
        }
    }

    #[test]
    fn broken_escapes_are_invalid() {
        for path in ["/a/%/c", "/a/%2/c", "/a/%zz/c", "/a/%ff/c", "/a/b%/c"] {
            assert_eq!(parse(path).expect_err(path).kind, Kind::Invalid, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_gives_an_answer(path in ".{0,64}") {
            let _ = parse(&path);
        }

        #[test]
        fn an_encoded_key_comes_back(key in "\\PC{1,20}") {
            use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
            let path = format!("/t/{}/c", utf8_percent_encode(&key, NON_ALPHANUMERIC));
            prop_assert_eq!(&*parse(&path).expect("parsed").key, key.as_str());
        }
    }
}
