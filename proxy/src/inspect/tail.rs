// SPDX-License-Identifier: Apache-2.0
//! Records of a journal in order: all of them, the newest, or those still to come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use adjoin_model::{EntityId, Position, Result, ShardId, shard_of};
use adjoin_storage::Store;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::RecordRow;

/// Bytes asked of the store at once.
const PAGE_BYTES: usize = 256 << 10;

/// How often a followed journal is asked for more. Reading every head costs well under a millisecond.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

/// Which records.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TailQuery {
    /// Only this shard.
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shard: Option<u32>,
    /// Only this entity type.
    #[arg(long = "type", value_name = "TYPE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entity_type: Option<String>,
    /// Only the entity of this key; needs a type.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Only so many of the newest.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) newest: Option<usize>,
    /// Then go on with what is written from now on.
    #[arg(skip)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) follow: bool,
}

impl TailQuery {
    /// Every record of one entity.
    pub(crate) fn entity(entity: &EntityId) -> Self {
        Self { entity_type: Some(entity.entity_type().into()), key: Some(entity.key().into()), ..Self::default() }
    }

    fn filters(&self) -> bool {
        self.entity_type.is_some() || self.key.is_some()
    }

    fn fits(&self, row: &RecordRow) -> bool {
        self.entity_type.as_ref().is_none_or(|name| *name == row.entity_type)
            && self.key.as_ref().is_none_or(|key| *key == row.key)
    }

    /// The one shard that can hold what is asked for, if it is one.
    fn only_shard(&self, shards: u32) -> Result<Option<ShardId>> {
        match (&self.entity_type, &self.key) {
            (Some(name), Some(key)) => Ok(Some(shard_of(&EntityId::new(name.as_str(), key.as_str())?, shards))),
            _ => Ok(self.shard.map(ShardId)),
        }
    }
}

/// Starts reading; ends with the last record, with the first error, or when the receiver is dropped.
pub(crate) fn tail(store: Arc<dyn Store>, query: TailQuery) -> mpsc::Receiver<Result<RecordRow>> {
    let (sender, receiver) = mpsc::channel(256);
    tokio::spawn(async move {
        let mut tail = Tail { store, query, next: BTreeMap::new(), sender };
        if let Err(error) = tail.run().await {
            // A receiver that has gone wants no error either.
            let _ = tail.sender.send(Err(error)).await;
        }
    });
    receiver
}

struct Tail {
    store: Arc<dyn Store>,
    query: TailQuery,
    /// The position to go on at, by shard.
    next: BTreeMap<ShardId, Position>,
    sender: mpsc::Sender<Result<RecordRow>>,
}

impl Tail {
    async fn run(&mut self) -> Result<()> {
        match self.query.newest {
            Some(count) => self.newest(count).await?,
            None => self.all().await?,
        }
        if !self.query.follow {
            return Ok(());
        }
        let mut every = interval(FOLLOW_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.sender.is_closed() {
            every.tick().await;
            self.all().await?;
        }
        Ok(())
    }

    /// The shards in question that hold something, with their last position.
    async fn heads(&self) -> Result<Vec<(ShardId, Position)>> {
        if let Some(shard) = self.query.only_shard(self.store.meta().shards)? {
            return Ok(vec![(shard, self.store.head(shard).await?.position)]);
        }
        let heads = self.store.heads().await?;
        Ok(heads.into_iter().map(|(shard, head)| (shard, head.position)).collect())
    }

    /// Everything that was not passed on yet, shard by shard.
    async fn all(&mut self) -> Result<()> {
        for (shard, last) in self.heads().await? {
            let mut from = self.next.get(&shard).copied().unwrap_or(1);
            while from <= last {
                let rows = self.page(shard, &mut from).await?;
                for row in rows.into_iter().filter(|row| self.query.fits(row)) {
                    if self.sender.send(Ok(row)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            self.next.insert(shard, from);
        }
        Ok(())
    }

    /// The newest over all shards, by time; at most `2 * count` rows are held.
    async fn newest(&mut self, count: usize) -> Result<()> {
        let mut rows: Vec<RecordRow> = Vec::new();
        for (shard, last) in self.heads().await? {
            // A filter may leave few of the newest ones, so everything is looked at.
            let mut from = if self.query.filters() { 1 } else { last.saturating_sub(count as u64) + 1 };
            while from <= last {
                let page = self.page(shard, &mut from).await?;
                rows.extend(page.into_iter().filter(|row| self.query.fits(row)));
                keep_newest(&mut rows, count);
            }
            self.next.insert(shard, from);
        }
        rows.sort_by(|a, b| order(a).cmp(&order(b)));
        for row in rows {
            if self.sender.send(Ok(row)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn page(&self, shard: ShardId, from: &mut Position) -> Result<Vec<RecordRow>> {
        let page = self.store.tail(shard, *from, PAGE_BYTES).await?;
        let Some(last) = page.records.last() else {
            return Err(adjoin_model::Error::corrupt("the journal ends before its head")
                .at("shard", shard)
                .at("position", *from));
        };
        *from = last.position + 1;
        Ok(page.records.into_iter().map(|record| RecordRow::new(shard, record)).collect())
    }
}

fn keep_newest(rows: &mut Vec<RecordRow>, count: usize) {
    if rows.len() > count {
        rows.sort_by(|a, b| order(b).cmp(&order(a)));
        rows.truncate(count);
    }
}

/// By time over all shards; within one shard always by position, also when the clock stepped back.
fn order(row: &RecordRow) -> (&str, u32, Position) {
    (&row.at, row.shard, row.position)
}
