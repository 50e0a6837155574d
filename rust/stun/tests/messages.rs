//! What reading and writing promise beyond the RFCs' own packets.

use std::net::SocketAddr;

use meeting_stun::{
    BindingRequest, ChannelData, Class, Frame, IntegrityKey, IntegrityKeySha256, Message, Method,
    NoRoom, Role, TransactionId, Verdict, Writer, attribute, next_frame, write_channel_header,
};

const TRANSACTION: TransactionId = *b"transaction!";

fn written(
    out: &mut [u8],
    class: Class,
    method: Method,
    fill: impl FnOnce(&mut Writer<'_>),
) -> &[u8] {
    let mut writer = Writer::new(out, class, method, &TRANSACTION);
    fill(&mut writer);
    let size = writer.finish().expect("the test's buffer is large enough");
    &out[..size]
}

fn check(out: &mut [u8], key: &IntegrityKey) -> Vec<u8> {
    written(out, Class::Request, Method::BINDING, |writer| {
        writer
            .attribute(attribute::USERNAME, b"ours:theirs")
            .u64(attribute::ICE_CONTROLLING, 0x0102_0304_0506_0708)
            .attribute(attribute::USE_CANDIDATE, &[])
            .u32(attribute::PRIORITY, 0x6E00_01FF)
            .integrity(key)
            .fingerprint();
    })
    .to_vec()
}

#[test]
fn a_connectivity_check_is_read_verified_and_answered() {
    let (mut out, key) = ([0; 256], IntegrityKey::new(b"our password"));
    let packet = check(&mut out, &key);
    let request = BindingRequest::new(Message::parse(&packet).unwrap()).unwrap();
    assert_eq!(
        (request.local_ufrag(), request.remote_ufrag()),
        (&b"ours"[..], &b"theirs"[..])
    );
    assert_eq!(
        (
            request.priority,
            request.use_candidate,
            request.has_unknown()
        ),
        (0x6E00_01FF, true, false)
    );
    assert_eq!(request.role, Some(Role::Controlling(0x0102_0304_0506_0708)));
    assert!(request.verify(&key));
    assert!(!request.verify(&IntegrityKey::new(b"another password")));

    for source in ["192.0.2.7:5000", "[2001:db8::7]:5000"] {
        let source: SocketAddr = source.parse().unwrap();
        let size = request.write_success(&key, source, &mut out[..80]).unwrap();
        let answer = Message::parse(&out[..size]).unwrap();
        assert_eq!(
            (answer.class(), answer.transaction_id()),
            (Class::Success, &TRANSACTION)
        );
        assert_eq!(
            answer.xor_address(attribute::XOR_MAPPED_ADDRESS),
            Some(source)
        );
        assert!(
            answer.verify_integrity(&key).is_genuine() && answer.verify_fingerprint().is_genuine()
        );
    }
    let size = request.write_error(487, &key, &mut out).unwrap();
    assert_eq!(
        Message::parse(&out[..size])
            .unwrap()
            .error_code()
            .unwrap()
            .code,
        487
    );
}

#[test]
fn a_check_with_an_attribute_nobody_knows_is_answered_by_its_name() {
    let (mut out, key) = ([0; 256], IntegrityKey::new(b"our password"));
    let packet = written(&mut out, Class::Request, Method::BINDING, |writer| {
        writer
            .attribute(attribute::USERNAME, b"a:b")
            .attribute(0x7F01, b"?")
            .attribute(0xFF01, b"optional")
            .attribute(0x7F02, b"")
            .integrity(&key);
    })
    .to_vec();
    let request = BindingRequest::new(Message::parse(&packet).unwrap()).unwrap();
    assert!(request.has_unknown());
    let size = request.write_unknown(&key, &mut out).unwrap();
    let answer = Message::parse(&out[..size]).unwrap();
    assert_eq!(answer.error_code().unwrap().code, 420);
    assert_eq!(
        answer.value(attribute::UNKNOWN_ATTRIBUTES),
        Some(&[0x7F, 0x01, 0x7F, 0x02][..])
    );
}

#[test]
fn what_is_appended_behind_the_integrity_is_not_seen() {
    let (mut out, key) = ([0; 256], IntegrityKey::new(b"our password"));
    let packet = written(&mut out, Class::Request, Method::BINDING, |writer| {
        writer
            .attribute(attribute::USERNAME, b"a:b")
            .integrity(&key)
            .attribute(attribute::USE_CANDIDATE, &[])
            .fingerprint();
    });
    let message = Message::parse(packet).unwrap();
    assert!(
        message.verify_integrity(&key).is_genuine() && message.verify_fingerprint().is_genuine()
    );
    assert_eq!(message.value(attribute::USE_CANDIDATE), None);
    assert_eq!(message.attributes().count(), 1);
}

#[test]
fn both_integrities_may_stand_together_and_sha256_may_be_cut() {
    let (mut out, key, key256) = (
        [0; 256],
        IntegrityKey::new(b"one"),
        IntegrityKeySha256::new(b"two"),
    );
    let packet = written(&mut out, Class::Request, Method::ALLOCATE, |writer| {
        writer
            .attribute(attribute::USERNAME, b"u")
            .integrity(&key)
            .integrity_sha256(&key256)
            .fingerprint();
    });
    let message = Message::parse(packet).unwrap();
    assert!(message.verify_integrity(&key).is_genuine());
    assert!(message.verify_integrity_sha256(&key256).is_genuine());
    assert_eq!(
        message.verify_integrity_sha256(&IntegrityKeySha256::new(b"one")),
        Verdict::Forged
    );
}

#[test]
fn a_buffer_too_small_is_said_and_never_overrun() {
    let mut room = [0; 256];
    let packet = check(&mut room, &IntegrityKey::new(b"k"));
    let request = BindingRequest::new(Message::parse(&packet).unwrap()).unwrap();
    for size in 0..64 {
        let answer = request.write_success(
            &IntegrityKey::new(b"k"),
            "192.0.2.1:1".parse().unwrap(),
            &mut vec![0; size],
        );
        assert_eq!(answer, Err(NoRoom), "{size}");
    }
    let mut huge = vec![0; 70_000];
    let mut writer = Writer::new(&mut huge, Class::Request, Method::SEND, &TRANSACTION);
    assert_eq!(
        writer.attribute(attribute::DATA, &[0; 65_534]).finish(),
        Err(NoRoom)
    );
}

#[test]
fn peers_of_a_permission_request_come_all_with_the_malformed_among_them() {
    let mut out = [0; 256];
    let (first, third): (SocketAddr, SocketAddr) = (
        "192.0.2.1:1".parse().unwrap(),
        "[2001:db8::1]:3".parse().unwrap(),
    );
    let packet = written(
        &mut out,
        Class::Request,
        Method::CREATE_PERMISSION,
        |writer| {
            writer
                .xor_address(attribute::XOR_PEER_ADDRESS, first)
                .attribute(attribute::XOR_PEER_ADDRESS, b"bad!")
                .xor_address(attribute::XOR_PEER_ADDRESS, third);
        },
    );
    let peers: Vec<_> = Message::parse(packet)
        .unwrap()
        .xor_peer_addresses()
        .collect();
    assert_eq!(peers, [Some(first), None, Some(third)]);
}

#[test]
fn channel_data_is_cut_to_its_length_and_refused_when_short() {
    let header = write_channel_header(0x4001, 3);
    assert_eq!(
        ChannelData::parse(&[&header[..], b"abc\0"].concat()),
        Some(ChannelData {
            channel: 0x4001,
            data: b"abc"
        })
    );
    assert_eq!(ChannelData::parse(&[&header[..], b"ab"].concat()), None);
    assert_eq!(ChannelData::parse(&write_channel_header(0x3FFF, 0)), None);
    assert_eq!(ChannelData::parse(&write_channel_header(0x8000, 0)), None);
    assert_eq!(ChannelData::parse(b"\x40\x00\x00"), None);
}

#[test]
fn a_stream_is_cut_into_messages_whatever_the_chunks() {
    let mut out = [0; 256];
    let request = check(&mut out, &IntegrityKey::new(b"k"));
    let stream = [
        &request[..],
        &write_channel_header(0x4000, 5),
        b"hello\0\0\0",
        &request,
    ]
    .concat();
    let mut buffer: Vec<u8> = Vec::new();
    let mut found = Vec::new();
    for byte in stream {
        buffer.push(byte);
        match next_frame(&buffer) {
            Frame::Complete { size, padded } => {
                found.push(buffer[..size].to_vec());
                buffer.drain(..padded);
            }
            Frame::Incomplete(needed) => assert!(needed > buffer.len()),
            Frame::Foreign => panic!("the stream is well-formed"),
        }
    }
    assert_eq!(
        found,
        [
            request.clone(),
            [&write_channel_header(0x4000, 5)[..], b"hello"].concat(),
            request
        ]
    );
    assert_eq!(
        next_frame(b"\x16\x03\x01\x02\x00 a ClientHello"),
        Frame::Foreign
    );
    assert_eq!(next_frame(&[0; 20]), Frame::Foreign);
}
