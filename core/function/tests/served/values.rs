// SPDX-License-Identifier: Apache-2.0
//! Value entities.

use adjoin_entity::frame::HostFrame;
use adjoin_function::cloudstate::protocol as p;
use p::valueentity::ValueEntityReply;
use p::valueentity::value_entity_action::Action;

use crate::function::VALUE;
use crate::messages::{Effect, ValueAct, any, text};
use crate::proxy::{Ve, said, value_init, ve};
use crate::world::World;

async fn value(world: &World, id: &str, stored: Option<&str>) -> Ve {
    let entity = ve(&world.channel).await;
    entity.say(value_init(id, stored)).await;
    entity
}

fn update(value: &str) -> ValueAct {
    ValueAct::Update(text(value))
}

/// What is to be stored: a value, or none for a delete.
fn stored(reply: &ValueEntityReply) -> Option<Option<prost_types::Any>> {
    let action = reply.state_action.clone()?;
    Some(match action.action.expect("an action") {
        Action::Update(update) => Some(update.value.expect("a value")),
        Action::Delete(_) => None,
    })
}

#[tokio::test]
async fn a_value_begins_with_what_was_stored_or_nothing() {
    let mut world = World::new().await;
    for (key, kept) in [("new", None), ("old", Some("kept"))] {
        let mut entity = value(&world, key, kept).await;
        let reply = entity.asks(1, key, vec![]).await;
        assert_eq!((said(reply.client_action.clone()).as_str(), stored(&reply)), (kept.unwrap_or_default(), None));
        entity.leaves().await;
        let HostFrame::Activate { entity, sequence, state, .. } = world.frame().await else { panic!() };
        assert_eq!((entity.entity_type(), entity.key(), sequence), (VALUE, key, u64::from(kept.is_some())));
        let name = state.map(|state| state.type_name.to_string());
        assert_eq!(name, kept.map(|_| "cloudstate.tck.model.valueentity.Persisted".into()));
        world.frame_where(|frame| matches!(frame, HostFrame::Deactivate { .. })).await;
    }
}

#[tokio::test]
async fn updates_and_deletes_are_told_as_they_end() {
    let world = World::new().await;
    let mut entity = value(&world, "ada", None).await;
    let kept = |value: &str| Some(Some(any("valueentity.Persisted", &text(value))));
    assert_eq!(stored(&entity.asks(1, "ada", vec![update("A"), update("B")]).await), kept("B"));
    assert_eq!(stored(&entity.asks(2, "ada", vec![ValueAct::Delete(())]).await), Some(None));
    assert_eq!(stored(&entity.asks(3, "ada", vec![ValueAct::Delete(()), update("C")]).await), kept("C"));
    let refused = entity.asks(4, "ada", vec![update("D"), ValueAct::Fail(text("no"))]).await;
    assert_eq!((said(refused.client_action.clone()).as_str(), stored(&refused)), ("refused: no", None));
    assert_eq!(said(entity.asks(5, "ada", vec![]).await.client_action), "C");
}

/// The protocol has no restart for values: only the end of the stream makes the proxy begin with what it has.
#[tokio::test]
async fn what_would_diverge_fails_the_stream() {
    let durable = || ValueAct::Effect(Effect { id: "durable".into(), synchronous: false });
    for acts in [vec![update("A"), durable()], vec![ValueAct::Fail(text("ended"))], vec![ValueAct::Fail(text("bug"))]] {
        let world = World::new().await;
        let entity = value(&world, "ada", None).await;
        entity.say(crate::proxy::value_command(7, "ada", acts)).await;
        let failure = entity.fails().await;
        assert_eq!(failure.command_id, 7, "{failure:?}");
    }
}

#[tokio::test]
async fn a_refused_effect_without_an_update_lets_the_value_live() {
    let world = World::new().await;
    let mut entity = value(&world, "ada", Some("A")).await;
    let durable = ValueAct::Effect(Effect { id: "durable".into(), synchronous: false });
    let refused = entity.asks(1, "ada", vec![durable]).await;
    assert!(said(refused.client_action).contains("has no outbox"));
    assert_eq!(said(entity.asks(2, "ada", vec![]).await.client_action), "A");
}
