// SPDX-License-Identifier: Apache-2.0
//! Bytes that nobody should have sent. Whatever they are, reading them ends in a typed error or in a state that is as
//! good as any: it merges lawfully, and its bytes are those that were read.
#![allow(clippy::unwrap_used, reason = "a test")]

mod kit;

use adjoin_crdt::{
    Causal, Context, Crdt, Error, Flag, GCounter, Kind, Limits, MAX_BYTES, MAX_DEPTH, OrMap, OrSet, ReplicaId,
};
use kit::{World, merged, steps};
use proptest::prelude::*;
use proptest::sample::Index;

/// What is done to bytes on their way.
#[derive(Clone, Debug)]
enum Damage {
    Set(Index, u8),
    Flip(Index, u8),
    Cut(Index),
    Drop(Index, u8),
    Insert(Index, Vec<u8>),
    Repeat(Index, u8),
}

fn damages() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), 1..9_u8).prop_map(|(at, count)| Damage::Drop(at, count)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<Index>(), 1..20_u8).prop_map(|(at, count)| Damage::Repeat(at, count)),
    ]
}

fn damage(bytes: &mut Vec<u8>, how: &Damage) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    let end = |at: usize, count: u8| (at + usize::from(count)).min(length);
    match how {
        Damage::Set(at, byte) => bytes[at.index(length)] = *byte,
        Damage::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Damage::Cut(at) => bytes.truncate(at.index(length)),
        Damage::Drop(at, count) => drop(bytes.drain(at.index(length)..end(at.index(length), *count))),
        Damage::Insert(at, more) => drop(bytes.splice(at.index(length)..at.index(length), more.clone())),
        Damage::Repeat(at, count) => {
            let again = bytes[at.index(length)..end(at.index(length), *count)].to_vec();
            bytes.splice(at.index(length)..at.index(length), again);
        }
    }
}

/// Reads; what was read must be as good as any state.
fn read(bytes: &[u8], others: &[Crdt]) -> Result<(), Error> {
    let state = Crdt::decode(bytes, &Limits::default())?;
    assert_eq!(state.encode(), bytes, "there is one form");
    assert_eq!(merged(&state, &state), state);
    for other in others.iter().filter(|other| other.kind() == state.kind()) {
        let (left, right) = (merged(&state, other), merged(other, &state));
        assert_eq!(left, right);
        assert_eq!(Crdt::decode(&left.encode(), &Limits::default()), Ok(left.clone()), "and it can be read again");
        // Where one dot names two writes, a delta by dots cannot tell; it still is a state.
        let since = state.delta_since(other.context());
        assert_eq!(Crdt::decode(&since.encode(), &Limits::default()), Ok(since));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_give_an_error_or_a_state(
        kind in prop::sample::select(Kind::ALL.to_vec()),
        script in prop::collection::vec(steps(), 1..20),
        pick in any::<Index>(),
        how in prop::collection::vec(damages(), 1..4),
    ) {
        let world = World::after(kind, &script);
        let states = world.states();
        let mut bytes = pick.get(&states).encode();
        how.iter().for_each(|how| damage(&mut bytes, how));
        let _ = read(&bytes, &world.replicas);
    }

    #[test]
    fn any_bytes_give_an_error_or_a_state(tag in 0..12_u8, rest in prop::collection::vec(any::<u8>(), 0..80)) {
        let bytes: Vec<u8> = [1, tag].into_iter().chain(rest).collect();
        let _ = read(&bytes, &[]);
    }

    #[test]
    fn small_numbers_give_an_error_or_a_state(
        tag in 1..11_u8,
        rest in prop::collection::vec(prop_oneof![4 => 0..4_u8, 1 => any::<u8>()], 0..60),
    ) {
        // One replica that has seen eight writes; what follows is nearly a state.
        let context = [1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 7];
        let bytes: Vec<u8> = [1, tag].into_iter().chain(context).chain(rest).collect();
        let _ = read(&bytes, &[]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_context_gives_an_error_or_a_context(
        script in prop::collection::vec(steps(), 1..20),
        pick in any::<Index>(),
        how in prop::collection::vec(damages(), 0..3),
    ) {
        let world = World::after(Kind::OrSet, &script);
        let states = world.states();
        let context = pick.get(&states).context();
        let mut bytes = context.encode();
        assert_eq!(Context::decode(&bytes, &Limits::default()).as_ref(), Ok(context));
        how.iter().for_each(|how| damage(&mut bytes, how));
        if let Ok(read) = Context::decode(&bytes, &Limits::default()) {
            assert_eq!(read.encode(), bytes, "there is one form");
            let mut joined = read.clone();
            joined.join(context);
            assert!(joined.covers(&read) && joined.covers(context));
            assert_eq!(joined != read, !read.covers(context));
        }
    }
}

fn refused(bytes: &[u8]) -> Error {
    Crdt::decode(bytes, &Limits::default()).unwrap_err()
}

/// A state of this type whose context is of replica 7, which wrote eight times.
fn state(tag: u8, store: &[u8]) -> Vec<u8> {
    [&[1, tag, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 7], store].concat()
}

const MALFORMED: fn(&'static str) -> Error = Error::Malformed;

#[test]
fn the_head_is_checked() {
    assert_eq!(refused(&[]), Error::Truncated);
    assert_eq!(refused(&[1]), Error::Truncated);
    assert_eq!(refused(&[2, 4, 0, 0]), Error::Version(2));
    assert_eq!(refused(&[1, 0, 0, 0]), Error::UnknownKind(0));
    assert_eq!(refused(&[1, 11, 0, 0]), Error::UnknownKind(11));
    assert_eq!(refused(&[1, 4, 0, 0, 0]), Error::Trailing);
    let clash = Error::Clash { found: Kind::OrSet, expected: Kind::Flag };
    assert_eq!(Causal::<Flag>::decode(&[1, 4, 0, 0], &Limits::default()), Err(clash));
    assert!(Causal::<OrSet>::decode(&[1, 4, 0, 0], &Limits::default()).is_ok());
}

#[test]
fn a_count_is_believed_only_with_its_bytes_at_hand() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(refused(&[&[1, 4], &huge[..]].concat()), Error::Truncated);
    for tag in Kind::ALL.map(Kind::tag) {
        assert_eq!(refused(&state(tag, &huge)), Error::Truncated);
        assert_eq!(refused(&state(tag, &[0x80, 0x80, 0x80, 0x10])), Error::Truncated);
    }
    // An element that would be longer than what follows.
    assert_eq!(refused(&state(4, &[1, 9 << 2, b'a'])), MALFORMED("a first dot without a name"));
    assert_eq!(refused(&state(4, &[1, 9 << 2 | 1, 0, 1, b'a'])), Error::Truncated);
    assert_eq!(refused(&state(4, &[1, 0x81, 0x80, 0x80, 0x08, 0, 1, b'a'])), Error::TooLong { limit: MAX_BYTES });
}

#[test]
fn limits_hold() {
    let mut set = Causal::<OrSet>::new();
    for element in 0..100_u8 {
        set.add(ReplicaId(7), &[element]).unwrap();
    }
    let bytes = set.encode();
    let limits = |bytes, parts| Limits { bytes, parts };
    assert_eq!(Causal::<OrSet>::decode(&bytes, &limits(bytes.len(), 1000)).as_ref(), Ok(&set));
    let short = bytes.len() - 1;
    assert_eq!(Causal::<OrSet>::decode(&bytes, &limits(short, 1000)), Err(Error::TooLong { limit: short }));
    // One replica and a hundred elements; the one run is not counted.
    assert_eq!(Causal::<OrSet>::decode(&bytes, &limits(1 << 20, 101)), Ok(set));
    assert_eq!(Causal::<OrSet>::decode(&bytes, &limits(1 << 20, 100)), Err(Error::TooMany { limit: 100 }));
}

#[test]
fn contexts_are_checked() {
    let ids = |last: u8| [1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, last, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(refused(&ids(7)), MALFORMED("replicas out of order"));
    assert_eq!(refused(&ids(6)), MALFORMED("replicas out of order"));
    assert!(Crdt::decode(&ids(8), &Limits::default()).is_ok());
    let end = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let one = |runs: &[u8]| refused(&[&[1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 7], runs].concat());
    assert_eq!(one(&[&[0], &end[..], &[0, 0]].concat()), MALFORMED("a run beyond 64 bits"));
    assert_eq!(one(&[&[0, 1], &end[..], &[0]].concat()), MALFORMED("a run beyond 64 bits"));
    assert_eq!(one(&[0, 0x80, 0x00, 0, 0]), MALFORMED("a number with idle bytes"));
    let beyond = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
    assert_eq!(one(&[&[0, 0], &beyond[..], &[0]].concat()), MALFORMED("a number beyond 64 bits"));
}

#[test]
fn live_dots_lie_in_the_context() {
    assert!(Crdt::decode(&state(1, &[1, 0, 8, 5]), &Limits::default()).is_ok());
    assert_eq!(refused(&state(1, &[1, 0, 9, 5])), MALFORMED("a live dot that the context has not seen"));
    assert_eq!(refused(&state(1, &[1, 0, 0, 5])), MALFORMED("a live dot that the context has not seen"));
    assert_eq!(refused(&state(1, &[1, 1, 8, 5])), MALFORMED("a replica that the table does not have"));
    assert_eq!(refused(&state(6, &[2, 0, 3, 0, 3])), MALFORMED("dots out of order"));
    assert_eq!(refused(&state(8, &[1, 0, 3, 0, 2])), MALFORMED("a ballot that is neither yes nor no"));
}

#[test]
fn sets_have_one_form() {
    let a = |head: u8| [head, 0, 1];
    let one = [&[2], &a(1 << 2 | 1)[..], b"a"].concat();
    let two = |rest: &[u8]| state(4, &[&one, rest].concat());
    assert!(Crdt::decode(&two(&[1 << 2, b'b']), &Limits::default()).is_ok());
    assert!(Crdt::decode(&two(&[2]), &Limits::default()).is_ok(), "the same element under the next dot");
    assert_eq!(refused(&two(&[1 << 2, b'a'])), MALFORMED("an element that stands twice"));
    assert_eq!(refused(&two(&[1 << 2 | 2])), MALFORMED("an element that does not stand before"));
    assert_eq!(refused(&two(&[1 << 2 | 1, 0, 1, b'b'])), MALFORMED("a jump to the next dot"));
    assert_eq!(refused(&two(&[1 << 2 | 1, 0, 0, b'b'])), MALFORMED("a jump to the next dot"));
    assert_eq!(refused(&two(&[1 << 2 | 1, 1, 1, b'b'])), MALFORMED("a replica that the table does not have"));
}

#[test]
fn maps_have_one_form() {
    // Key `k`, one type: a flag whose dot is 0:1.
    let key = |key: u8, dot: u8| [1, key, 0, 6, 1, 0, dot, 0];
    let keys = |first: [u8; 8], second: [u8; 8]| state(7, &[&[2], &first[..], &second[..]].concat());
    assert!(Crdt::decode(&keys(key(b'a', 1), key(b'b', 2)), &Limits::default()).is_ok());
    assert_eq!(refused(&keys(key(b'b', 1), key(b'a', 2))), MALFORMED("keys out of order"));
    assert_eq!(refused(&keys(key(b'a', 1), key(b'a', 2))), MALFORMED("keys out of order"));
    assert_eq!(refused(&keys(key(b'a', 1), key(b'b', 1))), MALFORMED("a dot that stands twice"));
    assert_eq!(refused(&state(7, &[1, 1, b'a', 0, 6, 0, 0])), MALFORMED("a key that rests on nothing"));
    assert_eq!(refused(&state(7, &[1, 1, b'a', 0, 6, 1, 0, 1, 1, 0, 1])), MALFORMED("a dot that stands twice"));
    let types = |first: u8, second: u8| state(7, &[1, 1, b'a', 1, first, 1, 0, 1, 0, second, 1, 0, 2, 0]);
    assert!(Crdt::decode(&types(6, 9), &Limits::default()).is_ok());
    assert_eq!(refused(&types(9, 6)), MALFORMED("types out of order"));
    assert_eq!(refused(&types(6, 6)), MALFORMED("types out of order"));
    assert_eq!(refused(&types(6, 11)), Error::UnknownKind(11));
}

#[test]
fn maps_within_maps_end() {
    let nested = |depth: usize| {
        let mut map = vec![0];
        for dot in (1..depth).rev() {
            map = [&[1, 1, b'k', 0, 7, 1, 0, dot as u8], &map[..]].concat();
        }
        let context = [1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 99];
        [&[1, 7], &context[..], &map].concat()
    };
    assert!(Crdt::decode(&nested(MAX_DEPTH), &Limits::default()).is_ok());
    assert_eq!(refused(&nested(MAX_DEPTH + 1)), Error::TooDeep);
    assert_eq!(refused(&nested(60)), Error::TooDeep);
}

#[test]
fn one_dot_under_two_keys_is_nowhere() {
    // A broken replica names two writes alike. Whoever hears of both keeps neither, in either order.
    let write = |key: &[u8]| {
        let mut map = Causal::<OrMap>::new();
        map.update::<GCounter>(ReplicaId(7), key, |counter| counter.increment(1)).unwrap();
        map
    };
    let (mut left, mut right) = (write(b"a"), write(b"b"));
    let (a, b) = (left.clone(), right.clone());
    assert!(left.merge(&b) && right.merge(&a));
    assert!(left.is_empty());
    assert_eq!(left, right);
    assert!(Causal::<OrMap>::decode(&left.encode(), &Limits::default()).is_ok());
}
