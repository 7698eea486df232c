// SPDX-License-Identifier: Apache-2.0
//! Calls of actions in loops that do not have their shards.

use adjoin_entity::Settings;
use adjoin_entity::frame::Effects;
use adjoin_entity::spec::EntityKind;
use adjoin_model::{EntityId, Kind, Outcome, shard_of};

use crate::host::*;

/// The second of two loops, and a key of an action that is at home in the first.
fn second_loop() -> (Host, EntityId) {
    let settings = Settings { loops: 2, index: 1, ..settings() };
    let stranger = (0..).map(|n| EntityId::new("shop.Mailer", format!("k{n}")).expect("an id"));
    let stranger = stranger.into_iter().find(|id| shard_of(id, 16).0.is_multiple_of(2)).expect("one of them");
    (Host::without_function(settings), stranger)
}

#[test]
fn an_action_waits_for_a_function_in_a_loop_that_does_not_have_its_shard() {
    let (mut host, stranger) = second_loop();
    host.up(1);
    host.down(1);
    let call = host.new_call(stranger, "send");
    let call = host.send(call);
    assert!(!host.replied(call));
    host.up(2);
    let command = host.command();
    host.answer(&command, reply("sent"), Effects::default());
    assert!(host.reply(call).is_ok());
}

#[test]
fn a_call_that_waited_as_an_actions_is_not_run_where_its_type_has_a_state_now() {
    let (mut host, stranger) = second_loop();
    host.up(1);
    host.down(1);
    let call = host.new_call(stranger, "send");
    let call = host.send(call);
    let mut stateful = spec();
    stateful.types.iter_mut().filter(|one| &*one.name == "shop.Mailer").for_each(|one| {
        one.kind = EntityKind::Value;
        one.handlers.retain(|handler| !handler.streamed_out);
    });
    host.up_with(2, stateful, 1000);
    assert_eq!(host.error(call), (Kind::Fenced, Outcome::None));
    assert!(host.commands.is_empty() && host.loads.is_empty());
}
