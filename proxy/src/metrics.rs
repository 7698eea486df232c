// SPDX-License-Identifier: Apache-2.0
//! Metrics of a host, for Prometheus.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::failure::{Exit, Failure, Outcome};

/// Bounds of every duration, in seconds: from a call that stays in memory to one that waits for its deadline.
const SECONDS: [f64; 16] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Bounds of everything else that is distributed: counts and bytes.
const NUMBERS: [f64; 13] =
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 256.0, 1024.0, 4096.0, 65_536.0, 1_048_576.0, 16_777_216.0];

/// Starts counting in this process.
///
/// # Errors
/// Failed when something else in the process counts already.
pub(crate) fn start() -> Outcome<PrometheusHandle> {
    let cannot = |error: metrics_exporter_prometheus::BuildError| {
        Failure::new(Exit::Failed, format!("metrics cannot start: {error}"))
    };
    let handle = PrometheusBuilder::new()
        .set_buckets(&NUMBERS)
        .map_err(cannot)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .map_err(cannot)?
        .install_recorder()
        .map_err(cannot)?;
    metrics::describe_gauge!("adjoin_build_info", "1, with the version as a label.");
    metrics::gauge!("adjoin_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    metrics::describe_gauge!("process_resident_memory_bytes", metrics::Unit::Bytes, "Memory that is resident.");
    metrics::describe_gauge!("process_cpu_seconds_total", metrics::Unit::Seconds, "CPU time, user and system.");
    metrics::describe_gauge!("adjoin_ready", "1 while commands are served.");
    Ok(handle)
}

/// Keeps distributions bounded; runs until it is aborted.
pub(crate) async fn upkeep(handle: PrometheusHandle) {
    let mut every = tokio::time::interval(std::time::Duration::from_secs(5));
    loop {
        every.tick().await;
        handle.run_upkeep();
    }
}

/// Keeps `adjoin_ready` as it is; runs until it is aborted.
pub(crate) async fn ready(mut readiness: tokio::sync::watch::Receiver<crate::readiness::Readiness>) {
    loop {
        let ready = readiness.borrow_and_update().reason().is_none();
        metrics::gauge!("adjoin_ready").set(f64::from(u8::from(ready)));
        if readiness.changed().await.is_err() {
            return;
        }
    }
}

/// Reads what the system says of this process, where it says it in `/proc`.
pub(crate) fn process() {
    let page = rustix::param::page_size() as f64;
    let second = rustix::param::clock_ticks_per_second() as f64;
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    if let Some(pages) = read("/proc/self/statm").split(' ').nth(1).and_then(|field| field.parse::<f64>().ok()) {
        metrics::gauge!("process_resident_memory_bytes").set(pages * page);
    }
    if let Some(ticks) = cpu_ticks(&read("/proc/self/stat")) {
        metrics::gauge!("process_cpu_seconds_total").set(ticks / second);
    }
}

/// User and system time of a `/proc/…/stat` line; the name in it may hold spaces and parentheses.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(field(11)? + field(12)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_hold_anything() {
        let line = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 100 23 0 0 20 0";
        assert_eq!(cpu_ticks(line), Some(123.0));
        assert_eq!(cpu_ticks(""), None);
    }
}
