// SPDX-License-Identifier: Apache-2.0
//! Metrics.

use adjoin_model::Kind;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::world::World;

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
