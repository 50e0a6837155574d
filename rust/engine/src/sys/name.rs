//! Socket addresses as the kernel writes them.

use std::mem::{MaybeUninit, size_of};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr;

use libc::{c_int, socklen_t};

/// A socket address as the kernel writes it.
#[derive(Clone, Copy)]
pub(super) struct Name {
    pub(super) storage: libc::sockaddr_storage,
    pub(super) length: socklen_t,
}

impl Name {
    // SAFETY: sockaddr_storage is plain integers; all zeros is a value of it (AF_UNSPEC).
    pub(super) const EMPTY: Self = Self {
        storage: unsafe { MaybeUninit::zeroed().assume_init() },
        length: size_of::<libc::sockaddr_storage>() as socklen_t,
    };

    pub(super) fn set(&mut self, address: SocketAddr) {
        match address {
            SocketAddr::V4(address) => {
                let name = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: u32::from_ne_bytes(address.ip().octets()),
                    },
                    sin_zero: [0; 8],
                };
                self.length = size_of::<libc::sockaddr_in>() as socklen_t;
                // SAFETY: sockaddr_storage is made to be large and aligned enough for every sockaddr.
                unsafe { ptr::write((&raw mut self.storage).cast(), name) };
            }
            SocketAddr::V6(address) => {
                let name = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: address.flowinfo(),
                    sin6_addr: libc::in6_addr {
                        s6_addr: address.ip().octets(),
                    },
                    sin6_scope_id: address.scope_id(),
                };
                self.length = size_of::<libc::sockaddr_in6>() as socklen_t;
                // SAFETY: as above.
                unsafe { ptr::write((&raw mut self.storage).cast(), name) };
            }
        }
    }

    pub(super) fn get(&self) -> Option<SocketAddr> {
        match c_int::from(self.storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: the family says that it is a sockaddr_in, and the storage is large and aligned enough for one.
                let name: libc::sockaddr_in =
                    unsafe { ptr::read((&raw const self.storage).cast()) };
                let ip = name.sin_addr.s_addr.to_ne_bytes().into();
                Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: as above, a sockaddr_in6.
                let name: libc::sockaddr_in6 =
                    unsafe { ptr::read((&raw const self.storage).cast()) };
                let ip = name.sin6_addr.s6_addr.into();
                Some(
                    SocketAddrV6::new(
                        ip,
                        u16::from_be(name.sin6_port),
                        name.sin6_flowinfo,
                        name.sin6_scope_id,
                    )
                    .into(),
                )
            }
            _ => None,
        }
    }
}
