//! Which of the newest packets of a stream have been seen.

/// How far behind the newest a packet may come and still be told from a duplicate. Retransmissions run on streams of their
/// own, so in SRTP this is for reordering only; a forwarder's repairs are younger than a second.
pub const WINDOW: u64 = 2048;
const WORDS: usize = (WINDOW / 64) as usize;

/// A ring of bits over the newest [`WINDOW`] extended sequence numbers, as RFC 3711 §3.3.2 wants it for replay protection.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// One past the highest number recorded; 0: none yet.
    next: u64,
    bits: [u64; WORDS],
}

impl Default for Seen {
    fn default() -> Seen {
        Seen {
            next: 0,
            bits: [0; WORDS],
        }
    }
}

impl Seen {
    /// The highest number recorded.
    pub fn newest(&self) -> Option<u64> {
        self.next.checked_sub(1)
    }

    /// Whether `number` was not recorded yet; `false` also if it is too old to know.
    pub fn is_new(&self, number: u64) -> bool {
        if number >= self.next {
            return true;
        }
        let (word, bit) = place(number);
        self.next - number <= WINDOW && self.bits[word] & bit == 0
    }

    /// Records `number`.
    pub fn record(&mut self, number: u64) {
        if number >= self.next {
            if number - self.next >= WINDOW {
                self.bits = [0; WORDS];
            } else {
                for skipped in self.next..number {
                    let (word, bit) = place(skipped);
                    self.bits[word] &= !bit;
                }
            }
            self.next = number.saturating_add(1);
        } else if self.next - number > WINDOW {
            return;
        }
        let (word, bit) = place(number);
        self.bits[word] |= bit;
    }
}

fn place(number: u64) -> (usize, u64) {
    ((number / 64) as usize % WORDS, 1 << (number % 64))
}
