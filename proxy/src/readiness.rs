// SPDX-License-Identifier: Apache-2.0
//! Whether a host can serve, and if not, why: what `/ready` answers and what `serve` prints.

use std::sync::Arc;

use tokio::sync::watch;

/// What keeps a host from serving, each in words for the person who can mend it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// The host itself: opening its journal, draining.
    pub(crate) host: Option<String>,
    /// The user function: not connected (where, why), or refused (why).
    pub(crate) function: Option<String>,
}

impl Readiness {
    /// The first reason not to be ready; none when ready.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.host.as_deref().or(self.function.as_deref())
    }
}

/// The shared readiness of one host.
#[derive(Clone, Debug)]
pub(crate) struct Gauge {
    state: Arc<watch::Sender<Readiness>>,
}

impl Gauge {
    /// Not ready yet, for these reasons.
    pub(crate) fn new(host: &str, function: &str) -> Self {
        let readiness = Readiness { host: Some(host.into()), function: Some(function.into()) };
        Self { state: Arc::new(watch::Sender::new(readiness)) }
    }

    /// What holds now.
    pub(crate) fn now(&self) -> Readiness {
        self.state.borrow().clone()
    }

    /// Says what the host itself waits for.
    pub(crate) fn host(&self, reason: Option<String>) {
        self.state.send_if_modified(|state| std::mem::replace(&mut state.host, reason) != state.host);
    }

    /// Says what the function waits for.
    pub(crate) fn function(&self, reason: Option<String>) {
        self.state.send_if_modified(|state| std::mem::replace(&mut state.function, reason) != state.function);
    }

    /// News of every change.
    pub(crate) fn watch(&self) -> watch::Receiver<Readiness> {
        self.state.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_named_before_the_function() {
        let gauge = Gauge::new("opening", "not connected");
        assert_eq!(gauge.now().reason(), Some("opening"));
        gauge.host(None);
        assert_eq!(gauge.now().reason(), Some("not connected"));
        gauge.function(None);
        assert_eq!(gauge.now().reason(), None);
    }

    #[test]
    fn only_a_change_is_news() {
        let gauge = Gauge::new("a", "b");
        let mut news = gauge.watch();
        news.mark_unchanged();
        gauge.host(Some("a".into()));
        assert!(!news.has_changed().unwrap());
        gauge.host(None);
        assert!(news.has_changed().unwrap());
    }
}
