//! Data channels: opened from either side, in-band or by agreement, and what is sent through them.

mod support;

use std::time::Duration;

use bytes::Bytes;
use meeting_link::{ChannelSettings, Limits};
use support::*;

const SOON: Duration = Duration::from_secs(5);

fn said_opened(world: &World, label: &str) -> bool {
    world
        .diary
        .iter()
        .any(|line| *line == format!("opened {label}"))
}

#[test]
fn a_channel_opened_by_the_peer_serves_both_ways_text_and_bytes_and_nothing() {
    let mut world = World::new(clear_sky());
    world
        .client
        .open_channel(world.now, "_reliable", ChannelSettings::default());
    world.run_until(SOON, "open", |world| {
        said_opened(world, "_reliable") && world.client_said("opened _reliable")
    });
    let sent = [
        (b"text \xc3\xbc".to_vec(), false),
        (b"\x00\xff".to_vec(), true),
        (Vec::new(), false),
        (Vec::new(), true),
    ];
    for (data, binary) in &sent {
        world
            .client
            .send(world.now, "_reliable", data.clone().into(), *binary);
        world
            .link
            .send(world.now, "_reliable", data.clone().into(), *binary);
    }
    world.collect();
    world.run_until(SOON, "messages", |world| {
        world.messages.len() == sent.len() && world.client_messages.len() == sent.len()
    });
    let expected: Vec<_> = sent
        .into_iter()
        .map(|(data, binary)| ("_reliable".to_owned(), data, binary))
        .collect();
    assert_eq!(world.messages, expected);
    assert_eq!(world.client_messages, expected);
}

#[test]
fn a_channel_opened_here_before_anything_is_up_opens_later_and_keeps_what_was_sent() {
    let mut world = World::new(clear_sky());
    world.link.open_channel(
        world.now,
        "_lossy",
        ChannelSettings {
            ordered: false,
            max_retransmits: Some(0),
            negotiated: None,
        },
    );
    for i in 0..10_u8 {
        world
            .link
            .send(world.now, "_lossy", Bytes::from(vec![i]), true);
    }
    world.run_until(SOON, "messages", |world| world.client_messages.len() == 10);
    assert!(said_opened(&world, "_lossy"));
    assert!(
        world
            .client_messages
            .iter()
            .enumerate()
            .all(|(i, (label, data, _))| label == "_lossy" && data == &[i as u8])
    );
}

#[test]
fn asking_twice_for_one_label_opens_one_channel() {
    let mut world = World::new(clear_sky());
    for _ in 0..3 {
        world
            .link
            .open_channel(world.now, "a", ChannelSettings::default());
    }
    world.run_until(SOON, "open", |world| said_opened(world, "a"));
    world.run_for(Duration::from_secs(1));
    let opened = world
        .client_diary
        .iter()
        .filter(|line| *line == "opened a")
        .count();
    assert_eq!(opened, 1);
}

#[test]
fn both_sides_opening_the_same_label_can_both_send() {
    let mut world = World::new(clear_sky());
    world
        .link
        .open_channel(world.now, "same", ChannelSettings::default());
    world
        .client
        .open_channel(world.now, "same", ChannelSettings::default());
    world
        .link
        .send(world.now, "same", Bytes::from_static(b"from server"), true);
    world.run_until(SOON, "open", |world| {
        said_opened(world, "same") && world.client_said("opened same")
    });
    world
        .client
        .send(world.now, "same", Bytes::from_static(b"from client"), true);
    world.collect();
    world.run_until(SOON, "messages", |world| {
        world.messages.len() == 1 && world.client_messages.len() == 1
    });
}

#[test]
fn a_negotiated_channel_needs_no_message_to_open() {
    let mut world = World::new(clear_sky());
    let settings = ChannelSettings {
        negotiated: Some(12),
        ..ChannelSettings::default()
    };
    world.link.open_channel(world.now, "agreed", settings);
    world.client.open_channel(world.now, "agreed", settings);
    world
        .link
        .send(world.now, "agreed", Bytes::from_static(b"1"), true);
    world.run_until(SOON, "open", |world| {
        said_opened(world, "agreed") && world.client_said("opened agreed")
    });
    world
        .client
        .send(world.now, "agreed", Bytes::from_static(b"2"), true);
    world.collect();
    world.run_until(SOON, "messages", |world| {
        world.messages.len() == 1 && world.client_messages.len() == 1
    });
}

#[test]
fn a_message_at_the_limit_arrives_whole_and_one_above_is_dropped_and_told() {
    let mut world = World::new(clear_sky());
    world
        .link
        .open_channel(world.now, "big", ChannelSettings::default());
    world.run_until(SOON, "open", |world| said_opened(world, "big"));
    let most: Vec<u8> = (0..256 * 1024).map(|i| (i % 251) as u8).collect();
    world.link.send(world.now, "big", most.clone().into(), true);
    let mut above = most.clone();
    above.push(0);
    world.link.send(world.now, "big", above.into(), true);
    world.collect();
    assert!(world.said("dropped big"));
    world.run_until(Duration::from_secs(20), "the big one", |world| {
        !world.client_messages.is_empty()
    });
    assert_eq!(world.client_messages[0].1, most);
}

#[test]
fn what_is_kept_for_a_channel_that_never_opens_is_bounded() {
    let limits = Limits {
        early_data: 1000,
        ..Limits::default()
    };
    let mut world = World::with(clear_sky(), limits, Some(client_identity().fingerprint()));
    for _ in 0..12 {
        world
            .link
            .send(world.now, "nobody", Bytes::from(vec![0; 100]), true);
    }
    world.collect();
    assert_eq!(world.diary, ["dropped nobody", "dropped nobody"]);
}

#[test]
fn a_peer_that_does_not_acknowledge_fills_a_bounded_buffer() {
    let limits = Limits {
        // Ten messages and what opened the channel.
        channel_buffer: 100_100,
        ..Limits::default()
    };
    let mut world = World::with(clear_sky(), limits, Some(client_identity().fingerprint()));
    world
        .link
        .open_channel(world.now, "stuck", ChannelSettings::default());
    world.run_until(SOON, "open", |world| said_opened(world, "stuck"));
    world.weather = Box::new(|_, _| None);
    for _ in 0..15 {
        world
            .link
            .send(world.now, "stuck", Bytes::from(vec![0; 10_000]), true);
    }
    world.collect();
    let dropped = world
        .diary
        .iter()
        .filter(|line| *line == "dropped stuck")
        .count();
    assert_eq!(dropped, 5);
}

#[test]
fn reliable_messages_all_arrive_in_order_over_a_bad_network() {
    for seed in 0..4 {
        let mut world = World::on_road(bad_road(10), seed);
        world
            .link
            .open_channel(world.now, "_reliable", ChannelSettings::default());
        world.run_until(Duration::from_secs(30), "open", |world| {
            said_opened(world, "_reliable")
        });
        for i in 0..100_u32 {
            let data = i.to_be_bytes().repeat(100);
            world.link.send(world.now, "_reliable", data.into(), true);
        }
        world.collect();
        world.run_until(Duration::from_secs(60), "all", |world| {
            world.client_messages.len() == 100
        });
        for (i, (_, data, _)) in world.client_messages.iter().enumerate() {
            assert_eq!(data[..4], (i as u32).to_be_bytes());
        }
    }
}

#[test]
fn lossy_messages_never_arrive_twice_and_never_hold_up_the_next() {
    let mut world = World::on_road(bad_road(20), 3);
    world.link.open_channel(
        world.now,
        "_lossy",
        ChannelSettings {
            ordered: false,
            max_retransmits: Some(0),
            negotiated: None,
        },
    );
    world.run_until(Duration::from_secs(30), "open", |world| {
        said_opened(world, "_lossy")
    });
    for i in 0..200_u32 {
        world
            .link
            .send(world.now, "_lossy", i.to_be_bytes().to_vec().into(), true);
        world.collect();
        world.run_for(Duration::from_millis(20));
    }
    world.run_for(Duration::from_secs(10));
    let mut got: Vec<u32> = world
        .client_messages
        .iter()
        .map(|(_, data, _)| u32::from_be_bytes(data[..].try_into().unwrap()))
        .collect();
    let all = got.len();
    got.sort_unstable();
    got.dedup();
    assert_eq!(got.len(), all, "one came twice");
    assert!((100..200).contains(&all), "{all} of 200 with 20 % loss");
}
