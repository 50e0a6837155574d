//! The replay list (RFC 3711 §3.3.2) and the guess of a received packet's index (§3.3.1, appendix A).

/// How far behind the newest a packet may come: retransmissions run on streams of their own, so this is for reordering.
pub(crate) const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

/// Which of the newest [`WINDOW`] indices were received: a ring of bits. Before the first packet nothing was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// One past the highest index received; 0: none yet.
    next: u64,
    bits: [u64; WORDS],
}

impl Window {
    pub(crate) fn new() -> Window {
        Window {
            next: 0,
            bits: [0; WORDS],
        }
    }

    /// The index nearest to the newest one whose lower 16 bits are `sequence`.
    pub(crate) fn guess(&self, sequence: u16) -> u64 {
        let Some(newest) = self.next.checked_sub(1) else {
            return u64::from(sequence);
        };
        let distance = sequence.wrapping_sub(newest as u16).cast_signed();
        // before the very beginning there is nothing: such a packet is of the next cycle
        newest
            .checked_add_signed(i64::from(distance))
            .unwrap_or(newest + u64::from(distance.cast_unsigned()))
    }

    /// Whether `index` is new. Ask before authentication, to save the work.
    pub(crate) fn is_new(&self, index: u64) -> bool {
        if index >= self.next {
            return true;
        }
        let (word, bit) = place(index);
        self.next - index <= WINDOW && self.bits[word] & bit == 0
    }

    /// Records `index`. Only after authentication.
    pub(crate) fn record(&mut self, index: u64) {
        if index >= self.next {
            let skipped = index - self.next + 1;
            if skipped >= WINDOW {
                self.bits = [0; WORDS];
            } else {
                for between in self.next..index {
                    let (word, bit) = place(between);
                    self.bits[word] &= !bit;
                }
            }
            self.next = index + 1;
        }
        let (word, bit) = place(index);
        self.bits[word] |= bit;
    }
}

fn place(index: u64) -> (usize, u64) {
    ((index / 64) as usize % WORDS, 1 << (index % 64))
}
