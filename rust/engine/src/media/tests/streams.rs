//! ICE over TCP: calls, connections that are none, floods, slow readers.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use meeting_load::Wire;

use super::*;

fn by_tcp(stage: &mut Stage, id: Id) -> usize {
    let wire = Wire::tcp(stage.port.tcp_addresses()[0]).unwrap();
    stage.join_by(id, wire)
}

fn counter(stage: &Stage, name: &str) -> u64 {
    let latest = stage.events.iter().rev().find_map(|event| match event {
        Event::Statistics(statistics) => Some(&statistics.counters),
        _ => None,
    });
    let rows = latest.map(|rows| rows.iter());
    rows.and_then(|mut rows| rows.find(|(row, _)| *row == name))
        .map_or(0, |(_, count)| *count)
}

fn paths(stage: &Stage, id: Id) -> Vec<&str> {
    stage
        .events
        .iter()
        .filter_map(|event| match event {
            Event::LinkConnected { link, path } | Event::LinkPathChanged { link, path }
                if *link == id =>
            {
                path.split(' ').next()
            }
            _ => None,
        })
        .collect()
}

/// Whether the server has closed a connection.
fn has_ended(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match (&*stream).read(&mut [0; 16]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn people_who_come_by_tcp_and_by_udp_see_each_other() {
    let mut stage = Stage::new();
    by_tcp(&mut stage, 1);
    by_tcp(&mut stage, 2);
    stage.join(3);
    stage.connected();
    assert_eq!(paths(&stage, 1), ["tcp"]);
    assert_eq!(paths(&stage, 3), ["udp"]);
    stage.publish(1, 10);
    stage.subscribe(2, 20, 10, 500);
    stage.subscribe(3, 30, 10, 500);
    stage.film(Duration::from_millis(400));
    stage.until("both receive", |stage| {
        stage.heard[1] > 20 && stage.heard[2] > 20
    });
    assert_eq!(stage.troubles(), [""; 0]);
}

#[test]
fn a_stream_that_does_not_begin_with_a_check_is_closed_at_once() {
    let mut stage = Stage::new();
    for head in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3],
        &[0, 40, 22, 254, 253],
        &[0xff, 0xff, 0, 1],
    ] {
        let mut stream = TcpStream::connect(stage.port.tcp_addresses()[0]).unwrap();
        stream.write_all(head).unwrap();
        stage.until("its end", |_| has_ended(&stream));
    }
}

#[test]
fn those_who_say_nothing_do_not_keep_others_out_and_are_not_waited_for_long() {
    let mut stage = Stage::with(StreamLimits {
        unknown: 4,
        patience: Duration::from_secs(2),
        ..StreamLimits::default()
    });
    let address = stage.port.tcp_addresses()[0];
    let silent: Vec<_> = (0..12)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    stage.until("the oldest make room", |_| {
        silent[..8].iter().all(has_ended)
    });
    by_tcp(&mut stage, 1);
    stage.connected();
    stage.until("time is up for the others", |_| {
        silent.iter().all(has_ended)
    });
    assert!(stage.participants[0].closed.is_none());
    stage.until("it is counted", |stage| {
        counter(stage, "streams_refused") == 12 && counter(stage, "streams") == 1
    });
}

#[test]
fn there_are_never_more_connections_than_allowed() {
    let mut stage = Stage::with(StreamLimits {
        connections: 1,
        ..StreamLimits::default()
    });
    by_tcp(&mut stage, 1);
    stage.connected();
    let second = TcpStream::connect(stage.port.tcp_addresses()[0]).unwrap();
    stage.until("the second is turned away", |_| has_ended(&second));
}

#[test]
fn who_reads_slowly_gets_less_video_and_goes_on_later_and_others_notice_nothing() {
    let mut stage = Stage::with(StreamLimits {
        video_queue: 2 << 10,
        ..StreamLimits::default()
    });
    stage.join(1);
    by_tcp(&mut stage, 2);
    stage.join(3);
    stage.connected();
    stage.publish(1, 10);
    stage.subscribe(2, 20, 10, 500);
    stage.subscribe(3, 30, 10, 500);
    let end = Instant::now() + PATIENCE;
    while counter(&stage, "packets_held_back") == 0 {
        stage.film_for(Duration::from_millis(200), &[0, 2]);
        assert!(Instant::now() < end, "the slow one is never behind");
    }
    assert_eq!(counter(&stage, "stream_queue_full"), 0);
    let (slow, quick) = (stage.heard[1], stage.heard[2]);
    stage.film(Duration::from_millis(400));
    stage.until("the slow one catches up", |stage| {
        stage.heard[1] > slow && stage.heard[2] > quick
    });
    assert!(stage.participants[1].closed.is_none());
}

#[test]
fn who_loses_the_connection_goes_on_by_another_way() {
    let mut stage = Stage::new();
    by_tcp(&mut stage, 1);
    stage.connected();
    let remote = stage.remote(1);
    for (wire, way) in [
        (Wire::udp(remote.address), "udp"),
        (Wire::tcp(stage.port.tcp_addresses()[0]), "tcp"),
    ] {
        let known = paths(&stage, 1).len();
        stage.participants[0].move_to(wire.unwrap(), "peer", &remote, 7, Instant::now());
        stage.until("another path", |stage| {
            paths(stage, 1).get(known) == Some(&way)
        });
    }
    assert!(stage.participants[0].closed.is_none());
}

#[test]
fn a_connection_accepted_elsewhere_is_taken_over_with_what_was_read_of_it() {
    let mut stage = Stage::new();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let wire = Wire::tcp(elsewhere.local_addr().unwrap()).unwrap();
    stage.join_by(1, wire);
    stage.turn();
    let (mut taken, _) = elsewhere.accept().unwrap();
    let mut head = [0; 30];
    taken.read_exact(&mut head).unwrap();
    stage.command(Command::Adopt {
        socket: OwnedFd::from(taken),
        head: head.to_vec(),
    });
    stage.connected();
    assert_eq!(paths(&stage, 1), ["tcp"]);
}

#[test]
fn where_there_is_only_ipv6_people_come_by_udp_and_by_tcp() {
    let any = vec!["[::1]:0".parse().unwrap()];
    let mut stage = Stage::of(Configuration {
        bind: any.clone(),
        bind_tcp: any,
        ..configuration()
    });
    stage.join(1);
    by_tcp(&mut stage, 2);
    stage.connected();
    assert_eq!(
        (paths(&stage, 1), paths(&stage, 2)),
        (vec!["udp"], vec!["tcp"])
    );
    stage.publish(1, 10);
    stage.subscribe(2, 20, 10, 500);
    stage.film(Duration::from_millis(200));
    stage.until("the picture", |stage| stage.heard[1] > 5);
}
