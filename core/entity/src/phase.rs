// SPDX-License-Identifier: Apache-2.0
//! The life of an entity in a loop, as a table that the code runs by.
//!
//! | phase | on | next | what it means |
//! |---|---|---|---|
//! | Parked | Wanted | Waiting | somebody asks, and a function has the type |
//! | Waiting | PlaceFree | Loading | its turn among bounded activations: the store is asked |
//! | Waiting | SessionLost | Parked | the function went before its turn |
//! | Loading | Page | Replaying | the first page goes to the function |
//! | Loading | LoadFailed | Parked | those who wait are told |
//! | Loading | SessionLost | Parked | the page that still comes is dropped |
//! | Replaying | Page | Replaying | a further page goes to the function |
//! | Replaying | LoadFailed | Parked | those who wait are told |
//! | Replaying | Replayed | Active | the last page is folded: commands may run |
//! | Replaying | SnapshotUnreadable | Loading | again, from the older snapshot or from the start |
//! | Replaying | ActivationFailed | Parked | those who wait are told |
//! | Replaying | SessionLost | Parked | the function died while it folded |
//! | Active | SessionLost | Settling | what is unanswered is redelivered once all appends are settled |
//! | Active | Discarded | Settling | the function's state is not the journal's any more |
//! | Active | Idle | Parked | passivated: it leaves the memory of both |
//! | Settling | Settled | Parked | no append is open: a new activation may read the journal |

use alloc::format;
use alloc::string::String;

/// Where an entity stands in its loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Known only because somebody waits for it; no activation.
    Parked,
    /// Wants to be activated and waits for a place: activations under way are bounded.
    Waiting,
    /// The store was asked.
    Loading,
    /// The function folds events.
    Replaying,
    /// Commands run.
    Active,
    /// No activation any more, but appends are open.
    Settling,
}

/// What moves an entity from one phase to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum On {
    /// A call waits and a function has the type.
    Wanted,
    /// An activation may begin.
    PlaceFree,
    /// The store gave a page.
    Page,
    /// The store could not, or what it gave does not fit together.
    LoadFailed,
    /// The function has folded the last page.
    Replayed,
    /// The function could not read its snapshot.
    SnapshotUnreadable,
    /// The function could not read an event, or its code failed.
    ActivationFailed,
    /// The function's process is gone.
    SessionLost,
    /// An append was lost, a command was refused after it changed the state, or the function ended the activation.
    Discarded,
    /// Nothing happened for long, or memory is short.
    Idle,
    /// Its last open append is settled.
    Settled,
}

/// Every transition there is: from, on, to, and what it means. All others are refused.
pub const TRANSITIONS: [(Phase, On, Phase, &str); 16] = {
    use On::{
        ActivationFailed, Discarded, Idle, LoadFailed, Page, PlaceFree, Replayed, SessionLost, Settled,
        SnapshotUnreadable, Wanted,
    };
    use Phase::{Active, Loading, Parked, Replaying, Settling, Waiting};
    [
        (Parked, Wanted, Waiting, "somebody asks, and a function has the type"),
        (Waiting, PlaceFree, Loading, "its turn among bounded activations: the store is asked"),
        (Waiting, SessionLost, Parked, "the function went before its turn"),
        (Loading, Page, Replaying, "the first page goes to the function"),
        (Loading, LoadFailed, Parked, "those who wait are told"),
        (Loading, SessionLost, Parked, "the page that still comes is dropped"),
        (Replaying, Page, Replaying, "a further page goes to the function"),
        (Replaying, LoadFailed, Parked, "those who wait are told"),
        (Replaying, Replayed, Active, "the last page is folded: commands may run"),
        (Replaying, SnapshotUnreadable, Loading, "again, from the older snapshot or from the start"),
        (Replaying, ActivationFailed, Parked, "those who wait are told"),
        (Replaying, SessionLost, Parked, "the function died while it folded"),
        (Active, SessionLost, Settling, "what is unanswered is redelivered once all appends are settled"),
        (Active, Discarded, Settling, "the function's state is not the journal's any more"),
        (Active, Idle, Parked, "passivated: it leaves the memory of both"),
        (Settling, Settled, Parked, "no append is open: a new activation may read the journal"),
    ]
};

impl Phase {
    /// The phase that follows; `None` where the table has no such row.
    #[must_use]
    pub fn next(self, on: On) -> Option<Self> {
        TRANSITIONS.iter().find(|(from, event, ..)| (*from, *event) == (self, on)).map(|(_, _, to, _)| *to)
    }
}

/// The table as Markdown, as it stands in this module's documentation.
#[must_use]
pub fn transition_table() -> String {
    let mut table = String::from("| phase | on | next | what it means |\n|---|---|---|---|\n");
    for (from, on, to, meaning) in TRANSITIONS {
        table += &format!("| {from:?} | {on:?} | {to:?} | {meaning} |\n");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_documentation_is_the_one_the_code_runs_by() {
        assert_eq!(crate::tables::documented(include_str!("phase.rs")), transition_table());
    }

    #[test]
    fn a_phase_and_an_event_have_one_row_at_most() {
        for (index, (from, on, ..)) in TRANSITIONS.iter().enumerate() {
            assert!(!TRANSITIONS[..index].iter().any(|(f, o, ..)| (f, o) == (from, on)), "{from:?} {on:?} twice");
        }
        assert_eq!(Phase::Active.next(On::Page), None);
    }
}
