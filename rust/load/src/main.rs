//! The load generator of tests/bench, `meeting-load join …`, `meeting-load peers …` or `meeting-load bare …`, and the bad
//! network of tests/quality, `meeting-load switch …`; see the READMEs there.

use std::collections::HashMap;
use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use meeting_engine::sys::Epoll;
use meeting_link::{Identity, Remote};
use meeting_load::media::{Camera, age};
use meeting_load::{Identities, Participant, bare, peers, switch};

/// How long all together may take to connect.
const CONNECT: Duration = Duration::from_secs(20);
/// Between looks at everybody, when nothing comes.
const IDLE_MS: u64 = 5;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().unwrap_or_default();
    let options: HashMap<String, String> = arguments
        .filter_map(|argument| {
            let (name, value) = argument.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect();
    match mode.as_str() {
        "join" => join(&options),
        "peers" => Ok(peers::run(&identity(&options)?)?),
        "bare" => compare(&options),
        "switch" => between(&options),
        _ => Err("meeting-load join|peers|bare|switch name=value …".into()),
    }
}

fn option<'o>(options: &'o HashMap<String, String>, name: &str) -> Result<&'o str, Failure> {
    Ok(options
        .get(name)
        .ok_or_else(|| format!("{name}=… is missing"))?)
}

/// What the subscribers of a round saw.
#[derive(Default)]
struct Seen {
    packets: u64,
    ages: Vec<Duration>,
}

impl Seen {
    fn packet(&mut self, bytes: &[u8], epoch: Instant) {
        self.packets += 1;
        self.ages.extend(age(bytes, epoch));
    }

    fn print(&mut self, sent: u64, subscribers: u64) {
        self.ages.sort_unstable();
        let at = |share: f64| {
            let place = (self.ages.len() as f64 * share) as usize;
            self.ages
                .get(place)
                .map_or(0.0, |age| age.as_secs_f64() * 1e6)
        };
        println!("sent {sent}");
        println!("expected {}", sent * subscribers);
        println!("received {}", self.packets);
        println!("p50_us {:.1}", at(0.50));
        println!("p99_us {:.1}", at(0.99));
    }
}

/// Who is there and what they send.
struct Shape {
    people: usize,
    /// The first of them; everybody gets what all others send.
    publishers: usize,
    video: bool,
}

impl Shape {
    fn of(options: &HashMap<String, String>) -> Result<Self, Failure> {
        let shape = Shape {
            people: option(options, "people")?.parse()?,
            publishers: option(options, "publishers")?.parse()?,
            video: option(options, "video")? == "1",
        };
        match shape.publishers <= shape.people && shape.people <= 255 {
            true => Ok(shape),
            false => Err("at most 255 people, and no more publishers than people".into()),
        }
    }

    /// Of the publishers, one a few milliseconds after the other, as in any call.
    fn cameras(&self, begin: Instant) -> Vec<Camera> {
        let camera = if self.video { Camera::new } else { Camera::off };
        let step = Duration::from_millis(33) / self.publishers.max(1) as u32;
        (0..self.publishers as u32)
            .map(|number| camera(begin + step * number))
            .collect()
    }
}

/// When the next packet of any is due.
fn next(cameras: &[Camera]) -> Instant {
    cameras
        .iter()
        .map(Camera::deadline)
        .min()
        .unwrap_or_else(|| Instant::now() + Duration::from_millis(IDLE_MS))
}

/// Packets that all have written.
fn written(cameras: &[Camera]) -> u64 {
    cameras.iter().map(Camera::written).sum()
}

/// The certificate of all participants.
fn identity(options: &HashMap<String, String>) -> Result<Identity, Failure> {
    Ok(Identity::new(
        std::fs::read(option(options, "certificate")?)?,
        std::fs::read(option(options, "key")?)?,
    )?)
}

/// Joins a Port: the first participants publish, everybody gets what the others send.
fn join(options: &HashMap<String, String>) -> Result<(), Failure> {
    let shape = Shape::of(options)?;
    let seconds: f64 = option(options, "seconds")?.parse()?;
    let own = identity(options)?;
    let epoch = Instant::now();
    let mut everybody = (0..shape.people)
        .map(|number| {
            let who = Identities {
                remote: Remote {
                    address: option(options, "server")?.parse()?,
                    ufrag: option(options, "ufrag")?.replace("{}", &number.to_string()),
                    password: option(options, "password")?.replace("{}", &number.to_string()),
                    fingerprint: option(options, "fingerprint")?.parse()?,
                },
                own: own.clone(),
                ufrag: format!("load{number}"),
            };
            Ok(Participant::new(who, number as u64 + 1, epoch)?)
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let mut epoll = Epoll::new(everybody.len())?;
    for (token, participant) in (0..).zip(&everybody) {
        epoll.watch(participant.wire(), token)?;
    }
    let mut ready = Vec::new();
    while !everybody.iter().all(Participant::is_connected) {
        epoll.wait(IDLE_MS, &mut ready)?;
        let now = Instant::now();
        everybody
            .iter_mut()
            .for_each(|participant| participant.turn(now, |_| {}));
        if now > epoch + CONNECT {
            return Err("not everybody connected in time".into());
        }
    }
    println!("connected {}", everybody.len());
    let begin = Instant::now();
    let mut cameras = shape.cameras(begin);
    let mut seen = Seen::default();
    let end = begin + Duration::from_secs_f64(seconds);
    loop {
        let now = Instant::now();
        if now < end {
            for (publisher, camera) in everybody.iter().zip(&mut cameras) {
                camera.write_due(now, epoch, |buffer, packet| {
                    publisher.send_rtp(buffer, packet.header, packet.len, packet.index);
                });
            }
        } else if now > end + Duration::from_millis(200) {
            break;
        }
        let patience = next(&cameras).saturating_duration_since(now).as_millis() as u64;
        epoll.wait(patience.min(IDLE_MS), &mut ready)?;
        let now = Instant::now();
        for token in ready.drain(..) {
            everybody[token as usize].turn(now, |bytes| seen.packet(bytes, epoch));
        }
        for participant in &mut everybody {
            if participant.client().next_deadline() <= now {
                participant.turn(now, |bytes| seen.packet(bytes, epoch));
            }
        }
    }
    seen.print(written(&cameras), shape.people as u64 - 1);
    let now = Instant::now();
    for participant in &mut everybody {
        participant.client().close(now);
        participant.flush();
    }
    Ok(())
}

/// The same traffic through [`bare::forward`] in a thread of its own.
fn compare(options: &HashMap<String, String>) -> Result<(), Failure> {
    let shape = Shape::of(options)?;
    let seconds: f64 = option(options, "seconds")?.parse()?;
    let epoch = Instant::now();
    let server = UdpSocket::bind("127.0.0.1:0")?;
    server.set_nonblocking(true)?;
    let server_address = server.local_addr()?;
    let sockets = (0..shape.people)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })
        .collect::<std::io::Result<Vec<_>>>()?;
    let addresses = sockets
        .iter()
        .map(UdpSocket::local_addr)
        .collect::<Result<Vec<SocketAddr>, _>>()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let publishers = addresses[..shape.publishers].to_vec();
    let forwarder =
        std::thread::spawn(move || bare::forward(&server, &publishers, &addresses, &stopped));
    let keys: Vec<_> = (0..shape.publishers).map(|_| bare::outbound(0)).collect();
    let mut inbounds: Vec<_> = (1..).take(shape.people).map(bare::inbound).collect();
    let mut epoll = Epoll::new(shape.people)?;
    for (token, socket) in (0..).zip(&sockets) {
        epoll.watch(socket, token)?;
    }
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(seconds);
    let mut cameras = shape.cameras(begin);
    let mut seen = Seen::default();
    let mut ready = Vec::new();
    loop {
        let now = Instant::now();
        if now < end {
            for (number, camera) in cameras.iter_mut().enumerate() {
                let (keys, socket) = (&keys[number], &sockets[number]);
                camera.write_due(now, epoch, |buffer, packet| {
                    if let Ok(len) =
                        keys.protect_rtp(buffer, packet.header, packet.len, packet.index)
                    {
                        let _ = socket.send_to(&buffer[..len], server_address);
                    }
                });
            }
        } else if now > end + Duration::from_millis(200) {
            break;
        }
        let patience = next(&cameras).saturating_duration_since(now).as_millis() as u64;
        epoll.wait(patience.min(IDLE_MS), &mut ready)?;
        for token in ready.drain(..) {
            let place = token as usize;
            let mut buffer = [0; 2048];
            while let Ok(len) = sockets[place].recv(&mut buffer) {
                if let Ok((_, len)) = inbounds[place].unprotect_rtp(&mut buffer[..len]) {
                    seen.packet(&buffer[..len], epoch);
                }
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let work = forwarder.join().map_err(|_| "the forwarder failed")??;
    seen.print(written(&cameras), shape.people as u64 - 1);
    println!("forwarded {}", work.forwarded);
    println!("cpu_ns {}", work.cpu.as_nanos());
    println!("turns {}", work.turns);
    Ok(())
}

/// The switch, until standard input ends; each line of it is an order.
fn between(options: &HashMap<String, String>) -> Result<(), Failure> {
    let socket = UdpSocket::bind(option(options, "listen")?)?;
    let server = option(options, "server")?.parse()?;
    let mut switch = switch::Switch::new(socket, server, option(options, "seed")?.parse()?)?;
    let (say, orders) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            match switch::parse(&line) {
                Ok(order) if say.send(order).is_ok() => {}
                Ok(_) => break,
                Err(why) => eprintln!("{why}"),
            }
        }
    });
    switch.run(&orders)?;
    Ok(())
}
