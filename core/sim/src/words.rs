// SPDX-License-Identifier: Apache-2.0
//! What clients, handlers and the checker say to each other inside payloads, which the machines never read.

use adjoin_model::{Error, Payload};

use crate::random::spread;

/// Names what a command writes. The lowest byte is 0 for what it writes itself, `1 + i` for what its effect `i` or
/// its forward writes.
pub(crate) type Token = u64;

/// The token of the `index`-th call that a command makes.
pub(crate) fn child(token: Token, index: u64) -> Token {
    token | (index + 1)
}

/// The token of the command that a child came from; its own for a root.
pub(crate) fn root(token: Token) -> Token {
    token & !0xff
}

/// The body of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) token: Token,
    /// Events to write, or elements to stream.
    pub(crate) parts: u16,
    /// Bytes that each written payload is long, at least.
    pub(crate) pad: u16,
    /// Entities to call, by their place in the plan; `NOBODY` for none.
    pub(crate) targets: [u16; 2],
    /// The reply waits for the side effects.
    pub(crate) synchronous: bool,
}

/// No target.
pub(crate) const NOBODY: u16 = u16::MAX;

impl Ask {
    pub(crate) fn payload(&self) -> Payload {
        let mut data = Vec::with_capacity(17);
        data.extend_from_slice(&self.token.to_le_bytes());
        for number in [self.parts, self.pad, self.targets[0], self.targets[1]] {
            data.extend_from_slice(&number.to_le_bytes());
        }
        data.push(u8::from(self.synchronous));
        Payload::new("Ask", data)
    }

    pub(crate) fn read(payload: &Payload) -> Option<Self> {
        let data = &payload.data;
        let half = |at: usize| Some(u16::from_le_bytes(data.get(at..at + 2)?.try_into().ok()?));
        Some(Self {
            token: word(data, 0)?,
            parts: half(8)?,
            pad: half(10)?,
            targets: [half(12)?, half(14)?],
            synchronous: *data.get(16)? != 0,
        })
    }
}

/// The body of an event (one part of a command's) or of a value (part 0 of 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) token: Token,
    pub(crate) part: u16,
    pub(crate) parts: u16,
}

impl Fact {
    pub(crate) fn payload(self, pad: u16) -> Payload {
        let mut data = Vec::with_capacity(12 + usize::from(pad));
        data.extend_from_slice(&self.token.to_le_bytes());
        data.extend_from_slice(&self.part.to_le_bytes());
        data.extend_from_slice(&self.parts.to_le_bytes());
        data.resize(12 + usize::from(pad), 0);
        Payload::new("Fact", data)
    }

    pub(crate) fn read(payload: &Payload) -> Option<Self> {
        let data = &payload.data;
        let half = |at: usize| Some(u16::from_le_bytes(data.get(at..at + 2)?.try_into().ok()?));
        Some(Self { token: word(data, 0)?, part: half(8)?, parts: half(10)? })
    }
}

/// An entity's state: everything it was folded from, in order, as a hash. Two states are the same only if their
/// histories since the last delete are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct State {
    pub(crate) hash: u64,
    pub(crate) count: u64,
}

impl State {
    /// After one more event.
    pub(crate) fn fold(self, fact: Fact) -> Self {
        let mixed = spread(self.hash ^ spread(fact.token ^ (u64::from(fact.part) << 40)));
        Self { hash: mixed | 1, count: self.count + 1 }
    }

    /// A value, which replaces what was before.
    pub(crate) fn of_value(token: Token) -> Self {
        Self { count: 1, ..Self::default().fold(Fact { token, part: 0, parts: 1 }) }
    }

    pub(crate) fn payload(self) -> Payload {
        let mut data = self.hash.to_le_bytes().to_vec();
        data.extend_from_slice(&self.count.to_le_bytes());
        Payload::new("State", data)
    }

    pub(crate) fn read(payload: &Payload) -> Option<Self> {
        if *payload.type_name != *"State" {
            return None;
        }
        Some(Self { hash: word(&payload.data, 0)?, count: word(&payload.data, 8)? })
    }

    /// A refusal that shows the state it rests on.
    pub(crate) fn refusal(self) -> Error {
        Error::rejected(format!("refused at {:016x} {}", self.hash, self.count))
    }

    /// The state that a refusal shows, if a handler made it.
    pub(crate) fn of_refusal(error: &Error) -> Option<Self> {
        let (hash, count) = error.message.strip_prefix("refused at ")?.split_once(' ')?;
        Some(Self { hash: u64::from_str_radix(hash, 16).ok()?, count: count.parse().ok()? })
    }
}

fn word(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(data.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_as_written() {
        let ask = Ask { token: 0x0700, parts: 3, pad: 9, targets: [1, NOBODY], synchronous: true };
        assert_eq!(Ask::read(&ask.payload()), Some(ask));
        let fact = Fact { token: 0x0701, part: 1, parts: 2 };
        assert_eq!(Fact::read(&fact.payload(40)), Some(fact));
        let state = State::default().fold(fact);
        assert_eq!(State::read(&state.payload()), Some(state));
        assert_eq!(State::of_refusal(&state.refusal()), Some(state));
        assert_eq!(State::of_refusal(&Error::rejected("otherwise")), None);
        assert_eq!((root(child(0x0700, 1)), child(0x0700, 0)), (0x0700, 0x0701));
    }

    #[test]
    fn a_state_tells_orders_apart() {
        let fact = |token| Fact { token, part: 0, parts: 1 };
        let empty = State::default();
        assert_ne!(empty.fold(fact(1)).fold(fact(2)), empty.fold(fact(2)).fold(fact(1)));
    }
}
