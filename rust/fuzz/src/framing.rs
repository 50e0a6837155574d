//! Datagrams on a stream (RFC 4571), as a connection gives them: in pieces.

use meeting_link::framing::{Frames, LENGTH};

const LONGEST: usize = 200;

/// However a stream is cut into reads, the same datagrams come out, none is too long, and what is kept is bounded.
pub fn framing(data: &[u8]) {
    let whole = read(data, data.len().max(1));
    let piece = 1 + usize::from(data.first().copied().unwrap_or(0));
    assert_eq!(read(data, piece), whole);
}

/// The datagrams, and whether the stream can be followed to its end.
fn read(data: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let mut datagrams = Vec::new();
    let mut kept: Vec<u8> = Vec::new();
    for part in data.chunks(piece) {
        kept.extend(part);
        let mut frames = Frames::new(&mut kept, LONGEST);
        for frame in frames.by_ref() {
            assert!(frame.len() <= LONGEST);
            datagrams.push(frame.to_vec());
        }
        let Ok(rest) = frames.rest() else {
            return (datagrams, false);
        };
        assert!(rest < LENGTH + LONGEST);
        kept.drain(..kept.len() - rest);
    }
    (datagrams, true)
}
