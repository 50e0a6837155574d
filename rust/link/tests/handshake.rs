//! A connection comes up, by good roads and bad ones, and only with the right peer.

mod support;

use std::time::Duration;

use meeting_link::{Limits, Link};
use support::*;

const CONTENT_HANDSHAKE: u8 = 22;

#[test]
fn a_clear_wire_connects_in_four_round_trips_and_both_sides_hold_the_same_keys() {
    let mut world = World::new(clear_sky());
    let took = world.connect();
    assert!(took <= Duration::from_millis(45), "{took:?}");
    assert_eq!(
        world.diary,
        [format!("validated {CLIENT}"), format!("connected {CLIENT}")]
    );
    let mut link = world.link_keys.take().unwrap();
    let mut client = world.client_keys.take().unwrap();
    // An RTP packet each way.
    let clear = [
        0x80, 96, 0, 1, 0, 0, 0, 9, 0, 0, 0, 5, b'h', b'e', b'l', b'l', b'o',
    ];
    for (from, to) in [
        (&link.outbound, &mut client.inbound),
        (&client.outbound, &mut link.inbound),
    ] {
        let mut packet = [0; 64];
        packet[..clear.len()].copy_from_slice(&clear);
        let len = from.protect_rtp(&mut packet, 12, clear.len(), 1).unwrap();
        assert_ne!(packet[..clear.len()], clear);
        let (_, len) = to.unprotect_rtp(&mut packet[..len]).unwrap();
        assert_eq!(packet[..len], clear);
    }
}

#[test]
fn an_aead_profile_is_what_two_sides_that_can_do_all_end_up_with() {
    let mut world = World::new(clear_sky());
    world.connect();
    assert_eq!(
        world.link_keys.unwrap().profile,
        meeting_srtp::Profile::AeadAes256Gcm
    );
}

#[test]
fn a_peer_with_another_certificate_gets_no_keys() {
    let promised = stranger_identity().fingerprint();
    let mut world = World::with(clear_sky(), Limits::default(), Some(promised));
    world.run_until(Duration::from_secs(5), "close", |world| {
        world.closed().is_some()
    });
    assert_eq!(
        world.diary,
        [
            format!("validated {CLIENT}"),
            "closed: fingerprint mismatch".to_owned()
        ]
    );
    assert!(world.link_keys.is_none());
}

#[test]
fn a_client_refuses_a_server_with_another_certificate() {
    let mut world = World::new(clear_sky());
    let mut wrong = remote();
    wrong.fingerprint = stranger_identity().fingerprint();
    world.client = meeting_link::Client::new(world.now, client_identity(), "clnt", wrong, 7);
    world.run_until(Duration::from_secs(5), "close", |world| {
        world.client_said("closed: fingerprint mismatch")
    });
    assert!(world.client_keys.is_none());
}

#[test]
fn keys_wait_for_the_description_and_nothing_sent_meanwhile_is_lost() {
    let mut world = World::with(clear_sky(), Limits::default(), None);
    world
        .client
        .open_channel(world.now, "early", Default::default());
    world.run_for(Duration::from_millis(200));
    assert!(world.client_said("connected"));
    assert!(!world.said("connected"));
    assert!(world.link_keys.is_none());
    world
        .link
        .set_remote_fingerprint(world.now, client_identity().fingerprint());
    world.collect();
    assert!(world.said("connected"));
    let took = world.run_until(Duration::from_secs(5), "the channel", |world| {
        world.said("opened early")
    });
    assert!(
        took < Duration::from_millis(100),
        "the INIT was not kept: {took:?}"
    );
}

#[test]
fn both_halves_of_the_hello_lost_once_cost_one_retransmission() {
    for lost in [vec![0], vec![1], vec![0, 1]] {
        let mut seen = 0;
        let lost_here = lost.clone();
        let mut world = World::new(Box::new(move |way, bytes| {
            if way == Way::ToServer && bytes[0] == CONTENT_HANDSHAKE {
                seen += 1;
                if lost_here.contains(&(seen - 1)) {
                    return None;
                }
            }
            Some(Duration::from_millis(5))
        }));
        let took = world.connect();
        assert!(took < Duration::from_millis(300), "{lost:?}: {took:?}");
    }
}

#[test]
fn a_lost_server_flight_is_repeated_after_60_ms_not_a_second() {
    for n in 1..=3_u32 {
        let mut left = n;
        let mut world = World::new(Box::new(move |way, bytes| {
            if way == Way::ToClient && bytes[0] == CONTENT_HANDSHAKE && left > 0 {
                left -= 1;
                return None;
            }
            Some(Duration::from_millis(5))
        }));
        let took = world.connect();
        assert!(took < Duration::from_millis(900), "{n} lost: {took:?}");
    }
}

#[test]
fn a_fifth_of_all_datagrams_lost_connects() {
    let mut slowest = Duration::ZERO;
    for seed in 0..60 {
        let mut world = World::on_road(bad_road(20), seed);
        let took = world.connect();
        slowest = slowest.max(took);
    }
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
}

#[test]
fn a_link_nobody_comes_to_ends_after_its_patience() {
    let mut world = World::new(Box::new(|_, _| None));
    world.run_for(Duration::from_millis(29_990));
    assert_eq!(world.closed(), None);
    world.run_for(Duration::from_millis(20));
    assert_eq!(world.diary, ["closed: never connected"]);
    assert_eq!(world.link.next_deadline(), None);
}

#[test]
fn a_peer_that_checks_but_never_shakes_hands_ends_as_well() {
    let mut world = World::new(Box::new(|_, bytes| {
        (bytes[0] != CONTENT_HANDSHAKE).then_some(Duration::from_millis(5))
    }));
    world.run_for(Duration::from_secs(31));
    assert_eq!(world.closed().unwrap(), "closed: never connected");
}

#[test]
fn goodbye_is_heard_at_once_on_both_sides() {
    let mut world = World::new(clear_sky());
    world.connect();
    world.client.close(world.now);
    world.collect();
    let took = world.run_until(Duration::from_secs(1), "goodbye", |world| {
        world.closed().is_some()
    });
    assert_eq!(world.closed().unwrap(), "closed: peer closed");
    assert!(took <= Duration::from_millis(5));

    let mut world = World::new(clear_sky());
    world.connect();
    world.link.close(world.now);
    world.collect();
    world.run_until(Duration::from_secs(1), "goodbye", |world| {
        world.client_said("closed: peer closed")
    });
    assert_eq!(world.closed(), None, "who closes hears nothing");
}

#[test]
fn after_the_end_everything_is_ignored() {
    let mut world = World::new(clear_sky());
    world.connect();
    let now = world.now;
    world.link.close(now);
    while world.link.poll_transmit().is_some() {}
    let link: &mut Link = &mut world.link;
    link.handle_datagram(now, at(CLIENT), &[20; 40]);
    link.handle_timeout(now + Duration::from_secs(100));
    link.send(now, "x", bytes::Bytes::from_static(b"y"), true);
    link.open_channel(now, "x", Default::default());
    link.close(now);
    assert!(link.poll_transmit().is_none());
    assert!(link.poll_event().is_none());
}
