// SPDX-License-Identifier: Apache-2.0
//! Metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use adjoin_engine::{Engine, ManualClock, Settings};
use adjoin_model::Kind;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::function::{self, Probe};
use crate::world::{World, cart, memory, request, settings, within};

#[tokio::test]
async fn commands_are_counted_by_type_operation_and_outcome() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let world = World::new().await;
    world.ok("ada", "add").await;
    world.ok("ada", "add").await;
    world.call("ada", "refuse").await.expect_err("refused");
    let unknown = crate::world::request("shop.Secret", "ada", "add", "1");
    assert_eq!(world.engine.call(unknown).await.expect_err("unknown").kind, Kind::NotFound);
    world.stop().await;
    let text = metrics.render();
    for line in [
        r#"adjoin_commands_total{type="shop.Cart",operation="run",outcome="ok"} 2"#,
        r#"adjoin_commands_total{type="shop.Cart",operation="run",outcome="Rejected"} 1"#,
        r#"adjoin_commands_total{type="unknown",operation="run",outcome="NotFound"} 1"#,
        "adjoin_appended_records_total 2",
        "adjoin_command_seconds_count{type=\"shop.Cart\",operation=\"run\"} 3",
        "adjoin_append_seconds_count 2",
    ] {
        assert!(text.contains(line), "{line} is missing:\n{text}");
    }
    assert!(!text.contains("ada") && !text.contains("Secret"), "no client names a label:\n{text}");
    assert!(text.contains("adjoin_resident_entities"), "{text}");
}

#[tokio::test]
async fn events_and_durable_effects_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let settings = Settings { effect_attempts: 2, ..settings() };
    let clock = ManualClock::default();
    let engine = Engine::start(memory(), settings, Arc::new(clock.clone())).await.expect("an engine");
    let probe: Arc<Probe> = Arc::default();
    function::connect_with(&engine, &probe, function::subscribed());
    within(engine.call(cart("ada", "add"))).await.expect("added");
    // Each is said at most a second later.
    let all = async |lines: &[&str]| {
        let said = async {
            while !lines.iter().all(|line| metrics.render().contains(line)) {
                clock.advance_ms(1000);
                tokio::task::yield_now().await;
            }
        };
        within(said).await;
    };
    all(&[
        r#"adjoin_consumer_events_total{log="shop.Cart",group="mail",outcome="taken"} 1"#,
        r#"adjoin_consumer_events_total{log="shop.Cart",group="mail",outcome="dead"} 0"#,
        r#"adjoin_consumer_lag_positions{log="shop.Cart",group="mail"} 0"#,
        r#"adjoin_effects_waiting{place="stuck"} 0"#,
    ])
    .await;
    probe.refuses.store(true, Ordering::SeqCst);
    within(engine.call(cart("ada", "add"))).await.expect("added");
    all(&[
        r#"adjoin_consumer_events_total{log="shop.Cart",group="mail",outcome="failed"} 2"#,
        r#"adjoin_consumer_events_total{log="shop.Cart",group="mail",outcome="dead"} 1"#,
        r#"adjoin_consumer_dead_letters{log="shop.Cart",group="mail"} 1"#,
    ])
    .await;
    within(engine.call(request("shop.Cart", "ada", "ask", "bob"))).await.expect("asked");
    all(&[r#"adjoin_effects_total{outcome="ran"} 1"#, r#"adjoin_effects_waiting{place="outbox"} 0"#]).await;
    within(engine.stop()).await;
}
