// SPDX-License-Identifier: Apache-2.0
//! The records of one log file.
//!
//! The format is RocksDB's `log_format.h`: blocks of 32 KiB; in each, fragments of a masked CRC-32C (over type and
//! content), a length of two bytes, a type, and the content. No fragment crosses a block; fewer than 7 bytes at a
//! block's end are left unused.

const BLOCK: usize = 32 << 10;
const HEADER: usize = 7;
/// The smallest piece that a disk writes whole.
const SECTOR: usize = 512;

const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;
/// From here on, fragments describe the log itself and hold no write.
const ABOUT_THE_LOG: u8 = 9;

/// How a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With its last record.
    Whole,
    /// With a record that was being written, which begins here.
    Torn(usize),
    /// Not at all: what stands here cannot be read, and is not the end.
    Damaged(usize),
}

/// Reads records in order.
pub(super) struct Records<'a> {
    content: &'a [u8],
    at: usize,
    ending: Ending,
}

enum Fragment {
    Read { kind: u8, from: usize, to: usize },
    End,
    Bad,
}

impl<'a> Records<'a> {
    pub(super) fn new(content: &'a [u8]) -> Self {
        Self { content, at: 0, ending: Ending::Whole }
    }

    /// How the log ends; known once [`Records::next`] has answered `None`.
    pub(super) fn ending(&self) -> Ending {
        self.ending
    }

    /// The next record and where it begins.
    pub(super) fn next(&mut self) -> Option<(usize, Vec<u8>)> {
        let mut record = Vec::new();
        let mut begun: Option<usize> = None;
        loop {
            let (start, fragment) = self.fragment();
            let begin = begun.unwrap_or(start);
            let Fragment::Read { kind, from, to } = fragment else {
                self.ending = match fragment {
                    Fragment::Bad => self.judge(start, begin),
                    _ if begun.is_some() => Ending::Torn(begin),
                    _ => Ending::Whole,
                };
                return None;
            };
            self.at = to;
            match (kind, begun) {
                (FULL, None) => return Some((begin, self.content[from..to].to_vec())),
                (FIRST, None) => begun = Some(start),
                (MIDDLE | LAST, Some(_)) => {}
                (ABOUT_THE_LOG.., None) => continue,
                _ => {
                    self.ending = Ending::Damaged(start);
                    return None;
                }
            }
            record.extend_from_slice(&self.content[from..to]);
            if kind == LAST {
                return Some((begin, record));
            }
        }
    }

    /// The next fragment and where its header begins.
    fn fragment(&self) -> (usize, Fragment) {
        let mut start = self.at;
        let left = BLOCK - start % BLOCK;
        if left < HEADER {
            start += left;
        }
        if start >= self.content.len() {
            return (self.at, Fragment::End);
        }
        match fragment_at(self.content, start) {
            Some((kind, to)) => (start, Fragment::Read { kind, from: start + HEADER, to }),
            None => (start, Fragment::Bad),
        }
    }

    /// What a fragment that cannot be read means: a write that was under way when the machine stopped leaves an end
    /// that is too short or has sectors that were never written. Anything readable behind it, or a record that is all
    /// there but wrong, is damage.
    fn judge(&self, bad: usize, begin: usize) -> Ending {
        let rest = &self.content[bad..];
        let follows = (bad + 1..self.content.len()).any(|at| fragment_at(self.content, at).is_some());
        let short = match rest {
            [_, _, _, _, low, high, ..] => {
                let length = HEADER + usize::from(u16::from_le_bytes([*low, *high]));
                let wrong_length_only = rest.len() > HEADER && sum_fits(rest, rest.len());
                length > rest.len() && length <= BLOCK - bad % BLOCK && !wrong_length_only
            }
            _ => true,
        };
        if !follows && (short || has_unwritten_sector(self.content, bad)) {
            Ending::Torn(begin)
        } else {
            Ending::Damaged(bad)
        }
    }
}

/// Type and end of the fragment that begins here, if it is whole.
fn fragment_at(content: &[u8], start: usize) -> Option<(u8, usize)> {
    let rest = &content[start..];
    let [_, _, _, _, low, high, kind, ..] = rest else { return None };
    let length = HEADER + usize::from(u16::from_le_bytes([*low, *high]));
    let known = matches!(*kind, FULL..=LAST) || *kind >= ABOUT_THE_LOG;
    let fits = length <= rest.len() && length <= BLOCK - start % BLOCK;
    (known && fits && sum_fits(rest, length)).then_some((*kind, start + length))
}

/// Whether the checksum at the beginning fits the fragment if it has this length, header included.
fn sum_fits(fragment: &[u8], length: usize) -> bool {
    let Some((stored, covered)) = fragment[..length].split_first_chunk::<4>() else { return false };
    let sum = crc32c::crc32c(&covered[2..]);
    // Masked, as RocksDB stores checksums of content that holds checksums.
    sum.rotate_right(15).wrapping_add(0xa282_ead8) == u32::from_le_bytes(*stored)
}

/// Whether a sector from here on holds nothing but zeros.
fn has_unwritten_sector(content: &[u8], from: usize) -> bool {
    let mut at = from;
    while at < content.len() {
        let end = (at - at % SECTOR + SECTOR).min(content.len());
        if content[at..end].iter().all(|byte| *byte == 0) {
            return true;
        }
        at = end;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(kind: u8, content: &[u8]) -> Vec<u8> {
        let sum = crc32c::crc32c(&[&[kind], content].concat()).rotate_right(15).wrapping_add(0xa282_ead8);
        let length = content.len() as u16;
        [&sum.to_le_bytes()[..], &length.to_le_bytes(), &[kind], content].concat()
    }

    fn read(log: &[u8]) -> (Vec<(usize, Vec<u8>)>, Ending) {
        let mut records = Records::new(log);
        let mut all = Vec::new();
        while let Some(record) = records.next() {
            all.push(record);
        }
        (all, records.ending())
    }

    /// Three records: one whole, one over two blocks, one whole.
    fn log() -> Vec<u8> {
        let mut log = fragment(FULL, b"one");
        let room = BLOCK - log.len() - HEADER;
        log.extend(fragment(FIRST, &vec![7; room]));
        log.extend(fragment(LAST, &[7; 900]));
        log.extend(fragment(FULL, &[9; 1500]));
        log
    }

    #[test]
    fn records_come_back_with_their_places() {
        let (records, ending) = read(&log());
        let found: Vec<_> = records.iter().map(|(at, record)| (*at, record.len())).collect();
        assert_eq!(found, [(0, 3), (10, BLOCK - 10 - HEADER + 900), (BLOCK + 907, 1500)]);
        assert_eq!(ending, Ending::Whole);
    }

    #[test]
    fn a_log_cut_anywhere_is_whole_or_torn_at_a_record() {
        let log = log();
        let starts = [0, 10, BLOCK + 907, log.len()];
        for length in (0..log.len()).step_by(7).chain(BLOCK + 900..log.len()) {
            let expected = starts.into_iter().rev().find(|start| *start <= length).unwrap_or(0);
            let ending = read(&log[..length]).1;
            if expected == length {
                assert_eq!(ending, Ending::Whole, "{length}");
            } else {
                assert_eq!(ending, Ending::Torn(expected), "{length}");
            }
        }
    }

    #[test]
    fn an_end_of_sectors_never_written_is_torn() {
        let mut log = log();
        let last = BLOCK + 907;
        let sector = (last / SECTOR + 2) * SECTOR;
        log[sector..].fill(0);
        assert_eq!(read(&log).1, Ending::Torn(last));
        log[last..].fill(0);
        assert_eq!(read(&log).1, Ending::Torn(last), "only the size had grown");
    }

    #[test]
    fn zeros_before_a_record_are_damage() {
        let mut log = log();
        log[..SECTOR].fill(0);
        assert_eq!(read(&log).1, Ending::Damaged(0));
    }

    #[test]
    fn a_flipped_bit_is_damage_wherever_it_is() {
        let log = log();
        let last = BLOCK + 907;
        let places = (0..40).chain(BLOCK..BLOCK + 20).chain(last..log.len());
        for (place, bit) in places.zip((0..8).cycle()) {
            let mut flipped = log.clone();
            flipped[place] ^= 1 << bit;
            let (records, ending) = read(&flipped);
            assert!(matches!(ending, Ending::Damaged(_)), "byte {place} bit {bit}: {ending:?}");
            assert!(records.len() < 3);
        }
    }
}
