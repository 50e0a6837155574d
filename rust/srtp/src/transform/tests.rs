//! The vectors the RFCs give for session keys.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn gcm(profile: Profile) -> Transform {
    let key: Vec<u8> = (0..profile.key_len() as u8).collect();
    let mut salt = [0; 14];
    salt[..12].copy_from_slice(b"Quid pro quo");
    Transform::from_session(profile, &key, &[], salt).unwrap()
}

const RTP: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573";
const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef";

/// Seals and opens RFC 7714's RTP packet.
fn check_rtp(profile: Profile, expected: &str) {
    let (clear, expected, transform) = (hex(RTP), hex(expected), gcm(profile));
    let mut packet = clear.clone();
    packet.resize(clear.len() + 16, 0);
    let (ssrc, index) = (0x5501_a0b2, 0xf17b);
    assert_eq!(
        transform.seal_rtp(&mut packet, 12, clear.len(), ssrc, index),
        Some(expected.len())
    );
    assert_eq!(packet, expected);
    assert_eq!(
        transform.open_rtp(&mut packet, 12, ssrc, index),
        Some(clear.len())
    );
    assert_eq!(packet[..clear.len()], clear);
}

fn check_rtcp(profile: Profile, expected: &str) {
    let (clear, expected, transform) = (hex(RTCP), hex(expected), gcm(profile));
    let mut packet = clear.clone();
    packet.resize(clear.len() + 20, 0);
    let ssrc = 0x4d61_7273;
    assert_eq!(
        transform.seal_rtcp(&mut packet, clear.len(), ssrc, 0x5d4),
        Some(expected.len())
    );
    assert_eq!(packet, expected);
    let word = transform.rtcp_word(&packet).unwrap();
    assert_eq!(word, 0x8000_05d4);
    assert_eq!(
        transform.open_rtcp(&mut packet, ssrc, word),
        Some(clear.len())
    );
    assert_eq!(packet[..clear.len()], clear);
}

#[test]
fn aes_128_gcm_seals_rtp_as_rfc_7714_section_16_1_says() {
    check_rtp(
        Profile::AeadAes128Gcm,
        "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d
         7f27beb1 6a9152cf 765ee439 0cce",
    );
}

#[test]
fn aes_256_gcm_seals_rtp_as_rfc_7714_section_16_2_says() {
    check_rtp(
        Profile::AeadAes256Gcm,
        "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3
         db36dfff d6b0f9bb 7878d7a7 6c13",
    );
}

#[test]
fn aes_128_gcm_seals_rtcp_as_rfc_7714_section_17_1_says() {
    check_rtcp(
        Profile::AeadAes128Gcm,
        "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b
         c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
    );
}

#[test]
fn unencrypted_rtcp_is_authenticated_as_rfc_7714_sections_17_3_and_17_4_say() {
    for (profile, trailer) in [
        (
            Profile::AeadAes128Gcm,
            "841dd968 3dd78ec9 2ae58790 125f62b3 000005d4",
        ),
        (
            Profile::AeadAes256Gcm,
            "91db4afb feee5a97 8fab4393 ed2615fe 000005d4",
        ),
    ] {
        let (clear, transform) = (hex(RTCP), gcm(profile));
        let mut packet = [clear.clone(), hex(trailer)].concat();
        let word = transform.rtcp_word(&packet).unwrap();
        assert_eq!(
            transform.open_rtcp(&mut packet, 0x4d61_7273, word),
            Some(clear.len())
        );
        assert_eq!(packet[..clear.len()], clear);
    }
}

#[test]
fn aes_counter_mode_runs_as_rfc_3711_appendix_b_2_says() {
    let aes = Aes128::new_from_slice(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
    let counter: [u8; 16] = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().unwrap();
    let mut stream = vec![0; 48];
    key_stream(&aes, &counter, &mut stream);
    let expected = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(stream, hex(expected));
}

#[test]
fn session_keys_derive_as_rfc_3711_appendix_b_3_says() {
    let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
    let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
    let session = |label, len| {
        let mut out = vec![0; len];
        derive(&key, &salt, Stream::Rtp, label, &mut out).unwrap();
        out
    };
    assert_eq!(
        session(Label::Encryption, 16),
        hex("C61E7A93744F39EE10734AFE3FF7A087")
    );
    assert_eq!(
        session(Label::Salt, 14),
        hex("30CBBC08863D8C85D49DB34A9AE1")
    );
    let authentication = "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE
        E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25
        6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2";
    assert_eq!(session(Label::Authentication, 94), hex(authentication));
}
