// SPDX-License-Identifier: Apache-2.0
//! Which version of the protocol both sides speak.

use adjoin_model::{Code, Error, Result};

use crate::protocol::VersionRange;

/// The versions that this build speaks.
pub const VERSIONS: VersionRange = VersionRange { min: 1, max: 1 };

/// The version that a host and a function will speak: the highest that both do.
///
/// # Errors
/// `Invalid` with code FAILED_PRECONDITION when they have none in common; both ranges are named. `Protocol` when a
/// range is missing or no range.
pub fn negotiate(host: Option<VersionRange>, function: Option<VersionRange>) -> Result<u32> {
    let (host, function) = (sound("host", host)?, sound("function", function)?);
    let version = host.max.min(function.max);
    if version >= host.min.max(function.min) {
        return Ok(version);
    }
    let said = format!(
        "no version of adjoin.protocol is spoken by both: the host speaks {}, the function {}; update the older side",
        shown(host),
        shown(function)
    );
    Err(Error::invalid(said).with_code(Code::FailedPrecondition))
}

/// A range for people: `1` or `1 to 3`.
#[must_use]
pub fn shown(range: VersionRange) -> String {
    if range.min == range.max { range.min.to_string() } else { format!("{} to {}", range.min, range.max) }
}

fn sound(side: &'static str, range: Option<VersionRange>) -> Result<VersionRange> {
    match range {
        Some(range) if 0 < range.min && range.min <= range.max => Ok(range),
        Some(range) => {
            Err(Error::protocol(format!("the {side}'s versions {} to {} are no range", range.min, range.max)))
        }
        None => Err(Error::protocol(format!("the {side} does not say which versions it speaks"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_model::Kind;

    fn range(min: u32, max: u32) -> Option<VersionRange> {
        Some(VersionRange { min, max })
    }

    #[test]
    fn the_highest_common_version_is_taken() {
        assert_eq!(negotiate(range(1, 1), range(1, 1)), Ok(1));
        assert_eq!(negotiate(range(1, 4), range(2, 9)), Ok(4));
        assert_eq!(negotiate(range(2, 9), range(1, 4)), Ok(4));
    }

    #[test]
    fn without_a_common_version_both_ranges_are_named() {
        let error = negotiate(range(1, 2), range(3, 5)).expect_err("refused");
        assert_eq!((error.kind, error.client_code()), (Kind::Invalid, Code::FailedPrecondition));
        assert!(error.message.contains("1 to 2") && error.message.contains("3 to 5"), "{error}");
    }

    #[test]
    fn what_is_no_range_breaks_the_contract() {
        for bad in [None, range(0, 1), range(3, 2)] {
            assert_eq!(negotiate(range(1, 1), bad).expect_err("refused").kind, Kind::Protocol);
            assert_eq!(negotiate(bad, range(1, 1)).expect_err("refused").kind, Kind::Protocol);
        }
    }
}
