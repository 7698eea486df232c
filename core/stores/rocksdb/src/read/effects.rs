// SPDX-License-Identifier: Apache-2.0
//! What shards have left to do of durable effects and events.

use std::collections::BTreeSet;

use adjoin_model::{ConsumerId, Error, Position, Progress, Record, Result, ShardId, Unfinished};

use crate::db::{Family, View};
use crate::{consumer, effect, keys};

/// Everything of a shard.
pub(crate) fn unfinished(view: &View<'_>, shard: ShardId) -> Result<Unfinished> {
    let mut watermarks = Vec::new();
    let mut scan = view.scan(Family::Watermarks, &keys::head(shard), after(shard));
    while let Some((key, value)) = scan.next()? {
        let located = |damage| Error::from(damage).at("watermark", key.escape_ascii());
        let (_, source) = keys::parse_watermark(key).map_err(located)?;
        watermarks.push((source, effect::decode_watermark(key, value).map_err(located)?));
    }
    let records = |family| records(view, family, shard);
    let consumers = consumers(view, shard)?;
    Ok(Unfinished { outbox: records(Family::Outbox)?, inbox: records(Family::Inbox)?, watermarks, consumers })
}

fn records(view: &View<'_>, family: Family, shard: ShardId) -> Result<Vec<(Position, Record)>> {
    let mut all = Vec::new();
    let mut scan = view.scan(family, &keys::head(shard), after(shard));
    while let Some((key, value)) = scan.next()? {
        let located = |damage| Error::from(damage).at("shard", shard).at("effect", key.escape_ascii());
        let (_, position) = keys::parse_batch(key).map_err(located)?;
        all.push((position, effect::decode(key, value).map_err(located)?));
    }
    Ok(all)
}

/// How far every consumer has come, in order.
fn consumers(view: &View<'_>, shard: ShardId) -> Result<Vec<(ConsumerId, Progress)>> {
    let mut all = Vec::new();
    let mut scan = view.scan(Family::Consumers, &keys::head(shard), after(shard));
    while let Some((key, value)) = scan.next()? {
        let located = |damage| Error::from(damage).at("shard", shard).at("consumer", key.escape_ascii());
        consumer::read_row(&mut all, key, value).map_err(located)?;
    }
    Ok(all)
}

/// Above every key of the shard.
fn after(shard: ShardId) -> Vec<u8> {
    keys::head(ShardId(shard.0.saturating_add(1))).to_vec()
}

/// Every shard that has something: one search for each, however much it has.
pub(crate) fn shards(view: &View<'_>) -> Result<Vec<ShardId>> {
    let mut shards = BTreeSet::new();
    for family in [Family::Outbox, Family::Watermarks, Family::Consumers] {
        let mut from = keys::head(ShardId(0)).to_vec();
        loop {
            let mut scan = view.scan(family, &from, vec![0xff; 16]);
            let Some((key, _)) = scan.next()? else { break };
            let shard = key.get(..4).unwrap_or_default();
            let shard = keys::parse_head(shard).map_err(|damage| Error::from(damage).at("key", key.escape_ascii()))?;
            shards.insert(shard);
            from = after(shard);
        }
    }
    Ok(shards.into_iter().collect())
}
