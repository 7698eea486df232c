// SPDX-License-Identifier: Apache-2.0
//! Replies that stream: what waits for credit, call by call.

use std::collections::{HashMap, VecDeque};

use adjoin_entity::frame::FunctionFrame;
use adjoin_model::{Error, Metadata, Payload};

/// Streams under way, by call.
#[derive(Default)]
pub(crate) struct Streams(HashMap<u64, Stream>);

#[derive(Default)]
struct Stream {
    credit: u32,
    waiting: VecDeque<Payload>,
    /// Beside the first element.
    metadata: Metadata,
    end: Option<Option<Error>>,
}

impl Streams {
    /// A call whose reply streams has come.
    pub(crate) fn begin(&mut self, call: u64, metadata: Metadata) {
        self.0.insert(call, Stream { metadata, ..Stream::default() });
    }

    /// An element to send, when there is credit for it.
    pub(crate) fn push(&mut self, call: u64, element: Payload) -> Vec<FunctionFrame> {
        self.with(call, |stream| stream.waiting.push_back(element))
    }

    /// No element follows.
    pub(crate) fn end(&mut self, call: u64, error: Option<Error>) -> Vec<FunctionFrame> {
        self.with(call, |stream| stream.end = Some(error))
    }

    /// Nobody takes what waits: it is forgotten, and the stream ends.
    pub(crate) fn cut(&mut self, call: u64, error: Error) -> Vec<FunctionFrame> {
        self.with(call, |stream| {
            stream.waiting.clear();
            stream.end = Some(Some(error));
        })
    }

    /// The host takes so many more.
    pub(crate) fn credit(&mut self, call: u64, elements: u32) -> Vec<FunctionFrame> {
        self.with(call, |stream| stream.credit = stream.credit.saturating_add(elements))
    }

    /// Whether it is under way.
    pub(crate) fn knows(&self, call: u64) -> bool {
        self.0.contains_key(&call)
    }

    fn with(&mut self, call: u64, change: impl FnOnce(&mut Stream)) -> Vec<FunctionFrame> {
        let Some(stream) = self.0.get_mut(&call) else { return Vec::new() };
        change(stream);
        let mut frames = stream.ready(call);
        if stream.waiting.is_empty()
            && let Some(error) = stream.end.take()
        {
            frames.push(FunctionFrame::StreamEnd { call, error });
            self.0.remove(&call);
        }
        frames
    }
}

impl Stream {
    fn ready(&mut self, call: u64) -> Vec<FunctionFrame> {
        let many = self.waiting.len().min(self.credit as usize);
        self.credit -= many as u32;
        let elements = self.waiting.drain(..many);
        let metadata = &mut self.metadata;
        let frame = |payload| {
            let metadata = std::mem::take(metadata);
            FunctionFrame::StreamElement { call, payload, effects: Vec::new(), metadata }
        };
        elements.map(frame).collect()
    }
}
