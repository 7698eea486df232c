// SPDX-License-Identifier: Apache-2.0
//! A descriptor set, walked as bytes: counted before it is built, and freed of what must not be built.
//!
//! Options are where a hostile set hides things from whoever decodes them by their own descriptors. What is handed on
//! keeps only the standard switches (`packed`, `map_entry`, …); the options that adjoin reads are put aside here.

use std::collections::HashMap;

use adjoin_model::{Error, Result};
use bytes::{Buf, Bytes};
use prost::encoding::{self, DecodeContext, WireType};

use crate::limits::Limits;
use crate::options::{self, MethodOptions};

/// A file of a set.
#[derive(Debug, Default)]
pub(crate) struct ScannedFile {
    pub(crate) name: String,
    pub(crate) imports: Vec<String>,
    /// As it came.
    pub(crate) raw: Bytes,
    /// Without source positions and without options that are no plain switch.
    pub(crate) plain: Vec<u8>,
}

/// What is taken aside from the options of a set.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Numbers of the key fields of a message, in the order of declaration, by full name.
    pub(crate) keys: HashMap<String, Vec<u32>>,
    /// Options of methods, by `service/method`.
    pub(crate) methods: HashMap<String, MethodOptions>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File,
    Message,
    Field,
    Enum,
    Value,
    Service,
    Method,
    Oneof,
    Range,
    Options,
    /// Counted, copied as it is.
    Leaf,
}

enum Part {
    Copy,
    Drop,
    Import,
    Walk(Node),
}

impl Node {
    fn part(self, tag: u32, wire: WireType) -> Part {
        match (self, tag) {
            (Self::File, 3) => Part::Import,
            (Self::File, 4) | (Self::Message, 3) => Part::Walk(Self::Message),
            (Self::File, 5) | (Self::Message, 4) => Part::Walk(Self::Enum),
            (Self::File, 6) => Part::Walk(Self::Service),
            (Self::File, 7) | (Self::Message, 2 | 6) => Part::Walk(Self::Field),
            (Self::File, 9) => Part::Drop,
            (Self::Message, 5) => Part::Walk(Self::Range),
            (Self::Message, 8) => Part::Walk(Self::Oneof),
            (Self::Message, 9 | 10) | (Self::Enum, 4 | 5) => Part::Walk(Self::Leaf),
            (Self::Enum, 2) => Part::Walk(Self::Value),
            (Self::Service, 2) => Part::Walk(Self::Method),
            (Self::File | Self::Field, 8)
            | (Self::Message, 7)
            | (Self::Enum | Self::Value | Self::Service | Self::Range, 3)
            | (Self::Method, 4)
            | (Self::Oneof, 2) => Part::Walk(Self::Options),
            (Self::Options, 1..=50) if wire == WireType::Varint => Part::Copy,
            (Self::Options, _) => Part::Drop,
            _ => Part::Copy,
        }
    }
}

/// One field of an encoded message: its number, how it is written, and its bytes without the tag; for a
/// length-delimited one without the length.
pub(crate) struct Entry {
    pub(crate) tag: u32,
    pub(crate) wire: WireType,
    pub(crate) whole: Bytes,
    pub(crate) body: Bytes,
}

/// Takes the next field of an encoded message.
///
/// # Errors
/// `Invalid` when the bytes are no protobuf.
pub(crate) fn next(bytes: &mut Bytes) -> Result<Entry> {
    let start = bytes.clone();
    let broken = |_| Error::invalid("these bytes are no protobuf message");
    let (tag, wire) = encoding::decode_key(bytes).map_err(broken)?;
    if wire == WireType::LengthDelimited {
        let length = encoding::decode_varint(bytes).map_err(broken)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len());
        let length = length.ok_or_else(|| Error::invalid("a field is longer than its message"))?;
        let body = bytes.split_to(length);
        return Ok(Entry { tag, wire, whole: start.slice(..start.len() - bytes.len()), body });
    }
    let before = bytes.clone();
    encoding::skip_field(wire, tag, bytes, DecodeContext::default()).map_err(broken)?;
    let body = before.slice(..before.len() - bytes.len());
    Ok(Entry { tag, wire, whole: start.slice(..start.len() - bytes.len()), body })
}

pub(crate) struct Scan<'a> {
    limits: &'a Limits,
    messages: usize,
    fields: usize,
    names: usize,
    pub(crate) found: Found,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self { limits, messages: 0, fields: 0, names: 0, found: Found::default() }
    }

    /// Every file of an encoded set.
    ///
    /// # Errors
    /// `Invalid` for bytes that are no descriptor set, and past a limit.
    pub(crate) fn set(&mut self, mut bytes: Bytes) -> Result<Vec<ScannedFile>> {
        if bytes.len() > self.limits.bytes {
            return Err(past("bytes", self.limits.bytes));
        }
        let mut files = Vec::new();
        while bytes.has_remaining() {
            let entry = next(&mut bytes)?;
            if entry.tag != 1 || entry.wire != WireType::LengthDelimited {
                continue;
            }
            if files.len() == self.limits.files {
                return Err(past("files", self.limits.files));
            }
            files.push(self.file(entry.body)?);
        }
        Ok(files)
    }

    fn file(&mut self, raw: Bytes) -> Result<ScannedFile> {
        let mut file = ScannedFile { name: self.text(&raw, 1)?, raw: raw.clone(), ..ScannedFile::default() };
        let package = self.text(&raw, 2)?;
        let syntax = self.text(&raw, 12)?;
        if !["", "proto2", "proto3"].contains(&syntax.as_str()) {
            let said = format!("the syntax {syntax:?} is not known here: write the file in proto2 or proto3");
            return Err(Error::invalid(said).at("file", file.name));
        }
        file.plain =
            self.walk(Node::File, raw, &package, 0, &mut file.imports).map_err(|error| error.at("file", &file.name))?;
        Ok(file)
    }

    fn walk(
        &mut self,
        node: Node,
        mut bytes: Bytes,
        name: &str,
        depth: usize,
        imports: &mut Vec<String>,
    ) -> Result<Vec<u8>> {
        if depth > self.limits.depth {
            return Err(past("messages within messages", self.limits.depth));
        }
        let mut made = Vec::with_capacity(if node == Node::Options { 0 } else { bytes.len() });
        while bytes.has_remaining() {
            let entry = next(&mut bytes)?;
            match node.part(entry.tag, entry.wire) {
                Part::Copy => made.extend_from_slice(&entry.whole),
                Part::Drop => {}
                Part::Import => {
                    self.count(Node::Leaf)?;
                    imports.push(text(&entry.body)?);
                    made.extend_from_slice(&entry.whole);
                }
                Part::Walk(_) if entry.wire != WireType::LengthDelimited => {
                    return Err(Error::invalid("a descriptor stands where it cannot: is this a FileDescriptorSet?"));
                }
                Part::Walk(Node::Leaf) => {
                    self.count(Node::Leaf)?;
                    made.extend_from_slice(&entry.whole);
                }
                Part::Walk(child) => {
                    let inner = self.child(node, child, entry.body, name, depth, imports)?;
                    encoding::encode_key(entry.tag, WireType::LengthDelimited, &mut made);
                    encoding::encode_varint(inner.len() as u64, &mut made);
                    made.extend_from_slice(&inner);
                }
            }
        }
        Ok(made)
    }

    fn child(
        &mut self,
        parent: Node,
        child: Node,
        bytes: Bytes,
        within: &str,
        depth: usize,
        imports: &mut Vec<String>,
    ) -> Result<Vec<u8>> {
        self.count(child)?;
        if child == Node::Options {
            return self.walk(child, bytes, within, depth, imports);
        }
        let own = self.text(&bytes, 1)?;
        let name = if within.is_empty() { own.clone() } else { format!("{within}.{own}") };
        if name.len() > self.limits.name_bytes {
            return Err(past("bytes of a name", self.limits.name_bytes));
        }
        // A long package name stands in the full name of everything in it.
        self.names += name.len();
        if self.names > self.limits.bytes.saturating_mul(4) {
            return Err(past("bytes of full names", self.limits.bytes.saturating_mul(4)));
        }
        match (parent, child) {
            (Node::Message, Node::Field) => self.key(within, &bytes)?,
            (Node::Service, Node::Method) => self.method(within, &own, &bytes)?,
            _ => {}
        }
        self.walk(child, bytes, &name, depth + usize::from(child == Node::Message), imports)
    }

    fn count(&mut self, node: Node) -> Result<()> {
        if node == Node::Message {
            self.messages += 1;
            return if self.messages > self.limits.messages {
                Err(past("messages", self.limits.messages))
            } else {
                Ok(())
            };
        }
        self.fields += 1;
        if self.fields > self.limits.fields { Err(past("fields", self.limits.fields)) } else { Ok(()) }
    }

    /// Remembers a field that says it is a key.
    fn key(&mut self, message: &str, field: &Bytes) -> Result<()> {
        let (mut number, mut is_key) = (None, false);
        let mut bytes = field.clone();
        while bytes.has_remaining() {
            let entry = next(&mut bytes)?;
            match (entry.tag, entry.wire) {
                (3, WireType::Varint) => number = encoding::decode_varint(&mut entry.body.clone()).ok(),
                // An extension of a message has no place in it.
                (2, WireType::LengthDelimited) => return Ok(()),
                (8, WireType::LengthDelimited) => is_key = options::is_key(entry.body, is_key)?,
                _ => {}
            }
        }
        if let (true, Some(number)) = (is_key, number.and_then(|number| u32::try_from(number).ok())) {
            self.found.keys.entry(message.into()).or_default().push(number);
        }
        Ok(())
    }

    fn method(&mut self, service: &str, name: &str, method: &Bytes) -> Result<()> {
        let mut encoded = Vec::new();
        let mut bytes = method.clone();
        while bytes.has_remaining() {
            let entry = next(&mut bytes)?;
            if (entry.tag, entry.wire) == (4, WireType::LengthDelimited) {
                options::pick(entry.body, &mut encoded)?;
            }
        }
        let read = MethodOptions::read(&encoded).map_err(|error| error.at("method", format!("{service}.{name}")))?;
        read.http.iter().try_for_each(|_| self.count(Node::Leaf))?;
        if read != MethodOptions::default() {
            self.found.methods.insert(format!("{service}/{name}"), read);
        }
        Ok(())
    }

    /// The last text under this number.
    fn text(&self, bytes: &Bytes, tag: u32) -> Result<String> {
        let mut bytes = bytes.clone();
        let mut found = Bytes::new();
        while bytes.has_remaining() {
            let entry = next(&mut bytes)?;
            if (entry.tag, entry.wire) == (tag, WireType::LengthDelimited) {
                found = entry.body;
            }
        }
        if found.len() > self.limits.name_bytes {
            return Err(past("bytes of a name", self.limits.name_bytes));
        }
        text(&found)
    }
}

fn text(bytes: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::invalid("a name in the descriptor set is no UTF-8"))?;
    Ok(text.into())
}

fn past(what: &str, limit: usize) -> Error {
    Error::invalid(format!("the descriptor set has more than {limit} {what}: send only what the services need"))
}
