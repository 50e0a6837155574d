//! Batches of datagrams over loopback: what is sent as one comes apart again, and what is received as one too.

use std::net::UdpSocket;
use std::time::Duration;

use super::*;

fn socket(merge: bool) -> UdpSocket {
    let options = UdpOptions {
        merge,
        ..UdpOptions::default()
    };
    bind_udp(([127, 0, 0, 1], 0).into(), options).expect("loopback can be bound")
}

/// Datagrams of these lengths, each full of its number.
fn datagrams(lengths: &[usize]) -> Vec<Vec<u8>> {
    (0..)
        .zip(lengths)
        .map(|(number, length)| vec![number; *length])
        .collect()
}

fn send(sender: &mut Sender, from: &UdpSocket, to: &UdpSocket, datagrams: &[Vec<u8>]) -> usize {
    let address = to.local_addr().expect("it is bound");
    sender.send(from, datagrams.iter().map(|each| (address, &each[..])))
}

fn receive_each(socket: &UdpSocket, count: usize) -> Vec<Vec<u8>> {
    socket.set_nonblocking(false).expect("it may wait");
    let patience = Some(Duration::from_secs(5));
    socket
        .set_read_timeout(patience)
        .expect("a limit is allowed");
    (0..count)
        .map(|_| {
            let mut buffer = [0; 65_536];
            let size = socket.recv(&mut buffer).expect("one comes");
            buffer[..size].to_vec()
        })
        .collect()
}

#[test]
fn neighbours_of_one_size_leave_as_a_run_and_come_apart_as_they_were() {
    let (from, to) = (socket(false), socket(false));
    let mut sender = Sender::new(32);
    // Runs that end with a shorter one, lone ones, empty ones, longer ones than a run may have, more than go at once.
    let mut lengths = vec![
        1100, 1100, 1100, 300, 300, 1, 0, 0, 7, 1453, 1453, 1452, 1452,
    ];
    lengths.extend([90; 70]);
    let sent = datagrams(&lengths);
    assert_eq!(send(&mut sender, &from, &to, &sent), 0);
    assert_eq!(receive_each(&to, sent.len()), sent);
}

#[test]
fn a_run_and_its_neighbours_to_others_each_reach_whom_they_are_for() {
    let (from, one, two) = (socket(false), socket(false), socket(false));
    let (to_one, to_two) = (one.local_addr().unwrap(), two.local_addr().unwrap());
    let packets = [
        (to_one, [1_u8; 10]),
        (to_one, [2; 10]),
        (to_two, [3; 10]),
        (to_one, [4; 10]),
    ];
    let mut sender = Sender::new(8);
    let refused = sender.send(&from, packets.iter().map(|(to, bytes)| (*to, &bytes[..])));
    assert_eq!(refused, 0);
    assert_eq!(receive_each(&one, 3), [[1; 10], [2; 10], [4; 10]]);
    assert_eq!(receive_each(&two, 1), [[3; 10]]);
}

#[test]
fn what_is_received_as_one_is_spread_with_room_around_each() {
    let (from, to) = (socket(false), socket(true));
    let mut sender = Sender::new(64);
    let sent = datagrams(&[&[1000; 40][..], &[999]].concat());
    assert_eq!(send(&mut sender, &from, &to, &sent), 0);
    let mut receiver = Receiver::merging(4, 64, 3);
    let mut heard = Vec::new();
    while heard.len() < sent.len() {
        let Ok(count) = receiver.receive(&to, 0, 4) else {
            continue;
        };
        for at in 0..count {
            assert_eq!(receiver.source(at), from.local_addr().ok());
            let places: Vec<_> = receiver.spread(at).collect();
            for place in &places {
                // Whoever writes around one does not touch the others.
                let buffer = receiver.buffer(at);
                buffer[place.start - 64..place.start].fill(0xFF);
                buffer[place.end..place.end + 3].fill(0xFF);
            }
            heard.extend(
                places
                    .into_iter()
                    .map(|place| receiver.bytes(at)[place].to_vec()),
            );
        }
    }
    assert_eq!(heard, sent);
}

#[test]
fn one_datagram_of_any_size_is_received_as_it_is() {
    let (from, to) = (socket(false), socket(true));
    let mut sender = Sender::new(4);
    let mut receiver = Receiver::merging(1, 64, 3);
    for sent in datagrams(&[0, 1, 1500, 60_000]) {
        assert_eq!(
            send(&mut sender, &from, &to, std::slice::from_ref(&sent)),
            0
        );
        assert_eq!(receiver.receive(&to, 0, 1).expect("it is there"), 1);
        let places: Vec<_> = receiver.spread(0).collect();
        assert_eq!(places.len(), 1);
        assert_eq!(receiver.bytes(0)[places[0].clone()], sent);
    }
}

#[test]
fn what_the_kernel_will_not_cut_goes_one_by_one() {
    let (from, to) = (socket(false), socket(false));
    let address = to.local_addr().unwrap();
    // 150 datagrams: more than it takes for one run.
    let bytes = vec![5; 1496];
    let run = Run {
        to: address,
        bytes: &bytes,
        segment: 10,
    };
    let mut sender = Sender::new(4);
    assert_eq!(sender.send_runs(&from, [run]), 0);
    let heard = receive_each(&to, 150);
    assert!(heard[..149].iter().all(|each| *each == [5; 10]));
    assert_eq!(heard[149], [5; 6]);
}
