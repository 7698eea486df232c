// SPDX-License-Identifier: Apache-2.0
//! Names of protobuf made of names of code.

/// `addItem`, `add_item`, `add-item` → `AddItem`. Empty when nothing of the name can stand in one.
pub(crate) fn pascal(name: &str) -> String {
    words(name)
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or(String::new(), |first| first.to_ascii_uppercase().to_string() + letters.as_str())
        })
        .collect()
}

/// `firstName` → `first_name`, `itemID` → `item_id`. A field without any letter is `field`.
pub(crate) fn snake(name: &str) -> String {
    let mut made = String::new();
    for word in words(name) {
        let bytes = word.as_bytes();
        for (at, letter) in word.char_indices() {
            let after_lower = at > 0 && !bytes[at - 1].is_ascii_uppercase();
            let before_lower = at > 0 && bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
            let begins = at == 0 || (letter.is_ascii_uppercase() && (after_lower || before_lower));
            if begins && !made.is_empty() {
                made.push('_');
            }
            made.push(letter.to_ascii_lowercase());
        }
    }
    if made.starts_with(|c: char| c.is_ascii_alphabetic()) {
        made
    } else if made.is_empty() {
        "field".into()
    } else {
        format!("field_{made}")
    }
}

/// `shop.Cart` → (`shop`, `Cart`); what cannot stand in a name becomes `_`.
pub(crate) fn package_and_service(entity_type: &str) -> (String, String) {
    let segments: Vec<String> = entity_type.split('.').map(identifier).collect();
    match segments.split_last() {
        Some((service, package)) => (package.join("."), service.clone()),
        None => (String::new(), identifier(entity_type)),
    }
}

fn identifier(segment: &str) -> String {
    let mut made: String =
        segment.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if !made.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        made.insert(0, '_');
    }
    made
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_take_the_casing_of_protobuf() {
        assert_eq!(pascal("addItem"), "AddItem");
        assert_eq!(pascal("add_item-now"), "AddItemNow");
        assert_eq!(pascal("Box[int]"), "BoxInt");
        for (name, made) in [
            ("firstName", "first_name"),
            ("itemID", "item_id"),
            ("HTTPServer", "http_server"),
            ("qty", "qty"),
            ("a1B", "a1_b"),
            ("a b", "a_b"),
            ("ü", "field"),
            ("1st", "field_1st"),
        ] {
            assert_eq!(snake(name), made);
        }
    }

    #[test]
    fn a_type_name_splits_into_package_and_service() {
        assert_eq!(package_and_service("shop.v1.Cart"), ("shop.v1".into(), "Cart".into()));
        assert_eq!(package_and_service("Cart"), (String::new(), "Cart".into()));
        assert_eq!(package_and_service("a-b.1$"), ("a_b".into(), "_1_".into()));
    }
}
