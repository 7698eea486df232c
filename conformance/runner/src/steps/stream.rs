// SPDX-License-Identifier: Apache-2.0
//! Watches and streamed replies.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::{Asking, Done, Watched};
use crate::case::Stream;
use crate::http::{Ask, Event, Events};

/// Elements of a watch after which it is given up: a case makes far fewer changes.
const MOST: usize = 10_000;

impl Asking<'_> {
    pub(super) async fn watch(&mut self, name: &str, path: &str, after: Option<u64>) -> Done {
        let mut headers = BTreeMap::new();
        headers.extend(after.map(|after| ("last-event-id".to_owned(), after.to_string())));
        let line = format!("GET {}?watch", self.names.fill(path));
        let events = self.client.events(&self.base().await, Ask { line, headers, body: Bytes::new() }).await?;
        self.watches.insert(name.to_owned(), Watched { events, last: after });
        Ok(())
    }

    pub(super) async fn sees(&mut self, name: &str, value: &str, id: Option<u64>) -> Done {
        let expected = self.names.json(value)?;
        let watched = self.watches.get_mut(name).ok_or_else(|| format!("no watch {name:?} is open"))?;
        for _ in 0..MOST {
            let (seen, data) = watched.next().await?;
            if data == expected {
                return match id {
                    Some(id) if id != seen => Err(format!("{data} came with id {seen}, expected {id}")),
                    _ => Ok(()),
                };
            }
        }
        Err(format!("{MOST} elements came, none was {expected}"))
    }

    pub(super) async fn stream(&mut self, stream: &Stream) -> Done {
        let body = stream.body.as_ref().map_or_else(Bytes::new, |body| self.names.fill(body).into());
        let ask = Ask { line: self.names.fill(&stream.request), headers: BTreeMap::new(), body };
        let mut events = self.client.events(&self.base().await, ask).await?;
        let (elements, failure) = read(&mut events, stream.leave_after).await?;
        let expected = self.names.json(&stream.elements)?;
        if Value::from(elements.clone()) != expected {
            return Err(format!("the elements are {}, expected {expected}", Value::from(elements)));
        }
        if failure != stream.fails {
            return Err(format!("the stream ended with {failure:?}, expected {:?}", stream.fails));
        }
        Ok(())
    }
}

/// All elements, and the kind of the error that ended them.
async fn read(events: &mut Events, leave_after: Option<usize>) -> Result<(Vec<Value>, Option<String>), String> {
    let mut elements = Vec::new();
    while leave_after != Some(elements.len()) {
        let Some(event) = events.next().await? else {
            return Err("the stream broke off without saying that it ended".to_owned());
        };
        match &*event.kind {
            "message" => elements.push(json(&event)?),
            "end" => return Ok((elements, None)),
            "error" => {
                let kind = json(&event)?.pointer("/kind").and_then(Value::as_str).map(str::to_owned);
                return Ok((elements, Some(kind.ok_or("the error names no kind")?)));
            }
            other => return Err(format!("an event of the unknown kind {other:?}")),
        }
    }
    Ok((elements, None))
}

fn json(event: &Event) -> Result<Value, String> {
    serde_json::from_str(&event.data).map_err(|error| format!("{:?} is no JSON: {error}", event.data))
}

impl Watched {
    /// The next element; its id must be above the last one's.
    async fn next(&mut self) -> Result<(u64, Value), String> {
        let event = self.events.next().await?.ok_or("the watch broke off")?;
        if event.kind != "message" {
            return Err(format!("the watch ended with {event:?}"));
        }
        let id = event.id.as_ref().and_then(|id| id.parse().ok());
        let id: u64 = id.ok_or_else(|| format!("{event:?} has no sequence as id"))?;
        if self.last.is_some_and(|last| id <= last) {
            return Err(format!("id {id} came after {:?}: backwards or twice", self.last));
        }
        self.last = Some(id);
        Ok((id, json(&event)?))
    }
}
