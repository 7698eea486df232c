// SPDX-License-Identifier: Apache-2.0
//! The simulated store: the contract of `core/storage`, with what is synced told apart from what is only applied.

use std::collections::{BTreeMap, BTreeSet};

use adjoin_entity::EventPage;
use adjoin_model::{
    Body, CommandId, Consumed, ConsumerId, Dedup, EntityId, EntityPage, Epoch, Head, LoadRequest, Owner, Payload,
    Position, Progress, Record, Sequence, ShardBatch, ShardId, Snapshot, Unfinished,
};

use crate::mutant::Mutant;

/// Why a write or a raise was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The head has another epoch or owner.
    Fenced(Head),
    /// Epoch and owner are right, the position is not.
    Position(Head),
    /// A sequence is not the entity's next: the second guard.
    Sequence,
}

enum Op {
    Batch(ShardBatch),
    Raise(ShardId, Head),
    Snapshot(EntityId, Snapshot),
    Trim(ShardId, Vec<Position>),
}

/// A record of an entity as it was stored.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// When, counted over the whole store.
    pub(crate) op: usize,
    pub(crate) epoch: Epoch,
    pub(crate) sequence: Sequence,
    pub(crate) command: CommandId,
    pub(crate) body: Body,
}

/// Everything stored of one entity.
#[derive(Default)]
pub(crate) struct Row {
    pub(crate) records: Vec<Kept>,
    /// Idempotency records, oldest first, each with its command.
    pub(crate) dedups: Vec<(CommandId, Dedup)>,
    pub(crate) snapshots: Vec<Snapshot>,
}

/// What a shard has left to do of durable effects.
#[derive(Default)]
struct Effects {
    outbox: BTreeMap<Position, Record>,
    inbox: BTreeMap<Position, Record>,
    watermarks: BTreeMap<ShardId, Position>,
    consumers: BTreeMap<ConsumerId, Progress>,
    /// Where in the log each event was written to be a dead letter last, and where to have ended as one.
    dead: BTreeMap<Position, usize>,
    settled: BTreeMap<Position, usize>,
}

impl Effects {
    fn keep(&mut self, at: usize, position: Position, record: &Record) {
        match &record.body {
            Body::Outbox(_) => drop(self.outbox.insert(position, record.clone())),
            Body::Inbox(incoming) => {
                let watermark = self.watermarks.entry(incoming.origin.shard).or_default();
                *watermark = incoming.origin.position.max(*watermark);
                self.inbox.insert(position, record.clone());
            }
            Body::Done { inbox, .. } => drop(self.inbox.remove(inbox)),
            Body::Consumed(what) => {
                let progress = self.consumers.entry(what.consumer.clone()).or_default();
                progress.apply(what, &record.entity, record.at);
                match what.what {
                    Consumed::Passed => {}
                    Consumed::Dead { .. } => drop(self.dead.insert(what.event, at)),
                    Consumed::Settled(_) | Consumed::Ahead(_) => drop(self.settled.insert(what.event, at)),
                }
            }
            Body::Event(_) | Body::Value(_) | Body::Superseded | Body::Delete | Body::Dedup(_) => {}
        }
    }
}

/// The other keys that were recorded after the record at a place, each once: so many that the bound of records is
/// reached, and that record has made room. With the command of the first record of each.
pub(crate) fn keys_after(dedups: &[(CommandId, Dedup)], place: usize) -> impl Iterator<Item = CommandId> {
    let mut seen = BTreeSet::from([&dedups[place].1.key]);
    let fresh = dedups[place + 1..].iter().filter(move |(_, dedup)| seen.insert(&dedup.key));
    fresh.map(|(command, _)| *command)
}

/// What a crash took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Writes that were applied and not synced.
    pub(crate) ops: usize,
    /// One of them was half on disk.
    pub(crate) torn: bool,
}

/// The store. Only what lies below `synced` survives a crash for sure.
#[derive(Default)]
pub(crate) struct Store {
    log: Vec<Op>,
    synced: usize,
    heads: BTreeMap<ShardId, Head>,
    rows: BTreeMap<EntityId, Row>,
    effects: BTreeMap<ShardId, Effects>,
    /// Every record by shard; that of position 1 stands first.
    chains: BTreeMap<ShardId, Vec<Record>>,
    mutant: Option<Mutant>,
    /// Counts its starts: what was planned before a crash does not happen after it.
    pub(crate) boot: u32,
    pub(crate) down: bool,
    pub(crate) full: bool,
    pub(crate) slow: bool,
}

impl Store {
    pub(crate) fn new(mutant: Option<Mutant>) -> Self {
        Self { mutant, ..Self::default() }
    }

    pub(crate) fn head(&self, shard: ShardId) -> Head {
        self.heads.get(&shard).copied().unwrap_or(Head::EMPTY)
    }

    /// Applies a batch if the head is as it says; returns how much of the log must be synced for it to be durable.
    pub(crate) fn write(&mut self, batch: &ShardBatch) -> Result<usize, Refusal> {
        let head = self.head(batch.shard);
        let unfenced = matches!(self.mutant, Some(Mutant::NoEpochCheck | Mutant::EpochReadFirst));
        if !unfenced && (head.epoch, head.owner) != (batch.epoch, Some(batch.owner)) {
            return Err(Refusal::Fenced(head));
        }
        if self.mutant != Some(Mutant::NoSequenceCheck) {
            if head.position + 1 != batch.first {
                return Err(Refusal::Position(head));
            }
            if !self.sequences_follow(&batch.records) {
                return Err(Refusal::Sequence);
            }
        }
        Ok(self.push(Op::Batch(batch.clone())))
    }

    fn sequences_follow(&self, records: &[Record]) -> bool {
        let mut last: BTreeMap<&EntityId, Sequence> = BTreeMap::new();
        records.iter().filter(|record| record.is_sequenced()).all(|record| {
            let before = last.entry(&record.entity).or_insert_with(|| self.last(&record.entity));
            *before += 1;
            *before == record.sequence
        })
    }

    /// Raises an epoch if the head is as expected.
    pub(crate) fn raise(&mut self, shard: ShardId, expected: Head, owner: Owner) -> Result<(Head, usize), Refusal> {
        let head = self.head(shard);
        let blind = self.mutant == Some(Mutant::RaiseUnconditional);
        if !blind && (head.epoch, head.owner) != (expected.epoch, expected.owner) {
            return Err(Refusal::Fenced(head));
        }
        let raised = Head { epoch: Epoch(head.epoch.0 + 1), owner: Some(owner), position: head.position };
        Ok((raised, self.push(Op::Raise(shard, raised))))
    }

    /// Keeps a snapshot; the store itself ignores one that is not newer.
    pub(crate) fn keep_snapshot(&mut self, entity: EntityId, snapshot: Snapshot) -> usize {
        self.push(Op::Snapshot(entity, snapshot))
    }

    /// Forgets delivered outbox records.
    pub(crate) fn trim(&mut self, shard: ShardId, delivered: Vec<Position>) -> usize {
        self.push(Op::Trim(shard, delivered))
    }

    /// What a shard has left to do of durable effects; read as a host does.
    pub(crate) fn unfinished(&mut self, shard: ShardId) -> Unfinished {
        self.sync_all();
        let Some(effects) = self.effects.get(&shard) else { return Unfinished::default() };
        let all = |records: &BTreeMap<Position, Record>| records.iter().map(|(p, r)| (*p, r.clone())).collect();
        Unfinished {
            outbox: all(&effects.outbox),
            inbox: all(&effects.inbox),
            watermarks: effects.watermarks.iter().map(|(shard, position)| (*shard, *position)).collect(),
            consumers: effects.consumers.iter().map(|(name, progress)| (name.clone(), progress.clone())).collect(),
        }
    }

    /// Records of a shard from a position on; read as a host does.
    pub(crate) fn events(&mut self, shard: ShardId, from: Position, max_bytes: usize) -> EventPage {
        self.sync_all();
        let chain = self.chains.get(&shard).map(Vec::as_slice).unwrap_or_default();
        let first = usize::try_from(from.max(1) - 1).unwrap_or(usize::MAX);
        let (mut bytes, mut records) = (0, Vec::new());
        for (position, record) in (from..).zip(chain.get(first..).unwrap_or_default()) {
            bytes += record.size();
            if !records.is_empty() && bytes > max_bytes {
                break;
            }
            records.push((position, Some(record.clone())));
        }
        EventPage { records }
    }

    /// Every record of every shard with its position, for the checker.
    pub(crate) fn chains(&self) -> impl Iterator<Item = (ShardId, Position, &Record)> + '_ {
        let all = self.chains.iter();
        all.flat_map(|(shard, chain)| chain.iter().zip(1..).map(|(record, position)| (*shard, position, record)))
    }

    /// How far each consumer has come in a shard, for the checker.
    pub(crate) fn consumers(&self, shard: ShardId) -> impl Iterator<Item = (&ConsumerId, &Progress)> + '_ {
        self.effects.get(&shard).into_iter().flat_map(|effects| &effects.consumers)
    }

    /// The record at a position, for the checker.
    pub(crate) fn record(&self, shard: ShardId, position: Position) -> Option<&Record> {
        self.chains.get(&shard)?.get(usize::try_from(position.checked_sub(1)?).ok()?)
    }

    /// Whether it is on disk that an event is, or was, a dead letter.
    pub(crate) fn was_dead(&self, shard: ShardId, event: Position) -> bool {
        self.effects.get(&shard).and_then(|effects| effects.dead.get(&event)).is_some_and(|at| *at < self.synced)
    }

    /// Where in the log it was said last that an event is a dead letter.
    pub(crate) fn dead_at(&self, shard: ShardId, event: Position) -> Option<usize> {
        self.effects.get(&shard).and_then(|effects| effects.dead.get(&event)).copied()
    }

    /// Whether it is on disk that a dead letter has ended.
    pub(crate) fn was_settled(&self, shard: ShardId, event: Position) -> bool {
        self.effects.get(&shard).and_then(|effects| effects.settled.get(&event)).is_some_and(|at| *at < self.synced)
    }

    /// Inbox records that have not ended, for the checker.
    pub(crate) fn inbox(&self) -> impl Iterator<Item = (ShardId, Position)> + '_ {
        self.effects.iter().flat_map(|(shard, effects)| effects.inbox.keys().map(|position| (*shard, *position)))
    }

    fn push(&mut self, op: Op) -> usize {
        self.apply(self.log.len(), &op);
        self.log.push(op);
        self.log.len()
    }

    fn apply(&mut self, at: usize, op: &Op) {
        match op {
            Op::Batch(batch) => {
                let head = self.heads.entry(batch.shard).or_insert(Head::EMPTY);
                head.position += batch.records.len() as u64;
                self.chains.entry(batch.shard).or_default().extend(batch.records.iter().cloned());
                for (position, record) in (batch.first..).zip(&batch.records) {
                    match record.is_effect() {
                        true => self.effects.entry(batch.shard).or_default().keep(at, position, record),
                        false => self.keep(at, batch.epoch, record),
                    }
                }
            }
            Op::Raise(shard, head) => {
                self.heads.insert(*shard, *head);
            }
            Op::Trim(shard, delivered) => {
                let effects = self.effects.entry(*shard).or_default();
                delivered.iter().for_each(|position| drop(effects.outbox.remove(position)));
            }
            Op::Snapshot(entity, snapshot) => {
                let row = self.rows.entry(entity.clone()).or_default();
                let newest = row.snapshots.last().map_or(0, |newest| newest.sequence);
                if snapshot.sequence > newest.max(row.last_delete()) {
                    row.snapshots.push(snapshot.clone());
                }
            }
        }
    }

    fn keep(&mut self, op: usize, epoch: Epoch, record: &Record) {
        let row = self.rows.entry(record.entity.clone()).or_default();
        let Record { sequence, command, body, .. } = record.clone();
        match body {
            Body::Dedup(dedup) => row.dedups.push((command, dedup)),
            body => row.records.push(Kept { op, epoch, sequence, command, body }),
        }
    }

    /// Everything applied up to there is on disk.
    pub(crate) fn sync(&mut self, upto: usize) {
        self.synced = self.synced.max(upto.min(self.log.len()));
    }

    /// Reads see only what is on disk: they sync first.
    pub(crate) fn sync_all(&mut self) {
        self.synced = self.log.len();
    }

    /// Loses what was not synced, from a place on that `keep` chooses among so many; half of the batch at that place
    /// may be on disk: recovery cuts it off.
    pub(crate) fn crash(&mut self, keep: impl FnOnce(usize) -> usize) -> Loss {
        self.boot += 1;
        let unsynced = self.log.len() - self.synced;
        let cut = self.synced + keep(unsynced).min(unsynced);
        let mut lost = self.log.split_off(cut);
        let loss = Loss { ops: lost.len(), torn: matches!(lost.first(), Some(Op::Batch(b)) if b.records.len() > 1) };
        if let (Some(Mutant::TornBatchKept), true) = (self.mutant, loss.torn)
            && let Op::Batch(mut batch) = lost.swap_remove(0)
        {
            batch.records.truncate(batch.records.len() / 2);
            self.log.push(Op::Batch(batch));
        }
        self.synced = self.log.len();
        self.heads.clear();
        self.rows.clear();
        self.effects.clear();
        self.chains.clear();
        let log = std::mem::take(&mut self.log);
        log.iter().enumerate().for_each(|(at, op)| self.apply(at, op));
        self.log = log;
        loss
    }

    /// The last sequence of an entity, synced or not.
    fn last(&self, entity: &EntityId) -> Sequence {
        self.rows.get(entity).and_then(|row| row.records.last()).map_or(0, |kept| kept.sequence)
    }

    /// The last sequence of an entity that is on disk.
    pub(crate) fn durable_last(&self, entity: &EntityId) -> Sequence {
        let Some(row) = self.rows.get(entity) else { return 0 };
        row.records.iter().rev().find(|kept| kept.op < self.synced).map_or(0, |kept| kept.sequence)
    }

    /// Everything of an entity, for the checker: not the way that a host reads.
    pub(crate) fn row(&self, entity: &EntityId) -> Option<&Row> {
        self.rows.get(entity)
    }

    /// Reads a page as a host asks for it.
    pub(crate) fn load(&mut self, entity: &EntityId, request: LoadRequest) -> EntityPage {
        self.sync_all();
        self.rows.get(entity).map(|row| row.page(request)).unwrap_or_default()
    }
}

impl Row {
    fn last_delete(&self) -> Sequence {
        self.records.iter().rev().find(|kept| kept.body == Body::Delete).map_or(0, |kept| kept.sequence)
    }

    fn page(&self, request: LoadRequest) -> EntityPage {
        let deleted = self.last_delete();
        let last = self.records.last().map_or(0, |kept| kept.sequence);
        let first = request.after.is_none();
        let snapshot = if first { self.snapshot(deleted, request.snapshot_below) } else { None };
        let from = snapshot.as_ref().map_or(0, |s| s.sequence).max(request.after.unwrap_or(0)).max(deleted);
        let (events, more) = self.events(from, request.max_bytes);
        EntityPage {
            last,
            deleted: last > 0 && deleted == last,
            value: self.value(deleted).filter(|_| first),
            snapshot,
            events,
            dedup: if first { self.dedups.iter().map(|(_, dedup)| dedup.clone()).collect() } else { Vec::new() },
            more,
        }
    }

    fn snapshot(&self, deleted: Sequence, below: Option<Sequence>) -> Option<Snapshot> {
        let newest_two = self.snapshots.iter().rev().take(2);
        newest_two
            .filter(|s| s.sequence > deleted && below.is_none_or(|below| s.sequence < below))
            .max_by_key(|snapshot| snapshot.sequence)
            .cloned()
    }

    fn value(&self, deleted: Sequence) -> Option<(Sequence, Payload)> {
        self.records.iter().rev().take_while(|kept| kept.sequence > deleted).find_map(|kept| match &kept.body {
            Body::Value(payload) => Some((kept.sequence, payload.clone())),
            _ => None,
        })
    }

    fn events(&self, from: Sequence, max_bytes: usize) -> (Vec<(Sequence, Payload)>, bool) {
        let start = self.records.partition_point(|kept| kept.sequence <= from);
        let (mut events, mut bytes) = (Vec::new(), 0);
        for kept in &self.records[start..] {
            let Body::Event(payload) = &kept.body else { continue };
            bytes += payload.size();
            if !events.is_empty() && bytes > max_bytes {
                return (events, true);
            }
            events.push((kept.sequence, payload.clone()));
        }
        (events, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_model::{Answer, DedupKey, Wall};

    const ME: Owner = Owner(7);

    fn cart() -> EntityId {
        EntityId::new("sim.Log", "0").expect("an id")
    }

    fn batch(epoch: u64, first: u64, sequences: &[Sequence]) -> ShardBatch {
        let record = |sequence: &Sequence| Record {
            entity: cart(),
            sequence: *sequence,
            command: CommandId(1),
            at: Wall(0),
            body: Body::Event(Payload::new("Fact", vec![0; 10])),
        };
        let records = sequences.iter().map(record).collect();
        ShardBatch { shard: ShardId(0), epoch: Epoch(epoch), owner: ME, first, records }
    }

    fn claimed(mutant: Option<Mutant>) -> Store {
        let mut store = Store::new(mutant);
        store.raise(ShardId(0), Head::EMPTY, ME).expect("claimed");
        store.sync_all();
        store
    }

    fn request(after: Option<Sequence>, snapshot_below: Option<Sequence>, max_bytes: usize) -> LoadRequest {
        LoadRequest { after, snapshot_below, max_bytes }
    }

    #[test]
    fn a_batch_applies_only_on_the_head_it_names() {
        let mut store = claimed(None);
        assert!(matches!(store.write(&batch(2, 1, &[1])), Err(Refusal::Fenced(_))));
        assert!(matches!(store.write(&batch(1, 2, &[1])), Err(Refusal::Position(_))));
        assert_eq!(store.write(&batch(1, 1, &[2])), Err(Refusal::Sequence));
        assert_eq!(store.write(&batch(1, 1, &[1, 2])), Ok(2));
        assert_eq!(store.head(ShardId(0)).position, 2);
    }

    #[test]
    fn a_raise_is_conditional_and_fences() {
        let mut store = claimed(None);
        let head = store.head(ShardId(0));
        assert!(store.raise(ShardId(0), Head::EMPTY, Owner(8)).is_err());
        assert_eq!(store.raise(ShardId(0), head, Owner(8)).expect("raised").0.epoch, Epoch(2));
        assert!(matches!(store.write(&batch(1, 1, &[1])), Err(Refusal::Fenced(_))));
    }

    #[test]
    fn a_crash_keeps_what_is_synced_and_takes_batches_whole() {
        let mut store = claimed(None);
        store.write(&batch(1, 1, &[1, 2])).expect("written");
        assert_eq!(store.durable_last(&cart()), 0, "applied is not durable");
        store.sync(2);
        store.write(&batch(1, 3, &[3, 4])).expect("written");
        assert_eq!(store.crash(|_| 0), Loss { ops: 1, torn: true });
        assert_eq!((store.durable_last(&cart()), store.head(ShardId(0)).position), (2, 2));
    }

    #[test]
    fn a_torn_batch_is_kept_in_part_only_by_the_mutant() {
        let mut store = claimed(Some(Mutant::TornBatchKept));
        store.write(&batch(1, 1, &[1, 2])).expect("written");
        store.crash(|_| 0);
        assert_eq!(store.head(ShardId(0)).position, 1);
    }

    #[test]
    fn pages_meet_and_begin_at_the_newest_usable_snapshot() {
        let mut store = claimed(None);
        store.write(&batch(1, 1, &[1, 2, 3, 4])).expect("written");
        let snapshot = |sequence| Snapshot { sequence, state: Payload::new("State", vec![]) };
        for sequence in [1, 2, 3, 2] {
            store.keep_snapshot(cart(), snapshot(sequence));
        }
        let page = store.load(&cart(), request(None, None, 1000));
        assert_eq!((page.last, page.snapshot.map(|s| s.sequence), page.events.len()), (4, Some(3), 1));
        let below = |below| store_snapshot(&store, below);
        assert_eq!((below(3), below(2)), (Some(2), None), "two are kept, an older one is ignored");
        let page = store.load(&cart(), request(Some(1), None, 1));
        assert_eq!((page.events.len(), page.events[0].0, page.more), (1, 2, true));
    }

    #[test]
    fn keys_after_a_record_are_other_keys_and_counted_once() {
        let key = |key: &str| DedupKey::Client { caller: "c".into(), command: "append".into(), key: key.into() };
        let answer = || Answer::Reply { payload: None, sequence: 1 };
        let record = |(command, name)| {
            (CommandId(command), Dedup { key: key(name), digest: 0, expires: Wall(9), answer: answer() })
        };
        let records = [(1, "a"), (2, "b"), (3, "a"), (4, "b"), (5, "c")].map(record);
        let after = |place| keys_after(&records, place).map(|command| command.0).collect::<Vec<_>>();
        assert_eq!((after(0), after(3), after(4)), (vec![2, 5], vec![5], vec![]));
    }

    fn store_snapshot(store: &Store, below: Sequence) -> Option<Sequence> {
        let row = store.row(&cart()).expect("written");
        row.page(request(None, Some(below), 1000)).snapshot.map(|snapshot| snapshot.sequence)
    }
}
