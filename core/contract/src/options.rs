// SPDX-License-Identifier: Apache-2.0
//! The options that adjoin reads, by their numbers: the set need not carry the files that define them.

use adjoin_model::{Error, Result};
use bytes::{Buf, Bytes};
use prost::Message as _;
use prost::encoding::{self, WireType};

use crate::scan::next;

/// `cloudstate.entity_key`, and the number it had before.
const KEYS: [u32; 2] = [1080, 50002];

/// Whether encoded field options say that the field is a part of the key; `before` is what earlier ones said.
pub(crate) fn is_key(mut bytes: Bytes, before: bool) -> Result<bool> {
    let mut said = before;
    while bytes.has_remaining() {
        let entry = next(&mut bytes)?;
        // 50002 is free for all: only a bool is the key's.
        if KEYS.contains(&entry.tag) && entry.wire == WireType::Varint {
            said |= encoding::decode_varint(&mut entry.body.clone()).is_ok_and(|value| value != 0);
        }
    }
    Ok(said)
}

/// Bytes of the options of one method that adjoin reads; an encoded rule may have 2 bytes, a built one has 100 times that.
const METHOD_BYTES: usize = 64 << 10;

/// Appends those of the encoded method options that [`MethodOptions::read`] reads.
pub(crate) fn pick(mut bytes: Bytes, into: &mut Vec<u8>) -> Result<()> {
    while bytes.has_remaining() {
        let entry = next(&mut bytes)?;
        if [wire::EVENTING, wire::HTTP].contains(&entry.tag) {
            into.extend_from_slice(&entry.whole);
        }
    }
    if into.len() > METHOD_BYTES {
        return Err(Error::invalid(format!(
            "the options google.api.http and eventing of a method pass {METHOD_BYTES} bytes"
        )));
    }
    Ok(())
}

/// The options of a method.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MethodOptions {
    pub(crate) http: Vec<HttpRule>,
    pub(crate) eventing: Option<Eventing>,
}

/// The verb of a `google.api.http` rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// `get`
    Get,
    /// `put`
    Put,
    /// `post`
    Post,
    /// `delete`
    Delete,
    /// `patch`
    Patch,
    /// `custom`: the method's name in upper case as it comes, or `*` for any.
    Custom(String),
}

/// A `google.api.http` rule as it is declared; `additional_bindings` are rules of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRule {
    /// Empty, or the method's full name.
    pub selector: String,
    /// Which HTTP method.
    pub verb: Verb,
    /// The path template: `/v1/{name=shelves/*}:verb`.
    pub path: String,
    /// `""` for no body, `*` for the whole message, or the name of a field.
    pub body: String,
    /// The field of the reply that is the answer's body; empty for the whole.
    pub response_body: String,
}

/// Where the commands of a method come from, and where its replies go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Eventing {
    /// The events that the method is called with.
    pub source: Option<Source>,
    /// Group of consumers that share the events; empty means the service's full name.
    pub consumer_group: String,
    /// The topic that replies are published to.
    pub out_topic: Option<String>,
}

/// A source of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A topic of a broker.
    Topic(String),
    /// The events of an entity type, by its stored name.
    EventLog(String),
}

impl MethodOptions {
    /// Reads encoded `google.protobuf.MethodOptions`.
    ///
    /// # Errors
    /// `Invalid` when a rule or the eventing is not what its `.proto` says.
    pub(crate) fn read(encoded: &[u8]) -> Result<Self> {
        let read = wire::MethodOptions::decode(encoded).map_err(|error| {
            Error::invalid(format!("the options google.api.http or eventing cannot be read: {error}"))
        })?;
        let mut http = Vec::new();
        if let Some(mut rule) = read.http {
            let more = std::mem::take(&mut rule.additional_bindings);
            http.push(rule.declared()?);
            for rule in more {
                if !rule.additional_bindings.is_empty() {
                    return Err(Error::invalid("additional_bindings of google.api.http have bindings of their own"));
                }
                http.push(rule.declared()?);
            }
        }
        Ok(Self { http, eventing: read.eventing.map(wire::Eventing::declared) })
    }
}

/// The messages of the options, as their `.proto` files lay them out.
mod wire {
    use bytes::Bytes;
    use prost::Message as _;

    use super::{Error, Result};

    pub(super) const EVENTING: u32 = 1081;
    pub(super) const HTTP: u32 = 72_295_728;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct MethodOptions {
        #[prost(message, optional, tag = "1081")]
        pub(super) eventing: Option<Eventing>,
        #[prost(message, optional, tag = "72295728")]
        pub(super) http: Option<HttpRule>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct HttpRule {
        #[prost(string, tag = "1")]
        selector: String,
        #[prost(string, tag = "7")]
        body: String,
        #[prost(string, tag = "12")]
        response_body: String,
        #[prost(message, repeated, tag = "11")]
        pub(super) additional_bindings: Vec<HttpRule>,
        #[prost(oneof = "Pattern", tags = "2, 3, 4, 5, 6, 8")]
        pattern: Option<Pattern>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    enum Pattern {
        #[prost(string, tag = "2")]
        Get(String),
        #[prost(string, tag = "3")]
        Put(String),
        #[prost(string, tag = "4")]
        Post(String),
        #[prost(string, tag = "5")]
        Delete(String),
        #[prost(string, tag = "6")]
        Patch(String),
        #[prost(message, tag = "8")]
        Custom(Custom),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct Custom {
        #[prost(string, tag = "1")]
        kind: String,
        #[prost(string, tag = "2")]
        path: String,
    }

    /// In carts of older SDKs both fields are the name of a topic by itself.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Eventing {
        #[prost(bytes = "bytes", repeated, tag = "1")]
        r#in: Vec<Bytes>,
        #[prost(bytes = "bytes", repeated, tag = "2")]
        out: Vec<Bytes>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct EventSource {
        #[prost(string, tag = "1")]
        consumer_group: String,
        #[prost(oneof = "Source", tags = "2, 3")]
        source: Option<Source>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    enum Source {
        #[prost(string, tag = "2")]
        Topic(String),
        #[prost(string, tag = "3")]
        EventLog(String),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct EventDestination {
        #[prost(string, optional, tag = "1")]
        topic: Option<String>,
    }

    impl HttpRule {
        pub(super) fn declared(self) -> Result<super::HttpRule> {
            let (verb, path) = match self.pattern {
                Some(Pattern::Get(path)) => (super::Verb::Get, path),
                Some(Pattern::Put(path)) => (super::Verb::Put, path),
                Some(Pattern::Post(path)) => (super::Verb::Post, path),
                Some(Pattern::Delete(path)) => (super::Verb::Delete, path),
                Some(Pattern::Patch(path)) => (super::Verb::Patch, path),
                Some(Pattern::Custom(custom)) => (super::Verb::Custom(custom.kind), custom.path),
                None => return Err(Error::invalid("a rule of google.api.http has no path: give it get, put, post, …")),
            };
            let Self { selector, body, response_body, .. } = self;
            Ok(super::HttpRule { selector, verb, path, body, response_body })
        }
    }

    impl Eventing {
        pub(super) fn declared(self) -> super::Eventing {
            // A message that stands twice is one.
            let (source, out) = (self.r#in.concat(), self.out.concat());
            let source = EventSource::decode(&*source).unwrap_or_else(|_| {
                let topic = String::from_utf8_lossy(&source).into_owned();
                EventSource { source: Some(Source::Topic(topic)), ..EventSource::default() }
            });
            let out = EventDestination::decode(&*out)
                .unwrap_or_else(|_| EventDestination { topic: Some(String::from_utf8_lossy(&out).into_owned()) });
            super::Eventing {
                source: source.source.map(|source| match source {
                    Source::Topic(name) => super::Source::Topic(name),
                    Source::EventLog(name) => super::Source::EventLog(name),
                }),
                consumer_group: source.consumer_group,
                out_topic: out.topic,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encoded options whose eventing has these fields.
    fn options(fields: &[(u32, &[u8])]) -> Vec<u8> {
        let (mut eventing, mut made) = (Vec::new(), Vec::new());
        for (number, bytes) in fields {
            encoding::bytes::encode(*number, &bytes.to_vec(), &mut eventing);
        }
        encoding::bytes::encode(wire::EVENTING, &eventing, &mut made);
        made
    }

    fn eventing(fields: &[(u32, &[u8])]) -> Eventing {
        MethodOptions::read(&options(fields)).expect("options").eventing.expect("eventing")
    }

    #[test]
    fn a_name_by_itself_is_that_of_a_topic() {
        let read = eventing(&[(1, b"items"), (2, b"changes")]);
        assert_eq!((read.source, read.out_topic), (Some(Source::Topic("items".into())), Some("changes".into())));
    }

    #[test]
    fn a_source_is_read_whole_also_in_two_pieces() {
        let (group, log) = (&b"\x0a\x01g"[..], &b"\x1a\x03log"[..]);
        let expected = Eventing {
            source: Some(Source::EventLog("log".into())),
            consumer_group: "g".into(),
            out_topic: Some("t".into()),
        };
        assert_eq!(eventing(&[(1, &[group, log].concat()), (2, b"\x0a\x01t")]), expected);
        assert_eq!(eventing(&[(1, group), (2, b"\x0a\x01t"), (1, log)]), expected);
        assert_eq!(eventing(&[]), Eventing::default());
    }
}
