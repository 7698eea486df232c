// SPDX-License-Identifier: Apache-2.0
//! The messages of `protos/`, as far as the function reads or makes them.

use std::collections::BTreeMap;

use adjoin_model::{Error, Payload};
use bytes::Bytes;
use prost::Message;

macro_rules! messages {
    ($($(#[$about:meta])* $name:literal $type:ident { $($(#[$how:meta])* $field:ident: $of:ty,)* })*) => {
        $(
            $(#[$about])*
            #[derive(Clone, PartialEq, Message)]
            pub(crate) struct $type { $($(#[$how])* pub(crate) $field: $of,)* }

            impl Named for $type {
                const NAME: &'static str = $name;
            }
        )*
    };
}

/// A message with its full name.
pub(crate) trait Named: Message + Default {
    const NAME: &'static str;

    /// As a reply or an element.
    fn payload(&self) -> Payload {
        Payload::new(format!("type.googleapis.com/{}", Self::NAME), self.encode_to_vec())
    }

    /// Out of a command or an element: the ingress passes bytes on as they came.
    fn read(payload: &Payload) -> Result<Self, Error> {
        Self::decode(&payload.data[..]).map_err(|_| Error::invalid(format!("this is no {}", Self::NAME)))
    }
}

messages! {
    "depot.Person" Person {
        #[prost(string, tag = "1")] name: String,
        #[prost(int32, tag = "2")] floor: i32,
    }
    "depot.Parcel" Parcel {
        #[prost(string, tag = "2")] label: String,
        #[prost(message, optional, tag = "6")] sender: Option<Person>,
    }
    "depot.Receipt" Receipt {
        #[prost(int64, tag = "1")] parcels: i64,
        #[prost(string, tag = "2")] label: String,
        #[prost(message, optional, tag = "3")] sender: Option<Person>,
    }
    /// The parcels as they came.
    "depot.Contents" Contents {
        #[prost(bytes = "bytes", repeated, tag = "1")] parcels: Vec<Bytes>,
    }
    "depot.Line" Line {
        #[prost(string, tag = "1")] text: String,
        #[prost(int32, tag = "2")] count: i32,
    }
    "depot.Report" Report {
        #[prost(string, tag = "1")] text: String,
        #[prost(btree_map = "string, string", tag = "2")] metadata: BTreeMap<String, String>,
        #[prost(int32, tag = "3")] total: i32,
    }
    "google.api.HttpBody" HttpBody {
        #[prost(string, tag = "1")] content_type: String,
        #[prost(bytes = "bytes", tag = "2")] data: Bytes,
    }
    "grpc.testing.Empty" Empty {}
    "grpc.testing.Payload" Filling {
        #[prost(int32, tag = "1")] kind: i32,
        #[prost(bytes = "bytes", tag = "2")] body: Bytes,
    }
    "grpc.testing.EchoStatus" EchoStatus {
        #[prost(int32, tag = "1")] code: i32,
        #[prost(string, tag = "2")] message: String,
    }
    "grpc.testing.SimpleRequest" SimpleRequest {
        #[prost(int32, tag = "2")] response_size: i32,
        #[prost(message, optional, tag = "7")] response_status: Option<EchoStatus>,
    }
    "grpc.testing.SimpleResponse" SimpleResponse {
        #[prost(message, optional, tag = "1")] payload: Option<Filling>,
    }
    "grpc.testing.StreamingInputCallRequest" InputRequest {
        #[prost(message, optional, tag = "1")] payload: Option<Filling>,
    }
    "grpc.testing.StreamingInputCallResponse" InputResponse {
        #[prost(int32, tag = "1")] aggregated_payload_size: i32,
    }
    "grpc.testing.ResponseParameters" ResponseParameters {
        #[prost(int32, tag = "1")] size: i32,
    }
    "grpc.testing.StreamingOutputCallRequest" OutputRequest {
        #[prost(message, repeated, tag = "2")] response_parameters: Vec<ResponseParameters>,
        #[prost(message, optional, tag = "7")] response_status: Option<EchoStatus>,
    }
    "grpc.testing.StreamingOutputCallResponse" OutputResponse {
        #[prost(message, optional, tag = "1")] payload: Option<Filling>,
    }
}
