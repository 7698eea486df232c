// SPDX-License-Identifier: Apache-2.0
//! `adjoin call`.

mod grpc;

use std::io::{IsTerminal, Read};
use std::time::Duration;

use adjoin_model::EntityId;
use clap::Args;
use http::Method;

use crate::failure::{Failure, Outcome};
use crate::http::{self as client, Address, Lines};
use crate::inspect::entity_of;
use crate::print;

/// The largest body that is read from standard input.
const BODY_BYTES: u64 = 64 << 20;

/// Run a command or a query of an entity
///
/// The body is one JSON value: the argument itself when the handler takes one, an object by name when it takes several,
/// nothing when it takes none. The reply is printed as JSON on standard output; a refusal goes to standard error and the
/// exit code is 4.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  adjoin call shop.Cart/ada addItem '{\"product\":\"p1\",\"name\":\"Book\",\"qty\":1}'
  adjoin call shop.Cart/ada removeItem '\"p1\"'
  adjoin call shop.Cart/ada contents
  adjoin call shop.Cart/ada contents --watch            the answer now and after every change
  adjoin call shop.Cart/ada addItem - < item.json       body from standard input
  adjoin call shop.Cart/ada checkOut --idempotency-key order-17   safe to send again")]
pub(crate) struct CallArgs {
    /// Type and key, as in shop.Cart/ada.
    #[arg(value_parser = |text: &str| entity_of(text).map_err(|failure| failure.to_string()))]
    entity: EntityId,
    /// The command or query, as in addItem.
    command: String,
    /// One JSON value; `-` reads it from standard input.
    body: Option<String>,
    /// Where the host listens.
    #[arg(long, env = "ADJOIN_ADDRESS", default_value = "http://127.0.0.1:9000")]
    address: Address,
    /// Makes it safe to send the command again: a second one with this key has no second effect.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Run only if the entity stands at this sequence.
    #[arg(long, value_name = "SEQUENCE")]
    if_match: Option<u64>,
    /// How long to wait, as in 500ms, 10s.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Print the answer of a query now and after every change, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// Speak gRPC, by the generic service adjoin.client.v1.Entities, instead of HTTP/JSON.
    #[arg(long)]
    grpc: bool,
}

impl CallArgs {
    pub(crate) async fn run(&self) -> Outcome<()> {
        let body = self.body()?;
        if self.grpc {
            return grpc::run(self, body).await;
        }
        let mut request = self
            .address
            .request(Method::POST, &self.path(if self.watch { "?watch" } else { "" }))
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::ACCEPT, "application/json, text/event-stream");
        if !self.watch {
            request = request.header("request-timeout", self.timeout.as_secs_f64().to_string());
        }
        if let Some(key) = &self.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(sequence) = self.if_match {
            request = request.header(http::header::IF_MATCH, format!("\"{sequence}\""));
        }
        // A little longer than the host waits, so that its own answer is the one that is seen.
        let patience = self.timeout + Duration::from_secs(2);
        let answered = tokio::time::timeout(patience, self.answer(request, body)).await;
        match answered.unwrap_or_else(|_| Err(expired(self.timeout)))? {
            Answer::Whole(text) => print::line(&text),
            Answer::Stream(lines) => show_events(lines).await,
        }
    }

    async fn answer(&self, request: http::request::Builder, body: Vec<u8>) -> Outcome<Answer> {
        let response = self.address.send(request, body).await.map_err(not_there)?;
        let status = response.status();
        if !status.is_success() {
            return Err(client::failure(status, &client::body(response).await?));
        }
        let kind = response.headers().get(http::header::CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            return Ok(Answer::Stream(Lines::of(response)));
        }
        let body = client::body(response).await?;
        Ok(Answer::Whole(String::from_utf8_lossy(&body).trim_end().to_owned()))
    }

    fn path(&self, query: &str) -> String {
        let part = client::escaped;
        format!("/{}/{}/{}{query}", part(self.entity.entity_type()), part(self.entity.key()), part(&self.command))
    }

    fn body(&self) -> Outcome<Vec<u8>> {
        let text = match self.body.as_deref() {
            None => return Ok(Vec::new()),
            Some("-") => standard_input()?,
            Some(text) => text.to_owned(),
        };
        serde_json::from_str::<serde::de::IgnoredAny>(&text).map_err(|error| {
            Failure::usage(format!("the body is no JSON: {error}"))
                .help("a text needs quotes of its own: '\"p1\"'; in a shell, put the whole body into single quotes")
        })?;
        Ok(text.into_bytes())
    }
}

enum Answer {
    Whole(String),
    /// A watch, or an action's handler that streams its reply.
    Stream(Lines),
}

/// Server-sent events: the data of each is one element.
async fn show_events(mut lines: Lines) -> Outcome<()> {
    let mut event = String::new();
    while let Some(line) = lines.next().await? {
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, event.as_str()) {
            ("event", _) => event = value.to_owned(),
            ("data", "") => print::line(value)?,
            ("data", "end") => return Ok(()),
            ("data", _) => return Err(client::failure(http::StatusCode::INTERNAL_SERVER_ERROR, value.as_bytes())),
            ("", _) if line.is_empty() => event.clear(),
            _ => {}
        }
    }
    Err(Failure::unavailable("the stream ended without saying why").help("the host may have been restarted: ask again"))
}

fn standard_input() -> Outcome<String> {
    let input = std::io::stdin();
    if input.is_terminal() {
        return Err(Failure::usage("the body is to come from standard input, which is a terminal")
            .help("write it behind `<`, as in `adjoin call shop.Cart/ada addItem - < item.json`"));
    }
    let mut text = String::new();
    let read = input.lock().take(BODY_BYTES).read_to_string(&mut text);
    read.map_err(|error| Failure::usage(format!("standard input cannot be read: {error}")))?;
    Ok(text)
}

fn expired(after: Duration) -> Failure {
    Failure::unavailable(format!("no answer within {}", humantime::format_duration(after)))
        .at("outcome", "unknown: the command may have had its effect")
        .help("with --idempotency-key it is safe to send the command again")
}

fn not_there(failure: Failure) -> Failure {
    failure.help("start a host with `adjoin dev` or `adjoin serve`, or name its address with --address")
}
