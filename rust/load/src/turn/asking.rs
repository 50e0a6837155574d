//! Allocations that come and go, and requests of strangers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use meeting_stun::{Class, Method, Writer, attribute as kinds};

use super::process::{cpu_time, resident};
use super::{Client, Credentials};

/// Requests on their way at once.
const WINDOW: usize = 32;
/// Seconds an allocation is renewed for.
const LIFETIME: u32 = 600;
/// So many clients of an address: what one may ask in a second is limited.
const OF_ONE_SOURCE: usize = 20;

/// What allocations cost a server.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// CPU time of the four requests of all.
    pub made: Duration,
    /// CPU time of renewing all.
    pub renewed: Duration,
    /// CPU time of giving all back.
    pub ended: Duration,
    /// Bytes the server has more with all of them than before.
    pub memory: u64,
}

/// Makes so many allocations, each with a channel, renews them, and gives them back. Some come and go before, so that what is only
/// needed once is there.
pub fn allocate(
    server: SocketAddr,
    pid: u32,
    who: &Credentials,
    peer: SocketAddr,
    count: usize,
) -> io::Result<Cost> {
    let mut early = clients(server, WINDOW)?;
    make(&mut early, who, peer)?;
    refresh(&mut early, who, 0)?;
    let mut all = clients(server, count)?;
    let (memory, before) = (resident(pid)?, cpu_time(pid)?);
    make(&mut all, who, peer)?;
    let (full, made) = (resident(pid)?, cpu_time(pid)?);
    refresh(&mut all, who, LIFETIME)?;
    let renewed = cpu_time(pid)?;
    refresh(&mut all, who, 0)?;
    Ok(Cost {
        made: made - before,
        renewed: renewed - made,
        ended: cpu_time(pid)? - renewed,
        memory: full.saturating_sub(memory),
    })
}

fn clients(server: SocketAddr, count: usize) -> io::Result<Vec<Client>> {
    (0..count)
        .map(|number| Client::udp(server, source(number / OF_ONE_SOURCE)))
        .collect()
}

/// An address of loopback, another for each number.
fn source(number: usize) -> IpAddr {
    let [high, low] = (number as u16 + 2).to_be_bytes();
    Ipv4Addr::new(127, 1, high, low).into()
}

fn make(clients: &mut [Client], who: &Credentials, peer: SocketAddr) -> io::Result<()> {
    for some in clients.chunks_mut(WINDOW) {
        all_ask(some, &[401], |client| client.ask_allocation(who))?;
        all_ask(some, &[200], |client| client.ask_allocation(who))?;
        all_ask(some, &[200], |client| client.ask_permission(who, peer))?;
        all_ask(some, &[200], |client| client.ask_channel(who, peer))?;
    }
    Ok(())
}

/// For so many more seconds; none: they end.
fn refresh(clients: &mut [Client], who: &Credentials, seconds: u32) -> io::Result<()> {
    for some in clients.chunks_mut(WINDOW) {
        all_ask(some, &[200], |client| client.ask_refresh(who, seconds))?;
    }
    Ok(())
}

fn all_ask(
    clients: &mut [Client],
    expected: &[u16],
    ask: impl Fn(&mut Client) -> io::Result<()>,
) -> io::Result<()> {
    clients.iter_mut().try_for_each(ask)?;
    clients
        .iter_mut()
        .try_for_each(|client| client.hear(expected).map(drop))
}

/// What strangers cost a server.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// CPU time of all.
    pub cpu: Duration,
    /// Requests.
    pub sent: u64,
    /// Those answered.
    pub answered: u64,
}

/// Requests for an allocation without credentials: so many a second, evenly, in turn from so many addresses. Answers are
/// counted and not looked at.
pub fn flood(
    server: SocketAddr,
    pid: u32,
    sources: usize,
    rate: u64,
    seconds: f64,
) -> io::Result<Flood> {
    let sockets = (0..sources)
        .map(|number| {
            let socket = UdpSocket::bind((source(number), 0))?;
            socket.connect(server)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })
        .collect::<io::Result<Vec<_>>>()?;
    let mut request = [0; 64];
    let mut writer = Writer::new(&mut request, Class::Request, Method::ALLOCATE, &[9; 12]);
    writer.u32(kinds::REQUESTED_TRANSPORT, 17 << 24);
    let size = writer.finish().map_err(io::Error::other)?;
    let mut flood = Flood {
        cpu: Duration::ZERO,
        sent: 0,
        answered: 0,
    };
    let before = cpu_time(pid)?;
    let begin = Instant::now();
    let step = Duration::from_nanos(1_000_000_000 / rate);
    let end = Duration::from_secs_f64(seconds);
    let mut answers = |socket: &UdpSocket| {
        let mut answer = [0; 512];
        while socket.recv(&mut answer).is_ok() {
            flood.answered += 1;
        }
    };
    while begin.elapsed() < end {
        while step * (flood.sent as u32) <= begin.elapsed() {
            let socket = &sockets[flood.sent as usize % sockets.len()];
            answers(socket);
            // What the kernel has no room for was not sent.
            flood.sent += u64::from(socket.send(&request[..size]).is_ok());
        }
        std::thread::sleep(step / 2);
    }
    std::thread::sleep(Duration::from_millis(100));
    flood.cpu = cpu_time(pid)? - before;
    sockets.iter().for_each(answers);
    Ok(flood)
}
