// SPDX-License-Identifier: Apache-2.0
//! What may be a handler: functions that take a [`Cx`] and at most one body.

use std::any::TypeId;
use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use adjoin_model::Error;
use bytes::Bytes;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cx::Cx;
use crate::json;
use crate::mutant::{Mutant, is};
use crate::reject::Reject;
use crate::stream::{In, Out, Ports};

/// What a handler ended with: the JSON of its reply, none for `null`.
pub(crate) type Outcome = Result<Option<Bytes>, Reject>;

/// A handler under way. Runs on one thread, so it need not be `Send`.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

type Now<S> = Box<dyn Fn(&mut Cx<S>, &[u8]) -> Outcome + Send + Sync>;
type Later<S> = Box<dyn for<'a> Fn(&'a mut Cx<S>, &[u8], Ports) -> Running<'a> + Send + Sync>;

/// A handler with its types taken off.
pub(crate) enum Run<S> {
    /// Runs to its end at once.
    Now(Now<S>),
    /// Waits in between, or streams.
    Later(Later<S>),
}

/// A handler with what is known of its types.
pub struct Bound<S> {
    pub(crate) run: Run<S>,
    pub(crate) input: fn() -> Option<Schema>,
    pub(crate) output: fn() -> Schema,
    pub(crate) streamed_in: bool,
    pub(crate) streamed_out: bool,
}

/// A function that is a handler of `S`; `M` is inferred and tells the shapes apart.
///
/// Commands take `&mut Cx<S>`, queries `&Cx<S>`; after it comes the body, if there is one. Commands may be `async`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler of `{S}`",
    note = "a handler takes `&mut Cx<{S}>` (command) or `&Cx<{S}>` (query), then at most one body, and returns \
            `Result<Reply, Reject>`; body and reply need serde's traits and `JsonSchema`"
)]
pub trait HandlerFn<S, M>: 'static {
    /// What the caller sends; `()` when nothing.
    type Body: Serialize;
    /// What the caller gets; an element of a stream.
    type Reply: DeserializeOwned;
}

/// A [`HandlerFn`] that may change the entity.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no command of `{S}`",
    note = "a command takes `&mut Cx<{S}>` and at most one body; a function that takes `&Cx<{S}>` is a query"
)]
pub trait CommandFn<S, M>: HandlerFn<S, M> {
    #[doc(hidden)]
    fn bind(self) -> Bound<S>;
}

/// A [`HandlerFn`] that only reads.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no query of `{S}`",
    note = "a query takes `&Cx<{S}>` and at most one body; a function that takes `&mut Cx<{S}>` is a command"
)]
pub trait QueryFn<S, M>: HandlerFn<S, M> {
    #[doc(hidden)]
    fn bind(self) -> Bound<S>;
}

/// A [`HandlerFn`] of an action that streams.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not stream",
    note = "an async function whose last parameters are `In<T>`, `Out<T>` or both streams; it is a handler of an action"
)]
pub trait StreamFn<S, M>: HandlerFn<S, M> {
    #[doc(hidden)]
    fn bind(self) -> Bound<S>;
}

/// The shape of a handler.
#[derive(Debug)]
pub struct Shape<Tag, A, R>(PhantomData<(Tag, A, R)>);

/// Names of shapes.
pub mod shape {
    macro_rules! shapes { ($($name:ident $doc:literal),*) => { $(#[doc = $doc] #[derive(Debug)] pub struct $name;)* } }
    shapes!(
        Command "Without body.", CommandBody "With a body.", Query "Without body.", QueryBody "With a body.",
        Async "Without body.", AsyncBody "With a body.", Streams "Streams out.", StreamsBody "Streams out, with a body.",
        Streamed "Streams in.", Both "Streams in and out."
    );
}

fn body<A: DeserializeOwned + JsonSchema + 'static>(data: &[u8]) -> Result<A, Reject> {
    let data = if data.is_empty() { b"null" } else { data };
    // serde would read the fields of a struct by position; in no other language is an array an object.
    if data.trim_ascii_start().starts_with(b"[") && is_object::<A>() {
        return Err(Reject::of(Error::invalid("the body does not fit: an array, where an object is expected")));
    }
    json::decode(data).map_err(|error| Reject::of(Error::invalid(format!("the body does not fit: {error}"))))
}

/// Whether values of the type are objects in JSON; its schema is asked once.
fn is_object<A: JsonSchema + 'static>() -> bool {
    static KNOWN: LazyLock<RwLock<HashMap<TypeId, bool>>> = LazyLock::new(RwLock::default);
    // A table of answers is whole at any time.
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&TypeId::of::<A>()).copied();
    known.unwrap_or_else(|| {
        let object = schema_for!(A).get("type").is_some_and(|kind| kind == "object");
        KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(TypeId::of::<A>(), object);
        object
    })
}

fn no_body(data: &[u8]) -> Result<(), Reject> {
    if data.is_empty() || data == b"null" {
        return Ok(());
    }
    Err(Reject::of(Error::invalid("a body was sent, but the command takes none")))
}

pub(crate) fn reply<R: Serialize>(value: &R) -> Outcome {
    let mut data = json::encode(value)?;
    if is(Mutant::RepliesWrapped) {
        data = [b"{\"result\":", &*data, b"}"].concat();
    }
    Ok((data != b"null").then(|| data.into()))
}

fn no_schema() -> Option<Schema> {
    None
}

fn some_schema<A: JsonSchema>() -> Option<Schema> {
    Some(schema_for!(A))
}

fn schema<R: JsonSchema>() -> Schema {
    schema_for!(R)
}

impl<S> Bound<S> {
    fn of<R: JsonSchema>(run: Run<S>, input: fn() -> Option<Schema>) -> Self {
        Self { run, input, output: schema::<R>, streamed_in: false, streamed_out: false }
    }

    fn streams(mut self, streamed_in: bool, streamed_out: bool) -> Self {
        (self.streamed_in, self.streamed_out) = (streamed_in, streamed_out);
        self
    }
}

macro_rules! handlers {
    ($($trait:ident $tag:ident $fn:ident($context:ty) => |$f:ident, $cx:ident, $data:ident| $run:expr;)*) => {
        $(
            impl<S: 'static, R, F> HandlerFn<S, Shape<shape::$tag, (), R>> for F
            where
                R: Serialize + DeserializeOwned + JsonSchema + 'static,
                F: $fn($context) -> Result<R, Reject> + Send + Sync + 'static,
            {
                type Body = ();
                type Reply = R;
            }
            impl<S: 'static, R, F> $trait<S, Shape<shape::$tag, (), R>> for F
            where
                R: Serialize + DeserializeOwned + JsonSchema + 'static,
                F: $fn($context) -> Result<R, Reject> + Send + Sync + 'static,
            {
                fn bind(self) -> Bound<S> {
                    let $f = self;
                    Bound::of::<R>(Run::Now(Box::new(move |$cx, $data| $run)), no_schema)
                }
            }
        )*
    };
}

macro_rules! handlers_with_body {
    ($($trait:ident $tag:ident $fn:ident($context:ty);)*) => {
        $(
            impl<S: 'static, A, R, F> HandlerFn<S, Shape<shape::$tag, A, R>> for F
            where
                A: Serialize + DeserializeOwned + JsonSchema + 'static,
                R: Serialize + DeserializeOwned + JsonSchema + 'static,
                F: $fn($context, A) -> Result<R, Reject> + Send + Sync + 'static,
            {
                type Body = A;
                type Reply = R;
            }
            impl<S: 'static, A, R, F> $trait<S, Shape<shape::$tag, A, R>> for F
            where
                A: Serialize + DeserializeOwned + JsonSchema + 'static,
                R: Serialize + DeserializeOwned + JsonSchema + 'static,
                F: $fn($context, A) -> Result<R, Reject> + Send + Sync + 'static,
            {
                fn bind(self) -> Bound<S> {
                    let run = Run::Now(Box::new(move |cx, data| reply(&self(cx, body(data)?)?)));
                    Bound::of::<R>(run, some_schema::<A>)
                }
            }
        )*
    };
}

handlers! {
    CommandFn Command Fn(&mut Cx<S>) => |f, cx, data| no_body(data).and_then(|()| reply(&f(cx)?));
    QueryFn Query Fn(&Cx<S>) => |f, cx, data| no_body(data).and_then(|()| reply(&f(cx)?));
}

handlers_with_body! {
    CommandFn CommandBody Fn(&mut Cx<S>);
    QueryFn QueryBody Fn(&Cx<S>);
}

/// A handler that waits: its function is shared with its futures.
fn later<S, F, A>(f: F, read: fn(&[u8]) -> Result<A, Reject>, run: Runner<S, F, A>) -> Run<S>
where
    S: 'static,
    F: Send + Sync + 'static,
    A: 'static,
{
    let f = Arc::new(f);
    Run::Later(Box::new(move |cx, data, ports| match read(data) {
        Ok(body) => run(f.clone(), cx, body, ports),
        Err(refusal) => Box::pin(std::future::ready(Err(refusal))),
    }))
}

type Runner<S, F, A> = for<'a> fn(Arc<F>, &'a mut Cx<S>, A, Ports) -> Running<'a>;

macro_rules! waiting {
    ($(
        $trait:ident $tag:ident<$($generic:ident),*> [$($parameter:ty),*] -> $returned:ty, body $body:ty, reply $reply:ty,
        read $read:expr, input $input:expr, streams ($in:literal, $out:literal),
        |$f:ident, $cx:ident, $data:ident, $ports:ident| $run:expr;
    )*) => {
        $(
            impl<S: 'static, $($generic,)* F> HandlerFn<S, Shape<shape::$tag, $body, $reply>> for F
            where
                $($generic: Serialize + DeserializeOwned + JsonSchema + 'static,)*
                F: AsyncFn(&mut Cx<S> $(, $parameter)*) -> Result<$returned, Reject> + Send + Sync + 'static,
            {
                type Body = $body;
                type Reply = $reply;
            }
            impl<S: 'static, $($generic,)* F> $trait<S, Shape<shape::$tag, $body, $reply>> for F
            where
                $($generic: Serialize + DeserializeOwned + JsonSchema + 'static,)*
                F: AsyncFn(&mut Cx<S> $(, $parameter)*) -> Result<$returned, Reject> + Send + Sync + 'static,
            {
                fn bind(self) -> Bound<S> {
                    let run: Runner<S, F, _> = |$f, $cx, $data, $ports| Box::pin(async move { reply(&$run.await?) });
                    Bound::of::<$reply>(later(self, $read, run), $input).streams($in, $out)
                }
            }
        )*
    };
}

waiting! {
    CommandFn Async<R> [] -> R, body (), reply R, read no_body, input no_schema, streams (false, false),
        |f, cx, _data, _ports| f(cx);
    CommandFn AsyncBody<A, R> [A] -> R, body A, reply R, read body::<A>, input some_schema::<A>, streams (false, false),
        |f, cx, data, _ports| f(cx, data);
    StreamFn Streams<R> [Out<R>] -> (), body (), reply R, read no_body, input no_schema, streams (false, true),
        |f, cx, _data, ports| f(cx, ports.output());
    StreamFn StreamsBody<A, R> [A, Out<R>] -> (), body A, reply R, read body::<A>, input some_schema::<A>,
        streams (false, true), |f, cx, data, ports| f(cx, data, ports.output());
    StreamFn Streamed<A, R> [In<A>] -> R, body A, reply R, read ignore, input some_schema::<A>, streams (true, false),
        |f, cx, _data, ports| f(cx, ports.input());
    StreamFn Both<A, R> [In<A>, Out<R>] -> (), body A, reply R, read ignore, input some_schema::<A>,
        streams (true, true), |f, cx, _data, ports| f(cx, ports.input(), ports.output());
}

/// The body of a call whose input is a stream says nothing.
#[expect(clippy::unnecessary_wraps, reason = "one of several readers of a body")]
fn ignore(_: &[u8]) -> Result<(), Reject> {
    Ok(())
}
