//! STUN messages, ChannelData and their framing on a stream.

use meeting_stun::{
    BindingRequest, ChannelData, Frame, IntegrityKey, IntegrityKeySha256, Message, Writer,
    attribute, next_frame, read_address,
};

/// Nothing panics, nothing reaches outside the packet, and what was read can be written and read again.
pub fn stun(data: &[u8]) {
    if let Ok(message) = Message::parse(data) {
        read_everything(&message);
        rewrite(&message);
    }
    if let Some(channel) = ChannelData::parse(data) {
        assert!(channel.data.len() + 4 <= data.len());
    }
    follow_stream(data);
}

/// The same with a header that fits, so that changes reach the attributes.
pub fn stun_attributes(data: &[u8]) {
    let mut packet = data.to_vec();
    packet.truncate(packet.len() & !3);
    if let Some(header) = packet.first_chunk_mut::<20>() {
        let length = (data.len() & !3) - 20;
        header[0] &= 3;
        header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        header[4..8].copy_from_slice(&0x2112_A442_u32.to_be_bytes());
    }
    stun(&packet);
}

fn read_everything(message: &Message<'_>) {
    let key = IntegrityKey::new(b"key");
    let _ = message.verify_integrity(&key);
    let _ = message.verify_integrity_sha256(&IntegrityKeySha256::new(b"key"));
    let _ = message.verify_fingerprint();
    let _ = (
        message.channel_number(),
        message.requested_transport(),
        message.error_code(),
    );
    let _ = message.address_family(attribute::REQUESTED_ADDRESS_FAMILY);
    let _ = message.unknown_required(&[]).count();
    let _ = message.xor_peer_addresses().count();
    for attribute in message.attributes() {
        let _ = message.u32(attribute.kind);
        let _ = message.u64(attribute.kind);
        let _ = message.xor_address(attribute.kind);
        let _ = read_address(attribute.value);
    }
    if let Some(check) = BindingRequest::new(*message) {
        assert!(check.local_ufrag().len() + check.remote_ufrag().len() <= check.username.len());
        let source = std::net::SocketAddr::from(([192, 0, 2, 1], 1));
        let mut out = [0; 80];
        check
            .write_success(&key, source, &mut out)
            .expect("80 bytes are enough");
        let mut out = vec![0; 2 * message.bytes().len() + 80];
        check
            .write_unknown(&key, &mut out)
            .expect("two bytes for each attribute are enough");
    }
}

fn rewrite(message: &Message<'_>) {
    let mut out = vec![0; message.bytes().len()];
    let mut writer = Writer::new(
        &mut out,
        message.class(),
        message.method(),
        message.transaction_id(),
    );
    for attribute in message.attributes() {
        writer.attribute(attribute.kind, attribute.value);
    }
    let size = writer
        .finish()
        .expect("the same attributes need no more room");
    let again = Message::parse(&out[..size]).expect("what we write we can read");
    assert!(again.attributes().eq(message.attributes()));
    assert_eq!(
        (again.class(), again.method()),
        (message.class(), message.method())
    );
}

fn follow_stream(mut data: &[u8]) {
    loop {
        match next_frame(data) {
            Frame::Complete { size, padded } => {
                assert!(size > 0 && size <= padded && padded <= data.len());
                data = &data[padded..];
            }
            Frame::Incomplete(needed) => {
                assert!(needed > data.len());
                return;
            }
            Frame::Foreign => return,
        }
    }
}
