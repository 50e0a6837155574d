//! SRTP and SRTCP from a stranger, and back to a friend.

use meeting_rtp::Header;
use meeting_srtp::{Inbound, Outbound, Profile};

const PROFILES: [Profile; 3] = [
    Profile::AeadAes128Gcm,
    Profile::AeadAes256Gcm,
    Profile::Aes128CmSha1_80,
];

/// No stranger's bytes open; a friend's do, whatever they are.
pub fn srtp(data: &[u8]) {
    for profile in PROFILES {
        let (key, salt) = (vec![3; profile.key_len()], vec![4; profile.salt_len()]);
        let mut inbound = Inbound::new(profile, &key, &salt).expect("keys fit");
        assert!(inbound.unprotect_rtp(&mut data.to_vec()).is_err());
        assert!(inbound.unprotect_rtcp(&mut data.to_vec()).is_err());
        let mut outbound = Outbound::new(profile, &key, &salt).expect("keys fit");
        let mut buffer = data.to_vec();
        buffer.resize(data.len() + 32, 0);
        if let Ok(header) = Header::parse(data) {
            let len = outbound
                .protect_rtp(
                    &mut buffer,
                    header.len,
                    data.len(),
                    u64::from(header.sequence),
                )
                .expect("there is room");
            let opened = inbound.unprotect_rtp(&mut buffer[..len]);
            assert_eq!(opened, Ok((header, data.len())));
            assert_eq!(&buffer[..data.len()], data);
        }
        let mut buffer = data.to_vec();
        buffer.resize(data.len() + 32, 0);
        if data.len() >= 8 && data[0] >> 6 == 2 {
            let len = outbound
                .protect_rtcp(&mut buffer, data.len())
                .expect("there is room");
            assert_eq!(inbound.unprotect_rtcp(&mut buffer[..len]), Ok(data.len()));
            assert_eq!(&buffer[..data.len()], data);
        }
    }
}
