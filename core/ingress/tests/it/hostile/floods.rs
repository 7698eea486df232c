// SPDX-License-Identifier: Apache-2.0
//! Floods of HTTP/2 frames that cost the client nothing.

use crate::host::host;
use crate::wire::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, Wire, fields, frame, hello,
};

/// RFC 9113, section 7.
const ENHANCE_YOUR_CALM: u32 = 11;

/// Far more than a client has a reason for.
const FLOOD: u32 = 50_000;

fn command(name: &str) -> Vec<u8> {
    let path = format!("/shop.Cart/ada/{name}");
    fields(&[(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", &path)])
}

/// Sends frames until the host has had enough or all are sent; says the code it closed with.
async fn flood(host: &crate::host::Host, first: Vec<u8>, more: impl Fn(u32) -> Vec<u8>) -> Option<u32> {
    let mut wire = Wire::to(host).await;
    wire.send(&[hello(), first].concat()).await;
    let mut number = 0;
    while number < FLOOD {
        let batch: Vec<u8> = (number..number + 500).flat_map(&more).collect();
        number += 500;
        if !wire.send(&batch).await {
            break;
        }
    }
    let goaway = wire.frame_of(GOAWAY).await;
    // A host that has closed resets a peer that still sends: then its last words may be lost.
    goaway.map(|frame| frame.code())
}

#[tokio::test]
async fn streams_opened_and_reset_at_once_end_the_connection() {
    let host = host().await;
    let block = command("hang");
    let code = flood(&host, Vec::new(), |number| {
        let stream = 2 * number + 1;
        let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        [frame(HEADERS, END_HEADERS | END_STREAM, stream, &block), reset].concat()
    });
    let code = code.await;
    assert!(code.is_none_or(|code| code == ENHANCE_YOUR_CALM), "{code:?}");
    host.serves().await;
}

#[tokio::test]
async fn a_head_that_goes_on_for_ever_ends_the_connection() {
    let host = host().await;
    for more in [Vec::new(), fields(&[("x-more", "v")])] {
        let first = frame(HEADERS, 0, 1, &command("addItem"));
        let code = flood(&host, first, |_| frame(CONTINUATION, 0, 1, &more)).await;
        assert!(code.is_none_or(|code| code != 0), "{code:?}");
        host.serves().await;
    }
}

#[tokio::test]
async fn empty_data_without_end_does_not_hold_up_others() {
    let host = host().await;
    let first = frame(HEADERS, END_HEADERS, 1, &command("addItem"));
    let mut wire = Wire::to(&host).await;
    wire.send(&[hello(), first].concat()).await;
    for _ in 0..100 {
        let empty: Vec<u8> = (0..500).flat_map(|_| frame(DATA, 0, 1, &[])).collect();
        if !wire.send(&empty).await {
            break;
        }
        host.serves().await;
    }
}
