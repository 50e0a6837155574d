//! Framed datagrams, in whatever pieces a stream gives them.

use meeting_fuzz::{framing, mutate};

#[test]
fn framing_survives_changed_streams() {
    let frame = |byte: u8, len: u8| [&[0, len][..], &vec![byte; usize::from(len)]].concat();
    let corpus = [
        [frame(0, 20), frame(22, 100), frame(128, 200)].concat(),
        [frame(1, 0), frame(0, 0), frame(2, 1)].concat(),
        vec![0, 201],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0x16, 3, 1, 2, 0, 1],
    ];
    mutate::run(framing::framing, &corpus, 0x4571, 200_000);
}
