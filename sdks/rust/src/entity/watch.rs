// SPDX-License-Identifier: Apache-2.0
//! Watches and streamed replies.

use std::marker::PhantomData;

use adjoin_engine::Request;
use adjoin_model::{Error, Payload, Result, Sequence};
use serde::de::DeserializeOwned;

use super::Link;
use crate::cx::decode;
use crate::remote::{RemoteElements, RemoteWatch};

/// A watch of a query; it begins when the first value is asked for. Dropping it ends it.
#[must_use = "ask for the next value"]
pub struct Watch<R> {
    link: Link,
    request: Option<Result<Request>>,
    after: Option<Sequence>,
    source: Option<Source>,
    value: PhantomData<fn() -> R>,
}

enum Source {
    Local(adjoin_engine::Elements),
    Remote(RemoteWatch),
}

impl<R: DeserializeOwned> Watch<R> {
    pub(crate) fn new(link: Link, request: Result<Request>) -> Self {
        Self { link, request: Some(request), after: None, source: None, value: PhantomData }
    }

    /// Begins with what is newer than this sequence instead of with the present value.
    pub fn after(mut self, sequence: Sequence) -> Self {
        self.after = Some(sequence);
        self
    }

    /// The next value with the sequence it shows; `None` when the watch has ended.
    ///
    /// # Errors
    /// Why the watch ended: nothing follows.
    pub async fn next(&mut self) -> Option<Result<(Sequence, R)>> {
        if let Some(request) = self.request.take() {
            match self.begin(request).await {
                Ok(source) => self.source = Some(source),
                Err(error) => return Some(Err(error)),
            }
        }
        let item = match self.source.as_mut()? {
            Source::Local(elements) => {
                elements.next().await.map(|item| item.map(|element| (element.sequence, element.payload)))
            }
            Source::Remote(watch) => watch.next().await,
        };
        if !matches!(item, Some(Ok(_))) {
            self.source = None;
        }
        item.map(|item| item.and_then(|(sequence, payload)| Ok((sequence, decode(payload.as_ref())?))))
    }

    async fn begin(&self, request: Result<Request>) -> Result<Source> {
        let request = request?;
        Ok(match &self.link {
            Link::Local(engine) => Source::Local(engine.watch(request, self.after)),
            Link::Remote(remote) => Source::Remote(remote.watch(request, self.after).await?),
        })
    }
}

/// The elements of a streamed reply. Dropping it ends the call.
#[must_use = "ask for the next element"]
pub struct Elements<R> {
    source: Result<Streamed>,
    element: PhantomData<fn() -> R>,
}

enum Streamed {
    Local(adjoin_engine::Elements),
    Remote(Box<RemoteElements>),
    Over,
}

impl<R: DeserializeOwned> Elements<R> {
    pub(crate) fn new(link: &Link, request: Result<Request>) -> Self {
        let source = request.map(|request| match link {
            Link::Local(engine) => Streamed::Local(engine.stream(request)),
            Link::Remote(remote) => Streamed::Remote(Box::new(remote.stream(request))),
        });
        Self { source, element: PhantomData }
    }

    /// The next element; `None` after the last one.
    ///
    /// # Errors
    /// Why the stream ended early: nothing follows.
    pub async fn next(&mut self) -> Option<Result<R>> {
        let item: Option<Result<Option<Payload>>> = match &mut self.source {
            Ok(Streamed::Local(elements)) => elements.next().await.map(|item| item.map(|element| element.payload)),
            Ok(Streamed::Remote(elements)) => elements.next().await.map(|item| item.map(Some)),
            Ok(Streamed::Over) => None,
            Err(error) => Some(Err(std::mem::replace(error, Error::internal("the stream is over")))),
        };
        if !matches!(item, Some(Ok(_))) {
            self.source = Ok(Streamed::Over);
        }
        item.map(|item| item.and_then(|payload| decode(payload.as_ref())))
    }
}
