//! The sockets clients come to: for each address one of every thread.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use super::Configuration;
use super::accepting::Acceptor;
use super::tls::Tls;
use crate::sys::{UdpOptions, bind_udp, listen as listen_tcp};

/// Bytes a listening socket may hold while its worker is busy.
const LISTEN_BUFFER: usize = 4 << 20;

/// One thread's, in the order of the listening addresses.
#[derive(Debug, Default)]
pub(super) struct Listening {
    pub(super) plain: Vec<UdpSocket>,
    pub(super) secure: Vec<UdpSocket>,
    pub(super) streams: Vec<Acceptor>,
}

impl Listening {
    /// Opens those of all threads.
    pub(super) fn open(configuration: &Configuration, tls: &Tls) -> io::Result<Vec<Self>> {
        let workers = configuration.workers;
        let mut all: Vec<Self> = (0..workers).map(|_| Self::default()).collect();
        for address in &configuration.listen {
            let sockets = listen(*address, workers)?;
            all.iter_mut()
                .zip(sockets)
                .for_each(|(mine, socket)| mine.plain.push(socket));
        }
        for address in &configuration.dtls {
            let sockets = listen(*address, workers)?;
            all.iter_mut()
                .zip(sockets)
                .for_each(|(mine, socket)| mine.secure.push(socket));
        }
        for (address, secure) in &configuration.streams {
            let acceptors = listen_stream(*address, secure.then_some(tls), workers)?;
            all.iter_mut()
                .zip(acceptors)
                .for_each(|(mine, acceptor)| mine.streams.push(acceptor));
        }
        Ok(all)
    }

    /// As bound.
    pub(super) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let datagrams = self.plain.iter().chain(&self.secure);
        datagrams
            .map(UdpSocket::local_addr)
            .chain(self.streams.iter().map(|each| each.socket.local_addr()))
            .collect()
    }
}

/// One socket for each worker, all on one address.
fn listen(address: SocketAddr, workers: usize) -> io::Result<Vec<UdpSocket>> {
    // Without SO_REUSEPORT first: it would let a second server take half of our clients without a word.
    let bound = bind_udp(address, UdpOptions::default())
        .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?
        .local_addr()?;
    let options = UdpOptions {
        shared: workers > 1,
        receive_buffer: LISTEN_BUFFER,
        merge: true,
    };
    (0..workers).map(|_| bind_udp(bound, options)).collect()
}

/// The same for a stream.
fn listen_stream(
    address: SocketAddr,
    tls: Option<&Tls>,
    workers: usize,
) -> io::Result<Vec<Acceptor>> {
    let bound = listen_tcp(address, false)
        .map_err(|error| io::Error::new(error.kind(), format!("{address}/tcp: {error}")))?
        .local_addr()?;
    (0..workers)
        .map(|_| {
            Ok(Acceptor {
                socket: listen_tcp(bound, workers > 1)?,
                tls: tls.cloned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_refused_even_for_several_workers() {
        let first = listen(([127, 0, 0, 1], 0).into(), 2).expect("loopback can be bound");
        let taken = first[0].local_addr().expect("bound");
        assert_eq!(
            listen(taken, 2).expect_err("taken").kind(),
            io::ErrorKind::AddrInUse
        );
        drop(first);
        listen(taken, 2).expect("free again");
    }
}
