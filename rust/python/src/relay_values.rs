//! What the relay's control handle takes and gives, as Python has it.

use std::net::{IpAddr, SocketAddr};

use meeting_engine::turn::{Client, Event, NoSocket};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// (worker, listener, host, port): a client as the engine knows it.
pub(crate) type PyClient = (usize, u8, String, u16);

/// What is heard, with its name in front.
#[derive(IntoPyObject)]
pub(crate) enum Heard<'py> {
    Request((&'static str, PyClient, Bound<'py, PyBytes>)),
    Gone((&'static str, PyClient)),
    Attempt((&'static str, PyClient, u64, String, u16)),
    Made((&'static str, u64, bool)),
    Ended((&'static str, u64)),
    Trouble((&'static str, String)),
}

/// Bounds of stream connections; times in milliseconds.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct PyStreamLimits {
    pub(crate) connections: usize,
    pub(crate) per_source: usize,
    pub(crate) half_open: usize,
    pub(crate) handshake: u64,
    pub(crate) idle: u64,
    pub(crate) queue: usize,
    pub(crate) stuck: u64,
    pub(crate) peers: usize,
    pub(crate) peers_of_one: usize,
    pub(crate) connect: u64,
}

/// An event with its name in front.
pub(crate) fn heard(py: Python<'_>, event: Event) -> Heard<'_> {
    match event {
        Event::Request {
            worker,
            client,
            packet,
        } => Heard::Request((
            "request",
            to_python(worker, client),
            PyBytes::new(py, &packet),
        )),
        Event::Gone { worker, client } => Heard::Gone(("gone", to_python(worker, client))),
        Event::Attempt {
            worker,
            client,
            connection,
            peer,
        } => Heard::Attempt((
            "attempt",
            to_python(worker, client),
            connection,
            peer.ip().to_string(),
            peer.port(),
        )),
        Event::Made { connection, made } => Heard::Made(("made", connection, made)),
        Event::Ended { connection } => Heard::Ended(("ended", connection)),
        Event::Trouble(text) => Heard::Trouble(("trouble", text)),
    }
}

pub(crate) fn no_socket(refusal: NoSocket) -> PyErr {
    match refusal {
        NoSocket::Family => PyValueError::new_err("no relay address of this family"),
        NoSocket::Ports => PyOSError::new_err("no relay port is free"),
        NoSocket::System(error) => error.into(),
    }
}

fn to_python(worker: usize, client: Client) -> PyClient {
    let Client { listener, address } = client;
    (worker, listener, address.ip().to_string(), address.port())
}

pub(crate) fn from_python((worker, listener, host, port): &PyClient) -> PyResult<(usize, Client)> {
    Ok((
        *worker,
        Client {
            listener: *listener,
            address: socket_address(host, *port)?,
        },
    ))
}

pub(crate) fn ip(host: &str) -> PyResult<IpAddr> {
    host.parse()
        .map_err(|_| PyValueError::new_err(format!("{host} is not an IP address")))
}

pub(crate) fn socket_address(host: &str, port: u16) -> PyResult<SocketAddr> {
    Ok(SocketAddr::new(ip(host)?, port))
}

pub(crate) fn socket_addresses(all: &[(String, u16)]) -> PyResult<Vec<SocketAddr>> {
    all.iter()
        .map(|(host, port)| socket_address(host, *port))
        .collect()
}
