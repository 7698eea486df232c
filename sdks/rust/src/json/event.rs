// SPDX-License-Identifier: Apache-2.0
//! Events between an enum and (stored name, JSON): the variant is the name, its fields are the data.

mod reader;
mod writer;

pub(crate) use reader::{decode, names};
pub(crate) use writer::encode;

/// Why a type is no event.
const NO_EVENT: &str = "an event is an enum whose variants are named (externally tagged), or a struct";

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Item {
        product: String,
        qty: u32,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum CartEvent {
        #[serde(alias = "ItemPut")]
        ItemAdded {
            item: Item,
        },
        #[serde(rename = "ItemTaken")]
        ItemRemoved(Removed),
        CheckedOut,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Removed {
        product: String,
    }

    fn round(event: CartEvent, name: &str, data: &str) {
        let (stored, bytes) = encode(&event).unwrap();
        assert_eq!((stored, std::str::from_utf8(&bytes).unwrap()), (name, data));
        assert_eq!(decode::<CartEvent>(name, data.as_bytes()).unwrap(), event);
    }

    #[test]
    fn a_variant_is_the_stored_name_and_its_fields_the_data() {
        let item = Item { product: "p1".into(), qty: 2 };
        round(CartEvent::ItemAdded { item }, "ItemAdded", r#"{"item":{"product":"p1","qty":2}}"#);
        round(CartEvent::ItemRemoved(Removed { product: "p".into() }), "ItemTaken", r#"{"product":"p"}"#);
        round(CartEvent::CheckedOut, "CheckedOut", "{}");
    }

    #[test]
    fn names_and_aliases_are_known_without_an_event() {
        let mut found = names::<CartEvent>();
        found.sort_unstable();
        assert_eq!(found, ["CheckedOut", "ItemAdded", "ItemPut", "ItemTaken"]);
        assert_eq!(names::<Removed>(), ["Removed"]);
        assert!(names::<u32>().is_empty());
    }

    #[test]
    fn an_alias_is_read_and_unknown_names_are_not() {
        let read = decode::<CartEvent>("ItemPut", br#"{"item":{"product":"p1","qty":2},"new":1}"#).unwrap();
        assert_eq!(read, CartEvent::ItemAdded { item: Item { product: "p1".into(), qty: 2 } });
        assert!(decode::<CartEvent>("ItemLost", b"{}").is_err());
        assert!(decode::<CartEvent>("ItemAdded", b"{}").is_err());
        assert!(decode::<CartEvent>("ItemAdded", br#"{"item":{"product":"p1","qty":2}} x"#).is_err());
    }

    #[test]
    fn large_integers_survive_in_events() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        enum Paid {
            Paid { cents: u64 },
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Bare {
            cents: i64,
        }
        let (name, data) = encode(&Paid::Paid { cents: u64::MAX }).unwrap();
        assert_eq!(decode::<Paid>(name, &data).unwrap(), Paid::Paid { cents: u64::MAX });
        let (name, data) = encode(&Bare { cents: i64::MIN }).unwrap();
        assert_eq!(decode::<Bare>(name, &data).unwrap(), Bare { cents: i64::MIN });
        assert!(decode::<Bare>("Other", &data).is_err());
    }

    #[test]
    fn a_struct_is_an_event_of_its_own_name() {
        let (name, data) = encode(&Removed { product: "p".into() }).unwrap();
        assert_eq!(decode::<Removed>(name, &data).unwrap(), Removed { product: "p".into() });
        assert!(decode::<Removed>("Other", &data).is_err());
        assert!(encode(&3).is_err() && encode(&("a", 1)).is_err());
    }
}
