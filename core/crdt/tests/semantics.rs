// SPDX-License-Identifier: Apache-2.0
//! What users may rely on beyond the laws, by example.
#![allow(clippy::unwrap_used, reason = "a test")]

use adjoin_crdt::{
    Causal, Clock, Context, Crdt, Dot, Error, EwFlag, Flag, GCounter, GSet, Kind, Limits, LwwRegister, MAX_BYTES,
    MAX_DEPTH, MvRegister, OrMap, OrSet, PnCounter, ReplicaId, Run, Tally, Vote,
};

const ADA: ReplicaId = ReplicaId(1);
const BOB: ReplicaId = ReplicaId(2);

fn names(set: &OrSet) -> Vec<&str> {
    set.iter().map(|element| str::from_utf8(element).unwrap()).collect()
}

#[test]
fn counters_refuse_what_does_not_fit_and_stay_at_their_ends_when_merged() {
    let mut here = Causal::<GCounter>::new();
    here.increment(ADA, u64::MAX - 1).unwrap();
    let before = here.clone();
    assert_eq!(here.increment(ADA, 2), Err(Error::Overflow));
    assert_eq!(here, before);
    let mut there = Causal::<GCounter>::new();
    there.increment(BOB, 5).unwrap();
    here.merge(&there);
    assert_eq!((here.value(), here.total()), (u64::MAX, u128::from(u64::MAX) + 4));
    assert_eq!(here.increment(BOB, 1), Err(Error::Overflow));

    let mut low = Causal::<PnCounter>::new();
    low.change(ADA, i64::MIN).unwrap();
    assert_eq!(low.change(ADA, -1), Err(Error::Overflow));
    assert_eq!(low.change(BOB, -1), Err(Error::Overflow));
    let mut other = Causal::<PnCounter>::new();
    other.change(BOB, -3).unwrap();
    low.merge(&other);
    assert_eq!((low.value(), low.total()), (i64::MIN, i128::from(i64::MIN) - 3));
    low.change(ADA, 9).unwrap();
    assert_eq!(low.value(), i64::MIN + 6);
    let mut high = Causal::<PnCounter>::new();
    high.change(ADA, i64::MAX).unwrap();
    let mut more = Causal::<PnCounter>::new();
    more.change(BOB, 1).unwrap();
    high.merge(&more);
    assert_eq!(high.value(), i64::MAX);
    // The sum would fit, but this replica's share of it would not.
    high.change(BOB, -100).unwrap();
    assert_eq!(high.change(ADA, 1), Err(Error::Overflow));
}

#[test]
fn a_lost_delta_does_not_let_a_replica_speak_twice() {
    let (mut counter, mut register) = (Causal::<GCounter>::new(), Causal::<MvRegister>::new());
    let counts = [1, 1, 1].map(|by| counter.increment(ADA, by).unwrap());
    let values = [b"a", b"b", b"c"].map(|value| register.set(ADA, value).unwrap());
    let (mut count, mut value) = (Causal::<GCounter>::new(), Causal::<MvRegister>::new());
    for arrived in [0, 2] {
        count.merge(&counts[arrived]);
        value.merge(&values[arrived]);
    }
    // What the lost one replaced is still there, behind what came later.
    assert_eq!(count.value(), 3);
    assert_eq!(value.values().map(|value| &value[..]).collect::<Vec<_>>(), [b"c"]);
    count.merge(&counts[1]);
    value.merge(&values[1]);
    assert_eq!((count, value), (counter, register));
}

#[test]
fn what_changes_nothing_is_no_write() {
    let mut counter = Causal::<GCounter>::new();
    assert!(counter.increment(ADA, 0).unwrap().is_idle());
    let mut set = Causal::<GSet>::new();
    assert!(!set.add(ADA, b"x").unwrap().is_idle());
    assert!(set.add(BOB, b"x").unwrap().is_idle());
    let mut flag = Causal::<Flag>::new();
    assert!(!flag.enable(ADA).unwrap().is_idle());
    assert!(flag.enable(BOB).unwrap().is_idle());
    let mut vote = Causal::<Vote>::new();
    assert!(vote.set(ADA, 1, false).unwrap().is_idle());
    assert!(!vote.set(ADA, 1, true).unwrap().is_idle());
    assert!(vote.set(ADA, 1, true).unwrap().is_idle());
    assert!(Causal::<OrSet>::new().remove(ADA, b"x").is_idle());
    assert!(Causal::<OrMap>::new().remove(ADA, b"x").is_idle());
    assert!(Causal::<EwFlag>::new().disable(ADA).is_idle());
}

#[test]
fn an_element_that_is_added_again_survives_a_removal_at_the_same_time() {
    let mut here = Causal::<OrSet>::new();
    here.add(ADA, b"x").unwrap();
    let mut there = here.clone();
    let again = here.add(ADA, b"x").unwrap();
    let removed = there.remove(BOB, b"x");
    assert!(there.is_empty());
    here.merge(&removed);
    there.merge(&again);
    assert_eq!(names(&here), ["x"]);
    assert_eq!(here, there);
}

#[test]
fn one_edit_is_one_delta() {
    let mut set = Causal::<OrSet>::new();
    set.add(ADA, b"old").unwrap();
    let mut there = set.clone();
    let ((), delta) = set.edit(ADA, |set| {
        set.clear();
        set.add(b"new").unwrap();
        set.add(b"gone").unwrap();
        assert!(set.remove(b"gone") && !set.contains(b"gone"));
    });
    assert_eq!((names(&set), names(&delta)), (vec!["new"], vec!["new"]));
    there.merge(&delta);
    assert_eq!(there, set);
}

#[test]
fn deltas_speak_of_their_own_dots_only() {
    let mut set = Causal::<OrSet>::new();
    (0..50_u8).for_each(|element| drop(set.add(ADA, &[element]).unwrap()));
    let run = |replica, first, last| Run { replica, first, last };
    assert_eq!(set.add(ADA, b"new").unwrap().context().runs(), [run(ADA, 51, 51)]);
    assert_eq!(set.add(BOB, &[9]).unwrap().context().runs(), [run(ADA, 10, 10), run(BOB, 1, 1)]);
    assert_eq!(set.remove(BOB, &[0]).context().runs(), [run(ADA, 1, 1)]);
}

#[test]
fn an_element_of_several_additions_is_one_element() {
    let (mut here, mut there) = (Causal::<OrSet>::new(), Causal::<OrSet>::new());
    for at in 0..30_u8 {
        here.add(ADA, &[at % 20]).unwrap();
        there.add(BOB, &[at]).unwrap();
    }
    here.merge(&there);
    assert_eq!((here.len(), here.iter().count()), (30, 30));
    assert_eq!(Causal::<OrSet>::decode(&here.encode(), &Limits::default()).as_ref(), Ok(&here));
    here.remove(ADA, &[3]);
    assert_eq!((here.len(), here.contains(&[3]), here.contains(&[4])), (29, false, true));
}

#[test]
fn clocks_give_the_timestamps_that_they_promise() {
    let clocks = [
        (Clock::Default { now_ms: 10 }, [10, 10, 21]),
        (Clock::Reverse { now_ms: 10 }, [-10, -10, -10]),
        (Clock::Custom(10), [10, 10, 10]),
        (Clock::CustomAutoIncrement(10), [10, 10, 21]),
    ];
    for (clock, expected) in clocks {
        assert_eq!([None, Some(3), Some(20)].map(|current| clock.timestamp(current)), expected, "{clock:?}");
    }
    assert_eq!(Clock::Reverse { now_ms: 10 }.timestamp(Some(-30)), -31);
    assert_eq!(Clock::CustomAutoIncrement(10).timestamp(Some(10)), 11);
    assert_eq!(Clock::Default { now_ms: 0 }.timestamp(Some(i64::MAX)), i64::MAX);
    assert_eq!(Clock::Reverse { now_ms: i64::MIN }.timestamp(None), i64::MAX);
    assert_eq!(Clock::Reverse { now_ms: 0 }.timestamp(Some(i64::MIN)), i64::MIN);
}

#[test]
fn the_last_write_wins_and_by_replica_and_bytes_when_the_times_are_one() {
    let mut register = Causal::<LwwRegister>::new();
    assert_eq!(register.value(), None);
    register.set(ADA, b"first", Clock::Custom(5)).unwrap();
    assert!(register.set(ADA, b"earlier", Clock::Custom(4)).unwrap().is_idle());
    assert!(register.set(ADA, b"a lower value", Clock::Custom(5)).unwrap().is_idle());
    assert!(!register.set(ADA, b"greater", Clock::Custom(5)).unwrap().is_idle());
    assert!(!register.set(BOB, b"a", Clock::Custom(5)).unwrap().is_idle());
    assert!(register.set(ADA, b"z", Clock::Custom(5)).unwrap().is_idle());
    assert_eq!((register.value().unwrap().as_ref(), register.timestamp()), (&b"a"[..], Some(5)));

    // At the end of time the tie still breaks.
    register.set(BOB, b"end", Clock::Custom(i64::MAX)).unwrap();
    assert!(register.set(ADA, b"zzz", Clock::Default { now_ms: 1 }).unwrap().is_idle());
}

#[test]
fn values_written_at_the_same_time_are_all_kept() {
    let (mut here, mut there) = (Causal::<MvRegister>::new(), Causal::<MvRegister>::new());
    here.set(ADA, b"a").unwrap();
    there.set(BOB, b"b").unwrap();
    here.merge(&there);
    assert_eq!(here.values().map(|value| &value[..]).collect::<Vec<_>>(), [b"a", b"b"]);
    here.set(BOB, b"c").unwrap();
    assert_eq!(here.values().map(|value| &value[..]).collect::<Vec<_>>(), [b"c"]);
}

#[test]
fn votes_follow_membership_and_epochs() {
    let mut vote = Causal::<Vote>::new();
    vote.set(ADA, 1, true).unwrap();
    vote.set(BOB, 1, true).unwrap();
    let tally = |vote: &Vote, members: &[(ReplicaId, u64)]| vote.tally(members.iter().copied());
    assert_eq!(tally(&vote, &[(ADA, 1), (BOB, 1), (ReplicaId(3), 1)]), Tally { votes_for: 2, voters: 3 });
    assert_eq!(tally(&vote, &[(BOB, 1)]), Tally { votes_for: 1, voters: 1 });
    assert_eq!(tally(&vote, &[(ADA, 2), (BOB, 1)]), Tally { votes_for: 1, voters: 2 }, "ada came back");
    let ((), delta) = vote.edit(ADA, |vote| vote.retain(|member| member == BOB));
    assert!(!delta.is_idle());
    assert_eq!(vote.ballots().map(|(member, _)| member).collect::<Vec<_>>(), [BOB]);
}

#[test]
fn a_key_stays_while_its_value_is_empty() {
    let mut map = Causal::<OrMap>::new();
    map.update::<OrSet>(ADA, b"s", |_| Ok(())).unwrap();
    assert!(map.contains(b"s") && map.get_as::<OrSet>(b"s").is_some_and(OrSet::is_empty));
    assert!(map.update::<OrSet>(ADA, b"s", |_| Ok(())).unwrap().is_idle(), "nothing new under a key that is there");
    map.update::<OrSet>(ADA, b"s", |set| set.add(b"x")).unwrap();
    // Two replicas take away the two last elements at the same time: the key stays.
    map.update::<OrSet>(ADA, b"s", |set| set.add(b"y")).unwrap();
    let mut there = map.clone();
    let left = map
        .update::<OrSet>(ADA, b"s", |set| {
            set.remove(b"x");
            Ok(())
        })
        .unwrap();
    let right = there
        .update::<OrSet>(BOB, b"s", |set| {
            set.remove(b"y");
            Ok(())
        })
        .unwrap();
    map.merge(&right);
    there.merge(&left);
    assert_eq!(map, there);
    assert!(map.get_as::<OrSet>(b"s").is_some_and(OrSet::is_empty));
}

#[test]
fn an_update_survives_a_removal_at_the_same_time_and_nothing_else_does() {
    let mut here = Causal::<OrMap>::new();
    here.update::<OrSet>(ADA, b"s", |set| set.add(b"old")).unwrap();
    here.update::<GCounter>(ADA, b"n", |counter| counter.increment(3)).unwrap();
    here.update::<GCounter>(BOB, b"n", |counter| counter.increment(4)).unwrap();
    let mut there = here.clone();
    let ((), removed) = here.edit(ADA, |map| map.clear());
    assert!(here.is_empty());
    let set = there.update::<OrSet>(BOB, b"s", |set| set.add(b"new")).unwrap();
    let count = there.update::<GCounter>(BOB, b"n", |counter| counter.increment(1)).unwrap();
    here.merge(&count);
    here.merge(&set);
    there.merge(&removed);
    assert_eq!(here, there);
    assert_eq!(names(here.get_as::<OrSet>(b"s").unwrap()), ["new"]);
    // Bob keeps his whole sum; Ada's, which was removed as it was seen, is gone.
    assert_eq!(here.get_as::<GCounter>(b"n").unwrap().value(), 5);
}

#[test]
fn a_register_in_a_map_shows_what_the_removal_had_not_seen() {
    let (mut here, mut there) = (Causal::<OrMap>::new(), Causal::<OrMap>::new());
    let low = here.update::<LwwRegister>(ADA, b"r", |r| r.set(b"low", Clock::Custom(1)).map(drop)).unwrap();
    let high = there.update::<LwwRegister>(BOB, b"r", |r| r.set(b"high", Clock::Custom(9)).map(drop)).unwrap();
    let gone = there.remove(BOB, b"r");
    // Low was overwritten by nobody, only beaten; with the winner removed it is seen again, in every order.
    for order in [[&low, &high, &gone], [&gone, &low, &high], [&high, &gone, &low]] {
        let mut map = Causal::<OrMap>::new();
        for delta in order {
            map.merge(delta);
        }
        assert_eq!(map.get_as::<LwwRegister>(b"r").unwrap().value().unwrap().as_ref(), b"low");
    }
}

#[test]
fn types_that_clash_under_a_key_are_refused_or_named() {
    let (mut here, mut there) = (Causal::<OrMap>::new(), Causal::<OrMap>::new());
    here.update::<OrSet>(ADA, b"k", |set| set.add(b"x")).unwrap();
    let clash = Error::Clash { found: Kind::OrSet, expected: Kind::Flag };
    let before = here.clone();
    assert_eq!(here.update::<Flag>(ADA, b"k", |flag| flag.enable()), Err(clash));
    assert_eq!(here, before);
    there.update::<GCounter>(BOB, b"k", |counter| counter.increment(1)).unwrap();
    here.merge(&there);
    assert_eq!(here.get(b"k").unwrap().kind(), Kind::GCounter, "the lower type is seen");
    assert_eq!((here.len(), here.clashes().count()), (1, 1));
    here.remove(ADA, b"k");
    assert!(here.is_empty());
}

#[test]
fn a_refused_update_makes_no_key() {
    let mut map = Causal::<OrMap>::new();
    let refused = map.update::<GCounter>(ADA, b"n", |_| Err(Error::Overflow));
    assert_eq!((refused, &map), (Err(Error::Overflow), &Causal::new()));
    let long = vec![0; MAX_BYTES + 1];
    let too_long = Error::TooLong { limit: MAX_BYTES };
    assert_eq!(map.update::<Flag>(ADA, &long, |flag| flag.enable()), Err(too_long));
    assert_eq!(map.update::<OrSet>(ADA, b"s", |set| set.add(&long)), Err(too_long));
    assert_eq!(Causal::<OrSet>::new().add(ADA, &long), Err(too_long));
    assert_eq!(Causal::<GSet>::new().add(ADA, &long), Err(too_long));
    assert_eq!(Causal::<MvRegister>::new().set(ADA, &long), Err(too_long));
    assert_eq!(Causal::<LwwRegister>::new().set(ADA, &long, Clock::Custom(1)), Err(too_long));
    assert_eq!(map, Causal::new());
    assert!(Causal::<OrSet>::new().add(ADA, &long[1..]).is_ok());
}

#[test]
fn maps_nest_as_deep_as_they_can_be_read() {
    fn deep(map: &mut adjoin_crdt::Edit<'_, OrMap>, left: usize) -> Result<(), Error> {
        if left == 0 { Ok(()) } else { map.update::<OrMap, _>(b"k", |inner| deep(inner, left - 1)) }
    }
    let mut map = Causal::<OrMap>::new();
    map.edit(ADA, |map| deep(map, MAX_DEPTH - 1)).0.unwrap();
    assert_eq!(Causal::<OrMap>::decode(&map.encode(), &Limits::default()).as_ref(), Ok(&map));
    let mut beyond = Causal::<OrMap>::new();
    assert_eq!(beyond.edit(ADA, |map| deep(map, MAX_DEPTH)).0, Err(Error::TooDeep));
}

#[test]
fn a_replica_that_used_up_its_dots_is_refused() {
    // Replica 1 has written up to the last counter.
    let end = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let bytes = [&[1, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], &end[..], &[0]].concat();
    let mut set = Causal::<OrSet>::decode(&bytes, &Limits::default()).unwrap();
    assert_eq!(set.context().last(ADA), u64::MAX);
    assert_eq!(set.add(ADA, b"x"), Err(Error::Exhausted(ADA)));
    assert!(set.is_empty());
    assert!(set.add(BOB, b"x").is_ok());
}

#[test]
fn states_of_different_types_do_not_merge() {
    let mut set = Crdt::new(Kind::OrSet);
    let clash = |found, expected| Error::Clash { found, expected };
    assert_eq!(set.merge(&Crdt::new(Kind::Flag)), Err(clash(Kind::Flag, Kind::OrSet)));
    assert_eq!(set.edit::<Flag, _>(ADA, |_| ()).unwrap_err(), clash(Kind::OrSet, Kind::Flag));
    for kind in Kind::ALL {
        assert_eq!((Kind::from_tag(kind.tag()), Crdt::new(kind).kind()), (Some(kind), kind));
    }
}

#[test]
fn a_typed_state_and_one_of_any_type_are_the_same_bytes() {
    let mut typed = Causal::<OrSet>::new();
    typed.add(ADA, b"x").unwrap();
    let any = Crdt::from(typed.clone());
    assert_eq!((any.encode(), any.size_bytes()), (typed.encode(), typed.size_bytes()));
    assert_eq!(any.get::<OrSet>().map(names), Some(vec!["x"]));
    assert!(any.get::<GSet>().is_none());
}

#[test]
fn retiring_moves_everything_and_changes_no_value() {
    let mut map = Causal::<OrMap>::new();
    for replica in [ADA, BOB] {
        map.edit(replica, |map| {
            map.update::<GCounter, _>(b"n", |it| it.increment(replica.0 * 10))?;
            map.update::<PnCounter, _>(b"p", |it| it.change(-7))?;
            map.update::<OrSet, _>(b"s", |it| it.add(&[replica.0 as u8]))?;
            map.update::<GSet, _>(b"g", |it| it.add(&[replica.0 as u8]))?;
            map.update::<EwFlag, _>(b"e", |it| it.enable())?;
            map.update::<Flag, _>(b"f", |it| it.enable())?;
            map.update::<LwwRegister, _>(b"l", |it| it.set(b"v", Clock::Custom(1)))?;
            map.update::<MvRegister, _>(b"m", |it| it.set(b"v"))?;
            map.update::<Vote, _>(b"v", |it| it.set(1, true))?;
            map.update::<OrMap, _>(b"o", |it| it.update::<Flag, _>(b"f", |it| it.enable()))
        })
        .0
        .unwrap();
    }
    let (before, mut there) = (map.clone(), map.clone());
    assert!(!map.forget(ADA), "its writes are live");
    let moved = map.retire(BOB, ADA).unwrap();
    there.merge(&moved);
    assert_eq!(map, there);
    assert!(map.forget(ADA) && there.forget(ADA));
    assert_eq!((map.context().replicas().collect::<Vec<_>>(), &map), (vec![BOB], &there));
    assert_eq!(map.len(), before.len());
    assert_eq!(map.get_as::<GCounter>(b"n").unwrap().value(), 30);
    assert_eq!(map.get_as::<PnCounter>(b"p").unwrap().value(), -14);
    assert_eq!(map.get_as::<OrSet>(b"s").unwrap().len() + map.get_as::<GSet>(b"g").unwrap().len(), 4);
    assert!(map.get_as::<EwFlag>(b"e").unwrap().is_on() && map.get_as::<Flag>(b"f").unwrap().is_on());
    assert_eq!(map.get_as::<LwwRegister>(b"l").unwrap().value().unwrap().as_ref(), b"v");
    assert_eq!(map.get_as::<MvRegister>(b"m").unwrap().values().count(), 1);
    assert_eq!(map.get_as::<Vote>(b"v").unwrap().tally([(ADA, 1), (BOB, 1)]).votes_for, 1);
    assert!(map.get_as::<OrMap>(b"o").unwrap().contains(b"f"));
    assert!(map.retire(BOB, BOB).unwrap().is_idle());
}

#[test]
fn contexts_tell_what_they_have_seen() {
    let dot = |replica, counter| Dot::new(replica, counter);
    let mut context = Context::new();
    assert!(context.is_empty() && !context.insert(dot(ADA, 0)));
    for counter in [1, 2, 4, 7] {
        assert!(context.insert(dot(ADA, counter)) && !context.insert(dot(ADA, counter)));
    }
    context.insert(dot(BOB, 3));
    assert_eq!((context.last(ADA), context.last(BOB), context.last(ReplicaId(9))), (7, 3, 0));
    assert_eq!((context.runs().len(), context.replicas().collect::<Vec<_>>()), (4, vec![ADA, BOB]));
    assert!(context.insert(dot(ADA, 3)));
    assert_eq!(context.runs()[0], Run { replica: ADA, first: 1, last: 4 });
    let inside: Context = [dot(ADA, 2), dot(ADA, 3), dot(ADA, 7)].into_iter().collect();
    assert!(context.covers(&inside) && !inside.covers(&context));
    assert!(!context.covers(&[dot(ADA, 4), dot(ADA, 5)].into_iter().collect()));
}

#[test]
fn errors_say_what_is_wrong() {
    let clash = Error::Clash { found: Kind::PnCounter, expected: Kind::OrMap };
    assert_eq!(clash.to_string(), "this is a PNCounter, not a ORMap");
    assert_eq!(Error::Exhausted(ReplicaId(255)).to_string(), "replica 00000000000000ff has used up its dots");
}
