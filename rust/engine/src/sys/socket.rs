//! Opening sockets, and what std cannot ask of them.

use std::io;
use std::mem::size_of;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use libc::{c_int, c_void, socklen_t};

use super::name::Name;
use super::{checked, owned};

/// How a UDP socket is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct UdpOptions {
    /// SO_REUSEPORT: several sockets share the address, the kernel spreads the senders over them.
    pub shared: bool,
    /// SO_RCVBUF in bytes, beyond the system's limit where we may. 0: the system's default.
    pub receive_buffer: usize,
}

/// A non-blocking UDP socket, for one family alone.
pub fn bind_udp(address: SocketAddr, options: UdpOptions) -> io::Result<UdpSocket> {
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    // SAFETY: takes no pointers.
    let socket = owned(unsafe {
        libc::socket(
            family,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
            0,
        )
    })?;
    if address.is_ipv6() {
        set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    if options.shared {
        set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    }
    if options.receive_buffer > 0 {
        let size = c_int::try_from(options.receive_buffer).unwrap_or(c_int::MAX);
        // Beyond the limit only with CAP_NET_ADMIN; up to the limit is better than nothing.
        set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, size)
            .or_else(|_| set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, size))?;
    }
    let mut name = Name::EMPTY;
    name.set(address);
    // SAFETY: reads `name.length` bytes of the name, which has them and outlives the call.
    checked(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const name.storage).cast(),
            name.length,
        )
    })?;
    Ok(UdpSocket::from(socket))
}

/// Asks for so many bytes of SO_SNDBUF, beyond the system's limit where we may.
pub fn set_send_buffer(socket: &UdpSocket, bytes: usize) -> io::Result<()> {
    let size = c_int::try_from(bytes).unwrap_or(c_int::MAX);
    set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, size)
        .or_else(|_| set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUF, size))
}

fn set_option(socket: &impl AsRawFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: reads the bytes of `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast::<c_void>(),
            size_of::<c_int>() as socklen_t,
        )
    };
    checked(result).map(drop)
}
