// SPDX-License-Identifier: Apache-2.0
//! Watches, streamed replies, streamed inputs, queues.

use std::sync::{Arc, Mutex};

use adjoin_engine::{Delivery, Elements, QueueSink, Responder};
use adjoin_model::Kind;

use crate::function::{json, text};
use crate::world::{World, cart, eventually, request, within};

async fn next(elements: &mut Elements) -> Option<(String, u64)> {
    let element = within(elements.next()).await?.expect("an element");
    Some((text(&element.payload.expect("a body")), element.sequence))
}

#[tokio::test]
async fn a_watch_shows_the_present_and_then_every_change_it_has_time_for() {
    let world = World::new().await;
    world.ok("ada", "add").await;
    let mut watch = world.engine.watch(cart("ada", "count"), None);
    assert_eq!(next(&mut watch).await, Some(("1".into(), 1)));
    for _ in 0..9 {
        world.ok("ada", "add").await;
    }
    let mut seen = 1;
    while seen < 10 {
        let (body, sequence) = next(&mut watch).await.expect("an element");
        assert!(sequence > seen && body == sequence.to_string(), "{body} at {sequence} after {seen}");
        seen = sequence;
    }
    drop(watch);
    let status = || async { within(world.engine.status()).await.calls };
    assert_eq!(status().await, 0);
}

#[tokio::test]
async fn a_watch_goes_on_after_what_was_seen() {
    let world = World::new().await;
    world.ok("ada", "add").await;
    let mut watch = world.engine.watch(cart("ada", "count"), Some(1));
    world.ok("ada", "add").await;
    assert_eq!(next(&mut watch).await, Some(("2".into(), 2)));
}

#[tokio::test]
async fn a_command_cannot_be_watched() {
    let world = World::new().await;
    let error =
        within(world.engine.watch(cart("ada", "add"), None).next()).await.expect("an end").expect_err("refused");
    assert_eq!(error.kind, Kind::Invalid);
}

#[tokio::test]
async fn a_streamed_reply_comes_in_order_and_ends() {
    let world = World::new().await;
    let mut list = world.engine.stream(request("shop.Mailer", "all", "list", "100"));
    for n in 0..100 {
        assert_eq!(next(&mut list).await, Some((n.to_string(), 0)));
    }
    assert!(within(list.next()).await.is_none());
    assert!(within(list.next()).await.is_none());
}

#[tokio::test]
async fn a_streamed_input_is_answered_once() {
    let world = World::new().await;
    let (mut up, reply) = world.engine.upload(request("shop.Mailer", "all", "collect", ""));
    for n in 0..50 {
        within(up.send(json(&n.to_string()))).await.expect("taken");
    }
    up.end();
    let body = text(&within(reply).await.expect("a reply").payload.expect("a body"));
    assert_eq!(body, (0..50).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
}

#[tokio::test]
async fn streams_go_both_ways_at_once() {
    let world = World::new().await;
    let (mut up, mut down) = world.engine.duplex(request("shop.Mailer", "all", "echo", ""));
    for n in 0..50 {
        within(up.send(json(&n.to_string()))).await.expect("taken");
        assert_eq!(next(&mut down).await, Some((n.to_string(), 0)));
    }
    up.end();
    assert!(within(down.next()).await.is_none());
}

#[tokio::test]
async fn a_stream_asked_for_as_one_reply_is_refused() {
    let world = World::new().await;
    let error = within(world.engine.call(request("shop.Mailer", "all", "list", "3"))).await.expect_err("refused");
    assert_eq!(error.kind, Kind::Invalid);
    assert!(within(world.engine.stream(cart("ada", "add")).next()).await.is_some(), "one reply is a stream of one");
}

#[derive(Default)]
struct Queue(Mutex<Vec<(u64, Delivery)>>);

impl QueueSink for Queue {
    fn take(&self, batch: &mut Vec<(u64, Delivery)>) {
        self.0.lock().expect("a lock").append(batch);
    }
}

#[tokio::test]
async fn a_queue_takes_the_answers_of_many_calls() {
    let world = World::new().await;
    let queue = Arc::new(Queue::default());
    for token in 0..20 {
        let sink: Arc<dyn QueueSink> = queue.clone();
        world.engine.submit(cart(&format!("k{}", token % 4), "add"), Responder::Queue { sink, token });
    }
    eventually("answers", || queue.0.lock().expect("a lock").len() == 20).await;
    let answers = queue.0.lock().expect("a lock").clone();
    assert!(answers.iter().all(|(_, answer)| matches!(answer, Delivery::Reply(Ok(_)))));
    let of = |token| answers.iter().position(|(other, _)| *other == token);
    assert!(of(0) < of(4) && of(4) < of(8), "one entity's answers come in order");
}

struct Broken;

impl QueueSink for Broken {
    fn take(&self, _batch: &mut Vec<(u64, Delivery)>) {
        panic!("the queue panics on request");
    }
}

#[tokio::test]
async fn a_queue_that_panics_harms_nobody_else() {
    let world = World::new().await;
    let call = world.engine.call(cart("ada", "add"));
    world.engine.submit(cart("ada", "add"), Responder::Queue { sink: Arc::new(Broken), token: 1 });
    within(call).await.expect("a reply");
    assert_eq!(world.ok("ada", "add").await, "3");
    assert_eq!(within(world.engine.status()).await.calls, 0);
}
