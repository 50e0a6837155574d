//! Which checks are believed, where they move the connection, and when their absence ends it.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use meeting_link::{Credentials, CredentialsError, Limits, Remote};
use meeting_stun::{Class, IntegrityKey, Message, Method, Writer, attribute};
use support::*;

const ROAMED: &str = "203.0.113.9:40000";

struct Check<'a> {
    username: &'a str,
    password: &'a str,
    role: u16,
    nominate: bool,
    extra: Option<u16>,
}

fn check() -> Check<'static> {
    Check {
        username: "srvr:clnt",
        password: "a+password+of+22+chars",
        role: attribute::ICE_CONTROLLING,
        nominate: false,
        extra: None,
    }
}

impl Check<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut room = [0; 512];
        let mut writer = Writer::new(&mut room, Class::Request, Method::BINDING, &[9; 12]);
        writer
            .attribute(attribute::USERNAME, self.username.as_bytes())
            .u32(attribute::PRIORITY, 1)
            .u64(self.role, 5);
        if self.nominate {
            writer.attribute(attribute::USE_CANDIDATE, &[]);
        }
        if let Some(kind) = self.extra {
            writer.u32(kind, 0);
        }
        let len = writer
            .integrity(&IntegrityKey::new(self.password.as_bytes()))
            .fingerprint()
            .finish()
            .unwrap();
        room[..len].to_vec()
    }
}

fn answer(world: &mut World, from: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let before = world.server_datagrams.len();
    world.inject(from, bytes);
    world.server_datagrams.get(before).cloned()
}

#[test]
fn a_good_check_is_answered_with_the_address_it_came_from() {
    let mut world = World::new(clear_sky());
    let bytes = answer(&mut world, at(ROAMED), &check().bytes()).unwrap();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.class(), Class::Success);
    assert_eq!(message.transaction_id(), &[9; 12]);
    assert_eq!(
        message.xor_address(attribute::XOR_MAPPED_ADDRESS),
        Some(at(ROAMED))
    );
    let key = IntegrityKey::new(check().password.as_bytes());
    assert!(message.verify_integrity(&key).is_genuine());
    assert!(message.verify_fingerprint().is_genuine());
}

#[test]
fn a_check_without_our_password_or_for_another_ufrag_gets_no_answer_and_no_rights() {
    let mut world = World::new(clear_sky());
    let mut flipped = check().bytes();
    let at_priority = flipped.len() - 60;
    flipped[at_priority] ^= 1;
    for bytes in [
        Check {
            password: "some+other+password+of+22",
            ..check()
        }
        .bytes(),
        Check {
            username: "else:clnt",
            ..check()
        }
        .bytes(),
        Check {
            username: "srv",
            ..check()
        }
        .bytes(),
        flipped,
    ] {
        assert_eq!(answer(&mut world, at(ROAMED), &bytes), None);
    }
    assert!(!world.link.knows(at(ROAMED)));
    assert_eq!(world.link.refused(), 4);
}

#[test]
fn a_peer_that_takes_itself_for_controlled_is_told_487_because_we_are_lite() {
    let mut world = World::new(clear_sky());
    let bytes = Check {
        role: attribute::ICE_CONTROLLED,
        ..check()
    }
    .bytes();
    let answer = answer(&mut world, at(ROAMED), &bytes).unwrap();
    let message = Message::parse(&answer).unwrap();
    assert_eq!(message.error_code().unwrap().code, 487);
    assert!(!world.link.knows(at(ROAMED)));
}

#[test]
fn an_attribute_that_must_be_understood_and_is_not_gets_420() {
    let mut world = World::new(clear_sky());
    let bytes = Check {
        extra: Some(0x7abc),
        ..check()
    }
    .bytes();
    let answer = answer(&mut world, at(ROAMED), &bytes).unwrap();
    assert_eq!(
        Message::parse(&answer).unwrap().error_code().unwrap().code,
        420
    );
    // What browsers add is optional and ignored: network cost, and DTLS inside STUN.
    for kind in [0xC057, 0xC070, 0xC071] {
        let bytes = Check {
            extra: Some(kind),
            ..check()
        }
        .bytes();
        assert!(support_is_success(&mut world, &bytes));
    }
}

fn support_is_success(world: &mut World, bytes: &[u8]) -> bool {
    let answer = answer(world, at(ROAMED), bytes).unwrap();
    Message::parse(&answer).unwrap().class() == Class::Success
}

#[test]
fn only_a_nomination_moves_a_connected_link() {
    let mut world = World::new(clear_sky());
    world.connect();
    world.inject(at(ROAMED), &check().bytes());
    assert_eq!(world.link.path(), Some(at(CLIENT).into()));
    world.inject(
        at(ROAMED),
        &Check {
            nominate: true,
            ..check()
        }
        .bytes(),
    );
    assert_eq!(world.link.path(), Some(at(ROAMED).into()));
    assert_eq!(
        world.diary[2..],
        [format!("validated {ROAMED}"), format!("path {ROAMED}")]
    );
}

#[test]
fn a_call_goes_on_after_its_peer_changed_the_network() {
    let mut world = World::new(clear_sky());
    world.connect();
    world.client_address = at(ROAMED);
    // The client notices by its next consent check at the latest.
    world.run_until(Duration::from_secs(6), "the move", |world| {
        world.said(&format!("path {ROAMED}"))
    });
    assert_alive(&mut world);
}

#[test]
fn a_restart_keeps_keys_and_channels_and_retires_the_old_credentials_with_the_nomination() {
    let mut world = World::new(clear_sky());
    world.connect();
    let fresh = "another+22+characters+x";
    world
        .link
        .restart_ice(Credentials::new("newu", fresh).unwrap());
    // Until then the old path serves.
    assert_alive(&mut world);
    let remote = Remote {
        ufrag: "newu".to_owned(),
        password: fresh.to_owned(),
        ..remote()
    };
    world.client_address = at(ROAMED);
    world.client.restart_ice(world.now, "cln2", &remote, 99);
    world.run_until(Duration::from_secs(1), "the new path", |world| {
        world.said(&format!("path {ROAMED}"))
    });
    assert_alive(&mut world);
    assert_eq!(
        answer(&mut world, at(ROAMED), &check().bytes()),
        None,
        "the old credentials are still good"
    );
    assert_eq!(world.closed(), None);
}

#[test]
fn thirty_seconds_without_a_check_end_a_connected_link() {
    let mut world = World::new(clear_sky());
    world.connect();
    world.run_for(Duration::from_secs(120));
    assert_eq!(world.closed(), None, "consent checks keep it");
    world.weather = Box::new(|_, _| None);
    world.run_for(Duration::from_secs(31));
    assert_eq!(world.closed().unwrap(), "closed: consent lost");
}

#[test]
fn data_alone_is_no_consent() {
    let mut world = World::new(clear_sky());
    world.connect();
    world.weather = Box::new(|_, bytes| (bytes[0] > 3).then_some(Duration::from_millis(5)));
    world
        .client
        .open_channel(world.now, "x", Default::default());
    for _ in 0..40 {
        world
            .client
            .send(world.now, "x", bytes::Bytes::from_static(b"x"), true);
        world.collect();
        world.run_for(Duration::from_secs(1));
    }
    assert_eq!(world.closed().unwrap(), "closed: consent lost");
}

#[test]
fn remembered_addresses_are_bounded_and_the_one_in_use_stays() {
    let limits = Limits {
        addresses: 3,
        ..Limits::default()
    };
    let mut world = World::with(clear_sky(), limits, Some(client_identity().fingerprint()));
    world.connect();
    for port in 1..=20 {
        world.inject(at(&format!("203.0.113.9:{port}")), &check().bytes());
    }
    assert_eq!(world.link.addresses().len(), 3);
    assert!(world.link.knows(at(CLIENT)));
    assert!(world.link.knows(at("203.0.113.9:20")));
    let forgotten = world
        .diary
        .iter()
        .filter(|line| line.starts_with("forgotten"))
        .count();
    assert_eq!(forgotten, 18);
}

#[test]
fn credentials_keep_to_the_grammar() {
    let password = "a+password+of+22+chars";
    assert!(Credentials::new("abc", password).is_err());
    assert!(Credentials::new("ab:d", password).is_err());
    assert!(Credentials::new(&"a".repeat(257), password).is_err());
    assert_eq!(
        Credentials::new("abcd", "too+short").unwrap_err(),
        CredentialsError::Password
    );
    assert!(!format!("{:?}", Credentials::new("abcd", password).unwrap()).contains("password"));
}
