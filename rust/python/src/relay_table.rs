//! What one thread of a relay knows, without its sockets and on the caller's time: for simulations.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use meeting_relay::{
    Client, ClientAction, Command, Effect, HEADROOM, PeerAction, Ports, Settings, Shard, TAILROOM,
};
use meeting_stun::{Class, Method, Writer, attribute, write_channel_header};
use pyo3::prelude::*;

use crate::relay_values::{PyClient, from_python, ip, socket_address};

/// The table of one thread. Times are milliseconds.
#[pyclass(frozen, module = "meeting.dataplane._native")]
struct RelayTable {
    inner: Mutex<Inner>,
}

struct Inner {
    shard: Shard,
    /// Ids by slot, and slots by id.
    ids: HashMap<usize, u64>,
    slots: HashMap<u64, usize>,
}

#[pymethods]
impl RelayTable {
    #[new]
    fn new() -> Self {
        let shard = Shard::new(&Settings {
            realm: String::new(),
            first_stream: 0,
            nonce_key: [0; 32],
            nonce_lifetime: 0,
            challenges_per_second: 0,
            requests_per_second: 0,
            allocation_rate: 0,
            total: None,
        });
        let (ids, slots) = (HashMap::new(), HashMap::new());
        Self {
            inner: Mutex::new(Inner { shard, ids, slots }),
        }
    }

    fn allocate(
        &self,
        now: u64,
        client: PyClient,
        id: u64,
        ipv6: bool,
        lifetime: u64,
    ) -> PyResult<()> {
        let (_, client) = from_python(&client)?;
        let command = Command::Allocate {
            id,
            client,
            ipv6,
            lifetime,
        };
        let mut inner = self.lock();
        if let Effect::Opened(slot) = inner.shard.command(now, command) {
            inner.opened(slot, id);
        }
        Ok(())
    }

    fn refresh(&self, now: u64, id: u64, lifetime: u64) {
        self.lock()
            .shard
            .command(now, Command::Refresh { id, lifetime });
    }

    #[pyo3(signature = (now, id, host, ports, lifetime))]
    fn permit(
        &self,
        now: u64,
        id: u64,
        host: &str,
        ports: Option<Vec<u16>>,
        lifetime: u64,
    ) -> PyResult<()> {
        let command = Command::Permit {
            id,
            peer: ip(host)?,
            ports: ports.map_or(Ports::Any, |ports| Ports::Only(ports.into())),
            lifetime,
        };
        self.lock().shard.command(now, command);
        Ok(())
    }

    fn bind(
        &self,
        now: u64,
        id: u64,
        channel: u16,
        host: &str,
        port: u16,
        lifetime: u64,
    ) -> PyResult<()> {
        let command = Command::Bind {
            id,
            channel,
            peer: socket_address(host, port)?,
            lifetime,
        };
        self.lock().shard.command(now, command);
        Ok(())
    }

    fn hand_over(&self, id: u64, client: PyClient) -> PyResult<bool> {
        let (_, client) = from_python(&client)?;
        let mut inner = self.lock();
        let Some((slot, moving)) = inner.shard.release(id) else {
            return Ok(false);
        };
        inner.closed(slot);
        let slot = inner.shard.adopt(moving, client);
        inner.opened(slot, id);
        Ok(true)
    }

    fn delete(&self, now: u64, id: u64) {
        let mut inner = self.lock();
        if let Effect::Closed(slot) = inner.shard.command(now, Command::Delete { id }) {
            inner.closed(slot);
        }
    }

    /// The ids of what has run out.
    fn sweep(&self, now: u64) -> Vec<u64> {
        let mut inner = self.lock();
        let mut slots = Vec::new();
        inner.shard.sweep(now, |slot| slots.push(slot));
        slots
            .into_iter()
            .filter_map(|slot| inner.closed(slot))
            .collect()
    }

    /// By which allocation and where to the client's ChannelData goes.
    fn through_channel(
        &self,
        now: u64,
        client: PyClient,
        channel: u16,
    ) -> PyResult<Option<(u64, String, u16)>> {
        let packet = [&write_channel_header(channel, 4)[..], b"data"].concat();
        self.sent_by_client(now, &client, &packet)
    }

    /// By which allocation the client's Send indication goes to the peer.
    fn through_indication(
        &self,
        now: u64,
        client: PyClient,
        host: &str,
        port: u16,
    ) -> PyResult<Option<(u64, String, u16)>> {
        let mut packet = [0; 128];
        let size = Writer::new(&mut packet, Class::Indication, Method::SEND, &[0; 12])
            .xor_address(attribute::XOR_PEER_ADDRESS, socket_address(host, port)?)
            .attribute(attribute::DATA, b"data")
            .finish()
            .expect("128 bytes are enough");
        self.sent_by_client(now, &client, &packet[..size])
    }

    /// Which client hears what a peer sends to an allocation, and by which channel; 0: by an indication.
    fn heard_from_peer(
        &self,
        now: u64,
        id: u64,
        host: &str,
        port: u16,
    ) -> PyResult<Option<(String, u16, u16)>> {
        let peer = socket_address(host, port)?;
        let mut inner = self.lock();
        let Some(&slot) = inner.slots.get(&id) else {
            return Ok(None);
        };
        let mut buffer = [0; HEADROOM + 4 + TAILROOM];
        let action = inner.shard.peer_packet(now, slot, peer, &mut buffer, 4);
        Ok(match action {
            PeerAction::Nothing => None,
            PeerAction::Send { client, data } => {
                let first = u16::from_be_bytes([buffer[data.start], buffer[data.start + 1]]);
                let channel = if first >= 0x4000 { first } else { 0 };
                let (host, port) = told(client.address);
                Some((host, port, channel))
            }
        })
    }

    fn __len__(&self) -> usize {
        self.lock().shard.counters().allocations as usize
    }
}

impl RelayTable {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sent_by_client(
        &self,
        now: u64,
        client: &PyClient,
        packet: &[u8],
    ) -> PyResult<Option<(u64, String, u16)>> {
        let (_, client): (_, Client) = from_python(client)?;
        let mut inner = self.lock();
        let action = inner
            .shard
            .client_packet(now, &client, packet, &mut [0; 256]);
        Ok(match action {
            ClientAction::Relay { slot, peer, .. } => {
                let (host, port) = told(peer);
                inner.ids.get(&slot).map(|id| (*id, host, port))
            }
            _ => None,
        })
    }
}

impl Inner {
    fn opened(&mut self, slot: usize, id: u64) {
        self.ids.insert(slot, id);
        self.slots.insert(id, slot);
    }

    fn closed(&mut self, slot: usize) -> Option<u64> {
        let id = self.ids.remove(&slot)?;
        self.slots.remove(&id);
        Some(id)
    }
}

fn told(address: SocketAddr) -> (String, u16) {
    (address.ip().to_string(), address.port())
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<RelayTable>()
}
