//! The least a relay can do: receive what is there, look up whose it is, take off or put on the four bytes of a channel, and
//! send it on, each with the kernel's cheapest call for it. No STUN, no credentials, permissions, limits or counters, no
//! lifetimes. What a TURN server costs above this is its own.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};

use meeting_engine::sys::{Epoll, Receiver, Sender, UdpOptions, bind_udp};
use meeting_stun::{CHANNEL_HEADER, write_channel_header};

use super::{CHANNEL, Client};

/// Datagrams, merged or not, received with one call.
const BATCH: usize = 64;
/// … and from a socket that one client has.
const OF_ONE: usize = 8;
/// Sent with one call.
const MOST_SENT: usize = 256;
const LONGEST: usize = 2048;
const LISTEN_BUFFER: usize = 4 << 20;

/// Relays between whoever comes to `listener` and `peer`, until it is killed. A newcomer's first packet makes its relay socket.
pub fn relay(listener: &UdpSocket, peer: SocketAddr) -> io::Result<()> {
    let mut epoll = Epoll::new(BATCH)?;
    epoll.watch(listener, 0)?;
    let mut slots: HashMap<SocketAddr, usize> = HashMap::new();
    let mut relays: Vec<(SocketAddr, UdpSocket)> = Vec::new();
    let mut receiver = Receiver::merging(BATCH, CHANNEL_HEADER, 0);
    let mut sender = Sender::new(MOST_SENT);
    let mut packets = Vec::with_capacity(MOST_SENT);
    let mut ready = Vec::new();
    loop {
        epoll.wait(1000, &mut ready)?;
        for token in ready.drain(..) {
            if token == 0 {
                let count = receiver.receive(listener, 0, BATCH).unwrap_or(0);
                for at in 0..count {
                    let Some(client) = receiver.source(at) else {
                        continue;
                    };
                    let slot = match slots.get(&client) {
                        Some(slot) => *slot,
                        None => {
                            let socket = open(([127, 0, 0, 1], 0).into(), 0)?;
                            epoll.watch(&socket, relays.len() as u64 + 1)?;
                            relays.push((client, socket));
                            slots.insert(client, relays.len() - 1);
                            relays.len() - 1
                        }
                    };
                    let bytes = receiver.bytes(at);
                    let data = receiver
                        .segments(at)
                        .map(|packet| (peer, bytes.get(packet.start + CHANNEL_HEADER..packet.end)))
                        .filter_map(|(peer, data)| Some((peer, data?)));
                    sender.send(&relays[slot].1, data);
                }
                continue;
            }
            let (client, socket) = &relays[token as usize - 1];
            let count = receiver.receive(socket, 0, OF_ONE).unwrap_or(0);
            packets.clear();
            for at in 0..count {
                for packet in receiver.spread(at) {
                    let begin = packet.start - CHANNEL_HEADER;
                    let header = write_channel_header(CHANNEL, packet.len() as u16);
                    receiver.buffer(at)[begin..packet.start].copy_from_slice(&header);
                    packets.push((at, begin..packet.end));
                }
            }
            let messages = packets
                .iter()
                .map(|(at, place)| (*client, &receiver.bytes(*at)[place.clone()]));
            sender.send(listener, messages);
        }
    }
}

/// A socket as [`relay`] wants it.
pub fn open(address: SocketAddr, receive_buffer: usize) -> io::Result<UdpSocket> {
    let options = UdpOptions {
        merge: true,
        receive_buffer,
        ..UdpOptions::default()
    };
    bind_udp(address, options)
}

/// The listener, with room for what comes while it is busy.
pub fn listener(address: SocketAddr) -> io::Result<UdpSocket> {
    open(address, LISTEN_BUFFER)
}

/// Lets `relay` know the clients, and tells each its relay address.
pub fn set_up(clients: &mut [Client], peer: &UdpSocket) -> io::Result<()> {
    for client in clients {
        client.greet()?;
        let mut packet = [0; LONGEST];
        let (_, relayed) = peer.recv_from(&mut packet)?;
        client.relayed = Some(relayed);
    }
    Ok(())
}
