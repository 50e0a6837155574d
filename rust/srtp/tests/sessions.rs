//! Whole sessions: from master keys, through rollover, loss, replay and forgery.

use meeting_srtp::{BadKey, Inbound, Outbound, Profile, Rejected, Role, from_dtls};

const PROFILES: [Profile; 3] = [
    Profile::AeadAes128Gcm,
    Profile::AeadAes256Gcm,
    Profile::Aes128CmSha1_80,
];

fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn pair(profile: Profile) -> (Outbound, Inbound) {
    let key: Vec<u8> = (1..=profile.key_len() as u8).collect();
    let salt: Vec<u8> = (101..=100 + profile.salt_len() as u8).collect();
    (
        Outbound::new(profile, &key, &salt).unwrap(),
        Inbound::new(profile, &key, &salt).unwrap(),
    )
}

fn rtp(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = hex("8060000000000001cafebabe");
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

fn protect(outbound: &Outbound, clear: &[u8], index: u64) -> Vec<u8> {
    let mut packet = clear.to_vec();
    packet.resize(clear.len() + 16, 0);
    let len = outbound
        .protect_rtp(&mut packet, 12, clear.len(), index)
        .unwrap();
    packet.truncate(len);
    packet
}

fn protect_rtcp(outbound: &mut Outbound, clear: &[u8]) -> Vec<u8> {
    let mut packet = clear.to_vec();
    packet.resize(clear.len() + outbound.profile().rtcp_overhead(), 0);
    let len = outbound.protect_rtcp(&mut packet, clear.len()).unwrap();
    packet.truncate(len);
    packet
}

/// libsrtp's own reference packets (test/srtp_driver.c), made from master keys.
#[test]
fn packets_are_those_of_libsrtp() {
    let clear = hex("800f1234decafbadcafebabeabababababababababababababababab");
    let counter_mode = Outbound::new(
        Profile::Aes128CmSha1_80,
        &hex("e1f97a0d3e018be0d64fa32c06de4139"),
        &hex("0ec675ad498afeebb6960b3aabe6"),
    );
    let expected = "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb";
    assert_eq!(
        protect(&counter_mode.unwrap(), &clear, 0x1234),
        hex(expected)
    );
    let gcm = Outbound::new(
        Profile::AeadAes128Gcm,
        &hex("000102030405060708090a0b0c0d0e0f"),
        &hex("a0a1a2a3a4a5a6a7a8a9aaab"),
    );
    let expected =
        "800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392";
    assert_eq!(protect(&gcm.unwrap(), &clear, 0x1234), hex(expected));
}

/// The same for RTCP; libsrtp begins at index 1.
#[test]
fn rtcp_packets_are_those_of_libsrtp() {
    let clear = hex("81c8000bcafebabeabababababababababababababababab");
    let mut counter_mode = Outbound::new(
        Profile::Aes128CmSha1_80,
        &hex("e1f97a0d3e018be0d64fa32c06de4139"),
        &hex("0ec675ad498afeebb6960b3aabe6"),
    )
    .unwrap();
    protect_rtcp(&mut counter_mode, &clear);
    let expected = "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798";
    assert_eq!(protect_rtcp(&mut counter_mode, &clear), hex(expected));
    let mut gcm = Outbound::new(
        Profile::AeadAes128Gcm,
        &hex("000102030405060708090a0b0c0d0e0f"),
        &hex("a0a1a2a3a4a5a6a7a8a9aaab"),
    )
    .unwrap();
    protect_rtcp(&mut gcm, &clear);
    let expected =
        "81c8000bcafebabec98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e80000001";
    assert_eq!(protect_rtcp(&mut gcm, &clear), hex(expected));
}

#[test]
fn what_is_protected_opens_in_every_profile() {
    for profile in PROFILES {
        let (outbound, mut inbound) = pair(profile);
        for (index, size) in (7..).zip([0, 1, 15, 16, 17, 100, 1100, 1400]) {
            let clear = rtp(index as u16, &vec![0xa5; size]);
            let mut packet = protect(&outbound, &clear, index);
            assert_eq!(packet.len(), clear.len() + profile.tag_len());
            let (header, len) = inbound.unprotect_rtp(&mut packet).unwrap();
            assert_eq!((header.len, &packet[..len]), (12, &clear[..]));
        }
    }
}

#[test]
fn rtcp_opens_in_every_profile_and_only_once() {
    let clear = hex("81c8000bcafebabeabababababababababababababababab");
    for profile in PROFILES {
        let (mut outbound, mut inbound) = pair(profile);
        for _ in 0..3 {
            let packet = protect_rtcp(&mut outbound, &clear);
            let mut first = packet.clone();
            assert_eq!(inbound.unprotect_rtcp(&mut first), Ok(clear.len()));
            assert_eq!(first[..clear.len()], clear);
            assert_eq!(
                inbound.unprotect_rtcp(&mut packet.clone()),
                Err(Rejected::Replayed)
            );
        }
    }
}

#[test]
fn sequence_numbers_roll_over_through_loss_and_reordering() {
    for profile in PROFILES {
        let (outbound, mut inbound) = pair(profile);
        // three cycles in leaps, with pairs swapped
        for index in (30_000u64..200_000).step_by(9_973) {
            for index in [index + 1, index] {
                let mut packet = protect(&outbound, &rtp(index as u16, b"payload"), index);
                assert!(
                    inbound.unprotect_rtp(&mut packet).is_ok(),
                    "{profile:?} {index}"
                );
            }
        }
    }
}

#[test]
fn a_replayed_packet_is_refused() {
    let (outbound, mut inbound) = pair(Profile::AeadAes128Gcm);
    let packet = protect(&outbound, &rtp(5, b"once"), 5);
    assert!(inbound.unprotect_rtp(&mut packet.clone()).is_ok());
    assert_eq!(
        inbound.unprotect_rtp(&mut packet.clone()),
        Err(Rejected::Replayed)
    );
    for index in 6..3000 {
        assert!(
            inbound
                .unprotect_rtp(&mut protect(&outbound, &rtp(index as u16, b"x"), index))
                .is_ok()
        );
    }
    assert_eq!(
        inbound.unprotect_rtp(&mut packet.clone()),
        Err(Rejected::Replayed)
    );
}

#[test]
fn a_forged_packet_is_refused_and_changes_nothing() {
    for profile in PROFILES {
        let (outbound, mut inbound) = pair(profile);
        assert!(
            inbound
                .unprotect_rtp(&mut protect(&outbound, &rtp(9, b"first"), 9))
                .is_ok()
        );
        let packet = protect(&outbound, &rtp(10, b"genuine"), 10);
        for place in 0..packet.len() {
            let mut forged = packet.clone();
            forged[place] ^= 1;
            assert!(
                inbound.unprotect_rtp(&mut forged).is_err(),
                "{profile:?}: byte {place}"
            );
        }
        assert!(inbound.unprotect_rtp(&mut packet.clone()).is_ok());
    }
}

#[test]
fn truncated_packets_are_malformed_or_forged() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = pair(profile);
        let packet = protect(&outbound, &rtp(10, b"genuine"), 10);
        let rtcp = protect_rtcp(
            &mut outbound,
            &hex("81c9000700000001000000020000000300000004"),
        );
        for len in 0..packet.len() {
            assert!(inbound.unprotect_rtp(&mut packet[..len].to_vec()).is_err());
        }
        for len in 0..rtcp.len() {
            assert!(inbound.unprotect_rtcp(&mut rtcp[..len].to_vec()).is_err());
        }
    }
}

#[test]
fn only_authentic_streams_take_room_and_only_so_many() {
    let (key, salt) = ([1; 16], [2; 12]);
    let outbound = Outbound::new(Profile::AeadAes128Gcm, &key, &salt).unwrap();
    let mut inbound = Inbound::with_streams(Profile::AeadAes128Gcm, &key, &salt, 2).unwrap();
    let of = |ssrc: u8| {
        let mut clear = rtp(1, b"hello");
        clear[11] = ssrc;
        protect(&outbound, &clear, 1)
    };
    for ssrc in 0..100 {
        let mut forged = of(ssrc);
        forged[20] ^= 1;
        assert_eq!(inbound.unprotect_rtp(&mut forged), Err(Rejected::Forged));
    }
    assert!(inbound.unprotect_rtp(&mut of(1)).is_ok());
    assert!(inbound.unprotect_rtp(&mut of(2)).is_ok());
    assert_eq!(
        inbound.unprotect_rtp(&mut of(3)),
        Err(Rejected::TooManyStreams)
    );
}

#[test]
fn dtls_keys_fit_the_two_ends_together_and_not_otherwise() {
    for profile in PROFILES {
        let material: Vec<u8> = (0..profile.keying_material_len() as u8).collect();
        let (client_out, mut client_in) = from_dtls(profile, &material, Role::Client).unwrap();
        let (server_out, mut server_in) = from_dtls(profile, &material, Role::Server).unwrap();
        let clear = rtp(3, b"both ways");
        assert!(
            server_in
                .unprotect_rtp(&mut protect(&client_out, &clear, 3))
                .is_ok()
        );
        assert!(
            client_in
                .unprotect_rtp(&mut protect(&server_out, &clear, 3))
                .is_ok()
        );
        let clear = rtp(4, b"own");
        assert!(
            client_in
                .unprotect_rtp(&mut protect(&client_out, &clear, 4))
                .is_err()
        );
        let short = from_dtls(profile, &material[1..], Role::Server).map(|_| ());
        assert_eq!(short, Err(BadKey));
        assert_eq!(Profile::from_dtls_id(profile.dtls_id()), Some(profile));
    }
}

#[test]
fn no_room_for_the_tag_is_refused_not_cut() {
    let (mut outbound, _) = pair(Profile::AeadAes128Gcm);
    let mut packet = rtp(3, b"tight");
    let len = packet.len();
    assert!(outbound.protect_rtp(&mut packet, 12, len, 3).is_err());
    assert_eq!(packet, rtp(3, b"tight"));
    let mut report = hex("81c9000700000001000000020000000300000004");
    let len = report.len();
    assert!(outbound.protect_rtcp(&mut report, len).is_err());
}
