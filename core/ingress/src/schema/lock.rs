// SPDX-License-Identifier: Apache-2.0
//! `adjoin.lock.json`: which number each field of each derived message has, for good.

use std::collections::{BTreeMap, BTreeSet};

use adjoin_model::{Error, Result};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;
/// Numbers that protobuf keeps for itself.
const KEPT: std::ops::RangeInclusive<u32> = 19_000..=19_999;
const GREATEST: u32 = (1 << 29) - 1;

/// The numbers of one message, by field name. A name that no field has any more stays reserved.
pub(crate) type Numbers = BTreeMap<String, u32>;

/// The field numbers of derived messages. Numbers are only ever added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    pub(crate) messages: BTreeMap<String, Numbers>,
    /// Which handler (`shop.Cart/addItem`) gave a message its name.
    pub(crate) owners: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    messages: BTreeMap<String, Numbers>,
    #[serde(default)]
    owners: BTreeMap<String, String>,
}

impl Lock {
    /// Reads the text of a lock file.
    ///
    /// # Errors
    /// `Invalid` when it is no lock file of this version, or gives two fields one number or a field an impossible one.
    pub fn parse(text: &str) -> Result<Self> {
        let form: Form =
            serde_json::from_str(text).map_err(|error| Error::invalid(format!("this is no lock file: {error}")))?;
        if form.version != VERSION {
            let said = format!("this lock file has version {}, and version {VERSION} can be read", form.version);
            return Err(Error::invalid(said));
        }
        for (message, numbers) in &form.messages {
            check(numbers).map_err(|said| Error::invalid(said).at("message", message))?;
        }
        Ok(Self { messages: form.messages, owners: form.owners })
    }

    /// The text of the lock file: stable, one field a line, in order of numbers.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{{\n  \"version\": {VERSION},\n  \"messages\": {{");
        let messages = self.messages.iter().map(|(message, numbers)| {
            let mut fields: Vec<(&String, &u32)> = numbers.iter().collect();
            fields.sort_by_key(|(_, number)| **number);
            let fields: Vec<String> =
                fields.iter().map(|(name, number)| format!("{}: {number}", quoted(name))).collect();
            format!("\n    {}: {{{}}}", quoted(message), fields.join(", "))
        });
        text += &messages.collect::<Vec<_>>().join(",");
        text += if self.messages.is_empty() { "},\n  \"owners\": {" } else { "\n  },\n  \"owners\": {" };
        let owners = self.owners.iter().map(|(message, owner)| format!("\n    {}: {}", quoted(message), quoted(owner)));
        text += &owners.collect::<Vec<_>>().join(",");
        text += if self.owners.is_empty() { "}\n}\n" } else { "\n  }\n}\n" };
        text
    }

    /// Numbers for these fields of a message: those it has, and the next free ones for the others. A message that is
    /// not locked begins with the numbers of `like`, from which it was split.
    pub(crate) fn number(&self, message: &str, like: Option<&str>, fields: &[&str]) -> Numbers {
        let own = self.messages.get(message).or_else(|| like.and_then(|like| self.messages.get(like)));
        let mut numbers = own.cloned().unwrap_or_default();
        let mut last = numbers.values().copied().max().unwrap_or(0);
        for field in fields {
            numbers.entry((*field).to_owned()).or_insert_with(|| {
                last += 1;
                if KEPT.contains(&last) {
                    last = KEPT.end() + 1;
                }
                last
            });
        }
        numbers
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn check(numbers: &Numbers) -> core::result::Result<(), String> {
    let mut seen = BTreeSet::new();
    for (field, &number) in numbers {
        if number == 0 || number > GREATEST || KEPT.contains(&number) {
            return Err(format!("the field {field} cannot have the number {number}"));
        }
        if !seen.insert(number) {
            return Err(format!("two fields have the number {number}: one of them was edited by hand"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_only_added() {
        let mut lock = Lock::default();
        let first = lock.number("Item", None, &["product", "name"]);
        assert_eq!(first, Numbers::from([("product".into(), 1), ("name".into(), 2)]));
        lock.messages.insert("Item".into(), first);
        let moved = lock.number("Item", None, &["gift", "name"]);
        assert_eq!(moved, Numbers::from([("product".into(), 1), ("name".into(), 2), ("gift".into(), 3)]));
        assert_eq!(lock.number("CartItem", Some("Item"), &["name", "x"])["name"], 2);
    }

    #[test]
    fn numbers_of_protobuf_itself_are_passed_over() {
        let lock = Lock { messages: [("M".into(), Numbers::from([("a".into(), 18_999)]))].into(), ..Lock::default() };
        assert_eq!(lock.number("M", None, &["b"])["b"], 20_000);
    }

    #[test]
    fn the_text_is_stable_and_read_back() {
        let numbers = Numbers::from([("b".into(), 1), ("a".into(), 2)]);
        let lock = Lock {
            messages: [("shop.M".into(), numbers)].into(),
            owners: [("shop.M".into(), "shop.T/m".into())].into(),
        };
        let text = lock.text();
        assert!(text.contains("\"shop.M\": {\"b\": 1, \"a\": 2}"), "{text}");
        assert_eq!(Lock::parse(&text), Ok(lock));
        assert_eq!(Lock::parse(&Lock::default().text()), Ok(Lock::default()));
    }

    #[test]
    fn a_broken_file_is_invalid() {
        for text in [
            "",
            "{}",
            r#"{"version":2,"messages":{}}"#,
            r#"{"version":1,"messages":{"M":{"a":1,"b":1}}}"#,
            r#"{"version":1,"messages":{"M":{"a":0}}}"#,
            r#"{"version":1,"messages":{"M":{"a":19000}}}"#,
            r#"{"version":1,"messages":{"M":{"a":536870912}}}"#,
            r#"{"version":1,"messages":{},"x":1}"#,
        ] {
            assert!(Lock::parse(text).is_err(), "{text}");
        }
    }
}
