//! Fields that do not end at bytes: read from and written to, the highest bit first.

use crate::{Malformed, NoRoom};

/// Reads on from bit `at`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, at: 0 }
    }

    /// The next `count` bits, at most 32.
    pub(crate) fn read(&mut self, count: usize) -> Result<u32, Malformed> {
        let mut value = 0;
        for at in self.at..self.at + count {
            let byte = self.bytes.get(at / 8).ok_or(Malformed::Truncated)?;
            value = value << 1 | u32::from(byte >> (7 - at % 8) & 1);
        }
        self.at += count;
        Ok(value)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        Ok(self.read(1)? == 1)
    }

    /// One of `values` numbers in as few bits as it takes: ns(n) of the AV1 specification, §4.10.7.
    pub(crate) fn one_of(&mut self, values: u32) -> Result<u32, Malformed> {
        let bits = values.checked_ilog2().map_or(1, |log| log as usize + 1);
        let short = (1u32 << bits) - values;
        let value = self.read(bits - 1)?;
        if value < short {
            return Ok(value);
        }
        Ok((value << 1) - short + self.read(1)?)
    }
}

/// Writes on at bit `at`.
#[derive(Debug)]
pub(crate) struct BitWriter<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> BitWriter<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> BitWriter<'a> {
        BitWriter { out, at: 0 }
    }

    /// The lowest `count` bits of `value`, at most 32.
    pub(crate) fn write(&mut self, value: u32, count: usize) -> Result<(), NoRoom> {
        for place in (0..count).rev() {
            let byte = self.out.get_mut(self.at / 8).ok_or(NoRoom)?;
            let shift = 7 - self.at % 8;
            *byte = *byte & !(1 << shift) | ((value >> place & 1) as u8) << shift;
            self.at += 1;
        }
        Ok(())
    }

    /// The bits of `from` before its bit `end`.
    pub(crate) fn copy(&mut self, from: &mut Bits<'_>, end: usize) -> Result<(), NoRoom> {
        while from.at < end {
            let count = (end - from.at).min(32);
            let value = from.read(count).map_err(|_| NoRoom)?;
            self.write(value, count)?;
        }
        Ok(())
    }

    /// Zeros up to the end of a byte; how many bytes there are.
    pub(crate) fn finish(mut self) -> Result<usize, NoRoom> {
        while !self.at.is_multiple_of(8) {
            self.write(0, 1)?;
        }
        Ok(self.at / 8)
    }
}
