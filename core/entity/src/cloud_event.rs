// SPDX-License-Identifier: Apache-2.0
//! The metadata of an event on its way to a handler: CloudEvents 1.0 attributes as in the binary mode of its HTTP
//! binding.

use alloc::format;
use alloc::string::{String, ToString};

use adjoin_model::{ConsumerId, EntityId, Metadata, Origin, Wall};

/// What an event's bytes are, and under which name that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// As the reference proxy of the Cloudstate protocol says it.
    Any,
    /// An encoded message: contract first.
    Protobuf,
    /// Code first.
    Json,
}

impl Content {
    const fn entry(self) -> (&'static str, &'static str) {
        match self {
            Self::Any => ("Content-Type", "application/vnd.cloudstate.protobuf.any"),
            Self::Protobuf => ("content-type", "application/protobuf"),
            Self::Json => ("content-type", "application/json"),
        }
    }
}

/// The metadata of the event at this place.
pub(crate) fn metadata(
    consumer: &ConsumerId,
    origin: Origin,
    entity: &EntityId,
    event: &str,
    at: Wall,
    content: Content,
) -> Metadata {
    let (name, value) = content.entry();
    let entries = [
        ("ce-id", id(origin)),
        ("ce-source", consumer.log().to_string()),
        ("ce-specversion", "1.0".to_string()),
        ("ce-type", event.to_string()),
        ("ce-subject", entity.key().to_string()),
        ("ce-time", rfc3339(at)),
        (name, value.to_string()),
    ];
    entries.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// Names an event within its log, for good.
pub(crate) fn id(Origin { shard, position }: Origin) -> String {
    format!("{shard}-{position}")
}

/// A time as RFC 3339 has it, in UTC. Days become dates as Howard Hinnant's `civil_from_days` counts them.
fn rfc3339(at: Wall) -> String {
    let (ms, seconds) = (at.0 % 1000, at.0 / 1000);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Days since 0000-03-01, a year that begins with March having its leap day at its end.
    let days = seconds / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_rfc_3339_has_them() {
        let said = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_732_492_800_001, "2024-11-25T00:00:00.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (ms, expected) in said {
            assert_eq!(rfc3339(Wall(ms)), expected);
        }
    }
}
