// SPDX-License-Identifier: Apache-2.0
//! Errors as `Failure` carries them.

use adjoin_model::{Code, Error, Kind, Outcome, Result};

use crate::payload::broken;
use crate::protocol;

/// An error as a message.
#[must_use]
pub fn failure_out(error: Error) -> protocol::Failure {
    let entry = |(name, value): (std::borrow::Cow<'static, str>, String)| protocol::MetadataEntry {
        name: name.into_owned(),
        value,
    };
    protocol::Failure {
        kind: error.kind.name().into(),
        message: error.message,
        code: error.code.map_or(0, |code| u32::from(code.number())),
        context: error.context.into_iter().map(entry).collect(),
        outcome: error.outcome.name().into(),
        retry_after_ms: error.retry_after_ms,
    }
}

/// An error from a message.
///
/// # Errors
/// `Protocol` when its kind, code or outcome is none that this version knows.
pub fn failure_in(failure: protocol::Failure) -> Result<Error> {
    let kind = Kind::from_name(&failure.kind)
        .ok_or_else(|| broken("failure.kind", format!("{:?} is no kind", cut(&failure.kind))))?;
    let outcome = match failure.outcome.as_str() {
        "" | "none" => Outcome::None,
        "unknown" => Outcome::Unknown,
        other => return Err(broken("failure.outcome", format!("{:?} is neither none nor unknown", cut(other)))),
    };
    let code = match failure.code {
        0 => None,
        number => {
            Some(Code::from_number(number).ok_or_else(|| broken("failure.code", format!("{number} is no code")))?)
        }
    };
    let context = failure.context.into_iter().map(|entry| (entry.name.into(), entry.value)).collect();
    Ok(Error { kind, message: failure.message, context, outcome, code, retry_after_ms: failure.retry_after_ms })
}

/// The first characters of what a peer sent, for a message.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
