// SPDX-License-Identifier: Apache-2.0
//! The kinds of entities, as traits that users implement.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::handlers::Handlers;
use crate::reject::Reject;

/// An entity whose state is the fold of its events.
///
/// Commands decide, events change: a handler sees `&Self` through [`Cx::state`](crate::Cx::state), and only
/// [`apply`](EventSourced::apply) gets `&mut self`. `Clone` is for commands that emit and then fail, see
/// [`Cx::emit`](crate::Cx::emit).
///
/// ```
/// use adjoin::{Cx, EventSourced, Handlers, JsonSchema, Reject, kit, reject};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
/// enum CounterEvent { Counted { by: u32 } }
///
/// #[derive(Clone, Default, Serialize, Deserialize)]
/// struct Counter { total: u32 }
///
/// impl Counter {
///     fn count(cx: &mut Cx<Counter>, by: u32) -> Result<u32, Reject> {
///         if by == 0 { return reject("count by at least one"); }
///         cx.emit(CounterEvent::Counted { by });
///         Ok(cx.state().total)
///     }
///     fn total(cx: &Cx<Counter>) -> Result<u32, Reject> { Ok(cx.state().total) }
/// }
///
/// impl EventSourced for Counter {
///     const NAME: &'static str = "docs.Counter";
///     type Event = CounterEvent;
///     fn handlers(h: Handlers<Self>) -> Handlers<Self> {
///         h.command("count", Counter::count).query("total", Counter::total)
///     }
///     fn apply(&mut self, event: CounterEvent) {
///         match event { CounterEvent::Counted { by } => self.total += by }
///     }
/// }
///
/// kit::<Counter>().given([CounterEvent::Counted { by: 2 }]).when(Counter::count, 3).replies(5);
/// kit::<Counter>().when(Counter::count, 0).rejected("at least one");
/// ```
pub trait EventSourced: Clone + Default + Serialize + DeserializeOwned + 'static {
    /// The stored name of the type: `shop.Cart`. Never change it.
    const NAME: &'static str;
    /// Events between two snapshots; 0 takes none, so every activation replays from the first event.
    const SNAPSHOT_EVERY: u32 = 100;
    /// Raise it when the state's meaning changes: older snapshots are then passed over and the events replayed.
    const STATE_VERSION: u32 = 1;
    /// Milliseconds without a call after which the entity leaves memory; 0 takes the host's setting.
    const PASSIVATE_AFTER_MS: u64 = 0;
    /// Names of events that are no longer written and go through [`upcast`](EventSourced::upcast) when read.
    const OLD_EVENTS: &'static [&'static str] = &[];
    /// One line for people.
    const SUMMARY: &'static str = "";

    /// Its events: an enum, externally tagged (serde's default). A variant's name is the stored name, its fields are
    /// the data. Rename with `#[serde(rename)]`, keep reading an old name with `#[serde(alias)]`, add fields with
    /// `#[serde(default)]`.
    type Event: Serialize + DeserializeOwned + JsonSchema + 'static;

    /// Names its commands and queries.
    fn handlers(h: Handlers<Self>) -> Handlers<Self>;

    /// Changes the state; the only place that does. It cannot refuse: the event is a fact.
    fn apply(&mut self, event: Self::Event);

    /// Turns an event of [`OLD_EVENTS`](EventSourced::OLD_EVENTS) into one of today, or into nothing.
    ///
    /// # Errors
    /// When it cannot be read; the entity then does not activate.
    fn upcast(old: OldEvent<'_>) -> Result<Option<Self::Event>, Reject> {
        let _ = old;
        Ok(None)
    }
}

/// An event as it was stored, under a name of [`EventSourced::OLD_EVENTS`].
#[derive(Clone, Copy, Debug)]
pub struct OldEvent<'a> {
    /// Its stored name.
    pub type_name: &'a str,
    /// Its JSON.
    pub data: &'a [u8],
}

impl OldEvent<'_> {
    /// Its data as a value of yesterday's type.
    ///
    /// # Errors
    /// When the JSON does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Reject> {
        Ok(crate::json::decode(self.data)?)
    }
}

/// An entity whose state is one value, replaced as a whole.
///
/// ```
/// use adjoin::{Cx, Handlers, Reject, Value, kit_value, reject};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
/// struct Note { text: String }
///
/// impl Note {
///     fn write(cx: &mut Cx<Note>, text: String) -> Result<(), Reject> {
///         if text.is_empty() { return reject("write something"); }
///         cx.set(Note { text });
///         Ok(())
///     }
/// }
///
/// impl Value for Note {
///     const NAME: &'static str = "docs.Note";
///     fn handlers(h: Handlers<Self>) -> Handlers<Self> { h.command("write", Note::write) }
/// }
///
/// kit_value::<Note>().when(Note::write, "hi".to_string()).saves(Note { text: "hi".into() });
/// ```
pub trait Value: Default + Serialize + DeserializeOwned + 'static {
    /// The stored name of the type: `shop.Profile`. Never change it.
    const NAME: &'static str;
    /// Milliseconds without a call after which the entity leaves memory; 0 takes the host's setting.
    const PASSIVATE_AFTER_MS: u64 = 0;
    /// One line for people.
    const SUMMARY: &'static str = "";

    /// Names its commands and queries.
    fn handlers(h: Handlers<Self>) -> Handlers<Self>;
}

/// Handlers without state. The value given to [`App::with_action`](crate::App::with_action) is what they share, such
/// as a client of another service.
pub trait Action: Send + Sync + 'static {
    /// The name of the type: `shop.Mailer`.
    const NAME: &'static str;
    /// One line for people.
    const SUMMARY: &'static str = "";

    /// Names its commands.
    fn handlers(h: Handlers<Self>) -> Handlers<Self>
    where
        Self: Sized;
}

/// Tells the three traits apart where code is generic over them.
pub mod kind {
    /// [`EventSourced`](crate::EventSourced).
    #[derive(Debug)]
    pub struct EventSourced;
    /// [`Value`](crate::Value).
    #[derive(Debug)]
    pub struct Value;
    /// [`Action`](crate::Action).
    #[derive(Debug)]
    pub struct Action;
}

/// An entity type of any kind: implemented for every [`EventSourced`], [`Value`] and [`Action`]; `K` is inferred.
pub trait Defined<K>: Sized + 'static {
    /// Its stored name.
    const TYPE: &'static str;

    /// Its commands and queries.
    fn table(h: Handlers<Self>) -> Handlers<Self>;
}

impl<T: EventSourced> Defined<kind::EventSourced> for T {
    const TYPE: &'static str = T::NAME;

    fn table(h: Handlers<Self>) -> Handlers<Self> {
        T::handlers(h)
    }
}

impl<T: Value> Defined<kind::Value> for T {
    const TYPE: &'static str = T::NAME;

    fn table(h: Handlers<Self>) -> Handlers<Self> {
        T::handlers(h)
    }
}

impl<T: Action> Defined<kind::Action> for T {
    const TYPE: &'static str = T::NAME;

    fn table(h: Handlers<Self>) -> Handlers<Self> {
        T::handlers(h)
    }
}
