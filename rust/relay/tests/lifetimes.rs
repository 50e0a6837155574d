//! What runs out, what is given back, and what takes its place.

mod world;

use meeting_relay::{Cause, ClientAction, Command, Effect};
use meeting_stun::{Message, Method, write_channel_header};
use world::{World, at, indication};

const MINUTE: u64 = 60_000;

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
    assert_eq!((closed, world.shard.counters().allocations), (vec![0], 0));
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
            ipv6: false,
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
                data: 4..4,
                whole: false,
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
