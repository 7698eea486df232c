// SPDX-License-Identifier: Apache-2.0
//! `Entities.Exchange`: the client's stream, one JSON value a message, and what it is answered.

use adjoin_model::{Code, Error, Payload, Result};
use adjoin_wire::client::exchange_request::Part;
use adjoin_wire::client::{CallRequest, ExchangeRequest};
use http::HeaderMap;
use tokio_stream::Stream;
use tonic::{Response, Streaming};

use crate::grpc::entities::{Asked, Generic, StreamStream, streamed};
use crate::grpc::named::Named;
use crate::grpc::replies::Begun;
use crate::grpc::status::unread;
use crate::http::stream;

impl Generic {
    /// Opens the call that the first message names; the rest of the stream goes to the handler as it takes it.
    pub(super) async fn exchanged(
        &self,
        headers: &HeaderMap,
        first: CallRequest,
        input: Streaming<ExchangeRequest>,
    ) -> Result<Response<StreamStream>> {
        let CallRequest { entity_type, entity_key, command, body, if_sequence: _ } = first;
        if !body.is_empty() {
            return Err(Error::invalid("the body of this call is its stream: send elements instead"));
        }
        let asked = Asked { entity_type: &entity_type, key: &entity_key, command: &command, body };
        let (route, request) = self.ask(headers, asked).await?;
        if !route.handler().streamed_in {
            return Err(
                Error::invalid("this handler takes no stream: call it by Call or Stream").at("command", command)
            );
        }
        let mut place = self.0.streams.place(&self.0.settings)?;
        let broken = place.breakable();
        let (upstream, elements) = self.0.engine.duplex(request);
        let parts = self::elements(input, route.clone(), self.0.settings.json_depth);
        tokio::spawn(stream::pump(upstream, broken, parts));
        Ok(streamed(Begun::soon(elements, place, true).await, route))
    }
}

/// The first message of a stream, which names the call.
///
/// # Errors
/// `Invalid` when it does not, or there is none.
pub(super) async fn first(input: &mut Streaming<ExchangeRequest>) -> Result<CallRequest> {
    match input.message().await {
        Ok(Some(ExchangeRequest { part: Some(Part::Call(call)) })) => Ok(call),
        Ok(_) => Err(Error::invalid("the first message of an exchange says which handler of which entity")),
        Err(said) => Err(unread(&said)),
    }
}

/// The client's elements, until it says that there are no more.
fn elements(input: Streaming<ExchangeRequest>, named: Named, depth: u8) -> impl Stream<Item = Result<Payload>> {
    futures::stream::try_unfold(input, move |mut input| {
        let named = named.clone();
        async move {
            let element = next(&mut input, &named, depth).await?;
            Ok(element.map(|element| (element, input)))
        }
    })
}

async fn next(input: &mut Streaming<ExchangeRequest>, named: &Named, depth: u8) -> Result<Option<Payload>> {
    match input.message().await {
        Ok(Some(ExchangeRequest { part: Some(Part::End(_)) })) => Ok(None),
        // A client that cancels, or dies, can look like one that has ended its stream.
        Ok(None) => Err(Error::unavailable("the stream ended without its end").with_code(Code::Cancelled)),
        Ok(Some(ExchangeRequest { part: Some(Part::Element(element)) })) => named.element(element, depth).map(Some),
        Ok(Some(_)) => Err(Error::invalid("every message of an exchange but the first is an element or the end")),
        Err(said) => Err(unread(&said)),
    }
}
