//! Opening sockets, and what std cannot ask of them.

use std::io;
use std::mem::size_of;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

use libc::{c_int, c_void, socklen_t};

use super::name::Name;
use super::{checked, owned};

/// Connections that wait to be accepted; the system has its own bound.
const BACKLOG: c_int = 1024;

/// How a UDP socket is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct UdpOptions {
    /// SO_REUSEPORT: several sockets share the address, the kernel spreads the senders over them.
    pub shared: bool,
    /// SO_RCVBUF in bytes, beyond the system's limit where we may. 0: the system's default.
    pub receive_buffer: usize,
    /// UDP_GRO: datagrams of one sender and size that come in a row may be received as one, by
    /// [`Receiver::merging`](super::Receiver::merging) alone. Systems that cannot do it do without.
    pub merge: bool,
}

/// A non-blocking UDP socket, for one family alone.
pub fn bind_udp(address: SocketAddr, options: UdpOptions) -> io::Result<UdpSocket> {
    let socket = open(address, libc::SOCK_DGRAM)?;
    if options.shared {
        set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    }
    if options.receive_buffer > 0 {
        let size = c_int::try_from(options.receive_buffer).unwrap_or(c_int::MAX);
        // Beyond the limit only with CAP_NET_ADMIN; up to the limit is better than nothing.
        set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, size)
            .or_else(|_| set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, size))?;
    }
    if options.merge {
        // Since Linux 5.0.
        let _ = set_option(&socket, libc::SOL_UDP, libc::UDP_GRO, 1);
    }
    bind(&socket, address)?;
    Ok(UdpSocket::from(socket))
}

/// A non-blocking TCP listener, for one family alone. What lingers of connections of a process before does not keep it from
/// its port. `shared`: SO_REUSEPORT, as in [`UdpOptions`].
pub fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = open(address, libc::SOCK_STREAM)?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if shared {
        set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    }
    bind(&socket, address)?;
    // SAFETY: takes no pointers.
    checked(unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) })?;
    Ok(TcpListener::from(socket))
}

/// A TCP listener from whose address connections can be made too ([`connect_from`]). Nobody else has the address yet.
pub fn listen_and_connect(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = open(address, libc::SOCK_STREAM)?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    bind(&socket, address)?;
    // Only now: a socket of somebody else who shares his ports would have let us in before.
    set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    // SAFETY: takes no pointers.
    checked(unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) })?;
    Ok(TcpListener::from(socket))
}

/// Begins a TCP connection from the address of a listener of ours. It is made, or has failed, when there is room to write.
pub fn connect_from(local: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = open(local, libc::SOCK_STREAM)?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    bind(&socket, local)?;
    let mut name = Name::EMPTY;
    name.set(to);
    // SAFETY: reads `name.length` bytes of the name, which has them and outlives the call.
    let begun = checked(unsafe {
        libc::connect(
            socket.as_raw_fd(),
            (&raw const name.storage).cast(),
            name.length,
        )
    });
    match begun {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from(socket)),
    }
}

fn open(address: SocketAddr, kind: c_int) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    // SAFETY: takes no pointers.
    let socket =
        owned(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) })?;
    if address.is_ipv6() {
        set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    Ok(socket)
}

fn bind(socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    let mut name = Name::EMPTY;
    name.set(address);
    // SAFETY: reads `name.length` bytes of the name, which has them and outlives the call.
    checked(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const name.storage).cast(),
            name.length,
        )
    })
    .map(drop)
}

/// Asks for so many bytes of SO_SNDBUF, beyond the system's limit where we may.
pub fn set_send_buffer(socket: &UdpSocket, bytes: usize) -> io::Result<()> {
    let size = c_int::try_from(bytes).unwrap_or(c_int::MAX);
    set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, size)
        .or_else(|_| set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUF, size))
}

/// Has the kernel take bytes of a stream only while it holds less than so many that were never sent (Linux 3.12): what waits
/// longer waits with us, where it is seen.
pub fn set_unsent_low_water(stream: &TcpStream, bytes: usize) -> io::Result<()> {
    let size = c_int::try_from(bytes).unwrap_or(c_int::MAX);
    set_option(stream, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, size)
}

pub(super) fn set_option(
    socket: &impl AsRawFd,
    level: c_int,
    name: c_int,
    value: c_int,
) -> io::Result<()> {
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
