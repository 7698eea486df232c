// SPDX-License-Identifier: Apache-2.0
//! How stored values are framed: a format version, fields, and a CRC-32C over key and value.
//!
//! Numbers are LEB128 varints, byte strings carry their length. The checksum covers the key as well, so a value that
//! stands under another key is found out.

use adjoin_model::Error;

/// The version of every value's encoding, its first byte.
pub(crate) const FORMAT: u8 = 1;

/// Why stored bytes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// The checksum over key and value differs.
    Checksum,
    /// Written by a later version.
    Format(u8),
    /// The checksum fits, the content does not: a bug of the writer.
    Content,
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        match damage {
            Damage::Checksum => Self::corrupt("the checksum differs"),
            Damage::Format(version) => {
                Self::corrupt(format!("format {version} is unknown to this version, which reads up to {FORMAT}"))
            }
            Damage::Content => Self::corrupt("the checksum is right, the content is not"),
        }
    }
}

/// A value being written.
#[derive(Debug)]
pub(crate) struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// Starts a value of about this many bytes.
    pub(crate) fn new(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity + 5);
        bytes.push(FORMAT);
        Self { bytes }
    }

    pub(crate) fn byte(&mut self, byte: u8) -> &mut Self {
        self.bytes.push(byte);
        self
    }

    pub(crate) fn number(&mut self, mut number: u64) -> &mut Self {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8)
    }

    /// 16 bytes, little end first: for random ids, which no varint shortens.
    pub(crate) fn wide(&mut self, number: u128) -> &mut Self {
        self.raw(&number.to_le_bytes())
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.number(text.len() as u64).raw(text.as_bytes())
    }

    /// Bytes without their length: only as the last field, or of fixed size.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The value for this key, with its checksum.
    pub(crate) fn seal(mut self, key: &[u8]) -> Vec<u8> {
        let sum = checksum(key, &self.bytes);
        self.bytes.extend_from_slice(&sum.to_le_bytes());
        self.bytes
    }
}

fn checksum(key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), value)
}

/// A value being read. Every field is `Err(Content)` once the bytes end early.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Checks version and checksum.
    pub(crate) fn open(key: &[u8], value: &'a [u8]) -> Result<Self, Damage> {
        let (content, sum) = value.split_last_chunk::<4>().ok_or(Damage::Checksum)?;
        if checksum(key, content) != u32::from_le_bytes(*sum) {
            return Err(Damage::Checksum);
        }
        match content.split_first() {
            Some((&FORMAT, rest)) => Ok(Self { rest }),
            Some((&version, _)) => Err(Damage::Format(version)),
            None => Err(Damage::Content),
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Damage> {
        let (byte, rest) = self.rest.split_first().ok_or(Damage::Content)?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Damage> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Damage::Content)
    }

    pub(crate) fn length(&mut self) -> Result<usize, Damage> {
        usize::try_from(self.number()?).map_err(|_| Damage::Content)
    }

    pub(crate) fn wide(&mut self) -> Result<u128, Damage> {
        let (bytes, rest) = self.rest.split_first_chunk::<16>().ok_or(Damage::Content)?;
        self.rest = rest;
        Ok(u128::from_le_bytes(*bytes))
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Damage> {
        core::str::from_utf8(self.block()?).map_err(|_| Damage::Content)
    }

    /// Bytes with their length before them.
    pub(crate) fn block(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.length()?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Damage::Content)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Everything that is left.
    pub(crate) fn remainder(self) -> &'a [u8] {
        self.rest
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), Damage> {
        if self.rest.is_empty() { Ok(()) } else { Err(Damage::Content) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut value = Encoder::new(16);
        value.number(300).text("ab").wide(5).raw(b"rest");
        value.seal(b"key")
    }

    #[test]
    fn the_frame_is_version_fields_checksum() {
        let value = sample();
        assert_eq!(value[..6], [1, 0xac, 0x02, 2, b'a', b'b']);
        assert_eq!(value[6..22], [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((&value[22..26], value.len()), (&b"rest"[..], 30));
    }

    #[test]
    fn fields_come_back() {
        let value = sample();
        let mut decoder = Decoder::open(b"key", &value).expect("whole");
        assert_eq!((decoder.number(), decoder.text(), decoder.wide()), (Ok(300), Ok("ab"), Ok(5)));
        assert_eq!(decoder.remainder(), b"rest");
    }

    #[test]
    fn every_number_comes_back() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut value = Encoder::new(10);
            value.number(number);
            let value = value.seal(b"");
            assert_eq!(Decoder::open(b"", &value).expect("whole").number(), Ok(number));
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let value = sample();
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Decoder::open(b"key", &flipped).expect_err("found"), Damage::Checksum, "bit {bit}");
        }
    }

    #[test]
    fn a_value_under_another_key_is_found() {
        assert_eq!(Decoder::open(b"kez", &sample()).expect_err("found"), Damage::Checksum);
    }

    #[test]
    fn a_later_format_is_named() {
        let mut encoder = Encoder::new(1);
        encoder.bytes[0] = 9;
        assert_eq!(Decoder::open(b"k", &encoder.seal(b"k")).expect_err("unknown"), Damage::Format(9));
    }

    #[test]
    fn fields_past_the_end_are_no_panic() {
        let value = Encoder::new(0).seal(b"k");
        let empty = || Decoder::open(b"k", &value).expect("whole");
        assert_eq!(empty().byte(), Err(Damage::Content));
        assert_eq!(empty().text(), Err(Damage::Content));
        assert_eq!(empty().wide(), Err(Damage::Content));
        let mut long = Encoder::new(0);
        long.number(u64::MAX);
        let long = long.seal(b"k");
        assert_eq!(Decoder::open(b"k", &long).expect("whole").text(), Err(Damage::Content));
    }
}
