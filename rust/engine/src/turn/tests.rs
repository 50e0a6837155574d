//! The threads over real sockets on loopback. What the machine does is tested without them, in the relay crate.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Duration;

use meeting_stun::{
    BindingRequest, ChannelData, Class, IntegrityKey, Message, Method, Writer, attribute,
    write_channel_header,
};

use super::*;

const UDP: u32 = 17 << 24;

fn relay(workers: usize) -> Relay {
    let shard = Settings {
        realm: "meeting".to_owned(),
        first_stream: 1,
        nonce_key: [7; 32],
        nonce_lifetime: 600,
        challenges_per_second: 100,
        requests_per_second: 100,
        allocation_rate: 0,
        total: None,
    };
    Relay::start(&Configuration {
        listen: vec![([127, 0, 0, 1], 0).into()],
        dtls: Vec::new(),
        streams: Vec::new(),
        limits: StreamLimits::default(),
        peer_limits: PeerLimits::default(),
        relay: vec![[127, 0, 0, 1].into()],
        ports: (21_000, 21_999),
        workers,
        events: 16,
        shard,
    })
    .expect("loopback can be bound")
}

/// A client of the relay with a time limit on what it waits for.
fn client(relay: &Relay) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound");
    socket.connect(relay.addresses()[0]).expect("UDP connects");
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a time limit is allowed");
    socket
}

fn ask(socket: &UdpSocket, method: Method, fill: impl FnOnce(&mut Writer<'_>)) {
    let mut out = [0; 512];
    let mut writer = Writer::new(&mut out, Class::Request, method, b"transaction!");
    fill(&mut writer);
    let size = writer.finish().expect("512 bytes are enough");
    socket.send(&out[..size]).expect("loopback takes it");
}

fn hear(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let size = socket
        .recv(&mut buffer)
        .expect("an answer within five seconds");
    buffer[..size].to_vec()
}

fn nonce(socket: &UdpSocket) -> Vec<u8> {
    ask(socket, Method::ALLOCATE, |writer| {
        writer.u32(attribute::REQUESTED_TRANSPORT, UDP);
    });
    let answer = hear(socket);
    Message::parse(&answer)
        .expect("STUN")
        .value(attribute::NONCE)
        .expect("a nonce")
        .to_vec()
}

/// Waits for the descriptor, as a reactor does.
fn events(relay: &Relay) -> Vec<Event> {
    let mut epoll = crate::sys::Epoll::new(1).expect("epoll");
    epoll.watch(relay, 1).expect("the relay is a descriptor");
    let mut ready = Vec::new();
    epoll.wait(5000, &mut ready).expect("epoll");
    let mut events = Vec::new();
    relay.take_events(&mut events);
    events
}

fn request(relay: &Relay, socket: &UdpSocket) -> (usize, Client, Vec<u8>) {
    let nonce = nonce(socket);
    ask(socket, Method::ALLOCATE, |writer| {
        writer
            .attribute(attribute::USERNAME, b"someone")
            .attribute(attribute::REALM, b"meeting")
            .attribute(attribute::NONCE, &nonce)
            .integrity(&IntegrityKey::new(b"key"));
    });
    match events(relay).pop() {
        Some(Event::Request {
            worker,
            client,
            packet,
        }) => (worker, client, packet),
        other => panic!("no request but {other:?}"),
    }
}

#[test]
fn binding_is_answered_by_every_worker() {
    let relay = relay(3);
    for _ in 0..20 {
        let socket = client(&relay);
        ask(&socket, Method::BINDING, |_| {});
        let answer = hear(&socket);
        let mapped = Message::parse(&answer)
            .expect("STUN")
            .xor_address(attribute::XOR_MAPPED_ADDRESS);
        assert_eq!(mapped, socket.local_addr().ok());
    }
}

#[test]
fn a_request_goes_up_its_answer_down_and_packets_across() {
    let relay = relay(2);
    let (socket, peer) = (
        client(&relay),
        UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound"),
    );
    peer.set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a time limit is allowed");
    let (worker, who, packet) = request(&relay, &socket);
    assert_eq!(Some(who.address), socket.local_addr().ok());
    assert_eq!(
        Message::parse(&packet).expect("STUN").username(),
        Some(&b"someone"[..])
    );

    let port = relay
        .allocate(worker, 1, who, false, Port::Even, 60_000)
        .expect("a port is free");
    assert!((21_000..=21_999).contains(&port) && port.is_multiple_of(2));
    let to = peer.local_addr().expect("bound");
    relay.command(
        worker,
        Command::Permit {
            id: 1,
            peer: to.ip(),
            ports: Ports::Any,
            lifetime: 60_000,
        },
    );
    relay.command(
        worker,
        Command::Bind {
            id: 1,
            channel: 0x4000,
            peer: to,
            lifetime: 60_000,
        },
    );
    assert!(relay.answer(worker, who, b"the answer".to_vec()));
    assert_eq!(hear(&socket), b"the answer");

    for round in 0..200_u8 {
        socket
            .send(&[&write_channel_header(0x4000, 2)[..], b"a", &[round]].concat())
            .expect("loopback takes it");
        let mut buffer = [0; 64];
        let (size, from) = peer
            .recv_from(&mut buffer)
            .expect("a relayed packet within five seconds");
        assert_eq!((&buffer[..size], from.port()), (&[b'a', round][..], port));
        peer.send_to(&[round; 3], from).expect("loopback takes it");
        assert_eq!(
            ChannelData::parse(&hear(&socket))
                .expect("ChannelData")
                .data,
            [round; 3]
        );
    }

    relay.command(worker, Command::Delete { id: 1 });
    assert!(relay.answer(worker, who, b"gone".to_vec()));
    assert_eq!(hear(&socket), b"gone");
    UdpSocket::bind(("127.0.0.1", port)).expect("the relay socket is closed");
}

#[test]
fn a_panic_is_told_and_the_worker_goes_on() {
    let relay = relay(1);
    relay.workers[0].orders.push_always(Order::Panic);
    match &events(&relay)[..] {
        [Event::Trouble(text)] => assert_eq!(text, "panic in turn-0: as the test wants"),
        other => panic!("no trouble but {other:?}"),
    }
    let socket = client(&relay);
    ask(&socket, Method::BINDING, |_| {});
    let answer = hear(&socket);
    assert!(BindingRequest::new(Message::parse(&answer).expect("STUN")).is_none());
}

#[test]
fn the_queue_of_requests_is_bounded_and_says_what_it_dropped() {
    let relay = relay(1);
    let socket = client(&relay);
    let nonce = nonce(&socket);
    for _ in 0..20 {
        ask(&socket, Method::REFRESH, |writer| {
            writer
                .attribute(attribute::USERNAME, b"u")
                .attribute(attribute::REALM, b"r")
                .attribute(attribute::NONCE, &nonce);
            writer.integrity(&IntegrityKey::new(b"key"));
        });
    }
    ask(&socket, Method::BINDING, |_| {});
    hear(&socket);
    assert_eq!(events(&relay).len(), 16);
    // The counters are written at the end of the turn that answered; another answer means that this turn is over.
    ask(&socket, Method::BINDING, |_| {});
    hear(&socket);
    assert_eq!(relay.counters().dropped[Cause::QueueFull as usize], 4);
}

#[test]
fn a_family_without_relay_address_has_no_socket() {
    let relay = relay(1);
    let who = Client {
        listener: 0,
        address: ([127, 0, 0, 1], 1).into(),
    };
    assert!(matches!(
        relay.allocate(0, 1, who, true, Port::Any, 1000),
        Err(NoSocket::Family)
    ));
    assert!(relay.as_raw_fd() >= 0);
}

#[test]
fn an_allocation_is_handed_to_another_worker_with_its_socket() {
    let relay = relay(3);
    let (socket, peer) = (
        client(&relay),
        UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound"),
    );
    let (worker, who, _) = request(&relay, &socket);
    let port = relay
        .allocate(worker, 1, who, false, Port::Any, 60_000)
        .expect("a port is free");
    relay.command(
        worker,
        Command::Permit {
            id: 1,
            peer: [127, 0, 0, 1].into(),
            ports: Ports::Any,
            lifetime: 60_000,
        },
    );
    for _ in 0..20 {
        let moved = client(&relay);
        let (to, at, _) = request(&relay, &moved);
        assert!((0..3).any(|from| relay.hand_over(from, 1, to, at)));
        peer.send_to(b"here", ("127.0.0.1", port))
            .expect("loopback takes it");
        let heard = hear(&moved);
        let data = Message::parse(&heard)
            .expect("STUN")
            .value(attribute::DATA)
            .map(<[u8]>::to_vec);
        assert_eq!(data.as_deref(), Some(&b"here"[..]));
    }
    assert!(!relay.hand_over(0, 2, 1, who), "nobody has it");
}
