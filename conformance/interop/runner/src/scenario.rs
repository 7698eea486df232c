// SPDX-License-Identifier: Apache-2.0
//! What is asked, of whom, and what came of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;

/// What scenarios ask: a service by itself, or one behind the proxy.
pub(crate) trait Asked: Send + Sync + 'static {
    /// Whether it has this service; the empty name stands for all of it.
    fn declares(&self, service: &str) -> bool;
}

/// One question: its name is the fact that it shows.
pub(crate) struct Scenario<Of> {
    /// The service it is about; where the SDK cannot express that, there is nothing to ask.
    pub(crate) service: &'static str,
    /// The fact.
    pub(crate) name: &'static str,
    /// Finds out whether it is one.
    pub(crate) run: fn(Arc<Of>) -> BoxFuture<'static, Result<(), String>>,
}

impl<Of> Clone for Scenario<Of> {
    fn clone(&self) -> Self {
        Self { service: self.service, name: self.name, run: self.run }
    }
}

/// Scenarios of one service, each an async function of this module.
macro_rules! scenarios {
    ($service:expr, [$($name:ident),* $(,)?]) => {
        vec![$($crate::scenario::Scenario {
            service: $service,
            name: stringify!($name),
            run: |site| Box::pin(async move { $name(&site).await }),
        }),*]
    };
}
pub(crate) use scenarios;

/// What came of all scenarios.
#[derive(Default)]
pub(crate) struct Report {
    failures: Vec<String>,
    passed: usize,
    failed: usize,
}

impl Report {
    /// Asks one after the other, and prints what comes of each as it comes.
    pub(crate) async fn ask<Of: Asked>(
        &mut self,
        group: &str,
        scenarios: &[Scenario<Of>],
        of: &Arc<Of>,
        only: Option<&str>,
    ) {
        for scenario in scenarios.iter().filter(|scenario| of.declares(scenario.service)) {
            if only.is_some_and(|only| !scenario.name.contains(only)) {
                continue;
            }
            let began = Instant::now();
            let outcome = (scenario.run)(Arc::clone(of)).await;
            self.add(group, scenario.service, scenario.name, outcome, began.elapsed());
        }
    }

    fn add(&mut self, group: &str, service: &str, name: &str, outcome: Result<(), String>, took: Duration) {
        let fact = name.replace('_', " ");
        let service = service.rsplit('.').next().unwrap_or_default();
        let millis = took.as_millis();
        match outcome {
            Ok(()) => {
                self.passed += 1;
                println!("passed  {group:<12} {service:<24} {fact} ({millis} ms)");
            }
            Err(said) => {
                self.failed += 1;
                println!("FAILED  {group:<12} {service:<24} {fact} ({millis} ms)\n        {said}");
                self.failures.push(format!("FAILED  {group:<12} {service:<24} {fact}"));
            }
        }
    }

    /// Whether everything that was asked is a fact, and anything was asked.
    pub(crate) fn is_good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    /// The names of the failures once more, and the closing line.
    pub(crate) fn close(&self) {
        self.failures.iter().for_each(|failure| println!("{failure}"));
        println!("{} passed, {} failed", self.passed, self.failed);
    }
}
