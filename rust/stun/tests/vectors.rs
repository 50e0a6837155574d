//! The packets of RFC 5769 and RFC 8489, and packets that must be refused. The Python codec reads the same files.

use std::net::SocketAddr;

use meeting_stun::{
    Class, IntegrityKey, IntegrityKeySha256, Message, Method, ParseError, TransactionId, Verdict,
    Writer,
};
use serde_json::Value;

fn vectors(name: &str) -> Vec<Value> {
    let path = format!(
        "{}/../../tests/vectors/stun/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&std::fs::read_to_string(path).expect("the vector file is there"))
        .expect("it is a JSON list")
}

fn hex(text: &Value) -> Vec<u8> {
    let text = text.as_str().expect("hex text");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits"))
        .collect()
}

#[test]
fn reads_what_the_rfcs_say() {
    for vector in vectors("rfc.json") {
        let (name, packet, key) = (&vector["name"], hex(&vector["packet"]), hex(&vector["key"]));
        let message = Message::parse(&packet).unwrap_or_else(|error| panic!("{name}: {error}"));
        let class = if vector["type"] == "request" {
            Class::Request
        } else {
            Class::Success
        };
        assert_eq!(
            (message.class(), message.method()),
            (class, Method::BINDING),
            "{name}"
        );

        let expected: Vec<(u64, Vec<u8>)> = vector["attributes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| (a[1].as_u64().unwrap(), hex(&a[2])))
            .collect();
        let found: Vec<(u64, Vec<u8>)> = message
            .attributes()
            .map(|a| (a.kind.into(), a.value.to_vec()))
            .collect();
        assert_eq!(found, expected, "{name}");
        for address in vector["addresses"].as_object().unwrap().values() {
            let address = SocketAddr::new(
                address[0].as_str().unwrap().parse().unwrap(),
                address[1].as_u64().unwrap() as u16,
            );
            assert_eq!(message.xor_address(0x20), Some(address), "{name}");
        }

        let verdict = |present: &Value| {
            if present == true {
                Verdict::Genuine
            } else {
                Verdict::Absent
            }
        };
        assert_eq!(
            message.verify_integrity(&IntegrityKey::new(&key)),
            verdict(&vector["integrity"]),
            "{name}"
        );
        assert_eq!(
            message.verify_integrity_sha256(&IntegrityKeySha256::new(&key)),
            verdict(&vector["sha256"]),
            "{name}"
        );
        assert_eq!(
            message.verify_fingerprint(),
            verdict(&vector["fingerprint"]),
            "{name}"
        );
    }
}

#[test]
fn any_changed_bit_that_is_protected_is_noticed() {
    for vector in vectors("rfc.json")
        .iter()
        .filter(|vector| vector["integrity"] == true)
    {
        let (packet, key) = (
            hex(&vector["packet"]),
            IntegrityKey::new(&hex(&vector["key"])),
        );
        let behind = if vector["fingerprint"] == true { 8 } else { 0 };
        for bit in 0..8 * (packet.len() - behind) {
            let mut altered = packet.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            if let Ok(message) = Message::parse(&altered) {
                assert_ne!(
                    message.verify_integrity(&key),
                    Verdict::Genuine,
                    "{} bit {bit}",
                    vector["name"]
                );
            }
        }
    }
}

#[test]
fn writes_what_the_rfcs_say_apart_from_their_padding() {
    for vector in vectors("rfc.json") {
        let (packet, key) = (hex(&vector["packet"]), hex(&vector["key"]));
        let read = Message::parse(&packet).unwrap();
        let mut out = [0; 256];
        let mut writer = Writer::new(&mut out, read.class(), read.method(), read.transaction_id());
        for attribute in read.attributes() {
            writer.attribute(attribute.kind, attribute.value);
        }
        if vector["integrity"] == true {
            writer.integrity(&IntegrityKey::new(&key));
        }
        if vector["sha256"] == true {
            writer.integrity_sha256(&IntegrityKeySha256::new(&key));
        }
        if vector["fingerprint"] == true {
            writer.fingerprint();
        }
        let size = writer.finish().unwrap();
        let written = Message::parse(&out[..size]).unwrap();
        assert!(
            written.attributes().eq(read.attributes()),
            "{}",
            vector["name"]
        );
        // RFC 5769 pads 2.1 to 2.3 with blanks; 2.4 and B.1 with zeros, as we do: they must come out byte for byte.
        if vector["fingerprint"] == false {
            assert_eq!(&out[..size], packet, "{}", vector["name"]);
        }
        assert_ne!(
            written.verify_integrity(&IntegrityKey::new(&key)),
            Verdict::Forged
        );
        assert_ne!(written.verify_fingerprint(), Verdict::Forged);
    }
}

#[test]
fn refuses_the_malformed() {
    for vector in vectors("malformed.json") {
        let expected = match vector["error"].as_str().unwrap() {
            "length" => ParseError::Length,
            "not-stun" => ParseError::NotStun,
            "attribute" => ParseError::Attribute,
            "trailer" => ParseError::Trailer,
            other => panic!("no such error: {other}"),
        };
        assert_eq!(
            Message::parse(&hex(&vector["packet"])).err(),
            Some(expected),
            "{}",
            vector["name"]
        );
    }
}

#[test]
fn every_truncation_of_a_message_is_refused() {
    for vector in vectors("rfc.json") {
        let packet = hex(&vector["packet"]);
        for end in 0..packet.len() {
            assert!(Message::parse(&packet[..end]).is_err());
        }
    }
}

#[test]
fn class_and_method_survive_the_round_trip() {
    let transaction: TransactionId = [7; 12];
    for number in 0..0x80 {
        for class in [
            Class::Request,
            Class::Indication,
            Class::Success,
            Class::Error,
        ] {
            let mut out = [0; 20];
            Writer::new(&mut out, class, Method::new(number), &transaction)
                .finish()
                .unwrap();
            let message = Message::parse(&out).unwrap();
            assert_eq!(
                (message.class(), message.method().number()),
                (class, number)
            );
        }
    }
}
