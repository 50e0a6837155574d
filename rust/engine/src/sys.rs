//! The system calls std does not have: event counters, readiness, whole batches of datagrams.
//!
//! The only unsafe code of the engine. Each block says why it is sound; nothing outside this file needs to know.
#![allow(unsafe_code, reason = "this file is the door to libc")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use libc::{c_int, c_uint, c_void, socklen_t};

/// The result of a call that answers -1 when it fails.
fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Takes over a descriptor a call has just made.
fn owned(result: c_int) -> io::Result<OwnedFd> {
    let fd = checked(result)?;
    // SAFETY: the kernel made this descriptor for us in the call before; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A counter that makes a descriptor readable: how one thread wakes another.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A counter at 0.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }).map(Self)
    }

    /// Makes it readable. Fails only when it is readable already, which is as good.
    pub fn signal(&self) {
        let one = 1_u64;
        // SAFETY: reads the eight bytes of `one`, which outlive the call.
        unsafe {
            libc::write(
                self.0.as_raw_fd(),
                (&raw const one).cast(),
                size_of::<u64>(),
            )
        };
    }

    /// Makes it unreadable. To be called before the queue it stands for is emptied, else a signal could be lost.
    pub fn clear(&self) {
        let mut count = 0_u64;
        // SAFETY: writes at most the eight bytes of `count`, which outlive the call.
        unsafe {
            libc::read(
                self.0.as_raw_fd(),
                (&raw mut count).cast(),
                size_of::<u64>(),
            )
        };
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Tells which of many descriptors can be read (level-triggered). A closed descriptor is forgotten by itself.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    /// Reports at most `batch` descriptors at a time.
    pub fn new(batch: usize) -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Self {
            fd,
            events: vec![libc::epoll_event { events: 0, u64: 0 }; batch],
        })
    }

    /// Watches a descriptor for input, under this name.
    pub fn watch(&self, watched: &impl AsRawFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: token,
        };
        // SAFETY: reads `event`, which outlives the call.
        checked(unsafe {
            libc::epoll_ctl(
                self.fd.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                watched.as_raw_fd(),
                &raw mut event,
            )
        })
        .map(drop)
    }

    /// Waits so many milliseconds at most, and puts the names of what is readable into `ready`.
    pub fn wait(&mut self, milliseconds: u64, ready: &mut Vec<u64>) -> io::Result<()> {
        ready.clear();
        let (events, room) = (self.events.as_mut_ptr(), self.events.len() as c_int);
        let patience = c_int::try_from(milliseconds).unwrap_or(c_int::MAX);
        // SAFETY: writes at most `room` events to the vector, which has that many and is borrowed by us alone.
        match checked(unsafe { libc::epoll_wait(self.fd.as_raw_fd(), events, room, patience) }) {
            Ok(count) => ready.extend(self.events[..count as usize].iter().map(|event| event.u64)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

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

/// A socket address as the kernel writes it.
#[derive(Clone, Copy)]
struct Name {
    storage: libc::sockaddr_storage,
    length: socklen_t,
}

impl Name {
    // SAFETY: sockaddr_storage is plain integers; all zeros is a value of it (AF_UNSPEC).
    const EMPTY: Self = Self {
        storage: unsafe { MaybeUninit::zeroed().assume_init() },
        length: size_of::<libc::sockaddr_storage>() as socklen_t,
    };

    fn set(&mut self, address: SocketAddr) {
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

    fn get(&self) -> Option<SocketAddr> {
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

/// The arrays recvmmsg and sendmmsg want. They point at each other only while a call runs: every pointer is written right
/// before it. Not `Send`: made in the thread that uses them.
struct Headers {
    names: Vec<Name>,
    vectors: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
}

impl Headers {
    fn new(room: usize) -> Self {
        // SAFETY: mmsghdr is integers and pointers; all zeros is a value of it.
        let message: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        Self {
            names: vec![Name::EMPTY; room],
            vectors: vec![
                libc::iovec {
                    iov_base: ptr::null_mut(),
                    iov_len: 0
                };
                room
            ],
            messages: vec![message; room],
        }
    }

    /// Points message `at` to its name and its bytes.
    fn point(&mut self, at: usize, bytes: *mut u8, length: usize) {
        self.vectors[at] = libc::iovec {
            iov_base: bytes.cast(),
            iov_len: length,
        };
        let header = &mut self.messages[at].msg_hdr;
        header.msg_name = (&raw mut self.names[at].storage).cast();
        header.msg_namelen = self.names[at].length;
        header.msg_iov = &raw mut self.vectors[at];
        header.msg_iovlen = 1;
        header.msg_control = ptr::null_mut();
        header.msg_controllen = 0;
        header.msg_flags = 0;
    }
}

/// Buffers for a batch of datagrams, each with free room in front and behind.
pub struct Receiver {
    headers: Headers,
    buffers: Vec<u8>,
    stride: usize,
    headroom: usize,
    size: usize,
    lengths: Vec<usize>,
}

impl Receiver {
    /// `batch` buffers for datagrams of up to `size` bytes.
    pub fn new(batch: usize, headroom: usize, size: usize, tailroom: usize) -> Self {
        // One byte more than wanted is received, so that a datagram that is too long shows.
        let stride = (headroom + size + tailroom + 1).next_multiple_of(64);
        Self {
            headers: Headers::new(batch),
            buffers: vec![0; batch * stride],
            stride,
            headroom,
            size,
            lengths: vec![0; batch],
        }
    }

    /// Datagrams it can hold.
    pub fn capacity(&self) -> usize {
        self.lengths.len()
    }

    /// Receives what is there into the buffers from number `first` on; says how many there were.
    pub fn receive(&mut self, socket: &UdpSocket, first: usize) -> io::Result<usize> {
        let count = self.capacity() - first;
        for at in first..self.capacity() {
            self.headers.names[at].length = Name::EMPTY.length;
            let begin = at * self.stride + self.headroom;
            let buffer = &mut self.buffers[begin..=begin + self.size];
            self.headers.point(at, buffer.as_mut_ptr(), buffer.len());
        }
        let messages = &mut self.headers.messages[first..];
        // SAFETY: `messages` has `count` headers; each points to a name and to bytes of vectors that are ours alone, of the
        // lengths given, and live as long as `self`. The timeout may be null.
        let received = checked(unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                count as c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        })?;
        let received = received as usize;
        for at in first..first + received {
            self.lengths[at] = self.headers.messages[at].msg_len as usize;
        }
        Ok(received)
    }

    /// Who sent datagram `at`.
    pub fn source(&self, at: usize) -> Option<SocketAddr> {
        self.headers.names[at].get()
    }

    /// How long it is; `None` when it did not fit.
    pub fn length(&self, at: usize) -> Option<usize> {
        (self.lengths[at] <= self.size).then_some(self.lengths[at])
    }

    /// Its buffer with the room in front and behind.
    pub fn buffer(&mut self, at: usize) -> &mut [u8] {
        &mut self.buffers[at * self.stride..(at + 1) * self.stride]
    }

    /// The same to read.
    pub fn bytes(&self, at: usize) -> &[u8] {
        &self.buffers[at * self.stride..(at + 1) * self.stride]
    }

    /// The first `count` datagrams, each with who sent it, to be changed independently. Those that did not fit are left out.
    pub fn datagrams(&mut self, count: usize) -> impl Iterator<Item = (SocketAddr, &mut [u8])> {
        let (headroom, size) = (self.headroom, self.size);
        self.buffers
            .chunks_exact_mut(self.stride)
            .zip(&self.lengths)
            .zip(&self.headers.names)
            .take(count)
            .filter_map(move |((buffer, length), name)| {
                let bytes = buffer.get_mut(headroom..headroom + length)?;
                (*length <= size).then_some((name.get()?, bytes))
            })
    }
}

/// The control message that has the kernel cut one long datagram into equal ones (UDP_SEGMENT, Linux 4.18). Its header is
/// 16 bytes, the size 2, padded to 24.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct SegmentSize([u8; 24]);

/// So many runs refused one after the other mean that this system cannot cut.
const MOST_REFUSED_RUNS: u32 = 8;

/// Sends batches of datagrams.
pub struct Sender {
    headers: Headers,
    segment_sizes: Vec<SegmentSize>,
    refused_runs: u32,
}

/// Datagrams to one address, back to back, all of `segment` bytes but the last, which may be shorter.
#[derive(Clone, Copy, Debug)]
pub struct Run<'d> {
    /// Where to.
    pub to: SocketAddr,
    /// All of them.
    pub bytes: &'d [u8],
    /// The length of each but the last.
    pub segment: usize,
}

impl Sender {
    /// Sends up to `batch` with one call.
    pub fn new(batch: usize) -> Self {
        Self {
            headers: Headers::new(batch),
            segment_sizes: vec![SegmentSize([0; 24]); batch],
            refused_runs: 0,
        }
    }

    /// Whether runs are left to the kernel to cut; false once it has refused too often.
    pub fn cuts(&self) -> bool {
        self.refused_runs < MOST_REFUSED_RUNS
    }

    /// Sends runs from one socket: one walk through the kernel's stack for each. Where the kernel refuses to cut, we do. Says
    /// how many datagrams were refused.
    pub fn send_runs<'d>(
        &mut self,
        socket: &UdpSocket,
        runs: impl IntoIterator<Item = Run<'d>>,
    ) -> usize {
        let mut refused = 0;
        let mut pending: Vec<Run<'d>> = Vec::with_capacity(self.headers.messages.len());
        for run in runs {
            let cut = run.segment < run.bytes.len();
            if cut && !self.cuts() {
                refused += self.send_pending(socket, &mut pending);
                refused += self.send(socket, datagrams_of(run));
                continue;
            }
            let at = pending.len();
            self.headers.names[at].set(run.to);
            self.headers
                .point(at, run.bytes.as_ptr().cast_mut(), run.bytes.len());
            if cut {
                self.cut(at, run.segment);
            }
            pending.push(run);
            if pending.len() == self.headers.messages.len() {
                refused += self.send_pending(socket, &mut pending);
            }
        }
        refused + self.send_pending(socket, &mut pending)
    }

    /// Attaches the segment size to message `at`.
    fn cut(&mut self, at: usize, segment: usize) {
        let header = &mut self.headers.messages[at].msg_hdr;
        header.msg_control = self.segment_sizes[at].0.as_mut_ptr().cast();
        // SAFETY: CMSG_SPACE and CMSG_LEN only calculate. CMSG_FIRSTHDR gives the beginning of `segment_sizes[at]`, which is
        // aligned for a cmsghdr and has room for one with two bytes behind it (checked at compile time below).
        unsafe {
            header.msg_controllen = libc::CMSG_SPACE(2) as usize;
            let control = libc::CMSG_FIRSTHDR(header);
            (*control).cmsg_level = libc::SOL_UDP;
            (*control).cmsg_type = libc::UDP_SEGMENT;
            (*control).cmsg_len = libc::CMSG_LEN(2) as usize;
            ptr::write_unaligned(libc::CMSG_DATA(control).cast::<u16>(), segment as u16);
        }
    }

    /// Sends what is pointed to, and again piece by piece what the kernel would not cut.
    fn send_pending(&mut self, socket: &UdpSocket, pending: &mut Vec<Run<'_>>) -> usize {
        let mut refused = 0;
        let mut sent = 0;
        while sent < pending.len() {
            let messages = &mut self.headers.messages[sent..pending.len()];
            // SAFETY: as in `send_pointed`; the control messages are ours and live as long as `self`.
            let result = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    messages.as_mut_ptr(),
                    messages.len() as c_uint,
                    libc::MSG_DONTWAIT,
                )
            };
            match checked(result) {
                Ok(number) => {
                    let number = number.max(1) as usize;
                    if pending[sent..sent + number].iter().any(is_cut) {
                        self.refused_runs = 0;
                    }
                    sent += number;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    refused += pending[sent..].iter().map(count_of).sum::<usize>();
                    break;
                }
                // It is about the first of them: EINVAL, EIO or EMSGSIZE when it cannot be cut.
                Err(_) => {
                    let run = pending[sent];
                    sent += 1;
                    if is_cut(&run) {
                        self.refused_runs += 1;
                        refused += send_singly(socket, run);
                    } else {
                        refused += 1;
                    }
                }
            }
        }
        pending.clear();
        refused
    }

    /// Sends datagrams from one socket, as many as there are; says how many the kernel refused.
    pub fn send<'d>(
        &mut self,
        socket: &UdpSocket,
        datagrams: impl IntoIterator<Item = (SocketAddr, &'d [u8])>,
    ) -> usize {
        let mut refused = 0;
        let mut datagrams = datagrams.into_iter().peekable();
        while datagrams.peek().is_some() {
            let mut count = 0;
            for (to, bytes) in datagrams.by_ref().take(self.headers.messages.len()) {
                self.headers.names[count].set(to);
                self.headers
                    .point(count, bytes.as_ptr().cast_mut(), bytes.len());
                count += 1;
            }
            refused += self.send_pointed(socket, count);
        }
        refused
    }

    /// The bytes behind the pointers are borrowed by the caller for `'d`, which is longer than this call.
    fn send_pointed(&mut self, socket: &UdpSocket, count: usize) -> usize {
        let (mut sent, mut refused) = (0, 0);
        while sent < count {
            let messages = &mut self.headers.messages[sent..count];
            // SAFETY: `messages` has as many headers as said; each points to a name of ours and to bytes the caller has
            // borrowed, of the lengths given. sendmmsg only reads the bytes.
            let result = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    messages.as_mut_ptr(),
                    messages.len() as c_uint,
                    libc::MSG_DONTWAIT,
                )
            };
            match checked(result) {
                Ok(number) => sent += number.max(1) as usize,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return refused + count - sent;
                }
                // It is about the first of them: unreachable, forbidden, too long. The rest may go.
                Err(_) => {
                    refused += 1;
                    sent += 1;
                }
            }
        }
        refused
    }
}

const _: () = assert!(
    // SAFETY: only calculates.
    unsafe { libc::CMSG_SPACE(2) } as usize <= size_of::<SegmentSize>()
);

fn is_cut(run: &Run<'_>) -> bool {
    run.segment < run.bytes.len()
}

fn count_of(run: &Run<'_>) -> usize {
    run.bytes.len().div_ceil(run.segment.max(1))
}

fn datagrams_of(run: Run<'_>) -> impl Iterator<Item = (SocketAddr, &[u8])> {
    run.bytes
        .chunks(run.segment.max(1))
        .map(move |bytes| (run.to, bytes))
}

fn send_singly(socket: &UdpSocket, run: Run<'_>) -> usize {
    datagrams_of(run)
        .filter(|(to, bytes)| socket.send_to(bytes, to).is_err())
        .count()
}

/// Asks for so many bytes of SO_SNDBUF, beyond the system's limit where we may.
pub fn set_send_buffer(socket: &UdpSocket, bytes: usize) -> io::Result<()> {
    let size = c_int::try_from(bytes).unwrap_or(c_int::MAX);
    set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, size)
        .or_else(|_| set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUF, size))
}

/// CPU time the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes the one timespec, which outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Asks that the calling thread goes before others (negative nice, CAP_SYS_NICE or LimitNICE); false when not permitted.
pub fn go_first(nice: i32) -> bool {
    // SAFETY: takes no pointers. On Linux the id 0 is the calling thread's.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) == 0 }
}
