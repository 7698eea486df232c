// SPDX-License-Identifier: Apache-2.0
//! What a golden folder holds. Never changed: folders that hold it are kept for every format.

use adjoin_model::{
    Answer, Body, CommandId, Consumed, ConsumerId, Consumption, Dedup, DedupKey, DurableCall, Ended, EntityId, Error,
    Incoming, Origin, Owner, Payload, Record, ShardId, Snapshot, Wall,
};

/// Shards, store id and writer of the folder.
pub(crate) const SHARDS: u32 = 16;
pub(crate) const STORE_ID: u128 = 0x5eed;
pub(crate) const WRITER: Owner = Owner(0xfeed);

fn record(entity_type: &str, key: &str, sequence: u64, body: Body) -> Record {
    let entity = EntityId::new(entity_type, key).expect("an id");
    let at = Wall(1_700_000_000_000 + sequence);
    Record { entity, sequence, command: CommandId(u128::from(sequence) << 64 | 7), at, body }
}

fn event(key: &str, sequence: u64) -> Record {
    let data = format!("{{\"item\":\"p{sequence}\"}}").into_bytes();
    record("shop.Cart", key, sequence, Body::Event(Payload::new("ItemAdded", data)))
}

fn dedup(key: &str, sequence: u64, expires: u64, answer: Answer) -> Record {
    let client = DedupKey::Client { caller: "eve".into(), command: "addItem".into(), key: format!("k{sequence}") };
    let dedup = Dedup { key: client, digest: 0xd1, expires: Wall(expires), answer };
    record("shop.Cart", key, sequence, Body::Dedup(dedup))
}

/// The batches, each of one shard; the first ones are written and flushed, the others stay in the log.
pub(crate) fn batches() -> (Vec<Vec<Record>>, Vec<Vec<Record>>) {
    let value = |sequence, data: &str| {
        record("shop.Profile", "ada", sequence, Body::Value(Payload::new("Profile", data.as_bytes().to_vec())))
    };
    let reply = Answer::Reply { payload: Some(Payload::new("json", b"3".to_vec())), sequence: 3 };
    let failed = Answer::Failed(Error::rejected("the cart is full").at("item", "p9"));
    let flushed = vec![
        vec![event("ada", 1), event("ada", 2), event("ada", 3), dedup("ada", 3, u64::MAX / 2, reply)],
        vec![event("a\0b/ü", 1)],
        vec![value(1, "one"), record("shop.Profile", "ada", 2, Body::Superseded), value(3, "three")],
        vec![event("gone", 1), record("shop.Cart", "gone", 2, Body::Delete)],
        vec![event("purged", 1), record("shop.Cart", "purged", 2, Body::Delete)],
    ];
    let logged = vec![
        vec![event("ada", 4), dedup("ada", 4, u64::MAX / 2, failed)],
        vec![value(4, "four")],
        vec![event("gone", 3)],
    ];
    (flushed, logged)
}

/// The snapshot of `shop.Cart/ada`, kept after the flushed batches.
pub(crate) fn snapshot() -> Snapshot {
    Snapshot { sequence: 2, state: Payload::new("Cart", b"[p1,p2]".to_vec()) }
}

/// Of a folder of its own: outbox and inbox, both in one shard. Written and flushed; then the first outbox record is
/// trimmed, and the last batch stays in the log.
pub(crate) fn effects() -> (Vec<Vec<Record>>, Vec<Vec<Record>>) {
    let call = |body: &str| {
        Box::new(DurableCall {
            entity: EntityId::new("shop.Cart", "eve").expect("an id"),
            command: "addItem".into(),
            payload: Payload::new("json", body.as_bytes().to_vec()),
            caller: "ada".into(),
            metadata: vec![("trace".into(), "t-1".into())],
        })
    };
    let outbox = |body| record("shop.Cart", "ada", 1, Body::Outbox(call(body)));
    let inbox = |position, body| {
        let origin = Origin { shard: ShardId(3), position };
        record("shop.Cart", "eve", 0, Body::Inbox(Incoming { origin, call: call(body) }))
    };
    let done = |inbox, ended| record("shop.Cart", "eve", 0, Body::Done { inbox, ended });
    let flushed = vec![
        vec![event("ada", 1), outbox("1"), outbox("2")],
        vec![inbox(5, "3"), inbox(7, "4"), inbox(9, "5")],
        vec![done(1, Ended::Ran)],
    ];
    (flushed, vec![vec![event("eve", 1), done(2, Ended::Refused)]])
}

/// Of another folder of its own: what two consumers note in the shard of `ada`. The last batch stays in the log.
pub(crate) fn consumers() -> (Vec<Vec<Record>>, Vec<Vec<Record>>) {
    let noted = |group: &str, event, what| {
        let consumer = ConsumerId::new("shop.Cart", group).expect("a consumer");
        record("shop.Cart", "ada", 0, Body::Consumed(Box::new(Consumption { consumer, event, what })))
    };
    let dead = |group, event, attempts| {
        noted(group, event, Consumed::Dead { attempts, error: format!("Internal: no {event}") })
    };
    let flushed = vec![
        (1..=5).map(|sequence| event("ada", sequence)).collect(),
        vec![dead("mail/all", 2, 10), dead("mail/all", 3, 11), dead("mail/all", 4, 12), dead("mail/all", 5, 300)],
        vec![
            noted("mail/all", 4, Consumed::Settled(Ended::Ran)),
            noted("mail/all", 5, Consumed::Ahead(Ended::Dropped)),
        ],
        vec![noted("mail/all", 2, Consumed::Passed), noted("names", 1, Consumed::Passed), dead("names", 4, 1)],
    ];
    let logged = vec![vec![
        noted("mail/all", 3, Consumed::Passed),
        noted("mail/all", 2, Consumed::Settled(Ended::Dropped)),
        noted("names", 4, Consumed::Ahead(Ended::Ran)),
    ]];
    (flushed, logged)
}
