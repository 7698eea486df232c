// SPDX-License-Identifier: Apache-2.0
//! Everything that a proxy can make grow is bounded.

use adjoin_entity::frame::HostFrame;
use adjoin_function::ServeSettings;
use adjoin_wire::protocol::Hello;
use tonic::Code;

use crate::function::spec;
use crate::messages::{Act, emit, groups, text};
use crate::proxy::{ES, Es, act, actions, command, es, event, init};
use crate::world::{World, within};

async fn silent(world: &World, id: &str) -> Es {
    let entity = es(&world.channel).await;
    entity.say(init(ES, id, None)).await;
    entity.say(command(1, id, vec![Act::Fail(text("silence"))])).await;
    entity
}

#[tokio::test]
async fn entities_in_memory_are_bounded_and_places_come_back() {
    let world = World::with(spec(), ServeSettings { streams: 2, ..ServeSettings::default() }).await;
    let first = es(&world.channel).await;
    let _second = es(&world.channel).await;
    let third = actions(&world.channel).handle_unary(act("ProcessUnary", Some(groups(vec![])))).await;
    assert_eq!(third.expect_err("no place").code(), Code::ResourceExhausted);
    first.leaves().await;
    let asked = async {
        loop {
            let again = actions(&world.channel).handle_unary(act("ProcessUnary", Some(groups(vec![])))).await;
            if again.is_ok() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    within("a place", asked).await;
}

#[tokio::test]
async fn handlers_at_once_are_as_many_as_the_function_takes() {
    let hello = Hello { running: 1, bytes: 0 };
    let mut world = World::with(spec(), ServeSettings { hello, ..ServeSettings::default() }).await;
    let first = silent(&world, "first").await;
    let is_command = |frame: &HostFrame| matches!(frame, HostFrame::Command(_));
    world.frame_where(is_command).await;
    let mut second = es(&world.channel).await;
    second.say(init(ES, "second", None)).await;
    second.say(command(1, "second", vec![emit("A")])).await;
    // It is there, and waits.
    world.frame_where(|frame| matches!(frame, HostFrame::Replay { last: true, .. })).await;
    drop(first);
    world.frame_where(|frame| matches!(frame, HostFrame::Deactivate { .. })).await;
    world.frame_where(is_command).await;
    assert_eq!(second.reply().await.events.len(), 1);
}

#[tokio::test]
async fn commands_of_a_stream_come_one_at_a_time() {
    let mut world = World::new().await;
    let mut entity = silent(&world, "ada").await;
    for id in 2..40 {
        entity.say(command(id, "ada", vec![emit("A")])).await;
    }
    world.frame_where(|frame| matches!(frame, HostFrame::Command(_))).await;
    let other = es(&world.channel).await;
    other.say(init(ES, "bob", None)).await;
    // Whatever was sent to ada stands before this.
    let next = world.frame().await;
    assert!(matches!(next, HostFrame::Activate { .. }), "{next:?}");
    entity.close();
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_stream() {
    let world = World::new().await;
    let mut entity = es(&world.channel).await;
    entity.say(init(ES, "ada", Some((1, &"x".repeat(13 << 20))))).await;
    assert_eq!(entity.next().await.expect_err("too long").code(), Code::OutOfRange);
}

/// What is stored and what is not must not differ from what the function has applied.
#[tokio::test]
async fn an_answer_that_is_too_long_for_proxies_is_refused_and_the_entity_begun_anew() {
    let world = World::new().await;
    let mut entity = es(&world.channel).await;
    entity.say(init(ES, "ada", None)).await;
    // Within the bound of a message each, the answer repeats all of them.
    let (said, _) = entity.asks(1, "ada", vec![emit(&"x".repeat(4 << 20))]).await;
    assert_eq!(said.len(), 4 << 20);
    let (said, reply) = entity.asks(2, "ada", vec![emit(&"y".repeat(5 << 20))]).await;
    assert!(said.starts_with("refused: the answer takes") && reply.events.is_empty(), "{said:.100}");
    let failure = reply.client_action.and_then(|action| action.action);
    let Some(adjoin_function::cloudstate::protocol::client_action::Action::Failure(failure)) = failure else {
        panic!()
    };
    assert!(failure.restart);
}

/// A state of seven MiB fits, and its answer beside the event; a snapshot beside both does not.
#[tokio::test]
async fn a_snapshot_without_room_beside_the_answer_is_left_out() {
    let world = World::new().await;
    let mut entity = es(&world.channel).await;
    entity.say(init(ES, "ada", None)).await;
    for id in 1..=4 {
        let (_, reply) = entity.asks(id, "ada", vec![emit(&"x".repeat(1 << 20))]).await;
        assert_eq!((reply.events.len(), reply.snapshot), (1, None));
    }
    let (said, reply) = entity.asks(5, "ada", vec![emit(&"x".repeat(3 << 20))]).await;
    assert_eq!((said.len(), reply.events.len(), reply.snapshot), (7 << 20, 1, None));
    assert_eq!(entity.asks(6, "ada", vec![]).await.0.len(), 7 << 20);
}

#[tokio::test]
async fn bytes_that_are_no_message_end_the_stream_alone() {
    let mut world = World::new().await;
    let mut channel = world.channel.clone();
    let body =
        tonic::body::Body::new(http_body_util::Full::new(bytes::Bytes::from_static(b"\0\0\0\0\x04\xff\xff\xff\xff")));
    let request = http::Request::builder()
        .method("POST")
        .uri("http://function/cloudstate.eventsourced.EventSourced/handle")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .expect("a request");
    std::future::poll_fn(|cx| tower::Service::poll_ready(&mut channel, cx)).await.expect("ready");
    let response = within("a head", tower::Service::call(&mut channel, request)).await.expect("answered");
    let ended = http_body_util::BodyExt::collect(response.into_body()).await.expect("whole");
    let status = ended.trailers().and_then(|trailers| trailers.get("grpc-status")).cloned().expect("a status");
    assert_ne!(status, "0");
    let mut entity = es(&world.channel).await;
    entity.say(init(ES, "ada", None)).await;
    entity.say(event(1, "A")).await;
    assert_eq!(entity.asks(1, "ada", vec![]).await.0, "A");
    assert_eq!(world.activations(), (1, 0));
}
