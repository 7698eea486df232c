// SPDX-License-Identifier: Apache-2.0
//! How a handler ends without an answer: it refuses, or it fails.

use std::error::Error as StdError;
use std::fmt;

use adjoin_model::{Code, Error, Kind};

/// Why a handler gave no answer.
///
/// Made by [`reject`] and [`reject_with`] for a refusal, which the caller sees as it is and which is never retried. Any
/// other error turns into one by `?`: the caller then sees kind Internal and no text, the log shows all of it. Either
/// way nothing of the command remains.
///
/// ```
/// # use adjoin::{Reject, reject};
/// fn parse(text: &str) -> Result<u32, Reject> {
///     if text.is_empty() {
///         return reject("say a number");
///     }
///     Ok(text.parse()?)
/// }
/// assert_eq!(parse("").unwrap_err().to_string(), "Rejected: say a number");
/// ```
pub struct Reject(pub(crate) Reason);

pub(crate) enum Reason {
    /// The caller sees this.
    Refused(Box<Error>),
    /// The log sees this.
    Unexpected(Box<dyn StdError + Send + Sync>),
    /// The command goes on elsewhere: see `Cx::forward`.
    Forwarded,
}

/// Refuses the command; the caller sees the message and the code `FAILED_PRECONDITION`.
///
/// # Errors
/// Always.
pub fn reject<T>(message: impl Into<String>) -> Result<T, Reject> {
    Err(Reject::new(message))
}

/// Refuses the command with a code of its own.
///
/// # Errors
/// Always.
pub fn reject_with<T>(code: Code, message: impl Into<String>) -> Result<T, Reject> {
    Err(Reject::new(message).code(code))
}

impl Reject {
    /// A refusal with this message.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Error::rejected(message).into_refusal()
    }

    /// Sets the code that the caller sees. Without effect on an unexpected failure.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        if let Reason::Refused(error) = &mut self.0 {
            error.code = Some(code);
        }
        self
    }

    /// A failure of our own making that the caller is to see.
    pub(crate) fn of(error: Error) -> Self {
        error.into_refusal()
    }

    pub(crate) fn forwarded() -> Self {
        Self(Reason::Forwarded)
    }
}

trait IntoRefusal {
    fn into_refusal(self) -> Reject;
}

impl IntoRefusal for Error {
    fn into_refusal(self) -> Reject {
        Reject(Reason::Refused(Box::new(self)))
    }
}

/// A refusal by another entity passes on as it is; everything else is unexpected.
impl<E: StdError + Send + Sync + 'static> From<E> for Reject {
    fn from(error: E) -> Self {
        let boxed: Box<dyn StdError + Send + Sync> = Box::new(error);
        match boxed.downcast::<Error>() {
            Ok(refusal) if refusal.kind == Kind::Rejected => Self(Reason::Refused(refusal)),
            Ok(error) => Self(Reason::Unexpected(error)),
            Err(other) => Self(Reason::Unexpected(other)),
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Refused(error) => error.fmt(f),
            Reason::Unexpected(error) => error.fmt(f),
            Reason::Forwarded => f.write_str("the call goes on at another entity"),
        }
    }
}

impl fmt::Debug for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(error: Error) -> Result<(), Reject> {
        Err(error)?;
        Ok(())
    }

    #[test]
    fn a_refusal_of_another_entity_passes_on_and_nothing_else_does() {
        let refused = nested(Error::rejected("no").with_code(Code::NotFound)).unwrap_err();
        assert!(matches!(refused.0, Reason::Refused(error) if error.code == Some(Code::NotFound)));
        let down = nested(Error::unavailable("store down")).unwrap_err();
        assert!(matches!(down.0, Reason::Unexpected(_)));
        let io = Reject::from(std::io::Error::other("disk")).code(Code::NotFound);
        assert_eq!(format!("{io:?}"), "disk");
    }
}
