// SPDX-License-Identifier: Apache-2.0
//! A bug in a loop: it ends the loop, and nobody waits in vain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adjoin_engine::{Clock, Engine, ManualClock, Settings, Sleep};
use adjoin_model::{Kind, Mono, Now, Outcome};

use crate::function::{self, Probe};
use crate::world::{cart, eventually, memory, settings, within};

/// A clock that panics once, in the loop that reads it next.
#[derive(Default)]
struct Trap {
    clock: ManualClock,
    armed: AtomicBool,
}

impl Clock for Trap {
    fn now(&self) -> Now {
        assert!(!self.armed.swap(false, Ordering::SeqCst), "the clock panics on request");
        self.clock.now()
    }

    fn sleep_until(&self, at: Mono) -> Sleep {
        self.clock.sleep_until(at)
    }
}

#[tokio::test]
async fn a_panic_in_a_loop_answers_its_calls_and_is_told() {
    let trap = Arc::new(Trap::default());
    let engine = Engine::start(memory(), Settings { loops: 1, ..settings() }, trap.clone()).await.expect("an engine");
    let probe = Arc::<Probe>::default();
    let function = function::connect(&engine, &probe);
    let held = engine.call(cart("ada", "hang"));
    let mut watch = engine.watch(cart("bob", "count"), None);
    within(watch.next()).await.expect("an element").expect("a count");
    eventually("the command", || probe.commands.load(Ordering::SeqCst) >= 2).await;
    let told = tokio::spawn({
        let engine = engine.clone();
        async move { engine.failed().await }
    });
    assert_eq!(within(engine.status()).await.failed().count(), 0);
    trap.armed.store(true, Ordering::SeqCst);
    // The loop wakes to answer.
    within(engine.status()).await;
    let error = within(held).await.expect_err("nobody knows what became of it");
    assert_eq!((error.kind, error.outcome), (Kind::Internal, Outcome::Unknown));
    assert!(error.message.contains("restart the host"), "{error}");
    let end = within(watch.next()).await.expect("an end").expect_err("an error");
    assert_eq!(end.kind, Kind::Internal);
    let refused = within(engine.call(cart("ada", "add"))).await.expect_err("refused");
    assert_eq!((refused.kind, refused.outcome), (Kind::Internal, Outcome::None));
    assert_eq!(within(told).await.expect("told").kind, Kind::Internal);
    assert_eq!(within(engine.status()).await.failed().collect::<Vec<_>>(), [0]);
    assert!(within(engine.drain(trap.clock.now().mono.plus_ms(10_000))).await, "nothing is under way");
    within(engine.stop()).await;
    function.abort();
}
