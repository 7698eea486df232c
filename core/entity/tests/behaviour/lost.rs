// SPDX-License-Identifier: Apache-2.0
//! A function that goes while an entity is on its way to it, and the bound of activations (rules 10 and 11).

use adjoin_entity::Input;
use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_model::{EntityPage, Error, Kind, Limits, Outcome};

use crate::host::*;

/// A host that activates one entity at a time.
fn narrow() -> Host {
    let limits = Limits { activations: 1, ..settings().limits };
    Host::with(adjoin_entity::Settings { limits, ..settings() })
}

fn loaded(host: &mut Host, page: EntityPage) {
    let (load, ..) = host.loads.remove(0);
    host.step(vec![Input::Loaded { load, page: Ok(page) }]);
}

fn activations_of(host: &Host, session: u64) -> usize {
    host.frames.iter().filter(|(to, frame)| *to == session && matches!(frame, HostFrame::Activate { .. })).count()
}

#[test]
fn rule_11_activations_under_way_are_bounded_and_the_next_one_follows() {
    let mut host = narrow();
    host.hold_loads = true;
    let calls = [host.call("ada", "add"), host.call("bob", "add")];
    assert_eq!(host.loads.len(), 1, "bob waits for a place");
    host.hold_folds = true;
    loaded(&mut host, EntityPage::default());
    assert!(host.loads.is_empty(), "ada is not folded yet");
    let HostFrame::Activate { activation, .. } = host.frames[0].1 else { panic!("{:?}", host.frames) };
    host.answer_frame(1, FunctionFrame::Replayed { activation, sequence: 0 });
    assert_eq!((host.commands.len(), host.loads.len()), (1, 1), "ada runs, and bob is loaded");
    host.hold_folds = false;
    loaded(&mut host, EntityPage::default());
    host.run(&["A"]);
    host.run(&["A"]);
    host.settle();
    assert!(calls.into_iter().all(|call| host.reply(call).is_ok()));
}

#[test]
fn rule_10_an_entity_that_waits_for_a_place_goes_to_the_next_function() {
    let mut host = narrow();
    host.hold_loads = true;
    host.call("ada", "add");
    let call = host.call("bob", "add");
    host.down(1);
    // What the store still says of the first activation frees its place.
    loaded(&mut host, EntityPage::default());
    assert_eq!(host.activated(), 0);
    host.hold_loads = false;
    host.up(2);
    host.run(&["A"]);
    host.run(&["A"]);
    host.settle();
    assert!(host.reply(call).is_ok());
    assert_eq!((activations_of(&host, 1), activations_of(&host, 2)), (0, 2));
}

#[test]
fn rule_10_a_page_for_a_function_that_is_gone_is_dropped() {
    let mut host = Host::new();
    host.hold_loads = true;
    let call = host.call("ada", "add");
    host.down(1);
    host.up(2);
    // The page of the first activation, then that of the second; the first says what never was.
    let stale = page(&["A", "A", "A"]);
    assert_eq!(host.loads.len(), 2, "the new activation has a load of its own");
    loaded(&mut host, stale);
    assert_eq!(host.activated(), 0);
    loaded(&mut host, page(&["A"]));
    host.run(&["B"]);
    assert_eq!(host.durable().records[0].sequence, 2, "it rests on the page of its own activation");
    assert!(host.reply(call).is_ok());
    assert_eq!(activations_of(&host, 1), 0);
}

#[test]
fn rule_10_a_function_that_goes_while_it_folds_is_followed_by_another() {
    let mut host = Host::new();
    host.hold_folds = true;
    host.pages.insert(id("ada"), page(&["A", "B"]));
    let call = host.call("ada", "add");
    let HostFrame::Activate { activation, .. } = host.frames[0].1 else { panic!("{:?}", host.frames) };
    host.down(1);
    host.answer_frame(1, FunctionFrame::Replayed { activation, sequence: 2 });
    assert!(host.commands.is_empty(), "the dead session's word counts for nothing");
    host.hold_folds = false;
    host.up(2);
    assert_eq!(host.commands[0].attempt, 1, "it was never sent before");
    host.run(&["A"]);
    assert_eq!(host.durable().records[0].sequence, 3);
    assert!(host.reply(call).is_ok());
}

#[test]
fn a_page_that_fails_amid_a_replay_tells_those_who_wait_and_ends_the_activation() {
    let mut host = Host::new();
    (host.hold_loads, host.hold_folds) = (true, true);
    let call = host.call("ada", "add");
    let events = vec![(1, event("A")), (2, event("A"))];
    loaded(&mut host, EntityPage { last: 4, events, more: true, ..EntityPage::default() });
    let (load, ..) = host.loads.remove(0);
    host.step(vec![Input::Loaded { load, page: Err(Error::unavailable("no store")) }]);
    assert_eq!(host.error(call), (Kind::Unavailable, Outcome::None));
    assert_eq!(host.deactivated(), 1, "the function forgets the half it has");
    host.call("ada", "add");
    assert_eq!(host.loads.len(), 1, "the next call tries again");
}

#[test]
fn rule_10_only_an_absence_that_lasts_ends_the_wait_for_a_function() {
    let mut host = Host::new();
    let call = host.call("ada", "add");
    host.down(1);
    host.later_ms(100);
    host.up(2);
    host.later_ms(9_850);
    host.down(2);
    host.later_ms(100);
    assert!(!host.replied(call), "ten seconds after the first absence began, but 0.1 s after the second");
    host.commands.clear();
    host.up(3);
    host.run(&["A"]);
    host.settle();
    assert!(host.reply(call).is_ok());
    let call = host.call("ada", "add");
    host.down(3);
    host.later_ms(9_999);
    assert!(!host.replied(call));
    host.later_ms(1);
    assert_eq!(host.error(call), (Kind::Unavailable, Outcome::None));
}
