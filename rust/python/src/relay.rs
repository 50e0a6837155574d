//! The relay's control handle (docs/protocols/dataplane.md, "Relay").

use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use meeting_engine::turn::{
    self, Cause, Command, PeerLimits, Port, Ports, Settings, StreamLimits, Total,
};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::relay_values::{
    Heard, PyClient, PyStreamLimits, from_python, heard, ip, no_socket, socket_address,
    socket_addresses,
};

/// A running relay: sockets and threads from construction to `close()`.
#[pyclass(frozen, module = "meeting.dataplane._native")]
struct Relay {
    /// `None` once closed; commands that come later do nothing.
    engine: RwLock<Option<turn::Relay>>,
}

#[pymethods]
impl Relay {
    #[new]
    #[pyo3(signature = (*, listen, dtls, streams, limits, relay, ports, workers, events, realm, nonce_key, nonce_lifetime, challenges_per_second, requests_per_second, allocation_rate, total_rate))]
    #[allow(
        clippy::too_many_arguments,
        reason = "they are named on the other side"
    )]
    fn new(
        py: Python<'_>,
        listen: Vec<(String, u16)>,
        dtls: Vec<(String, u16)>,
        streams: Vec<(String, u16, bool)>,
        limits: PyStreamLimits,
        relay: Vec<String>,
        ports: (u16, u16),
        workers: usize,
        events: usize,
        realm: String,
        nonce_key: [u8; 32],
        nonce_lifetime: u32,
        challenges_per_second: u32,
        requests_per_second: u32,
        allocation_rate: u64,
        total_rate: u64,
    ) -> PyResult<Self> {
        let configuration = turn::Configuration {
            listen: socket_addresses(&listen)?,
            dtls: socket_addresses(&dtls)?,
            streams: streams
                .iter()
                .map(|(host, port, tls)| Ok((socket_address(host, *port)?, *tls)))
                .collect::<PyResult<_>>()?,
            limits: StreamLimits {
                connections: limits.connections,
                per_source: limits.per_source,
                half_open: limits.half_open,
                handshake: limits.handshake,
                idle: limits.idle,
                queue: limits.queue,
                stuck: limits.stuck,
            },
            peer_limits: PeerLimits {
                connections: limits.peers,
                per_allocation: limits.peers_of_one,
                connect: limits.connect,
            },
            relay: relay.iter().map(|host| ip(host)).collect::<PyResult<_>>()?,
            ports,
            workers,
            events,
            shard: Settings {
                realm,
                first_stream: u8::try_from(listen.len() + dtls.len()).unwrap_or(u8::MAX),
                nonce_key,
                nonce_lifetime,
                challenges_per_second,
                requests_per_second,
                allocation_rate,
                total: (total_rate > 0).then(|| Arc::new(Total::new(total_rate))),
            },
        };
        let engine = py.detach(|| turn::Relay::start(&configuration))?;
        Ok(Self {
            engine: RwLock::new(Some(engine)),
        })
    }

    /// Readable while `take_events` has something; -1 once closed.
    fn fileno(&self) -> i32 {
        self.read().as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    fn addresses(&self) -> Vec<(String, u16)> {
        let addresses = self
            .read()
            .as_ref()
            .map(|engine| engine.addresses().to_vec())
            .unwrap_or_default();
        addresses
            .into_iter()
            .map(|address| (address.ip().to_string(), address.port()))
            .collect()
    }

    fn take_events<'py>(&self, py: Python<'py>) -> Vec<Heard<'py>> {
        let mut events = Vec::new();
        if let Some(engine) = self.read().as_ref() {
            engine.take_events(&mut events);
        }
        events.into_iter().map(|event| heard(py, event)).collect()
    }

    /// The certificate of TLS and DTLS handshakes from now on: PEM, with its chain, and its key. Raises ValueError.
    fn set_certificate(&self, chain: &[u8], key: &[u8]) -> PyResult<()> {
        match self.read().as_ref() {
            Some(engine) => engine
                .set_certificate(chain, key)
                .map_err(PyValueError::new_err),
            None => Ok(()),
        }
    }

    /// False when too many answers wait already.
    fn answer(&self, client: PyClient, packet: &[u8]) -> PyResult<bool> {
        let (worker, client) = from_python(&client)?;
        Ok(self
            .read()
            .as_ref()
            .is_some_and(|engine| engine.answer(worker, client, packet.to_vec())))
    }

    /// The port of a new relay socket: "any", "even", "pair" (an even one, and the next is kept), or the one that was `kept`. Raises OSError when there is none, ValueError for a family without address.
    fn allocate(
        &self,
        client: PyClient,
        id: u64,
        ipv6: bool,
        wanted: &str,
        kept: Option<u16>,
        milliseconds: u64,
    ) -> PyResult<u16> {
        let wanted = match (wanted, kept) {
            (_, Some(port)) => Port::Kept(port),
            ("any", _) => Port::Any,
            ("even", _) => Port::Even,
            ("pair", _) => Port::Pair,
            _ => return Err(PyValueError::new_err("the port is any, even or pair")),
        };
        let (worker, client) = from_python(&client)?;
        let engine = self.read();
        let engine = engine
            .as_ref()
            .ok_or_else(|| PyRuntimeError::new_err("the relay is closed"))?;
        engine
            .allocate(worker, id, client, ipv6, wanted, milliseconds)
            .map_err(no_socket)
    }

    /// The port of a new relay socket for TCP (RFC 6062). Raises as `allocate` does.
    fn allocate_tcp(
        &self,
        client: PyClient,
        id: u64,
        ipv6: bool,
        milliseconds: u64,
    ) -> PyResult<u16> {
        let (worker, client) = from_python(&client)?;
        let engine = self.read();
        let engine = engine
            .as_ref()
            .ok_or_else(|| PyRuntimeError::new_err("the relay is closed"))?;
        engine
            .allocate_tcp(worker, id, client, ipv6, milliseconds)
            .map_err(no_socket)
    }

    /// The number of a connection that is being made from an allocation's relay address; "made" tells how it went.
    fn dial(&self, worker: usize, id: u64, host: &str, port: u16) -> PyResult<u64> {
        let peer = socket_address(host, port)?;
        self.read()
            .as_ref()
            .map(|engine| engine.dial(worker, id, peer))
            .ok_or_else(|| PyRuntimeError::new_err("the relay is closed"))
    }

    /// Joins a connection that waits with a client's, from its next answer on. False when it has gone.
    fn join(&self, connection: u64, client: PyClient) -> PyResult<bool> {
        let (worker, client) = from_python(&client)?;
        Ok(self
            .read()
            .as_ref()
            .is_some_and(|engine| engine.join(worker, client, connection)))
    }

    /// Ends a connection.
    fn hang_up(&self, worker: usize, connection: u64) {
        if let Some(engine) = self.read().as_ref() {
            engine.hang_up(worker, connection);
        }
    }

    fn forget_kept(&self, ipv6: bool, port: u16) {
        if let Some(engine) = self.read().as_ref() {
            engine.forget_kept(ipv6, port);
        }
    }

    /// The allocation's client is here now. False when it has gone.
    fn hand_over(
        &self,
        py: Python<'_>,
        worker: usize,
        id: u64,
        client: PyClient,
    ) -> PyResult<bool> {
        let (to, client) = from_python(&client)?;
        Ok(py.detach(|| {
            self.read()
                .as_ref()
                .is_some_and(|engine| engine.hand_over(worker, id, to, client))
        }))
    }

    fn refresh(&self, worker: usize, id: u64, milliseconds: u64) {
        self.command(
            worker,
            Command::Refresh {
                id,
                lifetime: milliseconds,
            },
        );
    }

    /// `ports`: those of the peer that may be reached; `None`: all.
    #[pyo3(signature = (worker, id, host, ports, milliseconds))]
    fn permit(
        &self,
        worker: usize,
        id: u64,
        host: &str,
        ports: Option<Vec<u16>>,
        milliseconds: u64,
    ) -> PyResult<()> {
        let ports = ports.map_or(Ports::Any, |ports| Ports::Only(ports.into()));
        self.command(
            worker,
            Command::Permit {
                id,
                peer: ip(host)?,
                ports,
                lifetime: milliseconds,
            },
        );
        Ok(())
    }

    fn bind(
        &self,
        worker: usize,
        id: u64,
        channel: u16,
        host: &str,
        port: u16,
        milliseconds: u64,
    ) -> PyResult<()> {
        self.command(
            worker,
            Command::Bind {
                id,
                channel,
                peer: socket_address(host, port)?,
                lifetime: milliseconds,
            },
        );
        Ok(())
    }

    fn delete(&self, worker: usize, id: u64) {
        self.command(worker, Command::Delete { id });
    }

    /// Totals by name, and what was dropped by cause.
    fn counters(&self) -> (HashMap<&'static str, u64>, HashMap<&'static str, u64>) {
        let counters = self
            .read()
            .as_ref()
            .map(turn::Relay::counters)
            .unwrap_or_default();
        let totals = HashMap::from([
            ("to_peers", counters.to_peers),
            ("to_peers_bytes", counters.to_peers_bytes),
            ("to_clients", counters.to_clients),
            ("to_clients_bytes", counters.to_clients_bytes),
            ("bindings", counters.bindings),
            ("challenges", counters.challenges),
            ("requests", counters.requests),
            ("allocations", counters.allocations),
            ("connections", counters.connections),
        ]);
        (
            totals,
            Cause::ALL
                .into_iter()
                .map(|(cause, name)| (name, counters.dropped[cause as usize]))
                .collect(),
        )
    }

    /// Ends the threads; returns when their sockets are closed.
    fn close(&self, py: Python<'_>) {
        let engine = self
            .engine
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        py.detach(|| drop(engine));
    }
}

impl Relay {
    fn read(&self) -> RwLockReadGuard<'_, Option<turn::Relay>> {
        self.engine.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, worker: usize, command: Command) {
        if let Some(engine) = self.read().as_ref() {
            engine.command(worker, command);
        }
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Relay>()
}
