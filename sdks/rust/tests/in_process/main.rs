// SPDX-License-Identifier: Apache-2.0
//! The SDK in-process, on a store in memory: what handlers see and what callers get.

mod model;

use adjoin::{Code, Kind, Outcome, Runtime, Sequence};
use model::{Board, Desk, Fault, Ledger, Note, Transfer, app};
use serde_json::json;
use std::time::Duration;

type Tested = adjoin::Result<()>;

async fn open() -> adjoin::Result<Runtime> {
    app().open_memory().await
}

#[tokio::test]
async fn a_command_answers_from_the_state_it_made() -> Tested {
    let rt = open().await?;
    let ledger = rt.entity::<Ledger>("ada");
    assert_eq!(ledger.call(Ledger::add, 2).await?, 2);
    assert_eq!(ledger.call(Ledger::add, 3).await?, 5);
    let answer = ledger.call(Ledger::total, ()).answer().await?;
    assert_eq!((answer.value, answer.sequence), (5, 2));
    rt.close().await
}

#[tokio::test]
async fn a_refusal_has_its_code_and_changes_nothing() -> Tested {
    let rt = open().await?;
    let ledger = rt.entity::<Ledger>("ada");
    let refused = ledger.call(Ledger::add, 0).await.expect_err("refused");
    assert_eq!(
        (refused.kind, refused.client_code(), refused.outcome),
        (Kind::Rejected, Code::OutOfRange, Outcome::None)
    );
    assert_eq!(ledger.call(Ledger::total, ()).answer().await?.sequence, 0);
    rt.close().await
}

/// The first such failure of a handler replays the entity, later ones go back to a kept copy: both restore.
#[tokio::test]
async fn a_command_that_emitted_and_failed_is_undone() -> Tested {
    let rt = open().await?;
    let ledger = rt.entity::<Ledger>("ada");
    ledger.call(Ledger::add, 1).await?;
    for fault in [Fault::Refuse, Fault::Refuse, Fault::Error, Fault::Panic, Fault::Panic] {
        let failed = ledger.call(Ledger::add_and_fail, fault).await.expect_err("failed");
        let expected = if fault == Fault::Refuse { Kind::Rejected } else { Kind::Internal };
        assert_eq!(failed.kind, expected, "{failed}");
        assert!(!failed.message.contains("secret"), "the caller is told too much: {failed}");
        let answer = ledger.call(Ledger::total, ()).answer().await?;
        assert_eq!((answer.value, answer.sequence), (1, 1), "after {fault:?}");
    }
    assert_eq!(ledger.call(Ledger::add, 1).await?, 2);
    rt.close().await
}

#[tokio::test]
async fn a_deleted_entity_begins_anew_and_counts_on() -> Tested {
    let rt = open().await?;
    let ledger = rt.entity::<Ledger>("ada");
    ledger.call(Ledger::add, 2).await?;
    ledger.call(Ledger::close, ()).await?;
    let answer = ledger.call(Ledger::add, 5).answer().await?;
    assert_eq!((answer.value, answer.sequence), (5, 3));
    rt.close().await
}

#[tokio::test]
async fn commands_of_many_callers_are_not_lost() -> Tested {
    let rt = open().await?;
    let calls = (0..100).map(|_| {
        let ledger = rt.entity::<Ledger>("hot");
        tokio::spawn(async move { ledger.call(Ledger::add, 1).await })
    });
    let mut totals: Vec<i64> = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        totals.push(call.await.expect("no panic")?);
    }
    totals.sort_unstable();
    assert_eq!(totals, (1..=100).collect::<Vec<_>>());
    rt.close().await
}

#[tokio::test]
async fn a_value_is_replaced_restored_and_forgotten() -> Tested {
    let rt = open().await?;
    let note = rt.entity::<Note>("ada");
    assert_eq!(note.call(Note::write, "one".into()).await?, "");
    assert_eq!(note.call(Note::write, "two".into()).await?, "one");
    assert_eq!(note.call(Note::write_and_refuse, "three".into()).await.expect_err("refused").kind, Kind::Rejected);
    assert_eq!(note.call(Note::read, ()).await?, "two");
    assert_eq!(note.call(Note::append, "!".into()).await?, "two!");
    note.call(Note::forget, ()).await?;
    let answer = note.call(Note::read, ()).answer().await?;
    assert_eq!((answer.value.as_str(), answer.sequence), ("", 4));
    rt.close().await
}

#[tokio::test]
async fn an_async_command_holds_its_entity_and_no_other() -> Tested {
    let rt = open().await?;
    let (slow, ledger) = (rt.entity::<Ledger>("slow"), rt.entity::<Ledger>("slow"));
    let waiting = tokio::spawn(async move { slow.call(Ledger::add_later, 2).await });
    let other = rt.entity::<Ledger>("other");
    other.call(Ledger::add, 1).await?;
    rt.entity::<Desk>("x").call(Desk::ring, "slow".to_owned()).await?;
    assert_eq!(waiting.await.expect("no panic")?, 2);
    assert_eq!(ledger.call(Ledger::total, ()).await?, 2);
    rt.close().await
}

#[tokio::test]
async fn a_handler_calls_another_entity_but_never_round_to_itself() -> Tested {
    let rt = open().await?;
    rt.entity::<Ledger>("ada").call(Ledger::add, 10).await?;
    let transfer = |to: &str| Transfer { to: to.into(), amount: 4 };
    assert_eq!(rt.entity::<Ledger>("ada").call(Ledger::transfer, transfer("bob")).await?, 4);
    let refused = rt.entity::<Ledger>("ada").call(Ledger::transfer, transfer("ada")).await.expect_err("a circle");
    assert_eq!(refused.kind, Kind::Rejected, "{refused}");
    assert_eq!(rt.entity::<Ledger>("ada").call(Ledger::total, ()).await?, 6);
    rt.close().await
}

#[tokio::test]
async fn effects_are_made_and_forwards_answer() -> Tested {
    let rt = open().await?;
    rt.entity::<Ledger>("ada").call(Ledger::add_for, "bob".into()).await?;
    assert_eq!(rt.entity::<Ledger>("bob").call(Ledger::total, ()).await?, 1, "the reply waited for the effect");
    assert_eq!(rt.entity::<Note>("n").call(Note::forward, "bob".into()).await?, 8);
    let answer = rt.entity::<Note>("n").call(Note::read, ()).answer().await?;
    assert_eq!((answer.value.as_str(), answer.sequence), ("forwarded", 1));
    rt.close().await
}

#[tokio::test]
async fn a_durable_effect_is_made_once() -> Tested {
    let rt = open().await?;
    let order = Transfer { to: "bob".into(), amount: 4 };
    rt.entity::<Ledger>("ada").call(Ledger::add_surely, order).await?;
    let bob = rt.entity::<Ledger>("bob");
    let arrives = async {
        while bob.call(Ledger::total, ()).await? == 0 {
            tokio::task::yield_now().await;
        }
        Ok::<(), adjoin::Error>(())
    };
    tokio::time::timeout(Duration::from_secs(20), arrives).await.expect("it arrives")?;
    assert_eq!(bob.call(Ledger::total, ()).answer().await?.sequence, 1);
    assert_eq!(rt.entity::<Ledger>("ada").call(Ledger::total, ()).await?, -4);
    rt.close().await
}

#[tokio::test]
async fn a_key_makes_a_command_safe_to_send_again() -> Tested {
    let rt = open().await?;
    let ledger = rt.entity::<Ledger>("ada");
    let first = ledger.call(Ledger::add, 2).idempotency_key("k").answer().await?;
    let again = ledger.call(Ledger::add, 2).idempotency_key("k").answer().await?;
    assert_eq!((first.value, again.value, first.replayed, again.replayed), (2, 2, false, true));
    let differs = ledger.call(Ledger::add, 3).idempotency_key("k").await.expect_err("another body");
    assert_eq!(differs.kind, Kind::Conflict);
    rt.close().await
}

#[tokio::test]
async fn a_condition_and_a_deadline_are_kept() -> Tested {
    let rt = open().await?;
    let ledger = rt.entity::<Ledger>("ada");
    ledger.call(Ledger::add, 2).await?;
    assert_eq!(ledger.call(Ledger::add, 1).if_sequence(7).await.expect_err("another").kind, Kind::Conflict);
    assert_eq!(ledger.call(Ledger::add, 1).if_sequence(1).await?, 3);
    let late = rt.entity::<Ledger>("late").call(Ledger::add_later, 1).timeout(Duration::from_millis(20)).await;
    assert_eq!(late.expect_err("nobody rang").kind, Kind::Expired);
    rt.entity::<Desk>("x").call(Desk::ring, "late".to_owned()).await?;
    assert_eq!(rt.entity::<Ledger>("late").call(Ledger::total, ()).await?, 1, "a late answer is kept");
    rt.close().await
}

#[tokio::test]
async fn a_watch_shows_the_latest_and_never_goes_back() -> Tested {
    let rt = open().await?;
    let ledger = rt.entity::<Ledger>("ada");
    let mut watch = ledger.watch(Ledger::total, ());
    assert_eq!(watch.next().await.expect("a value")?, (0, 0));
    for _ in 0..10 {
        ledger.call(Ledger::add, 1).await?;
    }
    let mut last: Sequence = 0;
    while last < 10 {
        let (sequence, total) = watch.next().await.expect("a value")?;
        assert!(sequence > last && total == sequence as i64);
        last = sequence;
    }
    rt.close().await
}

#[tokio::test]
async fn an_action_streams_and_sees_its_own_value() -> Tested {
    let rt = open().await?;
    let desk = rt.entity::<Desk>("x");
    assert_eq!(desk.call(Desk::greet, "ada".into()).await?, "hello ada");
    let mut lines = desk.stream(Desk::count_down, 40);
    let mut seen = Vec::new();
    while let Some(line) = lines.next().await {
        seen.push(line?);
    }
    assert_eq!(seen, (1..=40).rev().collect::<Vec<_>>());
    let mut broken = desk.stream(Desk::count_down, 1000);
    assert_eq!(broken.next().await.expect("one")?, 1000);
    drop(broken);
    assert_eq!(desk.call(Desk::greet, "bob".into()).await?, "hello bob");
    rt.close().await
}

#[tokio::test]
async fn names_and_json_reach_the_same_handlers() -> Tested {
    let rt = open().await?;
    let ledger = rt.named("test.Ledger", "ada");
    assert_eq!(ledger.call("add", &json!(2)).await?, json!(2));
    assert_eq!(ledger.call("total", &json!(null)).await?, json!(2));
    assert_eq!(ledger.call("add", &json!("two")).await.expect_err("no number").kind, Kind::Invalid);
    assert_eq!(ledger.call("nothing", &json!(null)).await.expect_err("unknown").kind, Kind::NotFound);
    assert_eq!(rt.named("test.None", "ada").call("add", &json!(2)).await.expect_err("unknown").kind, Kind::NotFound);
    assert_eq!(ledger.call("total", &json!(5)).await.expect_err("no body wanted").kind, Kind::Invalid);
    rt.close().await
}

#[tokio::test]
async fn over_a_connection_everything_is_the_same() -> Tested {
    let rt = app().http("127.0.0.1:0").open_memory().await?;
    let address = rt.address().expect("served");
    let remote = adjoin::connect(&format!("http://{address}")).await?;
    let ledger = remote.entity::<Ledger>("ada");
    assert_eq!(ledger.call(Ledger::add, 2).idempotency_key("k").await?, 2);
    assert_eq!(ledger.call(Ledger::add, 2).idempotency_key("k").await?, 2);
    let refused = ledger.call(Ledger::add, 0).await.expect_err("refused");
    assert_eq!(
        (refused.kind, refused.client_code(), refused.outcome),
        (Kind::Rejected, Code::OutOfRange, Outcome::None)
    );
    assert_eq!(ledger.call(Ledger::add, 1).if_sequence(9).await.expect_err("another").kind, Kind::Conflict);
    let mut watch = ledger.watch(Ledger::total, ());
    assert_eq!(watch.next().await.expect("a value")?, (1, 2));
    rt.entity::<Ledger>("ada").call(Ledger::add, 1).await?;
    assert_eq!(watch.next().await.expect("a value")?, (2, 3));
    let mut lines = remote.entity::<Desk>("x").stream(Desk::count_down, 2);
    assert_eq!(lines.next().await.expect("one")?, 2);
    assert_eq!(lines.next().await.expect("one")?, 1);
    assert!(lines.next().await.is_none());
    drop((watch, remote));
    rt.close().await
}

#[tokio::test]
async fn a_spec_that_is_not_sound_says_every_problem() {
    let twice = app().with::<Ledger>().with::<Board>().open_memory().await;
    let said = twice.err().expect("refused").to_string();
    assert!(said.contains("test.Ledger is declared twice") && said.contains("cannot name a command"), "{said}");
}
