// SPDX-License-Identifier: Apache-2.0
//! Requests and their answers.

use std::time::{Duration, Instant};

use adjoin_model::Error;
use bytes::Bytes;
use futures::future::join_all;
use serde_json::Value;

use super::{Asking, Done, quiet};
use crate::case::{Call, Expect, Grpc};
use crate::http::{Answer, Ask};
use crate::text::Names;

/// Between two tries of a call that may take a while to be as expected.
const AGAIN: Duration = Duration::from_millis(20);

impl Asking<'_> {
    pub(super) async fn call(&mut self, call: &Call) -> Done {
        let deadline = Instant::now() + Duration::from_millis(call.within_ms.unwrap_or(0));
        loop {
            match self.call_now(call).await {
                Err(_) if Instant::now() < deadline => quiet(AGAIN).await,
                done => return done,
            }
        }
    }

    async fn call_now(&mut self, call: &Call) -> Done {
        let base = self.base().await;
        let mut answers = Vec::new();
        for turn in 0..call.times {
            let together = (1..=call.at_once).map(|place| {
                let ask = ask(call, &self.names.with("i", (turn * call.at_once + place).to_string()));
                let (client, base) = (self.client.clone(), base.clone());
                async move { client.ask(&base, ask).await }
            });
            answers.extend(join_all(together).await);
        }
        for (answer, place) in answers.iter().zip(1_u32..) {
            call.expect.check(answer, &self.names.with("i", place.to_string()))?;
        }
        call.expect.check_all(&answers, &self.names)?;
        self.save(call, answers.last())
    }

    fn save(&mut self, call: &Call, answer: Option<&Answer>) -> Done {
        for (name, place) in &call.save {
            let answer = answer.ok_or("nothing was asked")?;
            let value = match &**place {
                "etag" => answer.header("etag").unwrap_or_default().trim_matches('"').to_owned(),
                pointer => answer.at(pointer)?.to_string(),
            };
            self.names.set(name, value);
        }
        Ok(())
    }

    /// Starts a call and goes on once it is on its way.
    pub(super) async fn start(&mut self, name: &str, call: &Call) -> Done {
        let (ask, base, client) = (ask(call, &self.names), self.base().await, self.client.clone());
        self.started.insert(name.to_owned(), tokio::spawn(async move { client.ask(&base, ask).await }));
        Ok(())
    }

    pub(super) async fn finish(&mut self, name: &str, expect: &Expect) -> Done {
        let started = self.started.remove(name).ok_or_else(|| format!("no call {name:?} was started"))?;
        let answer = started.await.map_err(|error| error.to_string())?;
        expect.check(&answer, &self.names)
    }

    pub(super) async fn grpc(&mut self, grpc: &Grpc) -> Done {
        let client = adjoin::connect(&self.base().await).await.map_err(|error| error.to_string())?;
        let body = grpc.body.as_ref().map_or(Ok(Value::Null), |body| self.names.json(body))?;
        let entity = client.named(&self.names.fill(&grpc.entity_type), &self.names.fill(&grpc.key));
        let mut call = entity.call(&grpc.command, &body);
        if let Some(key) = &grpc.idempotency_key {
            call = call.idempotency_key(&self.names.fill(key));
        }
        if let Some(sequence) = grpc.if_sequence {
            call = call.if_sequence(sequence);
        }
        match call.answer().await {
            Ok(answer) => self.grpc_replied(grpc, &answer.value, answer.sequence),
            Err(error) => grpc_failed(grpc, &error),
        }
    }

    fn grpc_replied(&self, grpc: &Grpc, value: &Value, sequence: u64) -> Done {
        let reply = grpc.reply.as_ref().ok_or_else(|| format!("it replied {value}, expected a failure"))?;
        let expected = self.names.json(reply)?;
        if *value != expected || grpc.sequence.is_some_and(|expected| expected != sequence) {
            return Err(format!("it replied {value} at {sequence}, expected {expected} at {:?}", grpc.sequence));
        }
        Ok(())
    }
}

fn grpc_failed(grpc: &Grpc, error: &Error) -> Done {
    let (kind, code) = (error.kind.name(), error.client_code().name());
    let fits = |expected: &Option<String>, found: &str| expected.as_ref().is_none_or(|expected| expected == found);
    if grpc.reply.is_some() || !fits(&grpc.kind, kind) || !fits(&grpc.code, code) {
        return Err(format!("it failed as {kind} {code}: {error}"));
    }
    Ok(())
}

fn ask(call: &Call, names: &Names) -> Ask {
    let body = match (&call.body, call.body_bytes) {
        (Some(body), _) => Bytes::from(names.fill(body)),
        (None, Some(bytes)) => Bytes::from(format!("\"{}\"", "x".repeat(bytes.saturating_sub(2)))),
        (None, None) => Bytes::new(),
    };
    let headers = call.headers.iter().map(|(name, value)| (name.clone(), names.fill(value))).collect();
    Ask { line: names.fill(&call.request), headers, body }
}
