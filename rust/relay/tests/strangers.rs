//! What those get who have not authenticated, and that they cost nothing.

mod world;

use meeting_relay::{Cause, Client, ClientAction};
use meeting_stun::{Class, IntegrityKey, Message, Method, attribute};
use world::{World, at, written};

const UDP: u32 = 17 << 24;

fn allocate() -> Vec<u8> {
    written(Class::Request, Method::ALLOCATE, &|writer| {
        writer.u32(attribute::REQUESTED_TRANSPORT, UDP);
    })
}

fn with_credentials(nonce: &[u8]) -> Vec<u8> {
    written(Class::Request, Method::ALLOCATE, &|writer| {
        writer
            .u32(attribute::REQUESTED_TRANSPORT, UDP)
            .attribute(attribute::USERNAME, b"1:room:someone")
            .attribute(attribute::REALM, b"meeting")
            .attribute(attribute::NONCE, nonce)
            .integrity(&IntegrityKey::new(b"whatever"));
    })
}

/// The code of the answer and its nonce.
fn challenged(world: &mut World, packet: &[u8]) -> (u16, Vec<u8>) {
    assert!(
        matches!(world.client_sends(packet), ClientAction::Answer(_)),
        "no answer"
    );
    let answer = Message::parse(&world.answer).unwrap();
    assert_eq!(answer.class(), Class::Error);
    let code = answer.error_code().unwrap();
    assert_eq!(code.reason, b"", "a reason only amplifies");
    assert_eq!(answer.value(attribute::SOFTWARE), None);
    (
        code.code,
        answer.value(attribute::NONCE).unwrap_or_default().to_vec(),
    )
}

#[test]
fn a_binding_request_is_answered_with_the_source() {
    for source in ["192.0.2.1:50000", "[2001:db8::1]:50000"] {
        let mut world = World::empty();
        world.client.address = at(source);
        world.client_sends(&written(Class::Request, Method::BINDING, &|_| {}));
        let answer = Message::parse(&world.answer).unwrap();
        assert_eq!(
            (
                answer.class(),
                answer.xor_address(attribute::XOR_MAPPED_ADDRESS)
            ),
            (Class::Success, Some(at(source)))
        );
        assert_eq!(world.shard.counters.bindings, 1);
    }
}

#[test]
fn a_binding_request_with_something_unknown_is_told_what() {
    let mut world = World::empty();
    world.client_sends(&written(Class::Request, Method::BINDING, &|writer| {
        writer.u32(0x0003, 6);
    }));
    let answer = Message::parse(&world.answer).unwrap();
    assert_eq!(answer.error_code().unwrap().code, 420);
    assert_eq!(
        answer.value(attribute::UNKNOWN_ATTRIBUTES),
        Some(&[0, 3][..])
    );
}

#[test]
fn a_request_without_credentials_is_challenged_within_twice_its_size() {
    let mut world = World::empty();
    let request = allocate();
    let (code, nonce) = challenged(&mut world, &request);
    assert_eq!((code, nonce.len()), (401, 12));
    assert_eq!(
        Message::parse(&world.answer)
            .unwrap()
            .value(attribute::REALM),
        Some(&b"meeting"[..])
    );
    assert!(
        world.answer.len() <= 2 * request.len(),
        "{} for {}",
        world.answer.len(),
        request.len()
    );
    for method in [
        Method::REFRESH,
        Method::CREATE_PERMISSION,
        Method::CHANNEL_BIND,
    ] {
        let request = written(Class::Request, method, &|writer| {
            writer.u32(attribute::LIFETIME, 0);
        });
        assert_eq!(challenged(&mut world, &request).0, 401);
    }
    // No conforming client sends these, and an answer would be more than twice their size.
    assert_eq!(
        world.client_sends(&written(Class::Request, Method::ALLOCATE, &|_| {})),
        ClientAction::Nothing
    );
}

#[test]
fn the_algorithms_of_rfc_8489_are_offered_where_twice_the_size_has_room_for_them() {
    let mut world = World::empty();
    for padding in (0..64).step_by(4) {
        let request = written(Class::Request, Method::ALLOCATE, &|writer| {
            writer
                .u32(attribute::REQUESTED_TRANSPORT, UDP)
                .attribute(attribute::SOFTWARE, &vec![b'x'; padding]);
        });
        let (_, nonce) = challenged(&mut world, &request);
        assert!(world.answer.len() <= 2 * request.len());
        let offered = request.len() >= 42;
        assert_eq!(nonce.starts_with(b"obMatJos2gAAA"), offered);
        assert_eq!(
            Message::parse(&world.answer)
                .unwrap()
                .value(attribute::PASSWORD_ALGORITHMS),
            offered.then_some(&[0, 2, 0, 0, 0, 1, 0, 0][..])
        );
        assert_eq!(
            world.client_sends(&with_credentials(&nonce)),
            ClientAction::Request
        );
        if let Some(plain) = nonce.strip_prefix(b"obMatJos2gAAA") {
            let (code, _) = challenged(&mut world, &with_credentials(plain));
            assert_eq!(code, 438, "the cookie was cut off");
        }
    }
}

#[test]
fn a_nonce_of_a_stream_is_good_for_all_streams_of_its_address_and_nobody_elses() {
    let mut world = World::empty();
    world.client.listener = 1;
    let (_, nonce) = challenged(&mut world, &allocate());
    world.client.listener = 2;
    world.client.address.set_port(4444);
    assert_eq!(
        world.client_sends(&with_credentials(&nonce)),
        ClientAction::Request
    );
    world.client.address.set_ip([198, 51, 100, 77].into());
    assert_eq!(challenged(&mut world, &with_credentials(&nonce)).0, 438);
    let mut world = World::empty();
    let (_, nonce) = challenged(&mut world, &allocate());
    world.client.address.set_port(4444);
    assert_eq!(
        challenged(&mut world, &with_credentials(&nonce)).0,
        438,
        "not so by UDP"
    );
}

#[test]
fn credentials_with_our_nonce_go_up_and_with_any_other_are_stale() {
    let mut world = World::empty();
    let (_, nonce) = challenged(&mut world, &allocate());
    assert_eq!(
        world.client_sends(&with_credentials(&nonce)),
        ClientAction::Request
    );

    assert_eq!(
        challenged(&mut world, &with_credentials(b"f//499k954d6")).0,
        438
    );
    world.client.address.set_port(50_001);
    let (code, fresh) = challenged(&mut world, &with_credentials(&nonce));
    assert_eq!(code, 438, "another port of the same host");
    assert_eq!(
        world.client_sends(&with_credentials(&fresh)),
        ClientAction::Request
    );
    world.now += 600_000 + 1_000;
    assert_eq!(
        challenged(&mut world, &with_credentials(&fresh)).0,
        438,
        "expired"
    );
    assert_eq!(world.shard.counters.requests, 2);
}

#[test]
fn integrity_without_the_rest_of_the_credentials_is_a_bad_request() {
    let mut world = World::empty();
    let request = written(Class::Request, Method::REFRESH, &|writer| {
        writer
            .attribute(attribute::USERNAME, b"someone")
            .integrity(&IntegrityKey::new(b"k"));
    });
    assert_eq!(challenged(&mut world, &request), (400, vec![]));
}

#[test]
fn challenges_and_requests_are_limited_for_each_source() {
    let mut world = World::empty();
    let (_, nonce) = challenged(&mut world, &allocate());
    let answered = (0..1000)
        .filter(|_| world.client_sends(&allocate()) != ClientAction::Nothing)
        .count();
    assert_eq!(answered, 199);
    assert_eq!(world.dropped(Cause::ChallengeLimit), 801);
    let passed = (0..1000)
        .filter(|_| world.client_sends(&with_credentials(&nonce)) == ClientAction::Request)
        .count();
    assert_eq!((passed, world.dropped(Cause::RequestLimit)), (400, 600));

    world.client = Client {
        listener: 0,
        address: at("192.0.2.2:50000"),
    };
    assert_eq!(
        challenged(&mut world, &allocate()).0,
        401,
        "another source has its own share"
    );
    world.client = Client {
        listener: 0,
        address: at("192.0.2.1:50000"),
    };
    world.now += 1000;
    assert_eq!(
        challenged(&mut world, &allocate()).0,
        401,
        "a second later there is more"
    );
}

#[test]
fn the_malformed_and_what_nobody_asked_for_get_silence() {
    let mut world = World::empty();
    let mut forged = written(Class::Request, Method::BINDING, &|writer| {
        writer.fingerprint();
    });
    *forged.last_mut().unwrap() ^= 1;
    let packets = [
        vec![],
        vec![0],
        vec![0xFF; 100],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        allocate()[..24].to_vec(),
        forged,
        written(Class::Success, Method::BINDING, &|_| {}),
        written(Class::Error, Method::ALLOCATE, &|_| {}),
        written(Class::Indication, Method::DATA, &|_| {}),
        written(Class::Request, Method::new(0x70), &|writer| {
            writer.u32(attribute::LIFETIME, 0);
        }),
    ];
    for packet in &packets {
        assert_eq!(
            world.client_sends(packet),
            ClientAction::Nothing,
            "{packet:02x?}"
        );
    }
    assert_eq!(
        world.shard.counters.dropped.iter().sum::<u64>(),
        packets.len() as u64
    );
    assert_eq!(
        (
            world.shard.counters.challenges,
            world.shard.counters.requests,
            world.shard.counters.bindings
        ),
        (0, 0, 0)
    );
}
