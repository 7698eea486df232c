// SPDX-License-Identifier: Apache-2.0
//! What a shard loop does, as given, when, expect. Tests named `rule_n` show a rule of `architecture.md` §4.

mod host;

mod activation;
mod attempts;
mod cloudstate;
mod durability;
mod effects;
mod eventing;
mod found;
mod homes;
mod idempotency;
mod letters;
mod lost;
mod metadata;
mod outbox;
mod turns;
