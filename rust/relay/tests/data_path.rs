//! Packets through allocations, permissions and channels, on a clock turned by hand.

mod world;

use meeting_relay::{Cause, ClientAction, Command, Effect, HEADROOM, PeerAction};
use meeting_stun::{ChannelData, Class, Message, Method, attribute, write_channel_header};
use world::{World, at, indication};

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
            data: 4..9
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
fn an_expired_channel_falls_back_to_indications() {
    let mut world = World::with_allocation();
    world.permit("198.51.100.9", 30 * MINUTE);
    world.bind(0x4000, "198.51.100.9:7000", 5 * MINUTE);
    world.now += 5 * MINUTE;
    assert_eq!(
        world.client_sends(&write_channel_header(0x4000, 0)),
        ClientAction::Nothing
    );
    assert_eq!(world.dropped(Cause::NoChannel), 1);
    assert_eq!(
        Message::parse(&world.peer_sends("198.51.100.9:7000", b"x").unwrap().1)
            .unwrap()
            .method(),
        Method::DATA
    );
}

#[test]
fn an_allocation_ends_exactly_at_its_time_unless_refreshed() {
    let mut world = World::with_allocation();
    world.permit("198.51.100.9", 100 * MINUTE);
    world.now += 10 * MINUTE - 1;
    world.command(Command::Refresh {
        id: 1,
        lifetime: 10 * MINUTE,
    });
    world.now += 10 * MINUTE - 1;
    assert!(world.peer_sends("198.51.100.9:1", b"x").is_some());
    world.now += 1;
    assert!(world.peer_sends("198.51.100.9:1", b"x").is_none());
    assert_eq!(
        world.client_sends(&indication(at("198.51.100.9:1"), b"x")),
        ClientAction::Nothing
    );
    assert_eq!(world.dropped(Cause::NoAllocation), 2);
    let mut closed = Vec::new();
    world.shard.sweep(world.now, |slot| closed.push(slot));
    assert_eq!((closed, world.shard.counters.allocations), (vec![0], 0));
}

#[test]
fn a_deleted_allocation_leaves_nothing_and_its_late_commands_do_nothing() {
    let mut world = World::with_allocation();
    world.permit("198.51.100.9", MINUTE);
    assert_eq!(world.command(Command::Delete { id: 1 }), Effect::Closed(0));
    assert_eq!(world.command(Command::Delete { id: 1 }), Effect::None);
    world.permit("198.51.100.9", MINUTE);
    assert_eq!(world.dropped(Cause::Late), 2);
    // The slot is used again, by another client, who inherits nothing.
    let stranger = meeting_relay::Client {
        listener: 0,
        address: at("203.0.113.7:1"),
    };
    assert_eq!(
        world.command(Command::Allocate {
            id: 2,
            client: stranger,
            lifetime: MINUTE
        }),
        Effect::Opened(0)
    );
    assert!(world.peer_sends("198.51.100.9:1", b"x").is_none());
    assert_eq!(
        world.client_sends(&indication(at("198.51.100.9:1"), b"x")),
        ClientAction::Nothing
    );
}

#[test]
fn a_channel_number_bound_to_another_peer_moves() {
    let mut world = World::with_allocation();
    for peer in ["198.51.100.9:1", "198.51.100.9:2"] {
        world.permit("198.51.100.9", MINUTE);
        world.bind(0x4000, peer, MINUTE);
        assert_eq!(
            world.client_sends(&write_channel_header(0x4000, 0)),
            ClientAction::Relay {
                slot: 0,
                peer: at(peer),
                data: 4..4
            }
        );
    }
    assert_eq!(
        Message::parse(&world.peer_sends("198.51.100.9:1", b"").unwrap().1)
            .unwrap()
            .method(),
        Method::DATA
    );
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
