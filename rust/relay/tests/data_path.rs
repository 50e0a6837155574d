//! Packets through allocations, permissions and channels, on a clock turned by hand.

mod world;

use meeting_relay::{Cause, ClientAction, Command, Effect, HEADROOM, IcmpError, PeerAction};
use meeting_stun::{ChannelData, Class, Message, Method, attribute, write_channel_header};
use world::{World, at, indication, written};

const MINUTE: u64 = 60_000;

#[test]
fn channel_data_goes_to_the_bound_peer_and_back() {
    let mut world = World::with_allocation();
    world.permit("198.51.100.9", 5 * MINUTE);
    world.bind(0x4001, "198.51.100.9:7000", 10 * MINUTE);

    let packet = [&write_channel_header(0x4001, 5)[..], b"hello"].concat();
    assert_eq!(
        world.client_sends(&packet),
        ClientAction::Relay {
            slot: 0,
            peer: at("198.51.100.9:7000"),
            data: 4..9,
            whole: false,
        }
    );

    let (client, sent) = world.peer_sends("198.51.100.9:7000", b"world!").unwrap();
    assert_eq!(client, world.client);
    assert_eq!(
        ChannelData::parse(&sent),
        Some(ChannelData {
            channel: 0x4001,
            data: b"world!"
        })
    );
    assert_eq!(
        (
            world.shard.counters.to_peers_bytes,
            world.shard.counters.to_clients_bytes
        ),
        (5, 6)
    );
}

#[test]
fn without_a_channel_data_travels_in_indications() {
    for (host, peer) in [
        ("198.51.100.9", "198.51.100.9:7000"),
        ("2001:db8::9", "[2001:db8::9]:7000"),
    ] {
        let mut world = World::with_allocation();
        world.permit(host, 5 * MINUTE);
        let packet = indication(at(peer), b"hello");
        let ClientAction::Relay {
            slot: 0,
            peer: to,
            data,
            whole: false,
        } = world.client_sends(&packet)
        else {
            panic!("not relayed")
        };
        assert_eq!((to, &packet[data]), (at(peer), &b"hello"[..]));

        let (_, sent) = world.peer_sends(peer, b"back").unwrap();
        let message = Message::parse(&sent).unwrap();
        assert_eq!(
            (message.class(), message.method()),
            (Class::Indication, Method::DATA)
        );
        assert_eq!(
            message.xor_address(attribute::XOR_PEER_ADDRESS),
            Some(at(peer))
        );
        assert_eq!(message.value(attribute::DATA), Some(&b"back"[..]));
    }
}

#[test]
fn every_length_of_peer_data_comes_out_whole_and_padded_with_zeros() {
    let mut world = World::with_allocation();
    world.permit("198.51.100.9", MINUTE);
    for length in 0..70 {
        let data = vec![0xA5; length];
        let (_, sent) = world.peer_sends("198.51.100.9:1", &data).unwrap();
        assert_eq!(
            Message::parse(&sent).unwrap().value(attribute::DATA),
            Some(&data[..])
        );
        assert_eq!(sent.len(), 36 + length.next_multiple_of(4));
        assert!(sent[36 + length..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_permission_is_for_an_address_with_any_port_and_for_its_time() {
    let mut world = World::with_allocation();
    world.permit("198.51.100.9", 5 * MINUTE);
    assert!(world.peer_sends("198.51.100.9:1", b"x").is_some());
    assert!(world.peer_sends("198.51.100.9:65535", b"x").is_some());
    assert!(world.peer_sends("198.51.100.8:1", b"x").is_none());
    assert_eq!(
        world.client_sends(&indication(at("198.51.100.8:1"), b"x")),
        ClientAction::Nothing
    );
    assert_eq!(world.dropped(Cause::NoPermission), 2);

    world.now += 5 * MINUTE - 1;
    assert!(world.peer_sends("198.51.100.9:1", b"x").is_some());
    world.now += 1;
    assert!(world.peer_sends("198.51.100.9:1", b"x").is_none());
    world.permit("198.51.100.9", 5 * MINUTE);
    assert!(world.peer_sends("198.51.100.9:1", b"x").is_some());
}

#[test]
fn a_permission_for_some_ports_is_for_no_other() {
    let mut world = World::with_allocation();
    world.permit_ports("10.0.0.7", &[40_000, 40_001], MINUTE);
    for (port, passes) in [(40_000, true), (40_001, true), (53, false)] {
        let peer = format!("10.0.0.7:{port}");
        let sent = world.client_sends(&indication(at(&peer), b"x"));
        assert_eq!(sent != ClientAction::Nothing, passes, "{port}");
        assert_eq!(world.peer_sends(&peer, b"x").is_some(), passes, "{port}");
    }
    world.bind(0x4000, "10.0.0.7:53", MINUTE);
    assert_eq!(
        world.client_sends(&write_channel_header(0x4000, 0)),
        ClientAction::Nothing
    );
    assert_eq!(world.dropped(Cause::NoPermission), 3);
}

#[test]
fn a_channel_without_permission_carries_nothing() {
    let mut world = World::with_allocation();
    world.bind(0x4000, "198.51.100.9:7000", 10 * MINUTE);
    assert_eq!(
        world.client_sends(&write_channel_header(0x4000, 0)),
        ClientAction::Nothing
    );
    assert!(world.peer_sends("198.51.100.9:7000", b"x").is_none());
    assert_eq!(world.dropped(Cause::NoPermission), 2);
}

#[test]
fn strangers_relay_nothing() {
    let mut world = World::empty();
    assert_eq!(
        world.client_sends(&indication(at("198.51.100.9:1"), b"x")),
        ClientAction::Nothing
    );
    assert_eq!(
        world.client_sends(&write_channel_header(0x4000, 0)),
        ClientAction::Nothing
    );
    assert_eq!(world.dropped(Cause::NoAllocation), 2);
    let mut buffer = [0; HEADROOM + 16];
    assert_eq!(
        world
            .shard
            .peer_packet(0, 9, at("198.51.100.9:1"), &mut buffer, 4),
        PeerAction::Nothing
    );
}

#[test]
fn a_send_indication_that_lacks_something_or_asks_for_the_unknown_is_dropped() {
    let mut world = World::with_allocation();
    world.permit("198.51.100.9", MINUTE);
    let peer = at("198.51.100.9:1");
    let whole = indication(peer, b"x");
    assert!(matches!(
        world.client_sends(&whole),
        ClientAction::Relay { .. }
    ));
    let with = |fill: &dyn Fn(&mut meeting_stun::Writer<'_>)| {
        world::written(Class::Indication, Method::SEND, fill)
    };
    for odd in [
        with(&|writer| {
            writer.attribute(attribute::DATA, b"x");
        }),
        with(&|writer| {
            writer.xor_address(attribute::XOR_PEER_ADDRESS, peer);
        }),
        with(&|writer| {
            writer
                .xor_address(attribute::XOR_PEER_ADDRESS, peer)
                .attribute(attribute::DATA, b"x")
                .attribute(0x7777, b"");
        }),
        with(&|writer| {
            writer
                .attribute(attribute::XOR_PEER_ADDRESS, b"\0\x09\0\0odd!")
                .attribute(attribute::DATA, b"x");
        }),
    ] {
        assert_eq!(world.client_sends(&odd), ClientAction::Nothing);
    }
    assert_eq!(world.dropped(Cause::Malformed), 4);
}

#[test]
fn a_client_has_an_allocation_of_each_family() {
    let mut world = World::with_allocation();
    let second = world.command(Command::Allocate {
        id: 2,
        client: world.client,
        ipv6: true,
        lifetime: 10 * MINUTE,
    });
    assert_eq!(second, Effect::Opened(1));
    world.permit("198.51.100.9", 5 * MINUTE);
    world.command(Command::Permit {
        id: 2,
        peer: at("[2001:db8::9]:1").ip(),
        ports: meeting_relay::Ports::Any,
        lifetime: 5 * MINUTE,
    });
    world.command(Command::Bind {
        id: 2,
        channel: 0x4000,
        peer: at("[2001:db8::9]:7000"),
        lifetime: 5 * MINUTE,
    });
    let slot_of = |action: ClientAction| match action {
        ClientAction::Relay { slot, .. } => Some(slot),
        _ => None,
    };
    for (peer, slot) in [
        ("198.51.100.9:1", Some(0)),
        ("[2001:db8::9]:1", Some(1)),
        ("[2001:db8::8]:1", None),
    ] {
        let action = world.client_sends(&indication(at(peer), b"data"));
        assert_eq!(slot_of(action), slot, "{peer}");
    }
    let bound = [&write_channel_header(0x4000, 1)[..], b"x"].concat();
    let action = world.client_sends(&bound);
    assert_eq!(slot_of(action), Some(1));
    // One of them ends, the other goes on.
    world.command(Command::Delete { id: 2 });
    assert_eq!(world.client_sends(&bound), ClientAction::Nothing);
    assert_eq!(world.dropped(Cause::NoChannel), 1);
    let action = world.client_sends(&indication(at("198.51.100.9:1"), b"data"));
    assert_eq!(slot_of(action), Some(0));
}

#[test]
fn an_allocation_moves_to_another_thread_with_all_it_may() {
    let (mut world, mut other) = (World::with_allocation(), World::empty());
    world.permit("198.51.100.9", 5 * MINUTE);
    world.bind(0x4000, "198.51.100.9:7000", 5 * MINUTE);
    let (slot, moving) = world.shard.release(1).unwrap();
    assert_eq!(slot, 0);
    assert_eq!(world.shard.counters().allocations, 0);
    assert!(world.shard.release(1).is_none());
    assert_eq!(world.peer_sends("198.51.100.9:7000", b"late"), None);

    other.client.address = at("192.0.2.77:1234");
    assert_eq!(other.shard.adopt(moving, other.client), 0);
    let (client, data) = other.peer_sends("198.51.100.9:7000", b"here").unwrap();
    assert_eq!(client, other.client);
    assert_eq!(ChannelData::parse(&data).unwrap().channel, 0x4000);
    let bound = [&write_channel_header(0x4000, 1)[..], b"x"].concat();
    assert!(matches!(
        other.client_sends(&bound),
        ClientAction::Relay { .. }
    ));
    other.now += 10 * MINUTE;
    assert_eq!(other.client_sends(&bound), ClientAction::Nothing);
}

#[test]
fn an_allocation_relays_its_share_of_a_second_in_each_direction() {
    let mut settings = World::settings();
    settings.allocation_rate = 1000;
    let mut world = World::with(&settings);
    world.command(Command::Allocate {
        id: 1,
        client: world.client,
        ipv6: false,
        lifetime: 10 * MINUTE,
    });
    world.permit("198.51.100.9", 5 * MINUTE);
    let packet = indication(at("198.51.100.9:1"), &[0; 100]);
    let sent = (0..20)
        .filter(|_| world.client_sends(&packet) != ClientAction::Nothing)
        .count();
    let heard = (0..20)
        .filter(|_| world.peer_sends("198.51.100.9:1", &[0; 100]).is_some())
        .count();
    assert_eq!((sent, heard, world.dropped(Cause::Bandwidth)), (10, 10, 20));
    world.now += 100;
    assert!(world.client_sends(&packet) != ClientAction::Nothing);
    assert!(world.client_sends(&packet) == ClientAction::Nothing);
}

#[test]
fn all_allocations_share_the_total() {
    let mut settings = World::settings();
    settings.total = Some(std::sync::Arc::new(meeting_relay::Total::new(1000)));
    let (mut one, mut two) = (World::with(&settings), World::with(&settings));
    let packet = indication(at("198.51.100.9:1"), &[0; 100]);
    let mut sent = 0;
    for world in [&mut one, &mut two] {
        world.command(Command::Allocate {
            id: 1,
            client: world.client,
            ipv6: false,
            lifetime: 10 * MINUTE,
        });
        world.permit("198.51.100.9", 5 * MINUTE);
        for _ in 0..20 {
            sent += usize::from(world.client_sends(&packet) != ClientAction::Nothing);
        }
    }
    assert_eq!(sent, 10);
}

#[test]
fn who_asks_for_it_has_a_datagram_sent_whole() {
    let mut world = World::with_allocation();
    world.permit("198.51.100.9", MINUTE);
    let packet = written(Class::Indication, Method::SEND, &|writer| {
        writer
            .xor_address(attribute::XOR_PEER_ADDRESS, at("198.51.100.9:7"))
            .attribute(attribute::DONT_FRAGMENT, b"")
            .attribute(attribute::DATA, b"hello");
    });
    assert!(matches!(
        world.client_sends(&packet),
        ClientAction::Relay { whole: true, .. }
    ));
}

#[test]
fn a_client_hears_of_datagrams_to_permitted_peers_that_did_not_arrive() {
    let mut world = World::with_allocation();
    let (v4, v6) = ("198.51.100.9", "2001:db8::9");
    world.permit(v4, MINUTE);
    world.permit(v6, MINUTE);
    let mut heard = |host: &str, kind, code, mtu| {
        let peer = std::net::SocketAddr::new(host.parse().unwrap(), 7);
        let error = IcmpError { kind, code, mtu };
        let mut out = [0; 64];
        let (client, size) = world
            .shard
            .peer_error(world.now, 0, peer, error, &mut out)?;
        assert_eq!(client, world.client);
        let message = Message::parse(&out[..size]).unwrap();
        assert_eq!(
            (message.class(), message.method()),
            (Class::Indication, Method::DATA)
        );
        assert_eq!(message.xor_address(attribute::XOR_PEER_ADDRESS), Some(peer));
        assert!(message.value(attribute::DATA).is_none());
        message.value(attribute::ICMP).map(<[u8]>::to_vec)
    };
    // Reserved, seven bits of type, nine of code; then the MTU.
    assert_eq!(heard(v4, 3, 3, 0), Some(vec![0, 0, 6, 3, 0, 0, 0, 0]));
    assert_eq!(heard(v4, 3, 4, 1400), Some(vec![0, 0, 6, 4, 0, 0, 5, 120]));
    assert_eq!(heard(v4, 11, 0, 0), Some(vec![0, 0, 22, 0, 0, 0, 0, 0]));
    assert_eq!(heard(v6, 2, 0, 1280), Some(vec![0, 0, 4, 0, 0, 0, 5, 0]));
    // What it must not hear of: a redirect, parameter problems, peers without permission.
    assert_eq!(heard(v4, 5, 0, 0), None);
    assert_eq!(heard(v4, 12, 0, 0), None);
    assert_eq!(heard(v6, 4, 0, 0), None);
    assert_eq!(heard("198.51.100.8", 3, 3, 0), None);
    world.now += MINUTE;
    assert!(
        world
            .shard
            .peer_error(
                world.now,
                0,
                at("198.51.100.9:7"),
                IcmpError {
                    kind: 3,
                    code: 3,
                    mtu: 0
                },
                &mut [0; 64]
            )
            .is_none()
    );
}
