// SPDX-License-Identifier: Apache-2.0
//! Deletes an entity in a folder that no host holds: a record of its own, under an epoch of its own.

use adjoin_model::{
    Body, CommandId, EntityId, Error, Head, LoadRequest, Owner, Record, Result, Sequence, ShardBatch, ShardId, Wall,
    shard_of,
};
use adjoin_storage::{Refusal, Store, Written};

/// Writes the deletion and gives its sequence.
///
/// # Errors
/// `NotFound` when there is nothing to delete; what the store says.
pub(crate) async fn delete(store: &dyn Store, entity: &EntityId) -> Result<Sequence> {
    let request = LoadRequest { after: None, snapshot_below: None, max_bytes: 1 };
    let page = store.load(entity, request).await?;
    if page.last == 0 || page.deleted {
        return Err(Error::not_found(format!("there is no {entity} to delete")));
    }
    let shard = shard_of(entity, store.meta().shards);
    let sequence = page.last + 1;
    append(store, shard, record(entity, sequence)?).await.map(|()| sequence)
}

/// Writes one record under an epoch of its own.
///
/// # Errors
/// What the store says.
pub(super) async fn append(store: &dyn Store, shard: ShardId, record: Record) -> Result<()> {
    let owner = Owner(adjoin_engine::random()?);
    let head = store.head(shard).await?;
    let claimed = store.raise(&[(shard, head)], owner).await.pop().unwrap_or(Err(lost()));
    let head = claimed.map_err(refused)?;
    match store.write(&[batch(shard, head, owner, record)]).await.pop().unwrap_or_else(lost) {
        Written::Durable => Ok(()),
        other => Err(refused(other)),
    }
}

fn batch(shard: ShardId, head: Head, owner: Owner, record: Record) -> ShardBatch {
    ShardBatch { shard, epoch: head.epoch, owner, first: head.position + 1, records: vec![record] }
}

fn record(entity: &EntityId, sequence: Sequence) -> Result<Record> {
    Ok(Record {
        entity: entity.clone(),
        sequence,
        command: CommandId(adjoin_engine::random()?),
        at: now(),
        body: Body::Delete,
    })
}

/// This machine's wall clock.
pub(super) fn now() -> Wall {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Wall(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn lost() -> Written {
    Written::Unknown(Error::internal("the store answered for no shard").with_outcome(adjoin_model::Outcome::Unknown))
}

fn refused(written: Written) -> Error {
    match written {
        Written::Refused(Refusal::Fenced(head)) => {
            Error::fenced("another host writes this shard").at("owner", format!("{:?}", head.owner))
        }
        Written::Refused(Refusal::Position(head)) => {
            Error::corrupt("the journal stands elsewhere than its head said").at("position", head.position)
        }
        Written::Refused(Refusal::Failed(error)) | Written::Unknown(error) => error,
        Written::Durable => Error::internal("the store refused what it wrote"),
    }
}
