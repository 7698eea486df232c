// SPDX-License-Identifier: Apache-2.0
//! The same call over gRPC, by the generic service `adjoin.client.v1.Entities`.

use adjoin_engine::Request;
use adjoin_model::Payload;

use super::CallArgs;
use crate::failure::{Failure, Outcome};
use crate::print;

/// Calls, or watches, and prints what comes.
pub(super) async fn run(args: &CallArgs, body: Vec<u8>) -> Outcome<()> {
    let client = adjoin::connect(&args.address.to_string()).await.map_err(|error| super::not_there(error.into()))?;
    let request = Request {
        idempotency_key: args.idempotency_key.as_deref().map(Into::into),
        if_match: args.if_match,
        timeout: (!args.watch).then_some(args.timeout),
        ..Request::new(args.entity.clone(), args.command.as_str(), Payload::new("json", body))
    };
    if !args.watch {
        let (payload, _) = client.call_json(request).await?;
        return print::line(&text(payload.as_ref()));
    }
    let mut answers = client.watch_json(request, None).await?;
    while let Some(answer) = answers.next().await {
        print::line(&text(answer?.1.as_ref()))?;
    }
    Err(Failure::unavailable("the watch ended").help("the host may have been restarted: ask again"))
}

fn text(payload: Option<&Payload>) -> String {
    let data = payload.map_or(&b""[..], |payload| &payload.data);
    if data.is_empty() { "null".into() } else { String::from_utf8_lossy(data).into_owned() }
}
