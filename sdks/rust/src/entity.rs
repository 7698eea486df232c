// SPDX-License-Identifier: Apache-2.0
//! Calling entities, in this process or in another: one face.

mod call;
mod watch;

use std::marker::PhantomData;
use std::sync::Arc;

use adjoin_engine::{Engine, Request};
use adjoin_model::{EntityId, Error, Payload, Result, Sequence};
use serde::Serialize;
use serde_json::Value as Json;

use crate::handler::HandlerFn;
use crate::json;
use crate::kinds::Defined;
use crate::names::{self, JSON};
use crate::remote::Remote;

pub use call::{Answer, Call};
pub use watch::{Elements, Watch};

/// The way to the entities.
#[derive(Clone)]
pub(crate) enum Link {
    Local(Engine),
    Remote(Remote),
}

/// One entity of a known type. Cheap to clone.
pub struct Entity<T> {
    link: Link,
    key: Arc<str>,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Entity<T> {
    fn clone(&self) -> Self {
        Self::new(self.link.clone(), self.key.clone())
    }
}

impl<T> Entity<T> {
    pub(crate) fn new(link: Link, key: Arc<str>) -> Self {
        Self { link, key, of: PhantomData }
    }

    /// Calls a handler by its function: the types of body and reply are the handler's. Await it.
    ///
    /// ```no_run
    /// # use adjoin::{App, Cx, Handlers, Reject, Value};
    /// # #[derive(Default, serde::Serialize, serde::Deserialize)] struct Note;
    /// # impl Note { fn touch(cx: &mut Cx<Note>) -> Result<(), Reject> { cx.set(Note); Ok(()) } }
    /// # impl Value for Note {
    /// #     const NAME: &'static str = "docs.Note";
    /// #     fn handlers(h: Handlers<Self>) -> Handlers<Self> { h.command("touch", Note::touch) }
    /// # }
    /// # async fn run(rt: adjoin::Runtime) -> adjoin::Result<()> {
    /// let note = rt.entity::<Note>("ada");
    /// note.call(Note::touch, ()).await?;
    /// note.call(Note::touch, ()).idempotency_key("once").timeout(std::time::Duration::from_secs(1)).await
    /// # }
    /// ```
    pub fn call<F, M, K>(&self, _: F, body: F::Body) -> Call<F::Reply>
    where
        F: HandlerFn<T, M>,
        T: Defined<K>,
    {
        Call::new(self.link.clone(), self.request::<F, M, K>(&body))
    }

    /// Watches a query: its answer now and after every change, the latest only, never backwards.
    pub fn watch<F, M, K>(&self, _: F, body: F::Body) -> Watch<F::Reply>
    where
        F: HandlerFn<T, M>,
        T: Defined<K>,
    {
        Watch::new(self.link.clone(), self.request::<F, M, K>(&body))
    }

    /// Calls a handler that streams its reply.
    pub fn stream<F, M, K>(&self, _: F, body: F::Body) -> Elements<F::Reply>
    where
        F: HandlerFn<T, M>,
        T: Defined<K>,
    {
        Elements::new(&self.link, self.request::<F, M, K>(&body))
    }

    fn request<F, M, K>(&self, body: &F::Body) -> Result<Request>
    where
        F: HandlerFn<T, M>,
        T: Defined<K>,
    {
        let (entity_type, command) = names::of::<T, K, F>()?;
        Ok(Request::new(EntityId::new(entity_type, self.key.clone())?, command, payload(body)?))
    }
}

/// One entity by the name of its type.
#[derive(Clone)]
pub struct Named {
    link: Link,
    entity: Result<EntityId>,
}

impl Named {
    pub(crate) fn new(link: Link, entity_type: &str, key: &str) -> Self {
        Self { link, entity: EntityId::new(entity_type, key) }
    }

    /// Calls a command or a query by name: `call("addItem", &json!({…}))`. A body of `null` is none.
    pub fn call(&self, command: &str, body: &Json) -> Call<Json> {
        Call::new(self.link.clone(), self.request(command, body))
    }

    /// Watches a query by name.
    pub fn watch(&self, query: &str, body: &Json) -> Watch<Json> {
        Watch::new(self.link.clone(), self.request(query, body))
    }

    /// Calls a handler that streams its reply by name.
    pub fn stream(&self, command: &str, body: &Json) -> Elements<Json> {
        Elements::new(&self.link, self.request(command, body))
    }

    fn request(&self, command: &str, body: &Json) -> Result<Request> {
        Ok(Request::new(self.entity.clone()?, command, payload(body)?))
    }
}

/// A body as it travels; `null` is none.
fn payload<B: Serialize>(body: &B) -> Result<Payload> {
    let data = json::encode(body).map_err(|error| Error::invalid(format!("the body has no JSON form: {error}")))?;
    let data = if data == b"null" { Vec::new() } else { data };
    Ok(Payload::new(JSON.clone(), data))
}

/// An answer's sequence and value, before its type is known.
pub(crate) struct Raw {
    pub(crate) payload: Option<Payload>,
    pub(crate) sequence: Sequence,
    pub(crate) replayed: bool,
}
