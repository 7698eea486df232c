// SPDX-License-Identifier: Apache-2.0
//! Dedup records: a command's answer, kept for a duplicate.

use std::borrow::Cow;

use adjoin_model::{Answer, Code, CommandId, Dedup, DedupKey, EntityId, Error, Kind, Outcome, Payload, Wall};
use bytes::Bytes;

use crate::codec::{Damage, Decoder, Encoder};

const CLIENT: u8 = 1;
const COMMAND: u8 = 2;
const REPLY: u8 = 1;
const REPLY_WITH_PAYLOAD: u8 = 2;
const FAILED: u8 = 3;
const FORWARD: u8 = 4;

pub(crate) fn encode(key: &[u8], dedup: &Dedup) -> Vec<u8> {
    let mut value = Encoder::new(96);
    match &dedup.key {
        DedupKey::Client { caller, command, key } => value.byte(CLIENT).text(caller).text(command).text(key),
        DedupKey::Command(id) => value.byte(COMMAND).wide(id.0),
    };
    value.wide(dedup.digest).number(dedup.expires.0);
    answer(&mut value, &dedup.answer);
    value.seal(key)
}

fn answer(value: &mut Encoder, answer: &Answer) {
    match answer {
        Answer::Reply { payload: None, sequence } => {
            value.byte(REPLY).number(*sequence);
        }
        Answer::Reply { payload: Some(reply), sequence } => {
            payload(value.byte(REPLY_WITH_PAYLOAD).number(*sequence), reply);
        }
        Answer::Failed(error) => failure(value.byte(FAILED), error),
        Answer::Forward { entity, command, payload: forwarded } => {
            payload(value.byte(FORWARD).text(entity.entity_type()).text(entity.key()).text(command), forwarded);
        }
    }
}

fn payload(value: &mut Encoder, payload: &Payload) {
    value.text(&payload.type_name).number(payload.data.len() as u64).raw(&payload.data);
}

fn failure(value: &mut Encoder, error: &Error) {
    value.text(error.kind.name()).text(&error.message).byte(u8::from(error.outcome == Outcome::Unknown));
    value.byte(error.code.map_or(0, Code::number)).number(error.retry_after_ms.map_or(0, |ms| ms.saturating_add(1)));
    value.number(error.context.len() as u64);
    for (what, place) in &error.context {
        value.text(what).text(place);
    }
}

pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Dedup, Damage> {
    let mut fields = Decoder::open(key, value)?;
    let key = match fields.byte()? {
        CLIENT => {
            let mut text = || fields.text().map(str::to_owned);
            DedupKey::Client { caller: text()?, command: text()?, key: text()? }
        }
        COMMAND => DedupKey::Command(CommandId(fields.wide()?)),
        _ => return Err(Damage::Content),
    };
    let (digest, expires) = (fields.wide()?, Wall(fields.number()?));
    let answer = read_answer(&mut fields)?;
    fields.end()?;
    Ok(Dedup { key, digest, expires, answer })
}

fn read_answer(fields: &mut Decoder<'_>) -> Result<Answer, Damage> {
    Ok(match fields.byte()? {
        REPLY => Answer::Reply { payload: None, sequence: fields.number()? },
        REPLY_WITH_PAYLOAD => {
            let sequence = fields.number()?;
            Answer::Reply { payload: Some(read_payload(fields)?), sequence }
        }
        FAILED => Answer::Failed(read_failure(fields)?),
        FORWARD => {
            let entity = EntityId::new(fields.text()?, fields.text()?).map_err(|_| Damage::Content)?;
            Answer::Forward { entity, command: fields.text()?.to_owned(), payload: read_payload(fields)? }
        }
        _ => return Err(Damage::Content),
    })
}

fn read_payload(fields: &mut Decoder<'_>) -> Result<Payload, Damage> {
    let type_name = fields.text()?;
    Ok(Payload { type_name: type_name.into(), data: Bytes::copy_from_slice(fields.block()?) })
}

fn read_failure(fields: &mut Decoder<'_>) -> Result<Error, Damage> {
    let kind = Kind::from_name(fields.text()?).ok_or(Damage::Content)?;
    let message = fields.text()?.to_owned();
    let outcome = if fields.byte()? == 0 { Outcome::None } else { Outcome::Unknown };
    let mut error = Error::new(kind, outcome, message);
    error.code = Code::from_number(u32::from(fields.byte()?));
    error.retry_after_ms = fields.number()?.checked_sub(1);
    for _ in 0..fields.number()? {
        error.context.push((Cow::Owned(fields.text()?.to_owned()), fields.text()?.to_owned()));
    }
    Ok(error)
}

/// When a stored dedup record expires, without reading its answer.
pub(crate) fn expires(key: &[u8], value: &[u8]) -> Result<Wall, Damage> {
    decode(key, value).map(|dedup| dedup.expires)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(answer: Answer) -> Dedup {
        let key = DedupKey::Client { caller: String::new(), command: "add".into(), key: "k1".into() };
        Dedup { key, digest: 3, expires: Wall(300), answer }
    }

    fn all() -> Vec<Dedup> {
        let payload = Payload::new("P", vec![1, 2]);
        let entity = EntityId::new("t", "a\0b").expect("an id");
        let failed = Error::rejected("no").at("item", "p9").with_code(Code::NotFound).retry_after(0);
        let forward = Answer::Forward { entity, command: "go".into(), payload: payload.clone() };
        vec![
            client(Answer::Reply { payload: None, sequence: 4 }),
            client(Answer::Reply { payload: Some(payload), sequence: 4 }),
            client(Answer::Failed(failed)),
            client(Answer::Failed(Error::expired("late"))),
            Dedup { key: DedupKey::Command(CommandId(8)), ..client(forward) },
        ]
    }

    #[test]
    fn every_form_comes_back() {
        for dedup in all() {
            let value = encode(b"k", &dedup);
            assert_eq!(decode(b"k", &value), Ok(dedup.clone()));
            assert_eq!(expires(b"k", &value), Ok(dedup.expires));
        }
    }

    #[test]
    fn a_record_is_key_digest_expiry_answer() {
        let value = encode(b"k", &all()[0]);
        let content = &value[1..value.len() - 4];
        assert_eq!(content[..9], [1, 0, 3, b'a', b'd', b'd', 2, b'k', b'1']);
        assert_eq!(content[9..25], 3_u128.to_le_bytes());
        assert_eq!(content[25..], [0xac, 2, 1, 4]);
    }
}
