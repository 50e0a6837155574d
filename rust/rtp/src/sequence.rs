//! Sequence numbers made monotonic.

/// Extends 16-bit sequence numbers to 64 bits by taking the value nearest to the newest one seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwrapper {
    newest: Option<u64>,
}

impl Unwrapper {
    /// The extended number of `sequence`, without remembering it. The first is taken in the second cycle, so that what
    /// came before it on the wire still has a number.
    pub fn peek(&self, sequence: u16) -> u64 {
        let Some(newest) = self.newest else {
            return 0x1_0000 + u64::from(sequence);
        };
        let distance = sequence.wrapping_sub(newest as u16).cast_signed();
        newest.saturating_add_signed(i64::from(distance))
    }

    /// The extended number of `sequence`, remembered if it is the newest.
    pub fn unwrap(&mut self, sequence: u16) -> u64 {
        let extended = self.peek(sequence);
        self.newest = Some(self.newest.map_or(extended, |newest| newest.max(extended)));
        extended
    }

    /// The newest extended number.
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }
}

impl Unwrapper {
    /// Begins anew at `sequence`, at least a whole cycle above all numbers given so far.
    pub fn restart(&mut self, sequence: u16) -> u64 {
        let cycle = self.newest.map_or(1, |newest| (newest >> 16) + 2);
        let extended = cycle << 16 | u64::from(sequence);
        self.newest = Some(extended);
        extended
    }
}
