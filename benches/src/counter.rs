// SPDX-License-Identifier: Apache-2.0
//! The entity of the rows that need one of their own: it keeps a number, and its event has the size of every other.

use std::time::Duration;

use adjoin::{App, Cx, EventSourced, Handlers, JsonSchema, Reject};
use serde::{Deserialize, Serialize};

use crate::Outcome;

/// Makes an event of about 100 bytes.
pub(crate) const TEXT: &str = "a text that makes this event as long as the events of every other side here";

/// How long the command that waits does.
const WAIT: Duration = Duration::from_millis(10);

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "adjoin::schemars")]
pub(crate) enum Event {
    Counted { by: u32, text: String },
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counter {
    total: u64,
}

impl Counter {
    /// A durable command.
    pub(crate) fn count(cx: &mut Cx<Self>, text: String) -> Result<u64, Reject> {
        cx.emit(Event::Counted { by: 1, text });
        Ok(cx.state().total)
    }

    /// A command without events.
    pub(crate) fn echo(_: &mut Cx<Self>, text: String) -> Result<String, Reject> {
        Ok(text)
    }

    /// A durable command that waits for something outside.
    pub(crate) async fn wait(cx: &mut Cx<Self>, text: String) -> Result<u64, Reject> {
        let _ = tokio::time::timeout(WAIT, std::future::pending::<()>()).await;
        Self::count(cx, text)
    }

    /// Only reads.
    pub(crate) fn total(cx: &Cx<Self>) -> Result<u64, Reject> {
        Ok(cx.state().total)
    }
}

impl EventSourced for Counter {
    const NAME: &'static str = "bench.Counter";
    const SNAPSHOT_EVERY: u32 = 0;
    type Event = Event;

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("count", Self::count)
            .command("echo", Self::echo)
            .command("wait", Self::wait)
            .query("total", Self::total)
    }

    fn apply(&mut self, event: Event) {
        let Event::Counted { by, .. } = event;
        self.total += u64::from(by);
    }
}

/// The same, with snapshots.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Kept(Counter);

impl Kept {
    pub(crate) fn count(cx: &mut Cx<Self>, text: String) -> Result<u64, Reject> {
        cx.emit(Event::Counted { by: 1, text });
        Ok(cx.state().0.total)
    }

    pub(crate) fn total(cx: &Cx<Self>) -> Result<u64, Reject> {
        Ok(cx.state().0.total)
    }
}

impl EventSourced for Kept {
    const NAME: &'static str = "bench.Kept";
    type Event = Event;

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("count", Self::count).query("total", Self::total)
    }

    fn apply(&mut self, event: Event) {
        self.0.apply(event);
    }
}

/// Both types.
pub(crate) fn app() -> App {
    App::new().with::<Counter>().with::<Kept>()
}

/// Serves them to a proxy until it is killed.
pub(crate) fn serve(address: &str) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("function at tcp://{address}");
    Ok(runtime.block_on(app().serve(address))?)
}

/// Opens a folder in-process and closes it again.
pub(crate) fn open(folder: &std::path::Path) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let opened = app().open(folder).await?;
        // What is measured ends here: the process goes as it would if it were killed.
        std::mem::forget(opened);
        Ok(())
    })
}
