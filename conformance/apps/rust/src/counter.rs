// SPDX-License-Identifier: Apache-2.0
//! `conformance.Counter`: an event-sourced entity that does whatever a case wants to see.

use std::time::Duration;

use adjoin::{Code, Cx, EventSourced, Handlers, Reject, reject, reject_with};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to a counter.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Happened {
    Added { by: i64 },
    Noted { text: String },
}

/// A number, and notes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counter {
    total: i64,
    notes: Vec<String>,
}

/// Another counter, and a number for it.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Share {
    pub(crate) key: String,
    pub(crate) by: i64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Many {
    times: u32,
    by: i64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Slow {
    by: i64,
    ms: u64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Search {
    prefix: String,
    limit: usize,
}

/// What a handler knows of its call.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seen {
    key: String,
    id: String,
    attempt: u32,
    epoch: u64,
    caller: String,
    tenant: Option<String>,
    has_deadline: bool,
}

impl Counter {
    pub(crate) fn add(cx: &mut Cx<Counter>, by: i64) -> Result<i64, Reject> {
        if by == 0 {
            return reject_with(Code::OutOfRange, "by must not be 0");
        }
        cx.emit(Happened::Added { by });
        Ok(cx.state().total)
    }

    fn add_many(cx: &mut Cx<Counter>, many: Many) -> Result<i64, Reject> {
        for _ in 0..many.times {
            cx.emit(Happened::Added { by: many.by });
        }
        Ok(cx.state().total)
    }

    fn refuse(_: &mut Cx<Counter>, code: Option<String>) -> Result<(), Reject> {
        match code.as_deref().and_then(Code::from_name) {
            Some(code) => reject_with(code, "refused as asked"),
            None => reject("refused as asked"),
        }
    }

    fn add_then_refuse(cx: &mut Cx<Counter>, by: i64) -> Result<i64, Reject> {
        cx.emit(Happened::Added { by });
        reject("after all not")
    }

    fn add_then_fail(cx: &mut Cx<Counter>, by: i64) -> Result<i64, Reject> {
        cx.emit(Happened::Added { by });
        Err(std::io::Error::other("secret 4711"))?
    }

    fn note(cx: &mut Cx<Counter>, text: String) -> Result<usize, Reject> {
        cx.emit(Happened::Noted { text });
        Ok(cx.state().notes.len())
    }

    fn fill(cx: &mut Cx<Counter>, bytes: usize) -> Result<usize, Reject> {
        Counter::note(cx, "x".repeat(bytes))
    }

    async fn add_slowly(cx: &mut Cx<Counter>, slow: Slow) -> Result<i64, Reject> {
        quiet(slow.ms).await;
        Counter::add(cx, slow.by)
    }

    async fn wait(_: &mut Cx<Counter>) -> Result<(), Reject> {
        std::future::pending().await
    }

    fn die(cx: &mut Cx<Counter>, deaths: u32) -> Result<u32, Reject> {
        if cx.attempt() <= deaths {
            die();
        }
        cx.emit(Happened::Added { by: cx.attempt().into() });
        Ok(cx.attempt())
    }

    fn context(cx: &mut Cx<Counter>) -> Result<Seen, Reject> {
        Ok(Seen {
            key: cx.key().to_owned(),
            id: cx.id().to_string(),
            attempt: cx.attempt(),
            epoch: cx.epoch(),
            caller: cx.caller().to_owned(),
            tenant: cx.metadata("x-adjoin-tenant").map(str::to_owned),
            has_deadline: cx.remaining().is_some(),
        })
    }

    fn add_to(cx: &mut Cx<Counter>, share: Share) -> Result<i64, Reject> {
        cx.effect(Counter::add, share.key, share.by);
        Counter::add(cx, share.by)
    }

    fn add_to_durably(cx: &mut Cx<Counter>, share: Share) -> Result<i64, Reject> {
        cx.effect_durable(Counter::add, share.key, share.by);
        Counter::add(cx, share.by)
    }

    fn add_to_awaited(cx: &mut Cx<Counter>, share: Share) -> Result<i64, Reject> {
        cx.effect_awaited(Counter::add, share.key, share.by);
        Counter::add(cx, share.by)
    }

    fn add_to_then_refuse(cx: &mut Cx<Counter>, share: Share) -> Result<i64, Reject> {
        cx.effect(Counter::add, share.key, share.by);
        reject("after all not")
    }

    fn forward(cx: &mut Cx<Counter>, share: Share) -> Result<i64, Reject> {
        Counter::add(cx, share.by)?;
        cx.forward(Counter::add, share.key, share.by)
    }

    async fn call_other(cx: &mut Cx<Counter>, share: Share) -> Result<i64, Reject> {
        Ok(cx.call(Counter::add, share.key, share.by).await?)
    }

    fn close(cx: &mut Cx<Counter>) -> Result<(), Reject> {
        cx.delete();
        Ok(())
    }

    fn add_then_close(cx: &mut Cx<Counter>, by: i64) -> Result<(), Reject> {
        cx.emit(Happened::Added { by });
        cx.delete();
        Ok(())
    }

    fn total(cx: &Cx<Counter>) -> Result<i64, Reject> {
        Ok(cx.state().total)
    }

    fn notes(cx: &Cx<Counter>) -> Result<Vec<String>, Reject> {
        Ok(cx.state().notes.clone())
    }

    fn find(cx: &Cx<Counter>, search: Search) -> Result<Vec<String>, Reject> {
        let fits = cx.state().notes.iter().filter(|note| note.starts_with(&search.prefix));
        Ok(fits.take(search.limit).cloned().collect())
    }

    fn nth(cx: &Cx<Counter>, place: usize) -> Result<Option<String>, Reject> {
        Ok(cx.state().notes.get(place).cloned())
    }
}

/// Waits without holding anybody up.
pub(crate) async fn quiet(ms: u64) {
    // It never comes, so only the time ends the wait.
    let _ = tokio::time::timeout(Duration::from_millis(ms), std::future::pending::<()>()).await;
}

/// Ends this process as a crash would: nothing of it runs any more.
fn die() -> ! {
    std::process::abort()
}

impl EventSourced for Counter {
    const NAME: &'static str = "conformance.Counter";
    const SNAPSHOT_EVERY: u32 = 10;
    type Event = Happened;

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("add", Counter::add)
            .command("addMany", Counter::add_many)
            .command("refuse", Counter::refuse)
            .command("addThenRefuse", Counter::add_then_refuse)
            .command("addThenFail", Counter::add_then_fail)
            .command("note", Counter::note)
            .command("fill", Counter::fill)
            .command("addSlowly", Counter::add_slowly)
            .command("wait", Counter::wait)
            .command("die", Counter::die)
            .command("context", Counter::context)
            .command("addTo", Counter::add_to)
            .command("addToDurably", Counter::add_to_durably)
            .command("addToAwaited", Counter::add_to_awaited)
            .command("addToThenRefuse", Counter::add_to_then_refuse)
            .command("forward", Counter::forward)
            .command("callOther", Counter::call_other)
            .command("close", Counter::close)
            .command("addThenClose", Counter::add_then_close)
            .query("total", Counter::total)
            .query("notes", Counter::notes)
            .query("find", Counter::find)
            .query("nth", Counter::nth)
            .param("place")
    }

    fn apply(&mut self, event: Happened) {
        match event {
            Happened::Added { by } => self.total += by,
            Happened::Noted { text } => self.notes.push(text),
        }
    }
}
