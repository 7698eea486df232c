// SPDX-License-Identifier: Apache-2.0
//! The cart's two commands, and a client that makes them as its generated stubs would.

use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

use crate::Outcome;

/// Carts that are called in turn.
pub(super) const KEYS: usize = 1000;
/// The service, as its contract names it.
pub(super) const SERVICE: &str = "adjoin.interop.cart.Cart";

/// One of the two.
#[derive(Clone, Copy)]
pub(super) struct Call {
    /// The method's bare name.
    pub(super) name: &'static str,
    path: &'static str,
    /// The type of what it takes.
    pub(super) input: &'static str,
    /// Fields beside the key: of `AddItemRequest`. The other has none.
    adds: bool,
}

/// Reads a cart: nothing is written.
pub(super) const GET: Call = Call {
    name: "GetCart",
    path: "/adjoin.interop.cart.Cart/GetCart",
    input: "type.googleapis.com/adjoin.interop.cart.GetCartRequest",
    adds: false,
};

/// Adds one more of a product: an event of about 100 bytes.
pub(super) const ADD: Call = Call {
    name: "AddItem",
    path: "/adjoin.interop.cart.Cart/AddItem",
    input: "type.googleapis.com/adjoin.interop.cart.AddItemRequest",
    adds: true,
};

const PRODUCT: &str = "p1";
/// With it the event has about 100 bytes.
const NAME: &str = "a product whose name is as long as it takes for an event to have the size of all the others";

/// `AddItemRequest` of the contract; `GetCartRequest` is the same without what is not set here.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Request {
    #[prost(string, tag = "1")]
    user_id: String,
    #[prost(string, tag = "2")]
    product_id: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(int32, tag = "4")]
    quantity: i32,
}

/// `Empty` or `Contents`, whose fields nobody reads here.
#[derive(Clone, PartialEq, prost::Message)]
struct Reply {}

impl Call {
    /// What is asked of the cart at this place.
    pub(super) fn request(self, place: usize) -> Request {
        let set = |text: &str| if self.adds { text.to_owned() } else { String::new() };
        Request { user_id: key(place), product_id: set(PRODUCT), name: set(NAME), quantity: i32::from(self.adds) }
    }
}

/// The key of the cart at this place.
pub(super) fn key(place: usize) -> String {
    format!("k{place}")
}

/// A client of the service.
#[derive(Clone)]
pub(super) struct Cart(Grpc<Channel>);

impl Cart {
    pub(super) fn new(channel: Channel) -> Self {
        Self(Grpc::new(channel))
    }

    /// Makes one call.
    pub(super) async fn ask(mut self, call: Call, turn: usize) -> Outcome<()> {
        self.0.ready().await?;
        let codec: ProstCodec<Request, Reply> = ProstCodec::default();
        let request = tonic::Request::new(call.request(turn % KEYS));
        self.0.unary(request, PathAndQuery::from_static(call.path), codec).await?;
        Ok(())
    }
}
