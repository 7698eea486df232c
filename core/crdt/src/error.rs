// SPDX-License-Identifier: Apache-2.0
//! What can go wrong: bytes that are not a state, and writes that are refused.

use core::fmt;

use crate::dot::ReplicaId;
use crate::kind::Kind;

/// Why bytes were not read, or a write not made. A write that is refused has changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The bytes end before the state does.
    Truncated,
    /// Bytes are left behind the end of the state.
    Trailing,
    /// A version of the encoding that is not known here.
    Version(u8),
    /// A type that is not known here.
    UnknownKind(u8),
    /// Another type than the one asked for.
    Clash {
        /// The type that is there.
        found: Kind,
        /// The type that was asked for.
        expected: Kind,
    },
    /// The bytes contradict themselves, or are not in the canonical form; says what.
    Malformed(&'static str),
    /// A value, key, element or the whole is longer than allowed.
    TooLong {
        /// The bound, in bytes.
        limit: usize,
    },
    /// More dots, runs and entries than allowed.
    TooMany {
        /// The bound.
        limit: usize,
    },
    /// Maps within maps beyond [`MAX_DEPTH`](crate::MAX_DEPTH).
    TooDeep,
    /// The counter's total would leave its range.
    Overflow,
    /// The replica has used up its dots: it needs a new id.
    Exhausted(ReplicaId),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(out, "the bytes end before the state does"),
            Self::Trailing => write!(out, "bytes are left behind the end of the state"),
            Self::Version(version) => write!(out, "encoding version {version} is not known"),
            Self::UnknownKind(tag) => write!(out, "type {tag} is not known"),
            Self::Clash { found, expected } => write!(out, "this is a {found}, not a {expected}"),
            Self::Malformed(what) => write!(out, "malformed: {what}"),
            Self::TooLong { limit } => write!(out, "longer than {limit} bytes"),
            Self::TooMany { limit } => write!(out, "more than {limit} parts"),
            Self::TooDeep => write!(out, "maps are nested too deep"),
            Self::Overflow => write!(out, "the counter would leave its range"),
            Self::Exhausted(ReplicaId(id)) => write!(out, "replica {id:016x} has used up its dots"),
        }
    }
}

impl core::error::Error for Error {}
