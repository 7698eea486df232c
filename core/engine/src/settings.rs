// SPDX-License-Identifier: Apache-2.0
//! The settings of an engine, as data.

use adjoin_model::{Error, Limits, Result};
use serde::{Deserialize, Serialize};

/// How an engine behaves. Every field has a default that suits one small machine; units are in the names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Shard loops, at most 255; 0 takes the number of cores.
    pub loops: usize,
    /// Loads and snapshots that the store is asked for at once.
    pub readers: usize,
    /// Calls in the engine at once, over all loops; the next one is Exhausted.
    pub calls: usize,
    /// Bytes that calls in flight may hold; past them a call is Exhausted. One call is always taken.
    pub call_bytes: usize,
    /// Bytes of functions' frames that may wait for the loops; past them a session is read no further.
    pub frame_bytes: usize,
    /// What a refused caller is told to wait.
    pub retry_after_ms: u64,
    /// Handlers that may run at once in a function that does not say.
    pub function_running: u32,
    /// Bytes of unanswered frames for a function that does not say.
    pub function_bytes: u64,
    /// Commands of one entity that the function may hold unanswered.
    pub window: u32,
    /// How long a call waits for a function to be there (never connected, or restarting).
    pub function_wait_ms: u64,
    /// Idle time after which an entity is passivated, where its type gives none.
    pub passivate_after_ms: u64,
    /// How long an idempotency record answers duplicates.
    pub dedup_window_ms: u64,
    /// Time between two sweeps of expired idempotency records.
    pub sweep_every_ms: u64,
    /// Wait before a failed raise is tried again.
    pub raise_again_ms: u64,
    /// Bytes of one page of replay.
    pub page_bytes: usize,
    /// How long a handler may take before it is listed as not answering.
    pub slow_ms: u64,
    /// Wait before a durable effect or an event that failed is tried again; doubled each time.
    pub effect_retry_ms: u64,
    /// The longest such wait.
    pub effect_retry_max_ms: u64,
    /// Failures after which a durable effect is stuck – listed, until an operator or a new function moves it – and an event
    /// is a dead letter of its consumer.
    pub effect_attempts: u32,
    /// Process deaths after which the command that was running fails as Internal.
    pub deaths: u32,
    /// The bounds of one loop.
    #[serde(with = "LimitsForm")]
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        let machine = adjoin_entity::Settings::default();
        Self {
            loops: 0,
            readers: 32,
            calls: 65_536,
            call_bytes: 256 << 20,
            frame_bytes: 64 << 20,
            retry_after_ms: 100,
            function_running: 256,
            function_bytes: 64 << 20,
            window: machine.window,
            function_wait_ms: machine.function_wait_ms,
            passivate_after_ms: machine.passivate_after_ms,
            dedup_window_ms: machine.dedup_window_ms,
            sweep_every_ms: 600_000,
            raise_again_ms: machine.raise_again_ms,
            page_bytes: machine.page_bytes,
            slow_ms: 10_000,
            effect_retry_ms: machine.effect_retry_ms,
            effect_retry_max_ms: machine.effect_retry_max_ms,
            effect_attempts: machine.effect_attempts,
            deaths: machine.deaths,
            limits: machine.limits,
        }
    }
}

impl Settings {
    /// Says whether an engine can run with these.
    ///
    /// # Errors
    /// `Invalid`, naming the first field that is out of range.
    pub fn check(&self) -> Result<()> {
        let positive = [
            ("readers", self.readers),
            ("calls", self.calls),
            ("call_bytes", self.call_bytes),
            ("frame_bytes", self.frame_bytes),
            ("function_running", self.function_running as usize),
            ("window", self.window as usize),
            ("page_bytes", self.page_bytes),
            ("effect_attempts", self.effect_attempts as usize),
            ("sweep_every_ms", usize::try_from(self.sweep_every_ms).unwrap_or(usize::MAX)),
        ];
        if let Some((field, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::invalid(format!("{field} must be above 0")).at("setting", field));
        }
        if self.loops > 255 {
            return Err(Error::invalid("loops must be 1 to 255, or 0 for the number of cores").at("setting", "loops"));
        }
        Ok(())
    }

    /// How many loops to run.
    pub(crate) fn loop_count(&self) -> u8 {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let wanted = if self.loops == 0 { cores() } else { self.loops };
        u8::try_from(wanted).unwrap_or(u8::MAX)
    }
}

/// [`Limits`] as data: the model has no serde.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Limits", default, deny_unknown_fields)]
struct LimitsForm {
    /// Part of stored formats, so no setting.
    #[serde(skip)]
    key_bytes: usize,
    event_bytes: usize,
    value_bytes: usize,
    message_bytes: usize,
    mailbox: usize,
    calls: usize,
    watches: usize,
    activations: usize,
    resident: usize,
    batch_bytes: usize,
    dedup_records: usize,
    events_per_command: usize,
    outbox: usize,
    outbox_bytes: usize,
    inbox: usize,
    deliveries: usize,
    events: usize,
    consuming: usize,
    dead_letters: usize,
    consumers: usize,
    hops: usize,
}

impl Default for LimitsForm {
    fn default() -> Self {
        let Limits {
            key_bytes,
            event_bytes,
            value_bytes,
            message_bytes,
            mailbox,
            calls,
            watches,
            activations,
            resident,
            batch_bytes,
            dedup_records,
            events_per_command,
            outbox,
            outbox_bytes,
            inbox,
            deliveries,
            events,
            consuming,
            dead_letters,
            consumers,
            hops,
        } = Limits::default();
        Self {
            key_bytes,
            event_bytes,
            value_bytes,
            message_bytes,
            mailbox,
            calls,
            watches,
            activations,
            resident,
            batch_bytes,
            dedup_records,
            events_per_command,
            outbox,
            outbox_bytes,
            inbox,
            deliveries,
            events,
            consuming,
            dead_letters,
            consumers,
            hops,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_its_default() {
        let settings: Settings = serde_json::from_str(r#"{"loops":3,"limits":{"mailbox":7}}"#).expect("settings");
        assert_eq!((settings.loops, settings.limits.mailbox), (3, 7));
        assert_eq!(settings.limits, Limits { mailbox: 7, ..Limits::default() });
        assert_eq!(settings.window, Settings::default().window);
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert!(serde_json::from_str::<Settings>(r#"{"loop":3}"#).is_err());
        assert!(serde_json::from_str::<Settings>(r#"{"limits":{"key_bytes":3}}"#).is_err());
    }

    #[test]
    fn settings_survive_their_own_form() {
        let form = serde_json::to_string(&Settings::default()).expect("a form");
        assert_eq!(serde_json::from_str::<Settings>(&form).expect("settings"), Settings::default());
    }

    #[test]
    fn a_bound_of_nothing_is_invalid() {
        assert!(Settings::default().check().is_ok());
        let error = Settings { calls: 0, ..Settings::default() }.check().expect_err("refused");
        assert!(error.message.contains("calls"), "{error}");
    }
}
