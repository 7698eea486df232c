// SPDX-License-Identifier: Apache-2.0
//! What the failure of a durable effect, or of an event, says about trying again.

use adjoin_model::{Error, Kind, Outcome};

/// Whether an error is what the command was answered, and not that it could not be run.
pub(crate) fn is_answer(error: &Error) -> bool {
    matches!(error.kind, Kind::Rejected | Kind::Denied | Kind::Conflict)
}

/// Whether an error says that a bound is reached for now: that never makes an effect stuck.
pub(crate) fn is_passing(error: &Error) -> bool {
    error.kind == Kind::Exhausted && error.retry_after_ms.is_some()
}

/// Whether an error says that no function was there, or no longer.
pub(crate) fn lost_function(error: &Error) -> bool {
    matches!(error.kind, Kind::Unavailable | Kind::NotFound)
}

/// Whether an error says that no function was there to ask: nothing has run, so nothing has failed. One whose process
/// ended while it ran may be what ended it.
pub(crate) fn wants_function(error: &Error) -> bool {
    lost_function(error) && error.outcome == Outcome::None
}
