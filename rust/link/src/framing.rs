//! Datagrams on a stream (RFC 4571 §2, as RFC 6544 §3 has it for ICE): two bytes of length, then the datagram.

/// Bytes of the length in front of each datagram.
pub const LENGTH: usize = 2;

/// The stream cannot be followed: what it promises next is no datagram we would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign;

/// The datagrams that are whole at the beginning of what a stream gave.
pub struct Frames<'a> {
    rest: &'a mut [u8],
    longest: usize,
    foreign: bool,
}

impl<'a> Frames<'a> {
    /// Cuts `bytes`; a datagram longer than `longest` ends it.
    pub fn new(bytes: &'a mut [u8], longest: usize) -> Self {
        Self {
            rest: bytes,
            longest,
            foreign: false,
        }
    }

    /// How many bytes are left at the end: the beginning of a datagram that is on its way, less than `LENGTH + longest`.
    pub fn rest(&self) -> Result<usize, Foreign> {
        if self.foreign {
            Err(Foreign)
        } else {
            Ok(self.rest.len())
        }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a mut [u8];

    fn next(&mut self) -> Option<&'a mut [u8]> {
        let length = usize::from(u16::from_be_bytes(*self.rest.first_chunk::<LENGTH>()?));
        if self.foreign || length > self.longest {
            self.foreign = true;
            return None;
        }
        if self.rest.len() < LENGTH + length {
            return None;
        }
        let (frame, rest) = std::mem::take(&mut self.rest).split_at_mut(LENGTH + length);
        self.rest = rest;
        Some(&mut frame[LENGTH..])
    }
}

/// The length to write in front of a datagram; `None` when it is too long to be framed.
pub fn length_of(datagram: &[u8]) -> Option<[u8; LENGTH]> {
    u16::try_from(datagram.len()).ok().map(u16::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(datagrams: &[&[u8]]) -> Vec<u8> {
        let mut stream = Vec::new();
        for datagram in datagrams {
            stream.extend(length_of(datagram).unwrap());
            stream.extend(*datagram);
        }
        stream
    }

    #[test]
    fn datagrams_come_out_as_they_were_put_in_and_a_beginning_waits() {
        let mut stream = framed(&[b"one", b"", b"three"]);
        stream.extend([0, 4, b'f', b'o']);
        let mut frames = Frames::new(&mut stream, 100);
        let got: Vec<Vec<u8>> = frames.by_ref().map(|frame| frame.to_vec()).collect();
        assert_eq!(got, [b"one".to_vec(), b"".to_vec(), b"three".to_vec()]);
        assert_eq!(frames.rest(), Ok(4));
    }

    #[test]
    fn a_datagram_of_the_greatest_length_is_taken_and_a_longer_one_ends_the_stream_before_it_has_come()
     {
        let mut stream = framed(&[&[7; 100]]);
        stream.extend([0, 101]);
        let mut frames = Frames::new(&mut stream, 100);
        assert_eq!(frames.next().map(|frame| frame.len()), Some(100));
        assert!(frames.next().is_none());
        assert_eq!(frames.rest(), Err(Foreign));
        assert!(frames.next().is_none());
    }

    #[test]
    fn what_cannot_be_framed_is_refused() {
        assert_eq!(length_of(&[0; 0x1_0000]), None);
        assert_eq!(length_of(&[0; 0xffff]), Some([0xff, 0xff]));
    }
}
