// SPDX-License-Identifier: Apache-2.0
//! `conformance.Person` in three versions: how events that were written by one are read by the next.

use adjoin::{App, Cx, EventSourced, Handlers, OldEvent, Reject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a person is known by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Known {
    name: String,
    age: i64,
    unit: String,
    tags: Vec<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Name {
    first: String,
    last: String,
}

/// The app with that version of the type.
pub(crate) fn with(app: App, version: u32) -> App {
    match version {
        1 => app.with::<first::Person>(),
        2 => app.with::<second::Person>(),
        _ => app.with::<third::Person>(),
    }
}

/// As it began.
mod first {
    use super::*;

    #[derive(Clone, Serialize, Deserialize, JsonSchema)]
    pub(super) enum Event {
        Named { first: String, last: String },
        Aged { years: i64 },
        Tagged { tag: String, legacy: bool },
    }

    #[derive(Clone, Default, Serialize, Deserialize)]
    pub(super) struct Person(Known);

    impl Person {
        fn name(cx: &mut Cx<Person>, name: Name) -> Result<(), Reject> {
            cx.emit(Event::Named { first: name.first, last: name.last });
            Ok(())
        }

        fn age(cx: &mut Cx<Person>, years: i64) -> Result<(), Reject> {
            cx.emit(Event::Aged { years });
            Ok(())
        }

        fn tag(cx: &mut Cx<Person>, tag: String) -> Result<(), Reject> {
            cx.emit(Event::Tagged { tag, legacy: true });
            Ok(())
        }

        fn describe(cx: &Cx<Person>) -> Result<Known, Reject> {
            Ok(cx.state().0.clone())
        }
    }

    impl EventSourced for Person {
        const NAME: &'static str = "conformance.Person";
        const SNAPSHOT_EVERY: u32 = 0;
        type Event = Event;

        fn handlers(h: Handlers<Self>) -> Handlers<Self> {
            h.command("name", Person::name)
                .command("age", Person::age)
                .command("tag", Person::tag)
                .query("describe", Person::describe)
        }

        fn apply(&mut self, event: Event) {
            match event {
                Event::Named { first, last } => self.0.name = format!("{first} {last}"),
                Event::Aged { years } => self.0.age = years,
                Event::Tagged { tag, legacy: _ } => self.0.tags.push(tag),
            }
        }
    }
}

/// `Named` became `Renamed` by an upcaster, `Aged` has a new field, `Tagged` has lost one and has a new name.
mod second {
    use super::*;

    #[derive(Clone, Serialize, Deserialize, JsonSchema)]
    pub(super) enum Event {
        Renamed {
            full: String,
        },
        Aged {
            years: i64,
            #[serde(default = "years")]
            unit: String,
        },
        #[serde(alias = "Tagged")]
        Labelled {
            tag: String,
        },
    }

    fn years() -> String {
        "years".to_owned()
    }

    #[derive(Clone, Default, Serialize, Deserialize)]
    pub(super) struct Person(Known);

    impl Person {
        fn name(cx: &mut Cx<Person>, name: Name) -> Result<(), Reject> {
            cx.emit(Event::Renamed { full: format!("{} {}", name.first, name.last) });
            Ok(())
        }

        fn tag(cx: &mut Cx<Person>, tag: String) -> Result<(), Reject> {
            cx.emit(Event::Labelled { tag });
            Ok(())
        }

        fn describe(cx: &Cx<Person>) -> Result<Known, Reject> {
            Ok(cx.state().0.clone())
        }
    }

    impl EventSourced for Person {
        const NAME: &'static str = "conformance.Person";
        const SNAPSHOT_EVERY: u32 = 0;
        const OLD_EVENTS: &'static [&'static str] = &["Named"];
        type Event = Event;

        fn handlers(h: Handlers<Self>) -> Handlers<Self> {
            h.command("name", Person::name).command("tag", Person::tag).query("describe", Person::describe)
        }

        fn apply(&mut self, event: Event) {
            match event {
                Event::Renamed { full } => self.0.name = full,
                Event::Aged { years, unit } => (self.0.age, self.0.unit) = (years, unit),
                Event::Labelled { tag } => self.0.tags.push(tag),
            }
        }

        fn upcast(old: OldEvent<'_>) -> Result<Option<Event>, Reject> {
            let name: Name = old.read()?;
            Ok(Some(Event::Renamed { full: format!("{} {}", name.first, name.last) }))
        }
    }
}

/// It no longer knows `Aged`.
mod third {
    use super::*;

    #[derive(Clone, Serialize, Deserialize, JsonSchema)]
    pub(super) enum Event {
        Named { first: String, last: String },
    }

    #[derive(Clone, Default, Serialize, Deserialize)]
    pub(super) struct Person(Known);

    impl Person {
        fn describe(cx: &Cx<Person>) -> Result<Known, Reject> {
            Ok(cx.state().0.clone())
        }
    }

    impl EventSourced for Person {
        const NAME: &'static str = "conformance.Person";
        const SNAPSHOT_EVERY: u32 = 0;
        type Event = Event;

        fn handlers(h: Handlers<Self>) -> Handlers<Self> {
            h.query("describe", Person::describe)
        }

        fn apply(&mut self, event: Event) {
            let Event::Named { first, last } = event;
            self.0.name = format!("{first} {last}");
        }
    }
}
