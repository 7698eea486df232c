// SPDX-License-Identifier: Apache-2.0
//! `conformance.Cell`, a value entity, and `conformance.Brief`, an entity that leaves memory soon.

use std::sync::atomic::{AtomicU64, Ordering};

use adjoin::{Cx, EventSourced, Handlers, Reject, Value, reject};
use serde::{Deserialize, Serialize};

use crate::counter::{Counter, Happened, Share};

/// A text.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cell {
    text: String,
}

impl Cell {
    fn set(cx: &mut Cx<Cell>, text: String) -> Result<String, Reject> {
        if text.is_empty() {
            return reject("set something");
        }
        let before = cx.state().text.clone();
        cx.set(Cell { text });
        Ok(before)
    }

    fn set_then_refuse(cx: &mut Cx<Cell>, text: String) -> Result<String, Reject> {
        cx.set(Cell { text });
        reject("after all not")
    }

    fn set_then_fail(cx: &mut Cx<Cell>, text: String) -> Result<String, Reject> {
        cx.set(Cell { text });
        Err(std::io::Error::other("secret 4711"))?
    }

    fn set_and_get(cx: &mut Cx<Cell>, text: String) -> Result<String, Reject> {
        cx.set(Cell { text });
        Ok(cx.state().text.clone())
    }

    fn relay(cx: &mut Cx<Cell>, share: Share) -> Result<i64, Reject> {
        cx.set(Cell { text: format!("relayed {}", share.by) });
        cx.forward(Counter::add, share.key, share.by)
    }

    fn clear(cx: &mut Cx<Cell>) -> Result<(), Reject> {
        cx.delete();
        Ok(())
    }

    fn get(cx: &Cx<Cell>) -> Result<String, Reject> {
        Ok(cx.state().text.clone())
    }
}

impl Value for Cell {
    const NAME: &'static str = "conformance.Cell";

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("set", Cell::set)
            .command("setThenRefuse", Cell::set_then_refuse)
            .command("setThenFail", Cell::set_then_fail)
            .command("setAndGet", Cell::set_and_get)
            .command("relay", Cell::relay)
            .command("clear", Cell::clear)
            .query("get", Cell::get)
    }
}

static MADE: AtomicU64 = AtomicU64::new(1);

/// A number, and which of all states of this process this one is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Brief {
    total: i64,
    #[serde(skip, default = "made")]
    made: u64,
}

fn made() -> u64 {
    MADE.fetch_add(1, Ordering::Relaxed)
}

impl Default for Brief {
    fn default() -> Self {
        Self { total: 0, made: made() }
    }
}

impl Brief {
    fn add(cx: &mut Cx<Brief>, by: i64) -> Result<i64, Reject> {
        cx.emit(Happened::Added { by });
        Ok(cx.state().total)
    }

    fn total(cx: &Cx<Brief>) -> Result<i64, Reject> {
        Ok(cx.state().total)
    }

    fn made(cx: &Cx<Brief>) -> Result<u64, Reject> {
        Ok(cx.state().made)
    }
}

impl EventSourced for Brief {
    const NAME: &'static str = "conformance.Brief";
    const SNAPSHOT_EVERY: u32 = 0;
    const PASSIVATE_AFTER_MS: u64 = 100;
    type Event = Happened;

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("add", Brief::add).query("total", Brief::total).query("made", Brief::made)
    }

    fn apply(&mut self, event: Happened) {
        if let Happened::Added { by } = event {
            self.total += by;
        }
    }
}
