// SPDX-License-Identifier: Apache-2.0
//! Size: heads, paths, connections and streams past their bounds.

use adjoin_ingress::Settings;

use crate::host::{host, host_with};
use crate::wire::{END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, Wire, fields, frame, hello, query};

/// RFC 9113, section 7.
const REFUSED_STREAM: u32 = 7;

/// `:status: 431` in HPACK: name 8 of the static table, the value in Huffman's code (RFC 7541).
const STATUS_431: [u8; 5] = [0x48, 0x83, 0x69, 0x90, 0xff];

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n{fields}\r\n")
}

#[tokio::test]
async fn a_head_past_a_bound_is_told_which() {
    let host = host().await;
    let path = "/shop.Cart/ada/contents";
    let long = format!("x-long: {}\r\n", "v".repeat(17 << 10));
    let many: String = (0..101).map(|number| format!("x-{number}: v\r\n")).collect();
    let far = format!("{path}?{}", "q".repeat(9 << 10));
    let cases = [
        (get(path, &long), "431 ", "16384 bytes"),
        (get(path, &many), "431 ", "100 header fields"),
        (get(&far, ""), "414 ", "8192 bytes"),
    ];
    for (request, status, said) in cases {
        let mut wire = Wire::to(&host).await;
        wire.send(request.as_bytes()).await;
        let answer = wire.answer().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(said), "{said}: {answer}");
    }
}

#[tokio::test]
async fn a_head_far_past_every_bound_is_cut_off() {
    let host = host().await;
    let long = format!("x-long: {}\r\n", "v".repeat(1 << 20));
    let many: String = (0..2000).map(|number| format!("x-{number}: v\r\n")).collect();
    let far = format!("/{}", "p".repeat(1 << 20));
    for request in [get("/", &long), get("/", &many), get(&far, "")] {
        let mut wire = Wire::to(&host).await;
        wire.send(request.as_bytes()).await;
        let answer = wire.rest().await;
        // Bytes that nobody reads reset the connection, and the answer may be lost with it.
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    host.serves().await;
}

#[tokio::test]
async fn a_head_past_a_bound_is_refused_on_http_2() {
    let host = host().await;
    let many: Vec<_> = (0..101).map(|number| (format!("x-{number}"), "v")).collect();
    let many: Vec<_> = many.iter().map(|(name, value)| (&**name, *value)).collect();
    let block = [query(), fields(&many)].concat();
    let mut wire = Wire::to(&host).await;
    wire.send(&[hello(), frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)].concat()).await;
    let answer = wire.frame_of(HEADERS).await.expect("an answer");
    assert!(answer.payload.starts_with(&STATUS_431), "{answer:x?}");
    host.serves().await;
}

#[tokio::test]
async fn a_connection_past_the_bound_is_told_and_a_place_comes_free() {
    let host = host_with(Settings { connections: 1, ..Settings::default() }).await;
    let mut first = Wire::to(&host).await;
    first.send(get("/shop.Cart/ada/contents", "").as_bytes()).await;
    first.answer().await;
    let mut second = Wire::to(&host).await;
    second.send(get("/shop.Cart/ada/contents", "").as_bytes()).await;
    second.0.readable().await.expect("told");
    let told = second.answer().await;
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("retry-after: 1"), "{told}");
    drop((first, second));
    let freed = async { while host.get("/shop.Cart/ada/contents").await.status != 200 {} };
    tokio::time::timeout(crate::host::LONG, freed).await.expect("the place of the first comes free");
}

#[tokio::test]
async fn a_stream_past_the_bound_of_its_connection_is_refused() {
    let host = host_with(Settings { streams_per_connection: 2, ..Settings::default() }).await;
    let path = "/shop.Cart/ada/contents?watch";
    let watch = fields(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)]);
    let mut wire = Wire::to(&host).await;
    let open = [1, 3, 5].map(|stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &watch));
    wire.send(&[hello(), open.concat()].concat()).await;
    let refused = wire.frame_of(RST_STREAM).await.expect("refused");
    assert_eq!((refused.stream, refused.code()), (5, REFUSED_STREAM));
    host.serves().await;
}

#[tokio::test]
async fn http_2_that_breaks_the_protocol_is_closed_with_the_reason() {
    let host = host().await;
    let cases = [frame(HEADERS, END_HEADERS, 2, &query()), frame(HEADERS, END_HEADERS, 1, &[0xff; 40])];
    for case in cases {
        let mut wire = Wire::to(&host).await;
        wire.send(&[hello(), case].concat()).await;
        assert_ne!(wire.frame_of(GOAWAY).await.expect("told").code(), 0);
        while wire.frame().await.is_some() {}
    }
    host.serves().await;
}
