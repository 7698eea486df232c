// SPDX-License-Identifier: Apache-2.0
//! A gRPC client whose messages are dynamic: any command of any service.

use std::net::SocketAddr;
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

use crate::schema::{Schema, shown};

const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// A connection to a service, or to a proxy before it.
#[derive(Clone)]
pub(crate) struct Client {
    channel: Channel,
    schema: Schema,
}

/// One call; its messages go both ways as the command allows.
pub(crate) struct Call {
    path: String,
    schema: Schema,
    input: MessageDescriptor,
    output: MessageDescriptor,
    requests: Option<mpsc::Sender<DynamicMessage>>,
    answers: Answers,
    headers: Option<MetadataMap>,
}

enum Answers {
    /// Headers may come as late as the first message.
    Awaited(JoinHandle<Result<Response<Streaming<DynamicMessage>>, Status>>),
    Open(Box<Streaming<DynamicMessage>>),
    Over,
}

impl Client {
    /// Connects once something is asked.
    ///
    /// # Errors
    /// If the address is none.
    pub(crate) fn new(address: SocketAddr, schema: Schema) -> Result<Self, String> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| error.to_string())?;
        Ok(Self { channel: endpoint.connect_lazy(), schema })
    }

    /// Begins a call.
    ///
    /// # Errors
    /// If there is no such command.
    pub(crate) fn call(&self, path: &str) -> Result<Call, String> {
        self.call_with(path, MetadataMap::new())
    }

    /// Begins a call with metadata.
    ///
    /// # Errors
    /// If there is no such command.
    pub(crate) fn call_with(&self, path: &str, metadata: MetadataMap) -> Result<Call, String> {
        let method = self.schema.method(path)?;
        let (requests, receiver) = mpsc::channel(16);
        let mut request = Request::new(ReceiverStream::new(receiver));
        *request.metadata_mut() = metadata;
        let codec = Dynamic { answers: method.output() };
        let uri = PathAndQuery::try_from(path).map_err(|error| format!("{path}: {error}"))?;
        let mut client = Grpc::new(self.channel.clone());
        let answers = tokio::spawn(async move {
            client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            client.streaming(request, uri, codec).await
        });
        Ok(Call {
            path: path.to_owned(),
            schema: self.schema.clone(),
            input: method.input(),
            output: method.output(),
            requests: Some(requests),
            answers: Answers::Awaited(answers),
            headers: None,
        })
    }

    /// One message, and its one answer; an error of the call is `Ok(Err)`.
    ///
    /// # Errors
    /// If the JSON does not fit, or if there is no answer in time.
    pub(crate) async fn ask(&self, path: &str, json: &Value) -> Result<Result<DynamicMessage, Status>, String> {
        let mut call = self.call(path)?;
        call.send(json).await?;
        call.close();
        match call.next().await? {
            Ok(Some(answer)) => call.ended().await.map(|()| Ok(answer)),
            Ok(None) => Err(format!("{path} ended without an answer")),
            Err(status) => Ok(Err(status)),
        }
    }

    /// Asks and compares the answer.
    ///
    /// # Errors
    /// How it differs.
    pub(crate) async fn answers(&self, path: &str, json: &Value, expected: &Value) -> Result<(), String> {
        let expected = self.schema.message(&self.schema.method(path)?.output(), expected)?;
        match self.ask(path, json).await? {
            Ok(answer) if answer == expected => Ok(()),
            Ok(answer) => Err(format!("{path} {json} answered {}, not {}", shown(&answer), shown(&expected))),
            Err(status) => Err(format!("{path} {json} failed with {status}, to answer {}", shown(&expected))),
        }
    }

    /// Asks and compares how it was refused.
    ///
    /// # Errors
    /// How it differs.
    pub(crate) async fn refuses(&self, path: &str, json: &Value, code: tonic::Code, said: &str) -> Result<(), String> {
        match self.ask(path, json).await? {
            Err(status) if status.code() == code && status.message() == said => Ok(()),
            Err(status) => Err(format!("{path} {json} failed with {status}, not with {code:?} {said:?}")),
            Ok(answer) => Err(format!("{path} {json} answered {}, to fail with {said:?}", shown(&answer))),
        }
    }
}

impl Call {
    /// Sends one message.
    ///
    /// # Errors
    /// If the JSON does not fit, or nobody takes it in.
    pub(crate) async fn send(&mut self, json: &Value) -> Result<(), String> {
        let message = self.schema.message(&self.input, json)?;
        self.deliver(message).await
    }

    /// Sends one message whose field `payload` is of a type that no `.proto` file has.
    ///
    /// # Errors
    /// If the rest does not fit, or nobody takes it in.
    pub(crate) async fn send_with_payload(&mut self, json: &Value, kind: &str, value: Vec<u8>) -> Result<(), String> {
        let mut message = self.schema.message(&self.input, json)?;
        message.set_field_by_name("payload", self.schema.any(kind, value)?);
        self.deliver(message).await
    }

    async fn deliver(&mut self, message: DynamicMessage) -> Result<(), String> {
        let requests = self.requests.as_ref().ok_or_else(|| format!("{} was closed before", self.path))?;
        requests.send(message).await.map_err(|_| format!("{} takes in nothing any more", self.path))
    }

    /// Sends no more.
    pub(crate) fn close(&mut self) {
        self.requests = None;
    }

    /// Breaks the call off.
    #[cfg(test)]
    pub(crate) fn cancel(self) {
        // What has been answered to is reset before its requests end.
        drop(self.answers);
    }

    /// The next message, `None` at a good end; an error of the call is `Ok(Err)`.
    ///
    /// # Errors
    /// If nothing comes in time.
    pub(crate) async fn next(&mut self) -> Result<Result<Option<DynamicMessage>, Status>, String> {
        let next = tokio::time::timeout(ANSWERED_WITHIN, self.answers.next(&mut self.headers)).await;
        next.map_err(|_| format!("{} told nothing in {ANSWERED_WITHIN:?}", self.path))
    }

    /// What the answer began with, once it did.
    pub(crate) fn headers(&self) -> Option<&MetadataMap> {
        self.headers.as_ref()
    }

    /// Compares the next message.
    ///
    /// # Errors
    /// How it differs.
    pub(crate) async fn tells(&mut self, expected: &Value) -> Result<(), String> {
        let expected = self.schema.message(&self.output, expected)?;
        match self.next().await? {
            Ok(Some(message)) if message == expected => Ok(()),
            Ok(Some(message)) => Err(format!("{} told {}, not {}", self.path, shown(&message), shown(&expected))),
            Ok(None) => Err(format!("{} ended, to tell {}", self.path, shown(&expected))),
            Err(status) => Err(format!("{} failed with {status}, to tell {}", self.path, shown(&expected))),
        }
    }

    /// The next message.
    ///
    /// # Errors
    /// If the call ends instead.
    pub(crate) async fn message(&mut self) -> Result<DynamicMessage, String> {
        match self.next().await? {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(format!("{} ended", self.path)),
            Err(status) => Err(format!("{} failed with {status}", self.path)),
        }
    }

    /// Waits for a good end with nothing more told.
    ///
    /// # Errors
    /// What came instead.
    pub(crate) async fn ended(&mut self) -> Result<(), String> {
        match self.next().await? {
            Ok(None) => Ok(()),
            Ok(Some(message)) => Err(format!("{} told {}, to end", self.path, shown(&message))),
            Err(status) => Err(format!("{} failed with {status}, to end well", self.path)),
        }
    }

    /// Waits for any end with nothing more told.
    ///
    /// # Errors
    /// What was told.
    pub(crate) async fn over(&mut self) -> Result<(), String> {
        match self.next().await? {
            Ok(Some(message)) => Err(format!("{} told {}, to end", self.path, shown(&message))),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Waits for this failure of the call.
    ///
    /// # Errors
    /// What came instead.
    pub(crate) async fn fails(&mut self, code: tonic::Code, said: &str) -> Result<(), String> {
        match self.next().await? {
            Err(status) if status.code() == code && status.message() == said => Ok(()),
            Err(status) => Err(format!("{} failed with {status}, not with {code:?} {said:?}", self.path)),
            Ok(Some(message)) => Err(format!("{} told {}, to fail with {said:?}", self.path, shown(&message))),
            Ok(None) => Err(format!("{} ended well, to fail with {said:?}", self.path)),
        }
    }
}

impl Answers {
    async fn next(&mut self, headers: &mut Option<MetadataMap>) -> Result<Option<DynamicMessage>, Status> {
        if let Self::Awaited(begun) = self {
            let begun = begun.await.unwrap_or_else(|error| Err(Status::internal(error.to_string())));
            *self = Self::Over;
            let response = begun?;
            *headers = Some(response.metadata().clone());
            *self = Self::Open(Box::new(response.into_inner()));
        }
        match self {
            Self::Open(stream) => stream.message().await,
            Self::Awaited(_) | Self::Over => Ok(None),
        }
    }
}

/// Messages of one command.
struct Dynamic {
    answers: MessageDescriptor,
}

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        Self { answers: self.answers.clone() }
    }

    fn decoder(&mut self) -> Self::Decoder {
        self.encoder()
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&item.encode_to_vec());
        Ok(())
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        let message = DynamicMessage::decode(self.answers.clone(), bytes);
        message.map(Some).map_err(|error| Status::internal(format!("{}: {error}", self.answers.full_name())))
    }
}
