// SPDX-License-Identifier: Apache-2.0
//! What passed, and waiting for what is to pass.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prost_reflect::DynamicMessage;
use serde_json::Value;
use tokio::sync::watch;

use crate::schema::{Schema, shown};

const PASSES_WITHIN: Duration = Duration::from_secs(10);

/// One thing that passed on a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// A message to the function.
    In(Bytes),
    /// A message to the proxy.
    Out(Bytes),
    /// The proxy half-closed.
    InEnd,
    /// The proxy cancelled or went away.
    InBroken,
    /// The function ended the call with this status.
    OutEnd(i32),
    /// The function went away, or the proxy took no more.
    OutBroken,
}

/// Every call, in the order in which they began.
pub(crate) struct Calls {
    logs: Mutex<Vec<Arc<Log>>>,
    news: watch::Sender<u64>,
}

/// One call.
pub(super) struct Log {
    path: String,
    parts: Mutex<Vec<Part>>,
    /// A scenario looks at it.
    taken: AtomicBool,
    news: watch::Sender<u64>,
}

/// A call from the place up to which a scenario has looked at it.
pub(crate) struct Cursor {
    log: Arc<Log>,
    schema: Schema,
    at: usize,
    /// Metadata is whatever the client sent, so actions are compared without it.
    without_metadata: bool,
}

impl Default for Calls {
    fn default() -> Self {
        Self { logs: Mutex::default(), news: watch::Sender::new(0) }
    }
}

impl Calls {
    pub(super) fn begin(&self, path: &str) -> Arc<Log> {
        let log = Log {
            path: path.to_owned(),
            parts: Mutex::default(),
            taken: AtomicBool::new(false),
            news: self.news.clone(),
        };
        let log = Arc::new(log);
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&log));
        log
    }

    /// Waits for a call that nobody has looked at, at this path and with such a first message.
    ///
    /// # Errors
    /// If none comes in time.
    pub(crate) async fn find(
        &self,
        schema: &Schema,
        path: &str,
        first: impl Fn(&DynamicMessage) -> bool,
    ) -> Result<Cursor, String> {
        let input = schema.method(path)?.input();
        let mut news = self.news.subscribe();
        let found = async {
            loop {
                news.borrow_and_update();
                let fits = |log: &Arc<Log>| {
                    let Some(Part::In(bytes)) = log.part(0) else { return false };
                    log.path == path && schema.decode(&input, &bytes).is_ok_and(|message| first(&message))
                };
                if let Some(log) = self.unseen().into_iter().find(fits) {
                    log.taken.store(true, Ordering::Relaxed);
                    return log;
                }
                if news.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        };
        let log = tokio::time::timeout(PASSES_WITHIN, found).await;
        let log = log.map_err(|_| format!("no such call of {path} reached the function in {PASSES_WITHIN:?}"))?;
        let without_metadata = path.starts_with("/cloudstate.action.");
        Ok(Cursor { log, schema: schema.clone(), at: 0, without_metadata })
    }

    /// Paths of the calls that no scenario has looked at, and how each begins.
    pub(crate) fn unseen_paths(&self) -> Vec<(String, String)> {
        let begins = |log: &Arc<Log>| match log.part(0) {
            Some(Part::In(bytes)) => bytes.escape_ascii().take(600).map(char::from).collect(),
            other => format!("{other:?}"),
        };
        self.unseen().iter().map(|log| (log.path.clone(), begins(log))).collect()
    }

    fn unseen(&self) -> Vec<Arc<Log>> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.iter().filter(|log| !log.taken.load(Ordering::Relaxed)).cloned().collect()
    }
}

impl Log {
    pub(super) fn note(&self, part: Part) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).push(part);
        self.news.send_modify(|count| *count += 1);
    }

    fn part(&self, at: usize) -> Option<Part> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).get(at).cloned()
    }
}

impl Cursor {
    async fn next(&mut self, expected: &str) -> Result<Part, String> {
        let mut news = self.log.news.subscribe();
        let found = async {
            loop {
                news.borrow_and_update();
                if let Some(part) = self.log.part(self.at) {
                    return part;
                }
                if news.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        };
        let part = tokio::time::timeout(PASSES_WITHIN, found).await;
        let part =
            part.map_err(|_| format!("{}: nothing passed in {PASSES_WITHIN:?}, to be {expected}", self.log.path))?;
        self.at += 1;
        Ok(part)
    }

    /// The proxy sends exactly this next.
    ///
    /// # Errors
    /// How it differs.
    pub(crate) async fn goes_in(&mut self, expected: &Value) -> Result<(), String> {
        let kind = self.schema.method(&self.log.path)?.input();
        let expected = self.schema.message(&kind, expected)?;
        match self.next(&format!("in: {}", shown(&expected))).await? {
            Part::In(bytes) => self.same("in", self.schema.decode(&kind, &bytes)?, &expected),
            other => Err(format!("{}: {other:?} passed, not in: {}", self.log.path, shown(&expected))),
        }
    }

    /// The function sends exactly this next.
    ///
    /// # Errors
    /// How it differs.
    pub(crate) async fn comes_out(&mut self, expected: &Value) -> Result<(), String> {
        let kind = self.schema.method(&self.log.path)?.output();
        let expected = self.schema.message(&kind, expected)?;
        match self.next(&format!("out: {}", shown(&expected))).await? {
            Part::Out(bytes) => self.same("out", self.schema.decode(&kind, &bytes)?, &expected),
            other => Err(format!("{}: {other:?} passed, not out: {}", self.log.path, shown(&expected))),
        }
    }

    fn same(&self, way: &str, mut found: DynamicMessage, expected: &DynamicMessage) -> Result<(), String> {
        if self.without_metadata {
            strip(&mut found);
        }
        if found == *expected {
            return Ok(());
        }
        Err(format!("{}: {way} passed {}, not {}", self.log.path, shown(&found), shown(expected)))
    }

    /// The proxy sends something next.
    ///
    /// # Errors
    /// If something else passes.
    pub(crate) async fn message_in(&mut self) -> Result<DynamicMessage, String> {
        match self.next("a message in").await? {
            Part::In(bytes) => self.schema.decode(&self.schema.method(&self.log.path)?.input(), &bytes),
            other => Err(format!("{}: {other:?} passed, not a message in", self.log.path)),
        }
    }

    /// The function sends something next, whatever it is.
    ///
    /// # Errors
    /// If something else passes.
    pub(crate) async fn answers(&mut self) -> Result<(), String> {
        match self.next("an answer").await? {
            Part::Out(_) => Ok(()),
            other => Err(format!("{}: {other:?} passed, not an answer", self.log.path)),
        }
    }

    /// The proxy half-closes, and the function sends exactly this.
    ///
    /// # Errors
    /// How it differs.
    pub(crate) async fn is_answered(&mut self, expected: &Value) -> Result<(), String> {
        match self.next("the proxy's half-close").await? {
            Part::InEnd => self.comes_out(expected).await,
            other => Err(format!("{}: {other:?} passed, not the proxy's half-close", self.log.path)),
        }
    }

    /// The proxy half-closes, and the function ends the call well.
    ///
    /// # Errors
    /// What passes instead.
    pub(crate) async fn ends(&mut self) -> Result<(), String> {
        for expected in [Part::InEnd, Part::OutEnd(0)] {
            let found = self.next(&format!("{expected:?}")).await?;
            if found != expected {
                return Err(format!("{}: {found:?} passed, not {expected:?}", self.log.path));
            }
        }
        Ok(())
    }
}

/// Takes metadata away, wherever an action's messages have it.
fn strip(message: &mut DynamicMessage) {
    message.clear_field_by_name("metadata");
    for (_, value) in message.fields_mut() {
        match value {
            prost_reflect::Value::Message(inner) => strip(inner),
            prost_reflect::Value::List(all) => {
                all.iter_mut().filter_map(prost_reflect::Value::as_message_mut).for_each(strip);
            }
            _ => {}
        }
    }
}
