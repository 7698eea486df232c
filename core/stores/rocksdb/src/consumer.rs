// SPDX-License-Identifier: Apache-2.0
//! What consumers of events note: in the journal, and as rows of how far each has come.
//!
//! A row's key is `shard log 00 group 00` for a position, and that with a position behind it for a dead letter. One that
//! ended ahead of the position keeps its row, with 0 attempts and how it ended, until the position has come past it.

use adjoin_model::{Consumed, ConsumerId, Consumption, DeadLetter, Ended, EntityId, Position, Progress, ShardId, Wall};

use crate::codec::{Damage, Decoder, Encoder};

const PASSED: u8 = 1;
const DEAD: u8 = 2;
const SETTLED: u8 = 3;
const AHEAD: u8 = 4;

/// Writes a consumption as it stands behind its entry in the journal.
pub(crate) fn note(value: &mut Encoder, consumption: &Consumption) {
    value.text(consumption.consumer.log()).text(consumption.consumer.group()).number(consumption.event);
    match &consumption.what {
        Consumed::Passed => value.byte(PASSED),
        Consumed::Dead { attempts, error } => value.byte(DEAD).number(u64::from(*attempts)).text(error),
        Consumed::Settled(ended) => value.byte(SETTLED).byte(*ended as u8),
        Consumed::Ahead(ended) => value.byte(AHEAD).byte(*ended as u8),
    };
}

/// Reads it back.
pub(crate) fn read_note(fields: &mut Decoder<'_>) -> Result<Consumption, Damage> {
    let consumer = ConsumerId::new(fields.text()?, fields.text()?).map_err(|_| Damage::Content)?;
    let event = fields.number()?;
    let what = match fields.byte()? {
        PASSED => Consumed::Passed,
        DEAD => Consumed::Dead { attempts: attempts(fields)?, error: fields.text()?.to_owned() },
        SETTLED => Consumed::Settled(ended(fields.byte()?)?),
        AHEAD => Consumed::Ahead(ended(fields.byte()?)?),
        _ => return Err(Damage::Content),
    };
    Ok(Consumption { consumer, event, what })
}

fn attempts(fields: &mut Decoder<'_>) -> Result<u32, Damage> {
    u32::try_from(fields.number()?).map_err(|_| Damage::Content)
}

/// How something ended, by its stored number.
pub(crate) fn ended(byte: u8) -> Result<Ended, Damage> {
    Ended::ALL.into_iter().find(|ended| *ended as u8 == byte).ok_or(Damage::Content)
}

/// The key of a consumer's position, and the start of those of its dead letters.
pub(crate) fn key(shard: ShardId, consumer: &ConsumerId) -> Vec<u8> {
    let (log, group) = (consumer.log().as_bytes(), consumer.group().as_bytes());
    [&shard.0.to_be_bytes(), log, &[0], group, &[0]].concat()
}

/// The key of a dead letter.
pub(crate) fn letter_key(shard: ShardId, consumer: &ConsumerId, event: Position) -> Vec<u8> {
    [&key(shard, consumer)[..], &event.to_be_bytes()].concat()
}

/// Whose key it is, behind the shard; with the position of a dead letter's.
pub(crate) fn parse_key(key: &[u8]) -> Result<(ConsumerId, Option<Position>), Damage> {
    let mut parts = key.get(4..).ok_or(Damage::Content)?.splitn(3, |byte| *byte == 0);
    let mut text = || core::str::from_utf8(parts.next().unwrap_or_default()).map_err(|_| Damage::Content);
    let consumer = ConsumerId::new(text()?, text()?).map_err(|_| Damage::Content)?;
    match parts.next() {
        Some([]) => Ok((consumer, None)),
        Some(event) => {
            let event = event.try_into().map_err(|_| Damage::Content)?;
            Ok((consumer, Some(u64::from_be_bytes(event))))
        }
        None => Err(Damage::Content),
    }
}

/// Encodes a dead letter.
pub(crate) fn encode_letter(key: &[u8], attempts: u32, error: &str, entity: &EntityId, at: Wall) -> Vec<u8> {
    let mut value = Encoder::new(32 + error.len() + entity.key().len());
    value.number(u64::from(attempts)).number(at.0).text(entity.entity_type()).text(entity.key()).text(error);
    value.seal(key)
}

/// Encodes a dead letter that ended ahead of the position. None has failed 0 times.
pub(crate) fn encode_ahead(key: &[u8], ended: Ended) -> Vec<u8> {
    let mut value = Encoder::new(8);
    value.number(0).byte(ended as u8);
    value.seal(key)
}

fn read_letter(progress: &mut Progress, event: Position, key: &[u8], value: &[u8]) -> Result<(), Damage> {
    let mut fields = Decoder::open(key, value)?;
    let attempts = attempts(&mut fields)?;
    if attempts == 0 {
        progress.ahead.insert(event, ended(fields.byte()?)?);
        return fields.end();
    }
    let at = Wall(fields.number()?);
    let entity = EntityId::new(fields.text()?, fields.text()?).map_err(|_| Damage::Content)?;
    let error = fields.text()?.to_owned();
    progress.dead.insert(event, DeadLetter { entity, attempts, error, at });
    fields.end()
}

/// Adds a row to what is known of consumers; rows come in the order of their keys.
pub(crate) fn read_row(all: &mut Vec<(ConsumerId, Progress)>, key: &[u8], value: &[u8]) -> Result<(), Damage> {
    let (consumer, event) = parse_key(key)?;
    if all.last().is_none_or(|(last, _)| *last != consumer) {
        all.push((consumer, Progress::default()));
    }
    let Some((_, progress)) = all.last_mut() else { return Err(Damage::Content) };
    match event {
        None => progress.passed = crate::effect::decode_watermark(key, value)?,
        Some(event) => read_letter(progress, event, key, value)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer() -> ConsumerId {
        ConsumerId::new("log", "a/g").expect("a consumer")
    }

    /// The format, which never changes.
    #[test]
    fn a_note_is_consumer_position_and_what() {
        let written = |what| {
            let mut value = Encoder::new(32);
            note(&mut value, &Consumption { consumer: consumer(), event: 300, what });
            let value = value.seal(b"");
            value[1..value.len() - 4].to_vec()
        };
        assert_eq!(written(Consumed::Passed), b"\x03log\x03a/g\xac\x02\x01");
        assert_eq!(
            written(Consumed::Dead { attempts: 3, error: "no".into() }),
            b"\x03log\x03a/g\xac\x02\x02\x03\x02no"
        );
        assert_eq!(written(Consumed::Settled(Ended::Dropped)), b"\x03log\x03a/g\xac\x02\x03\x02");
        assert_eq!(written(Consumed::Ahead(Ended::Ran)), b"\x03log\x03a/g\xac\x02\x04\x00");
    }

    #[test]
    fn rows_come_back() {
        let entity = EntityId::new("log", "e").expect("an id");
        let (place, letter) = (key(ShardId(7), &consumer()), letter_key(ShardId(7), &consumer(), 9));
        assert_eq!(place, b"\0\0\0\x07log\0a/g\0");
        assert_eq!(letter, b"\0\0\0\x07log\0a/g\0\0\0\0\0\0\0\0\x09");
        let mut all = Vec::new();
        read_row(&mut all, &place, &crate::effect::encode_watermark(&place, 12)).expect("a position");
        let value = encode_letter(&letter, 3, "no", &entity, Wall(5));
        read_row(&mut all, &letter, &value).expect("a letter");
        let dead = DeadLetter { entity, attempts: 3, error: "no".into(), at: Wall(5) };
        let ahead = letter_key(ShardId(7), &consumer(), 14);
        read_row(&mut all, &ahead, &encode_ahead(&ahead, Ended::Dropped)).expect("one that ended");
        let progress = Progress { passed: 12, dead: [(9, dead)].into(), ahead: [(14, Ended::Dropped)].into() };
        assert_eq!(all, [(consumer(), progress)]);
        assert_eq!(read_row(&mut all, b"\0\0\0\x07log", &value), Err(Damage::Content));
    }
}
