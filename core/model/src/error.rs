// SPDX-License-Identifier: Apache-2.0
//! What can go wrong, as every layer and every language reports it.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// The result of anything that can fail with an [`Error`].
pub type Result<T> = core::result::Result<T, Error>;

/// Where it happened: pairs such as (`entity`, `shop.Cart/ada`).
pub type Context = Vec<(Cow<'static, str>, String)>;

/// What kind of failure this is. The list is closed: every mapping names every kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request, the settings or the spec are wrong.
    Invalid,
    /// No such entity type, command or entity.
    NotFound,
    /// User code refused the command.
    Rejected,
    /// A sequence or the payload under an idempotency key differs.
    Conflict,
    /// Not allowed, or not known who asks.
    Denied,
    /// A bound is reached; try again after [`Error::retry_after_ms`].
    Exhausted,
    /// Store, peer or function is down, or the shard is moving.
    Unavailable,
    /// The deadline passed.
    Expired,
    /// A newer epoch owns the shard.
    Fenced,
    /// Stored data cannot be read.
    Corrupt,
    /// A peer or a function broke the contract.
    Protocol,
    /// An unexpected error in a handler, or a bug of ours.
    Internal,
}

impl Kind {
    /// Every kind, in the order of `architecture.md` §9; tests walk it.
    pub const ALL: [Self; 12] = [
        Self::Invalid,
        Self::NotFound,
        Self::Rejected,
        Self::Conflict,
        Self::Denied,
        Self::Exhausted,
        Self::Unavailable,
        Self::Expired,
        Self::Fenced,
        Self::Corrupt,
        Self::Protocol,
        Self::Internal,
    ];

    /// The name as it stands on the wire and in every SDK.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "Invalid",
            Self::NotFound => "NotFound",
            Self::Rejected => "Rejected",
            Self::Conflict => "Conflict",
            Self::Denied => "Denied",
            Self::Exhausted => "Exhausted",
            Self::Unavailable => "Unavailable",
            Self::Expired => "Expired",
            Self::Fenced => "Fenced",
            Self::Corrupt => "Corrupt",
            Self::Protocol => "Protocol",
            Self::Internal => "Internal",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The canonical code that a client sees for this kind when user code gave none.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::NotFound => Code::NotFound,
            Self::Rejected => Code::FailedPrecondition,
            Self::Conflict | Self::Fenced => Code::Aborted,
            Self::Denied => Code::PermissionDenied,
            Self::Exhausted => Code::ResourceExhausted,
            Self::Unavailable => Code::Unavailable,
            Self::Expired => Code::DeadlineExceeded,
            Self::Corrupt => Code::DataLoss,
            Self::Protocol | Self::Internal => Code::Internal,
        }
    }
}

/// Whether the command can have had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It had none and will have none: it may be sent again.
    None,
    /// It may have had its effect: only an idempotency key makes sending it again safe.
    Unknown,
}

impl Outcome {
    /// The word on the wire: `none` or `unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

macro_rules! codes {
    ($($variant:ident = $number:literal, $name:literal;)*) => {
        /// The canonical codes of gRPC (`google.rpc.Code`), without `OK`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Code { $(#[doc = $name] $variant = $number,)* }

        impl Code {
            /// Every code, by number.
            pub const ALL: [Self; 16] = [$(Self::$variant),*];

            /// The upper-case name, for example `FAILED_PRECONDITION`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

codes! {
    Cancelled = 1, "CANCELLED";
    Unknown = 2, "UNKNOWN";
    InvalidArgument = 3, "INVALID_ARGUMENT";
    DeadlineExceeded = 4, "DEADLINE_EXCEEDED";
    NotFound = 5, "NOT_FOUND";
    AlreadyExists = 6, "ALREADY_EXISTS";
    PermissionDenied = 7, "PERMISSION_DENIED";
    ResourceExhausted = 8, "RESOURCE_EXHAUSTED";
    FailedPrecondition = 9, "FAILED_PRECONDITION";
    Aborted = 10, "ABORTED";
    OutOfRange = 11, "OUT_OF_RANGE";
    Unimplemented = 12, "UNIMPLEMENTED";
    Internal = 13, "INTERNAL";
    Unavailable = 14, "UNAVAILABLE";
    DataLoss = 15, "DATA_LOSS";
    Unauthenticated = 16, "UNAUTHENTICATED";
}

impl Code {
    /// The number of `google.rpc.Code`, 1 to 16.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The code of that number; 0 (`OK`) and numbers above 16 have none.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|code| u32::from(code.number()) == number)
    }

    /// The code of that upper-case name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }

    /// The HTTP status that `google/rpc/code.proto` gives for this code.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Cancelled => 499,
            Self::InvalidArgument | Self::FailedPrecondition | Self::OutOfRange => 400,
            Self::DeadlineExceeded => 504,
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Aborted => 409,
            Self::PermissionDenied => 403,
            Self::ResourceExhausted => 429,
            Self::Unimplemented => 501,
            Self::Unknown | Self::Internal | Self::DataLoss => 500,
            Self::Unavailable => 503,
            Self::Unauthenticated => 401,
        }
    }
}

/// A failure: what kind, what happened and what to do, where, and whether the command can have had an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure.
    pub kind: Kind,
    /// What happened, where, and what to do about it.
    pub message: String,
    /// Pairs that locate it.
    pub context: Context,
    /// Whether the command can have had an effect.
    pub outcome: Outcome,
    /// The canonical code user code gave with a refusal, or a more exact one than the kind's (Unauthenticated).
    pub code: Option<Code>,
    /// When trying again can help, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

macro_rules! constructors {
    ($($name:ident => $kind:ident, $outcome:ident;)*) => {
        $(
            #[doc = concat!("An error of kind [`Kind::", stringify!($kind), "`], outcome `", stringify!($outcome), "`.")]
            #[must_use]
            pub fn $name(message: impl Into<String>) -> Self {
                Self::new(Kind::$kind, Outcome::$outcome, message)
            }
        )*
    };
}

impl Error {
    /// An error of this kind and outcome.
    #[must_use]
    pub fn new(kind: Kind, outcome: Outcome, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), context: Vec::new(), outcome, code: None, retry_after_ms: None }
    }

    constructors! {
        invalid => Invalid, None;
        not_found => NotFound, None;
        rejected => Rejected, None;
        conflict => Conflict, None;
        denied => Denied, None;
        exhausted => Exhausted, None;
        unavailable => Unavailable, None;
        expired => Expired, Unknown;
        fenced => Fenced, None;
        corrupt => Corrupt, None;
        protocol => Protocol, Unknown;
        internal => Internal, None;
    }

    /// Adds where it happened.
    #[must_use]
    pub fn at(mut self, what: impl Into<Cow<'static, str>>, value: impl ToString) -> Self {
        self.context.push((what.into(), value.to_string()));
        self
    }

    /// Sets whether the command can have had an effect.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// Sets the canonical code that the client sees.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Says when trying again can help.
    #[must_use]
    pub fn retry_after(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// The canonical code that the client sees.
    #[must_use]
    pub fn client_code(&self) -> Code {
        self.code.unwrap_or(self.kind.code())
    }

    /// The HTTP status that the client sees. Three kinds differ from their code's status: a peer that broke the
    /// contract is a bad gateway, a fenced owner is a passing condition, a failed `If-Match` is 412 (set by the
    /// ingress, which knows the header).
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match (self.kind, self.code) {
            (Kind::Protocol, None) => 502,
            (Kind::Fenced, None) => 503,
            _ => self.client_code().http_status(),
        }
    }

    /// The error on the heap, for states that hold it rarely.
    #[must_use]
    pub fn boxed(self) -> Box<Self> {
        Box::new(self)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)?;
        for (index, (what, value)) in self.context.iter().enumerate() {
            write!(f, "{}{what}={value}", if index == 0 { " [" } else { ", " })?;
        }
        if !self.context.is_empty() {
            write!(f, "]")?;
        }
        Ok(())
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn every_kind_has_the_code_and_status_of_the_table() {
        let table = [
            (Kind::Invalid, Code::InvalidArgument, 400),
            (Kind::NotFound, Code::NotFound, 404),
            (Kind::Rejected, Code::FailedPrecondition, 400),
            (Kind::Conflict, Code::Aborted, 409),
            (Kind::Denied, Code::PermissionDenied, 403),
            (Kind::Exhausted, Code::ResourceExhausted, 429),
            (Kind::Unavailable, Code::Unavailable, 503),
            (Kind::Expired, Code::DeadlineExceeded, 504),
            (Kind::Fenced, Code::Aborted, 503),
            (Kind::Corrupt, Code::DataLoss, 500),
            (Kind::Protocol, Code::Internal, 502),
            (Kind::Internal, Code::Internal, 500),
        ];
        for ((kind, code, status), listed) in table.into_iter().zip(Kind::ALL) {
            assert_eq!(kind, listed);
            let error = Error::new(kind, Outcome::None, "x");
            assert_eq!((error.client_code(), error.http_status()), (code, status), "{kind:?}");
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
    }

    #[test]
    fn a_given_code_wins_over_the_kind() {
        let error = Error::rejected("no p9 here").with_code(Code::NotFound);
        assert_eq!((error.client_code(), error.http_status()), (Code::NotFound, 404));
        let denied = Error::denied("no token").with_code(Code::Unauthenticated);
        assert_eq!(denied.http_status(), 401);
    }

    #[test]
    fn codes_have_the_numbers_of_grpc() {
        for (index, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(code.number()), index + 1);
            assert_eq!(Code::from_number(index as u32 + 1), Some(code));
            assert_eq!(Code::from_name(code.name()), Some(code));
        }
        assert_eq!(Code::from_number(0), None);
    }

    #[test]
    fn display_says_kind_message_and_place() {
        let error = Error::corrupt("checksum differs").at("shard", 7).at("position", 42);
        assert_eq!(format!("{error}"), "Corrupt: checksum differs [shard=7, position=42]");
    }
}
