// SPDX-License-Identifier: Apache-2.0
//! Elements as bytes: in the order of their dots, so that what a replica added in a row costs no dots at all.
//!
//! Each live dot begins with a number: bit 0 says that its dot is not the one after the last one's and stands next, bit
//! 1 that its element stood under an earlier dot; the rest is the element's length, or which of the dots before has it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Elements;
use crate::Bytes;
use crate::dot::Dot;
use crate::error::Error;
use crate::read::Reader;
use crate::write::Writer;

const JUMPS: u64 = 1;
const REPEATS: u64 = 2;
const FLAGS: u32 = 2;

pub(super) fn write(elements: &Elements, out: &mut Writer) {
    out.number(elements.dots() as u64);
    let mut before: BTreeMap<&[u8], u64> = BTreeMap::new();
    let (mut last, mut place) = (None, 0);
    for (at, (dot, element)) in elements.entries().enumerate() {
        let jumps = if last.is_some_and(|last| dot.follows(last)) { 0 } else { JUMPS };
        let earlier = if elements.is_plain() { None } else { before.get(&**element).copied() };
        match earlier {
            Some(earlier) => out.number(earlier << FLAGS | REPEATS | jumps),
            None => out.number((element.len() as u64) << FLAGS | jumps),
        }
        if jumps == JUMPS {
            let replica = out.place(dot.replica);
            out.number(replica - place);
            out.number(match last {
                Some(last) if last.replica == dot.replica => dot.counter - last.counter,
                _ => dot.counter,
            });
            place = replica;
        }
        if earlier.is_none() {
            out.raw(element);
            if !elements.is_plain() {
                before.insert(element, at as u64);
            }
        }
        last = Some(dot);
    }
}

/// Reads into an empty one.
pub(super) fn read(elements: &mut Elements, input: &mut Reader<'_>) -> Result<(), Error> {
    let count = input.count()?;
    let mut before: Vec<Option<Bytes>> = Vec::with_capacity(Reader::room(count));
    let mut at: Option<At> = None;
    for _ in 0..count {
        let head = input.number()?;
        let next = At::next(at, head & JUMPS == JUMPS, input)?;
        let (repeats, number) = (head & REPEATS == REPEATS, head >> FLAGS);
        let element = if repeats { earlier(&before, number)? } else { input.exactly(number)? };
        if elements.insert(next.dot, element.clone()) == repeats {
            return Err(Error::Malformed("an element that stands twice"));
        }
        before.push((!repeats).then_some(element));
        at = Some(next);
    }
    Ok(())
}

fn earlier(before: &[Option<Bytes>], number: u64) -> Result<Bytes, Error> {
    let found = usize::try_from(number).ok().and_then(|at| before.get(at)).cloned().flatten();
    found.ok_or(Error::Malformed("an element that does not stand before"))
}

/// Where reading has come.
#[derive(Clone, Copy)]
struct At {
    place: u64,
    dot: Dot,
}

impl At {
    fn next(at: Option<Self>, jumps: bool, input: &mut Reader<'_>) -> Result<Self, Error> {
        let past = Error::Malformed("a dot beyond 64 bits");
        if !jumps {
            let at = at.ok_or(Error::Malformed("a first dot without a name"))?;
            let counter = at.dot.counter.checked_add(1).ok_or(past)?;
            return Ok(Self { place: at.place, dot: input.live(at.place, counter)? });
        }
        let (step, counter) = (input.number()?, input.number()?);
        let place = at.map_or(0, |at| at.place).checked_add(step).ok_or(past)?;
        match at {
            Some(_) if step == 0 && counter < 2 => Err(Error::Malformed("a jump to the next dot")),
            Some(at) if step == 0 => {
                let counter = at.dot.counter.checked_add(counter).ok_or(past)?;
                Ok(Self { place, dot: input.live(place, counter)? })
            }
            _ => Ok(Self { place, dot: input.live(place, counter)? }),
        }
    }
}
