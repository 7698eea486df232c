// SPDX-License-Identifier: Apache-2.0
//! `/metrics` is what `docs/metrics.md` says, name by name.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Function, Host, get, post, until};

/// Kind and labels of a metric, by its name.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

fn documented() -> Metrics {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (quoted(cells[1]).pop_first().expect("a name"), (cells[2].into(), quoted(cells[3])))).collect()
}

fn printed(host: &Host) -> Metrics {
    let text = get(host.admin, "/metrics").body;
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut metrics: Metrics = kinds.map(|(name, kind)| (name.into(), (kind.into(), BTreeSet::new()))).collect();
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, labels)) = sample.split_once('{') else { continue };
        let plain = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let name = if metrics.contains_key(name) { name } else { plain.expect("a histogram") };
        let labels = labels.split_once('}').expect("labels").0.split(',').filter_map(|label| label.split_once('='));
        let known = &mut metrics.get_mut(name).expect("typed").1;
        known.extend(labels.map(|(label, _)| label.to_owned()).filter(|label| label != "le"));
    }
    metrics
}

#[test]
fn the_page_and_a_host_name_the_same_metrics() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = Function::listener(folder.path());
    let host = Host::ready(&function.address, &["--memory"]);
    host.add("ada", "p1");
    // A call is counted a moment after its answer has left.
    let same = || (printed(&host) == documented()).then_some(());
    if std::panic::catch_unwind(|| until("the same names", same)).is_err() {
        assert_eq!(printed(&host), documented());
    }
}

#[test]
fn requests_are_counted_by_what_they_were_for() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory"]);
    host.add("ada", "p1");
    host.contents("ada");
    post(host.listen, "/shop.Cart/ada/nope", "");
    post(host.listen, "/made.Up/ada/nope", "");
    get(host.listen, "/openapi.json");
    get(host.listen, &format!("/shop.Cart/ada/contents?{}", "q".repeat(10_000)));
    for line in [
        r#"requests_total{protocol="http1",route="command",type="shop.Cart",status="2xx"} 1"#,
        r#"requests_total{protocol="http1",route="query",type="shop.Cart",status="2xx"} 1"#,
        r#"requests_total{protocol="http1",route="unknown",type="",status="4xx"} 3"#,
        r#"requests_total{protocol="http1",route="document",type="",status="2xx"} 1"#,
        r#"refusals_total{reason="head_size"} 1"#,
        r#"refusals_total{reason="connections"} 0"#,
        r#"request_seconds_count{protocol="http1",route="command",type="shop.Cart"} 1"#,
    ] {
        let line = format!("adjoin_ingress_{line}");
        until(&line, || get(host.admin, "/metrics").body.lines().any(|printed| printed == line).then_some(()));
    }
    let text = get(host.admin, "/metrics").body;
    assert!(!text.contains("made.Up") && !text.contains("ada"), "{text}");
    until("all connections to close", || {
        get(host.admin, "/metrics").body.contains("adjoin_ingress_connections 0\n").then_some(())
    });
}
