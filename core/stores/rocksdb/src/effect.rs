// SPDX-License-Identifier: Apache-2.0
//! Outbox and inbox records, whole: they are read by shard and position, without their entities.

use adjoin_model::{
    Body, CommandId, DurableCall, EntityId, Incoming, Origin, Payload, Position, Record, ShardId, Wall,
};
use bytes::Bytes;

use crate::codec::{Damage, Decoder, Encoder};

const OUTBOX: u8 = 1;
const INBOX: u8 = 2;

/// Encodes a record whose body is this call: of an inbox where there is an origin, of an outbox where there is none.
pub(crate) fn encode(key: &[u8], record: &Record, origin: Option<Origin>, call: &DurableCall) -> Vec<u8> {
    let mut value = Encoder::new(record.size());
    match origin {
        None => value.byte(OUTBOX),
        Some(origin) => value.byte(INBOX).number(u64::from(origin.shard.0)).number(origin.position),
    };
    entity(&mut value, &record.entity);
    value.number(record.sequence).wide(record.command.0).number(record.at.0);
    entity(&mut value, &call.entity);
    value.text(&call.command).text(&call.caller).number(call.metadata.len() as u64);
    for (name, content) in &call.metadata {
        value.text(name).text(content);
    }
    value.text(&call.payload.type_name).raw(&call.payload.data);
    value.seal(key)
}

fn entity(value: &mut Encoder, entity: &EntityId) {
    value.text(entity.entity_type()).text(entity.key());
}

/// Reads a record of outbox or inbox.
pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Record, Damage> {
    let mut fields = Decoder::open(key, value)?;
    let origin = match fields.byte()? {
        OUTBOX => None,
        INBOX => {
            let shard = u32::try_from(fields.number()?).map_err(|_| Damage::Content)?;
            Some(Origin { shard: ShardId(shard), position: fields.number()? })
        }
        _ => return Err(Damage::Content),
    };
    let entity = read_entity(&mut fields)?;
    let (sequence, command, at) = (fields.number()?, CommandId(fields.wide()?), Wall(fields.number()?));
    let call = Box::new(read_call(fields)?);
    let body = match origin {
        None => Body::Outbox(call),
        Some(origin) => Body::Inbox(Incoming { origin, call }),
    };
    Ok(Record { entity, sequence, command, at, body })
}

fn read_entity(fields: &mut Decoder<'_>) -> Result<EntityId, Damage> {
    EntityId::new(fields.text()?, fields.text()?).map_err(|_| Damage::Content)
}

fn read_call(mut fields: Decoder<'_>) -> Result<DurableCall, Damage> {
    let entity = read_entity(&mut fields)?;
    let (command, caller) = (fields.text()?.into(), fields.text()?.into());
    let mut metadata = Vec::new();
    for _ in 0..fields.number()? {
        metadata.push((fields.text()?.to_owned(), fields.text()?.to_owned()));
    }
    let type_name = fields.text()?.into();
    let payload = Payload { type_name, data: Bytes::copy_from_slice(fields.remainder()) };
    Ok(DurableCall { entity, command, payload, caller, metadata })
}

/// Encodes a watermark.
pub(crate) fn encode_watermark(key: &[u8], position: Position) -> Vec<u8> {
    let mut value = Encoder::new(10);
    value.number(position);
    value.seal(key)
}

/// Reads a watermark.
pub(crate) fn decode_watermark(key: &[u8], value: &[u8]) -> Result<Position, Damage> {
    let mut fields = Decoder::open(key, value)?;
    let position = fields.number()?;
    fields.end()?;
    Ok(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> Box<DurableCall> {
        Box::new(DurableCall {
            entity: EntityId::new("t", "b").expect("an id"),
            command: "add".into(),
            payload: Payload::new("json", b"1".to_vec()),
            caller: "eve".into(),
            metadata: vec![("m".into(), "n".into())],
        })
    }

    fn record(body: Body) -> Record {
        let entity = EntityId::new("t", "a\0b").expect("an id");
        Record { entity, sequence: 3, command: CommandId(7), at: Wall(9), body }
    }

    /// The format, which never changes.
    #[test]
    fn an_outbox_record_is_kind_record_call() {
        let value = encode(b"k", &record(Body::Outbox(call())), None, &call());
        let content = &value[1..value.len() - 4];
        assert_eq!(content[..8], [OUTBOX, 1, b't', 3, b'a', 0, b'b', 3]);
        assert_eq!(content[8..24], 7_u128.to_le_bytes());
        assert_eq!(&content[24..], b"\x09\x01t\x01b\x03add\x03eve\x01\x01m\x01n\x04json1");
    }

    #[test]
    fn records_come_back() {
        let origin = Origin { shard: ShardId(300), position: 400 };
        let inbox = Body::Inbox(Incoming { origin, call: call() });
        for (body, origin) in [(Body::Outbox(call()), None), (inbox, Some(origin))] {
            let record = record(body);
            let value = encode(b"k", &record, origin, &call());
            assert_eq!(decode(b"k", &value), Ok(record));
        }
        assert_eq!(decode_watermark(b"k", &encode_watermark(b"k", 300)), Ok(300));
    }

    #[test]
    fn a_count_that_the_bytes_do_not_hold_is_no_panic() {
        let mut value = Encoder::new(8);
        value.byte(OUTBOX).text("t").text("a").number(1).wide(1).number(1).text("t").text("b").text("c").text("d");
        value.number(u64::MAX);
        assert_eq!(decode(b"k", &value.seal(b"k")), Err(Damage::Content));
    }
}
