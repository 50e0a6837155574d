//! The load generator of tests/bench/turn.py: `meeting-turn-load flow|allocate|flood|bare name=value …`.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::str::FromStr;
use std::time::Duration;

use meeting_engine::sys::go_first;
use meeting_load::turn::asking::{allocate, flood};
use meeting_load::turn::traffic::{Shape, flow};
use meeting_load::turn::{Client, Credentials, bare};
use meeting_stun::IntegrityKey;

/// For all that is measured, so that the machine's other work disturbs it less.
const NICE: i32 = -10;
const PEER_PATIENCE: Duration = Duration::from_secs(5);

type Failure = Box<dyn Error>;

struct Options(HashMap<String, String>);

impl Options {
    fn text(&self, name: &str) -> Result<&str, Failure> {
        Ok(self
            .0
            .get(name)
            .ok_or_else(|| format!("{name}=… is missing"))?)
    }

    fn read<T: FromStr<Err: Error + 'static>>(&self, name: &str) -> Result<T, Failure> {
        Ok(self.text(name)?.parse()?)
    }

    fn credentials(&self) -> Result<Credentials, Failure> {
        let hex = self.text("key")?;
        let key = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Credentials {
            user: self.text("user")?.to_owned(),
            realm: self.text("realm")?.to_owned(),
            key: IntegrityKey::new(&key),
        })
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().unwrap_or_default();
    let options = Options(
        arguments
            .filter_map(|argument| {
                let (name, value) = argument.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            })
            .collect(),
    );
    go_first(NICE);
    match mode.as_str() {
        "flow" => media(&options),
        "allocate" => allocations(&options),
        "flood" => strangers(&options),
        "bare" => Ok(bare::relay(
            &bare::listener(options.read("server")?)?,
            options.read("peer")?,
        )?),
        _ => Err("meeting-turn-load flow|allocate|flood|bare name=value …".into()),
    }
}

/// `protocol`: turn, tcp, or bare for a server that needs no asking.
fn media(options: &Options) -> Result<(), Failure> {
    let server: SocketAddr = options.read("server")?;
    let peer = UdpSocket::bind(options.read::<SocketAddr>("peer")?)?;
    peer.set_read_timeout(Some(PEER_PATIENCE))?;
    let protocol = options.text("protocol")?;
    let mut clients = (0..options.read("clients")?)
        .map(|_| match protocol {
            "tcp" => Client::tcp(server),
            _ => Client::udp(server, [127, 0, 0, 1].into()),
        })
        .collect::<io::Result<Vec<_>>>()?;
    if protocol == "bare" {
        bare::set_up(&mut clients, &peer)?;
    } else {
        let who = options.credentials()?;
        for client in &mut clients {
            client.set_up(&who, peer.local_addr()?)?;
        }
    }
    let shape = Shape {
        size: options.read("size")?,
        burst: options.read("burst")?,
        rate: options.read("rate")?,
        duration: Duration::from_secs_f64(options.read("seconds")?),
    };
    let outcome = flow(&mut clients, &peer, options.read("pid")?, shape)?;
    let at = |share: f64| {
        let place = (outcome.ages.len() as f64 * share) as usize;
        let age = outcome.ages.get(place).copied().unwrap_or_default();
        age.as_secs_f64() * 1e6
    };
    println!("cpu_ns {}", outcome.cpu.as_nanos());
    println!("relayed {}", outcome.relayed);
    println!("sent {}", outcome.sent);
    println!("received {}", outcome.received);
    println!("p50_us {:.1}", at(0.50));
    println!("p99_us {:.1}", at(0.99));
    Ok(())
}

fn allocations(options: &Options) -> Result<(), Failure> {
    let cost = allocate(
        options.read("server")?,
        options.read("pid")?,
        &options.credentials()?,
        options.read("peer")?,
        options.read("count")?,
    )?;
    println!("made_ns {}", cost.made.as_nanos());
    println!("renewed_ns {}", cost.renewed.as_nanos());
    println!("ended_ns {}", cost.ended.as_nanos());
    println!("memory {}", cost.memory);
    Ok(())
}

fn strangers(options: &Options) -> Result<(), Failure> {
    let flood = flood(
        options.read("server")?,
        options.read("pid")?,
        options.read("sources")?,
        options.read("rate")?,
        options.read("seconds")?,
    )?;
    println!("cpu_ns {}", flood.cpu.as_nanos());
    println!("sent {}", flood.sent);
    println!("answered {}", flood.answered);
    Ok(())
}
