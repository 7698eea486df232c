// SPDX-License-Identifier: Apache-2.0
//! Entities that do what the tests ask about.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use adjoin::{Action, App, Code, Cx, EventSourced, Handlers, Out, Reject, Value, reject, reject_with};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub(crate) fn app() -> App {
    App::new().with::<Ledger>().with_value::<Note>().with_action(Desk { greeting: "hello" })
}

/// Bells that async commands wait for, by entity key.
static BELLS: LazyLock<Mutex<HashMap<String, Arc<Notify>>>> = LazyLock::new(Mutex::default);

fn bell(name: &str) -> Arc<Notify> {
    BELLS.lock().expect("no panic").entry(name.to_owned()).or_default().clone()
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Fault {
    Refuse,
    Error,
    Panic,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Transfer {
    pub(crate) to: String,
    pub(crate) amount: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Booked {
    Added { amount: i64 },
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    total: i64,
}

impl Ledger {
    pub(crate) fn add(cx: &mut Cx<Ledger>, amount: i64) -> Result<i64, Reject> {
        if amount == 0 {
            return reject_with(Code::OutOfRange, "add something");
        }
        cx.emit(Booked::Added { amount });
        Ok(cx.state().total)
    }

    pub(crate) fn add_and_fail(cx: &mut Cx<Ledger>, fault: Fault) -> Result<i64, Reject> {
        cx.emit(Booked::Added { amount: 100 });
        match fault {
            Fault::Refuse => reject("after all not"),
            Fault::Error => Err(std::io::Error::other("a secret"))?,
            Fault::Panic => panic!("a secret"),
        }
    }

    pub(crate) async fn add_later(cx: &mut Cx<Ledger>, amount: i64) -> Result<i64, Reject> {
        bell(cx.key()).notified().await;
        Ledger::add(cx, amount)
    }

    pub(crate) async fn transfer(cx: &mut Cx<Ledger>, order: Transfer) -> Result<i64, Reject> {
        cx.emit(Booked::Added { amount: -order.amount });
        Ok(cx.call(Ledger::add, order.to, order.amount).await?)
    }

    pub(crate) fn add_for(cx: &mut Cx<Ledger>, other: String) -> Result<(), Reject> {
        cx.effect_awaited(Ledger::add, other, 1);
        Ok(())
    }

    /// Keeps an event of its own, and entrusts the amount to the other one.
    pub(crate) fn add_surely(cx: &mut Cx<Ledger>, order: Transfer) -> Result<(), Reject> {
        cx.emit(Booked::Added { amount: -order.amount });
        cx.effect_durable(Ledger::add, order.to, order.amount);
        Ok(())
    }

    pub(crate) fn close(cx: &mut Cx<Ledger>) -> Result<(), Reject> {
        cx.delete();
        Ok(())
    }

    pub(crate) fn total(cx: &Cx<Ledger>) -> Result<i64, Reject> {
        Ok(cx.state().total)
    }
}

impl EventSourced for Ledger {
    const NAME: &'static str = "test.Ledger";
    type Event = Booked;

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("add", Ledger::add)
            .command("add_and_fail", Ledger::add_and_fail)
            .command("add_later", Ledger::add_later)
            .command("add_for", Ledger::add_for)
            .command("add_surely", Ledger::add_surely)
            .command("transfer", Ledger::transfer)
            .command("close", Ledger::close)
            .query("total", Ledger::total)
    }

    fn apply(&mut self, event: Booked) {
        let Booked::Added { amount } = event;
        self.total += amount;
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Note {
    text: String,
}

impl Note {
    pub(crate) fn write(cx: &mut Cx<Note>, text: String) -> Result<String, Reject> {
        let before = cx.state().text.clone();
        cx.set(Note { text });
        Ok(before)
    }

    pub(crate) fn write_and_refuse(cx: &mut Cx<Note>, text: String) -> Result<(), Reject> {
        cx.set(Note { text });
        reject("after all not")
    }

    pub(crate) fn append(cx: &mut Cx<Note>, more: String) -> Result<String, Reject> {
        cx.update(|note| note.text.push_str(&more));
        Ok(cx.state().text.clone())
    }

    pub(crate) fn forward(cx: &mut Cx<Note>, to: String) -> Result<i64, Reject> {
        cx.set(Note { text: "forwarded".into() });
        cx.forward(Ledger::add, to, 7)
    }

    pub(crate) fn forget(cx: &mut Cx<Note>) -> Result<(), Reject> {
        cx.delete();
        Ok(())
    }

    pub(crate) fn read(cx: &Cx<Note>) -> Result<String, Reject> {
        Ok(cx.state().text.clone())
    }
}

impl Value for Note {
    const NAME: &'static str = "test.Note";

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("write", Note::write)
            .command("write_and_refuse", Note::write_and_refuse)
            .command("append", Note::append)
            .command("forward", Note::forward)
            .command("forget", Note::forget)
            .query("read", Note::read)
    }
}

pub(crate) struct Desk {
    greeting: &'static str,
}

impl Desk {
    pub(crate) async fn greet(cx: &mut Cx<Desk>, name: String) -> Result<String, Reject> {
        Ok(format!("{} {name}", cx.state().greeting))
    }

    pub(crate) fn ring(_: &mut Cx<Desk>, name: String) -> Result<(), Reject> {
        bell(&name).notify_one();
        Ok(())
    }

    pub(crate) async fn count_down(_: &mut Cx<Desk>, from: u32, out: Out<u32>) -> Result<(), Reject> {
        for number in (1..=from).rev() {
            out.send(number).await?;
        }
        Ok(())
    }
}

impl Action for Desk {
    const NAME: &'static str = "test.Desk";

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("greet", Desk::greet).command("ring", Desk::ring).stream("count_down", Desk::count_down)
    }
}

/// A type whose spec is not sound.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Board;

impl EventSourced for Board {
    const NAME: &'static str = "test.Board";
    type Event = Booked;

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.query("not a name", |_: &Cx<Board>| Ok(1))
    }

    fn apply(&mut self, _: Booked) {}
}
