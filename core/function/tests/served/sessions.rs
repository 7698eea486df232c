// SPDX-License-Identifier: Apache-2.0
//! Connections and sessions, and how they end.

use adjoin_entity::frame::HostFrame;
use adjoin_function::ServeSettings;
use tonic::Code;

use crate::function::spec;
use crate::messages::{emit, text};
use crate::proxy::{ES, Es, command, es, init};
use crate::world::{Seen, World};

async fn begun(channel: &tonic::transport::Channel, id: &str) -> Es {
    let mut entity = es(channel).await;
    entity.say(init(ES, id, None)).await;
    entity.asks(1, id, vec![emit("A")]).await;
    entity
}

#[tokio::test]
async fn a_connection_is_one_session_that_begins_with_its_first_entity() {
    let mut world = World::new().await;
    world.discovery().discover(adjoin_function::cloudstate::protocol::ProxyInfo::default()).await.expect("answered");
    let _ada = begun(&world.channel, "ada").await;
    let _bob = begun(&world.channel, "bob").await;
    let Seen::Session(welcome) = world.seen().await else { panic!("no session first") };
    assert_eq!((welcome.version, welcome.event_bytes), (1, 1 << 20));
    let other = world.connect().await;
    let eve = begun(&other, "ada").await;
    let mut sessions = 0;
    for _ in 0..9 {
        sessions += usize::from(matches!(world.seen().await, Seen::Session(_)));
    }
    assert_eq!(sessions, 1, "one more, for the other connection");
    drop((eve, other));
    while !matches!(world.seen().await, Seen::SessionEnd) {}
}

#[tokio::test]
async fn an_entity_that_is_begun_anew_ends_its_earlier_stream() {
    let mut world = World::new().await;
    let first = begun(&world.channel, "ada").await;
    let HostFrame::Activate { activation, .. } = world.frame().await else { panic!() };
    let mut second = begun(&world.channel, "ada").await;
    let said = first.fails().await.description;
    assert!(said.contains("begun anew"), "{said}");
    assert_eq!(second.asks(2, "ada", vec![emit("B")]).await.0, "AB");
    let ended = HostFrame::Deactivate { activation };
    world.frame_where(|frame| *frame == ended).await;
}

#[tokio::test]
async fn a_stream_that_breaks_ends_the_activation() {
    let mut world = World::new().await;
    let entity = es(&world.channel).await;
    entity.say(init(ES, "ada", None)).await;
    entity.say(command(1, "ada", vec![crate::messages::Act::Fail(text("silence"))])).await;
    let command = world.frame_where(|frame| matches!(frame, HostFrame::Command(_))).await;
    let HostFrame::Command(command) = command else { unreachable!() };
    drop(entity);
    let ended = HostFrame::Deactivate { activation: command.activation };
    world.frame_where(|frame| *frame == ended).await;
}

#[tokio::test]
async fn a_function_that_goes_ends_what_is_idle_well_and_fails_the_rest() {
    // What is over takes no place of the one that comes next.
    let mut world = World::with(spec(), ServeSettings { sessions: 1, ..ServeSettings::default() }).await;
    let mut idle = begun(&world.channel, "idle").await;
    let mut busy = begun(&world.channel, "busy").await;
    busy.say(command(2, "busy", vec![crate::messages::Act::Fail(text("gone"))])).await;
    let status = busy.next().await.expect_err("nobody answers");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(idle.next().await.expect("a good end").is_none());
    // The next stream has a session of its own.
    let mut again = es(&world.channel).await;
    again.say(init(ES, "idle", None)).await;
    assert_eq!(again.asks(1, "idle", vec![emit("B")]).await.0, "B");
    let mut sessions = 0;
    while sessions < 2 {
        sessions += usize::from(matches!(world.seen().await, Seen::Session(_)));
    }
}

#[tokio::test]
async fn a_server_that_stops_ends_idle_streams_well() {
    let world = World::new().await;
    let mut idle = begun(&world.channel, "idle").await;
    let World { server, .. } = world;
    let stopped = tokio::spawn(server.stop());
    assert!(idle.next().await.expect("a good end").is_none());
    crate::world::within("the end", stopped).await.expect("stopped");
}

#[tokio::test]
async fn sessions_of_proxies_count_as_those_of_hosts_do() {
    let settings = ServeSettings { sessions: 1, ..ServeSettings::default() };
    let world = World::with(spec(), settings).await;
    let _ada = begun(&world.channel, "ada").await;
    let other = world.connect().await;
    let mut entity = es(&other).await;
    entity.say(init(ES, "bob", None)).await;
    assert_eq!(entity.next().await.expect_err("no place").code(), Code::ResourceExhausted);
}
