// SPDX-License-Identifier: Apache-2.0
//! The bytes of version 1, one state of each type: what was written once must be read for ever, and be written again.
#![allow(clippy::unwrap_used, reason = "a test")]

use adjoin_crdt::{
    Causal, Clock, Crdt, EwFlag, Flag, GCounter, GSet, Limits, LwwRegister, MvRegister, OrMap, OrSet, PnCounter,
    ReplicaId, Store, Vote,
};

const ADA: ReplicaId = ReplicaId(0xada0_0000_0000_0001);
const BOB: ReplicaId = ReplicaId(0x0b0b_0000_0000_0002);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Two replicas write at the same time.
fn both<S: Store>(write: impl Fn(&mut adjoin_crdt::Edit<'_, S>, u8)) -> Crdt {
    let (mut here, mut there) = (Causal::<S>::new(), Causal::<S>::new());
    here.edit(ADA, |edit| write(edit, 1));
    there.edit(BOB, |edit| write(edit, 2));
    here.merge(&there);
    here.into()
}

fn states() -> [(Crdt, &'static str); 10] {
    [
        (
            both::<GCounter>(|it, by| it.increment(u64::from(by) * 100).unwrap()),
            "0101020b0b000000000002ada0000000000001000000000000020001c801010164",
        ),
        (
            both::<PnCounter>(|it, by| it.change(-70 * i64::from(by)).unwrap()),
            "0102020b0b000000000002ada0000000000001000000000000020001970201018b01",
        ),
        (
            both::<GSet>(|it, by| [b"tea", &[by; 3]].iter().for_each(|element| it.add(*element).unwrap())),
            "0103020b0b000000000002ada0000000000001000001000001040d00017465610c0202020301010c010101",
        ),
        (
            both::<OrSet>(|it, by| {
                [&b"tea"[..], b"milk", b"sugar", &[by; 40]].iter().for_each(|element| it.add(element).unwrap());
                it.remove(b"milk");
            }),
            "0104020b0b000000000002ada0000000000001000003000003060d00017465611500027375676172a00102020202020202020202020202020202020202020202020202020202020202020202020202020202030101070002a00101010101010101010101010101010101010101010101010101010101010101010101010101010101",
        ),
        (
            both::<LwwRegister>(|it, by| _ = it.set(&[by], Clock::Default { now_ms: 1_764_000_000_000 }).unwrap()),
            "0105020b0b000000000002ada000000000000100000000000002000180a0bfe9d6660102010180a0bfe9d6660101",
        ),
        (both::<Flag>(|it, _| it.enable().unwrap()), "0106020b0b000000000002ada00000000000010000000000000200010101"),
        (
            both::<OrMap>(|it, by| {
                it.update::<GCounter, _>(b"visits", |it| it.increment(u64::from(by))).unwrap();
                it.update::<OrMap, _>(b"inner", |it| it.update::<Flag, _>(&[by], |it| it.enable())).unwrap();
                it.update::<OrSet, _>(b"gone", |it| it.add(b"x")).unwrap();
                it.remove(b"gone");
            }),
            "0107020b0b000000000002ada00000000000010000060000060205696e6e657200070200050105020101000601010401010301020006010004010003067669736974730001020002010202000102010101",
        ),
        (
            both::<Vote>(|it, by| it.set(u64::from(by), true).unwrap()),
            "0108020b0b000000000002ada0000000000001000000000000020001020101010101",
        ),
        (both::<EwFlag>(|it, _| it.enable().unwrap()), "0109020b0b000000000002ada00000000000010000000000000200010101"),
        (
            both::<MvRegister>(|it, by| it.set(&[by; 2]).unwrap()),
            "010a020b0b000000000002ada00000000000010000000000000200010202020101020101",
        ),
    ]
}

#[test]
fn bytes_of_version_1_are_written_and_read() {
    let written: Vec<String> = states().iter().map(|(state, _)| hex(&state.encode())).collect();
    assert_eq!(written, states().map(|(_, golden)| golden));
    for (state, _) in states() {
        assert_eq!(Crdt::decode(&state.encode(), &Limits::default()), Ok(state));
    }
}
