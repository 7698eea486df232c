// SPDX-License-Identifier: Apache-2.0
//! JSON as adjoin stores and sends it, the same bytes in every language: UTF-8, no spaces, keys sorted, defaults
//! written, unset optionals omitted, shortest floats, integers beyond ±2^53 as strings.

mod canonical;
mod event;
mod lenient;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use canonical::Writer;
pub(crate) use event::{decode as decode_event, encode as encode_event, names as event_names};

/// The canonical bytes of a value.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut writer = Writer::default();
    value.serialize(&mut writer)?;
    Ok(writer.out)
}

/// A value from its JSON; integers may stand in strings, as [`encode`] writes the large ones.
pub(crate) fn decode<T: DeserializeOwned>(data: &[u8]) -> serde_json::Result<T> {
    let strict = match serde_json::from_slice(data) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if lenient::has_quoted_integer(data)
        && let Ok(value) = lenient::decode(data)
    {
        return Ok(value);
    }
    Err(strict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::{BTreeMap, HashMap};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Line {
        product_name: String,
        count: u32,
        amount: f64,
        note: Option<String>,
        inner: Vec<Option<u8>>,
    }

    fn line() -> Line {
        Line { product_name: "ü\"\n".into(), count: 3, amount: 0.1, note: None, inner: vec![Some(1), None] }
    }

    fn text<T: Serialize>(value: &T) -> String {
        String::from_utf8(encode(value).unwrap()).unwrap()
    }

    #[test]
    fn keys_are_sorted_and_unset_optionals_omitted() {
        assert_eq!(text(&line()), r#"{"amount":0.1,"count":3,"inner":[1,null],"productName":"ü\"\n"}"#);
        assert_eq!(decode::<Line>(&encode(&line()).unwrap()).unwrap(), line());
        let set = Line { note: Some("n".into()), ..line() };
        assert_eq!(text(&set), r#"{"amount":0.1,"count":3,"inner":[1,null],"note":"n","productName":"ü\"\n"}"#);
    }

    #[test]
    fn maps_are_sorted_by_code_point_also_when_keys_are_escaped() {
        let keys = ["b", "a", "\n", "é", "z", "\"", "\u{1F600}", "\u{FFFD}"];
        let hashed: HashMap<_, _> = keys.iter().map(|key| (key.to_string(), 1)).collect();
        let sorted: BTreeMap<_, _> = hashed.clone().into_iter().collect();
        assert_eq!(text(&hashed), serde_json::to_string(&sorted).unwrap());
        assert_eq!(text(&HashMap::from([(2, true), (10, false)])), r#"{"10":false,"2":true}"#);
        assert!(encode(&BTreeMap::from([(vec![1], 1)])).is_err(), "a list is no key");
    }

    #[test]
    fn nested_objects_are_sorted_inside_out() {
        #[derive(Serialize)]
        struct Outer {
            z: Line,
            a: BTreeMap<String, Line>,
        }
        let value = Outer { z: line(), a: BTreeMap::from([("k".into(), line())]) };
        let generic: serde_json::Value = serde_json::from_str(&text(&value)).unwrap();
        assert_eq!(text(&generic), text(&value), "already in the order that sorting gives");
        assert!(text(&value).starts_with(r#"{"a":{"k":{"amount""#));
    }

    #[test]
    fn integers_beyond_two_to_the_53_are_strings_and_come_back() {
        const EDGE: i64 = 1 << 53;
        assert_eq!(text(&(EDGE, -EDGE)), "[9007199254740992,-9007199254740992]");
        assert_eq!(text(&(EDGE + 1, u64::MAX)), r#"["9007199254740993","18446744073709551615"]"#);
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Wide {
            big: u64,
            list: Vec<i64>,
            tagged: Tagged,
            text: String,
            by_number: BTreeMap<u64, Option<i64>>,
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        enum Tagged {
            Pair { a: i64 },
            Bare,
        }
        for tagged in [Tagged::Pair { a: i64::MIN }, Tagged::Bare] {
            let wide = Wide {
                big: u64::MAX,
                list: vec![EDGE + 1, 4],
                tagged,
                text: "12345678901234567890".into(),
                by_number: BTreeMap::from([(u64::MAX, None), (1, Some(i64::MAX))]),
            };
            assert_eq!(decode::<Wide>(&encode(&wide).unwrap()).unwrap(), wide);
        }
    }

    #[test]
    fn floats_are_shortest_and_what_is_no_number_is_refused() {
        assert_eq!(
            text(&[1.0, 0.1 + 0.2, 1e21, f64::MIN_POSITIVE]),
            "[1.0,0.30000000000000004,1e+21,2.2250738585072014e-308]"
        );
        assert_eq!(text(&1.5f32), "1.5");
        assert!(encode(&f64::NAN).is_err(), "it could never be read back");
        assert!(encode(&f32::INFINITY).is_err());
    }

    #[test]
    fn enums_are_externally_tagged() {
        #[derive(Serialize)]
        enum Shape {
            Unit,
            New(u8),
            Pair(u8, u8),
            Fields { b: u8, a: u8 },
        }
        let all = (Shape::Unit, Shape::New(1), Shape::Pair(1, 2), Shape::Fields { b: 1, a: 2 });
        assert_eq!(text(&all), r#"["Unit",{"New":1},{"Pair":[1,2]},{"Fields":{"a":2,"b":1}}]"#);
        assert_eq!(text(&((), true, 'c', "s", 1i8, None::<u8>)), r#"[null,true,"c","s",1,null]"#);
    }
}
