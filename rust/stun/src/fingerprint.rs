//! FINGERPRINT (RFC 8489 §14.7): CRC-32 of the message before the attribute, XORed with "STUN".

use crc::{CRC_32_ISO_HDLC, Crc, Table};

const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);
const XOR: u32 = 0x5354_554E;

/// `head` is the message up to the attribute, its length field already counting the attribute.
pub(crate) fn fingerprint(head: &[u8]) -> u32 {
    static TABLE: Crc<u32, Table<16>> = CRC;
    TABLE.checksum(head) ^ XOR
}
