//! What routers and hosts say of datagrams sent before (ICMP), and datagrams that nobody may cut up.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use libc::c_int;

use super::checked;
use super::name::Name;
use super::socket::set_option;

/// An ICMP message about a datagram of ours; over IPv6 an ICMPv6 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Where the datagram was to go.
    pub to: SocketAddr,
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The MTU of the next link, when that is what it is about; else 0.
    pub mtu: u32,
}

/// Room for the two control messages of Linux, with the address of who complains.
#[repr(C, align(8))]
struct Control([u8; 512]);

/// Has a socket keep what is said of its datagrams, for [`take_icmp`].
pub fn keep_icmp(socket: &UdpSocket) -> io::Result<()> {
    if socket.local_addr()?.is_ipv4() {
        set_option(socket, libc::IPPROTO_IP, libc::IP_RECVERR, 1)
    } else {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)
    }
}

/// The next of them. What is said otherwise, by the kernel itself for one, is passed over.
pub fn take_icmp(socket: &UdpSocket) -> Option<Icmp> {
    loop {
        match next(socket) {
            Ok(Some(icmp)) => return Some(icmp),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

fn next(socket: &UdpSocket) -> io::Result<Option<Icmp>> {
    let mut name = Name::EMPTY;
    let mut control = Control([0; 512]);
    let mut vector = libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: 0,
    };
    // SAFETY: msghdr is integers and pointers; all zeros is a value of it.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_name = (&raw mut name.storage).cast();
    header.msg_namelen = name.length;
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control.0.len();
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the header points to a name, an empty vector and a buffer of the length said, which outlive the call.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    checked(if received < 0 { -1 } else { 0 })?;
    let Some(to) = name.get() else {
        return Ok(None);
    };
    // SAFETY: the kernel has filled the control buffer, so its messages lie within `msg_controllen`; the macros stay there.
    let mut at = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    while !at.is_null() {
        // SAFETY: `at` is a control message of the buffer, aligned as the macros keep it.
        let (level, kind, length) = unsafe { ((*at).cmsg_level, (*at).cmsg_type, (*at).cmsg_len) };
        let ours = matches!(
            (level, kind),
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        );
        // SAFETY: only calculates.
        let whole = unsafe { libc::CMSG_LEN(size_of::<libc::sock_extended_err>() as u32) } as usize;
        if ours && length >= whole {
            // SAFETY: the message has room for one, as has just been looked up; it need not be aligned.
            let error: libc::sock_extended_err =
                unsafe { ptr::read_unaligned(libc::CMSG_DATA(at).cast()) };
            return Ok(said(to, &error));
        }
        // SAFETY: as above.
        at = unsafe { libc::CMSG_NXTHDR(&raw const header, at) };
    }
    Ok(None)
}

fn said(to: SocketAddr, error: &libc::sock_extended_err) -> Option<Icmp> {
    let too_big = match error.ee_origin {
        libc::SO_EE_ORIGIN_ICMP => (error.ee_type, error.ee_code) == (3, 4),
        libc::SO_EE_ORIGIN_ICMP6 => error.ee_type == 2,
        _ => return None,
    };
    Some(Icmp {
        to,
        kind: error.ee_type,
        code: error.ee_code,
        mtu: if too_big { error.ee_info } else { 0 },
    })
}

/// Sends a datagram that is not to be cut up on its way (the DF bit); one too long for the first link is refused.
pub fn send_whole(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
    let (level, name, whole, usual) = if to.is_ipv4() {
        let name = libc::IP_MTU_DISCOVER;
        let (whole, usual) = (libc::IP_PMTUDISC_DO, libc::IP_PMTUDISC_WANT);
        (libc::IPPROTO_IP, name, whole, usual)
    } else {
        let name = libc::IPV6_MTU_DISCOVER;
        let (whole, usual) = (libc::IPV6_PMTUDISC_DO, libc::IPV6_PMTUDISC_WANT);
        (libc::IPPROTO_IPV6, name, whole, usual)
    };
    set_option(socket, level, name, whole)?;
    let sent = socket.send_to(bytes, to);
    let back: io::Result<()> = set_option(socket, level, name, usual as c_int);
    sent.map(drop).and(back)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Epoll;

    fn refused(host: &str) -> Icmp {
        let bind = || UdpSocket::bind((host, 0)).expect("loopback can be bound");
        let (socket, closed) = (bind(), bind());
        let to = closed.local_addr().expect("bound");
        drop(closed);
        keep_icmp(&socket).expect("Linux can");
        assert_eq!(take_icmp(&socket), None);
        send_whole(&socket, b"is anybody there?", to).expect("loopback takes it");
        let mut epoll = Epoll::new(1).expect("epoll");
        epoll.watch(&socket, 1).expect("a descriptor");
        let mut ready = Vec::new();
        epoll.wait(5000, &mut ready).expect("epoll");
        let icmp = take_icmp(&socket).expect("the port is closed");
        assert_eq!(icmp.to, to);
        assert_eq!(take_icmp(&socket), None, "once");
        icmp
    }

    #[test]
    fn a_closed_port_is_told() {
        let told = refused("127.0.0.1");
        assert_eq!((told.kind, told.code, told.mtu), (3, 3, 0));
        let told = refused("::1");
        assert_eq!((told.kind, told.code, told.mtu), (1, 4, 0));
    }
}
