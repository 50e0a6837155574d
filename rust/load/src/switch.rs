//! A bad network between real programs: datagrams for one server pass through seeded [`meeting_netem::Network`]s, one each way
//! for every client, so that each leg is as bad as it is told to be.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use meeting_engine::sys::Epoll;
use meeting_netem::{Network, Path};

/// How long a datagram may be.
const MOST: usize = 2048;
/// Of datagrams taken from one socket before the others get their turn.
const BATCH: usize = 64;
/// How late a datagram or an order may be, in milliseconds: the finest wait there is.
const TICK_MS: u64 = 1;
const CLIENTS: u64 = 0;

/// "From now on the way of this address, in both directions, is as bad as this."
pub type Order = (IpAddr, Path);

/// One client's socket towards the server, and both directions.
struct Leg {
    client: SocketAddr,
    server: UdpSocket,
    up: Network,
    down: Network,
}

/// What stands between the clients and the server.
pub struct Switch {
    socket: UdpSocket,
    server: SocketAddr,
    seed: u64,
    epoll: Epoll,
    legs: Vec<Leg>,
    by_client: HashMap<SocketAddr, usize>,
    paths: HashMap<IpAddr, Path>,
}

impl Switch {
    /// Clients send to `socket`, which stands for `server`. Paths are perfect until orders come.
    pub fn new(socket: UdpSocket, server: SocketAddr, seed: u64) -> io::Result<Switch> {
        socket.set_nonblocking(true)?;
        let epoll = Epoll::new(BATCH)?;
        epoll.watch(&socket, CLIENTS)?;
        Ok(Switch {
            socket,
            server,
            seed,
            epoll,
            legs: Vec::new(),
            by_client: HashMap::new(),
            paths: HashMap::new(),
        })
    }

    /// Works until whoever gives orders is gone.
    pub fn run(&mut self, orders: &Receiver<Order>) -> io::Result<()> {
        use std::sync::mpsc::TryRecvError::{Disconnected, Empty};
        let mut ready = Vec::new();
        loop {
            loop {
                match orders.try_recv() {
                    Ok((address, path)) => self.obey(address, path),
                    Err(Empty) => break,
                    Err(Disconnected) => return Ok(()),
                }
            }
            self.epoll.wait(TICK_MS, &mut ready)?;
            for token in &ready {
                if *token == CLIENTS {
                    self.take_from_clients()?;
                } else {
                    self.legs[*token as usize - 1].take_from_server();
                }
            }
            let now = Instant::now();
            for leg in &mut self.legs {
                leg.deliver(now, &self.socket);
            }
        }
    }

    fn obey(&mut self, address: IpAddr, path: Path) {
        let now = Instant::now();
        for leg in &mut self.legs {
            if leg.client.ip() == address {
                leg.up.change(now, path);
                leg.down.change(now, path);
            }
        }
        self.paths.insert(address, path);
    }

    fn take_from_clients(&mut self) -> io::Result<()> {
        let mut bytes = [0; MOST];
        for _ in 0..BATCH {
            let Ok((len, client)) = self.socket.recv_from(&mut bytes) else {
                break;
            };
            let place = match self.by_client.get(&client) {
                Some(place) => *place,
                None => self.add(client)?,
            };
            self.legs[place].up.send(Instant::now(), &bytes[..len]);
        }
        Ok(())
    }

    fn add(&mut self, client: SocketAddr) -> io::Result<usize> {
        let any: SocketAddr = if self.server.is_ipv4() {
            ([0, 0, 0, 0], 0).into()
        } else {
            ([0u16; 8], 0).into()
        };
        let server = UdpSocket::bind(any)?;
        server.connect(self.server)?;
        server.set_nonblocking(true)?;
        let place = self.legs.len();
        self.epoll.watch(&server, place as u64 + 1)?;
        let path = self.paths.get(&client.ip()).copied().unwrap_or_default();
        let seed = self.seed.wrapping_add(2 * place as u64);
        self.legs.push(Leg {
            client,
            server,
            up: Network::new(path, seed),
            down: Network::new(path, seed + 1),
        });
        self.by_client.insert(client, place);
        Ok(place)
    }
}

impl Leg {
    fn take_from_server(&mut self) {
        let mut bytes = [0; MOST];
        for _ in 0..BATCH {
            let Ok(len) = self.server.recv(&mut bytes) else {
                break;
            };
            self.down.send(Instant::now(), &bytes[..len]);
        }
    }

    /// Sends what has arrived by now; what the system does not take is lost, as on any network.
    fn deliver(&mut self, now: Instant, clients: &UdpSocket) {
        while let Some((_, packet)) = self.up.receive(now) {
            let _ = self.server.send(&packet);
        }
        while let Some((_, packet)) = self.down.receive(now) {
            let _ = clients.send_to(&packet, self.client);
        }
    }
}

/// An order as one line: `10.91.1.2 delay=40 loss=0.05 rate=500000`; times in milliseconds, what is left out is perfect.
pub fn parse(line: &str) -> Result<Order, String> {
    let mut words = line.split_whitespace();
    let address = words.next().ok_or("an order begins with an address")?;
    let address = address
        .parse()
        .map_err(|_| format!("{address:?} is no address"))?;
    let mut path = Path::default();
    for word in words {
        let (name, value) = word
            .split_once('=')
            .ok_or(format!("{word:?} is no name=value"))?;
        let number: f64 = value
            .parse()
            .map_err(|_| format!("{value:?} is no number"))?;
        match name {
            "delay" => path.delay = Duration::from_secs_f64(number / 1000.0),
            "jitter" => path.jitter = Duration::from_secs_f64(number / 1000.0),
            "loss" => path.loss = number,
            "burst" => path.burst = number,
            "burst_length" => path.burst_length = number,
            "rate" => path.rate = number as u64,
            "buffer" => path.buffer = number as usize,
            _ => return Err(format!("{name:?} is nothing that a path has")),
        }
    }
    Ok((address, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn each_address_has_a_way_as_bad_as_it_was_told() {
        let wait = Some(Duration::from_millis(300));
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let door = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = door.local_addr().unwrap();
        let mut switch = Switch::new(door, server.local_addr().unwrap(), 1).unwrap();
        let (say, orders) = channel();
        say.send(parse("127.0.0.2 loss=1").unwrap()).unwrap();
        let working = std::thread::spawn(move || switch.run(&orders));

        let good = UdpSocket::bind("127.0.0.1:0").unwrap();
        let bad = UdpSocket::bind("127.0.0.2:0").unwrap();
        good.set_read_timeout(wait).unwrap();
        server.set_read_timeout(wait).unwrap();
        bad.send_to(b"lost", at).unwrap();
        good.send_to(b"there", at).unwrap();
        let mut bytes = [0; 16];
        let (len, from) = server.recv_from(&mut bytes).unwrap();
        assert_eq!(&bytes[..len], b"there");
        server.send_to(b"back", from).unwrap();
        let (len, _) = good.recv_from(&mut bytes).unwrap();
        assert_eq!(&bytes[..len], b"back");
        assert!(server.recv_from(&mut bytes).is_err(), "what was lost came");
        drop(say);
        working.join().unwrap().unwrap();
    }

    #[test]
    fn an_order_that_cannot_be_read_says_why() {
        assert!(parse("nowhere loss=1").unwrap_err().contains("nowhere"));
        assert!(parse("10.0.0.1 luck=1").unwrap_err().contains("luck"));
        assert!(parse("10.0.0.1 loss=much").unwrap_err().contains("much"));
    }
}
