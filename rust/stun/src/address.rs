//! MAPPED-ADDRESS and its XOR forms (RFC 8489 §14.1, §14.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::message::{MAGIC_COOKIE, TransactionId};

const IPV4: u8 = 1;
const IPV6: u8 = 2;

/// The longest value: family, port, an IPv6 address.
pub(crate) const MAX_VALUE: usize = 20;

/// The value of MAPPED-ADDRESS or ALTERNATE-SERVER.
pub fn read_address(value: &[u8]) -> Option<SocketAddr> {
    let (&[_, family, high, low], rest) = value.split_first_chunk()?;
    let ip = match family {
        IPV4 => IpAddr::from(<[u8; 4]>::try_from(rest).ok()?),
        IPV6 => IpAddr::from(<[u8; 16]>::try_from(rest).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([high, low])))
}

/// The value of XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS or XOR-RELAYED-ADDRESS.
pub fn read_xor_address(value: &[u8], transaction: &TransactionId) -> Option<SocketAddr> {
    read_address(value).map(|address| xor(address, transaction))
}

/// Writes the XOR form into `out` and says how much of it is used.
pub(crate) fn write_xor_address(
    address: SocketAddr,
    transaction: &TransactionId,
    out: &mut [u8; MAX_VALUE],
) -> usize {
    let masked = xor(address, transaction);
    out[0] = 0;
    out[2..4].copy_from_slice(&masked.port().to_be_bytes());
    match masked.ip() {
        IpAddr::V4(ip) => {
            out[1] = IPV4;
            out[4..8].copy_from_slice(&ip.octets());
            8
        }
        IpAddr::V6(ip) => {
            out[1] = IPV6;
            out[4..20].copy_from_slice(&ip.octets());
            20
        }
    }
}

/// XOR with cookie and transaction id is its own inverse.
fn xor(address: SocketAddr, transaction: &TransactionId) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() ^ MAGIC_COOKIE)),
        IpAddr::V6(ip) => {
            let mut mask = [0; 16];
            mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
            mask[4..].copy_from_slice(transaction);
            IpAddr::V6(Ipv6Addr::from_bits(
                ip.to_bits() ^ u128::from_be_bytes(mask),
            ))
        }
    };
    SocketAddr::new(ip, address.port() ^ (MAGIC_COOKIE >> 16) as u16)
}
