//! A long call in which everything changes all the time: who watches, what they watch, their address, how bad the network is.
//! Ten minutes of it in the gate, six hours in `make soak`: `SIMULATED_MINUTES` says how long.

mod call;
mod support;

use call::{Call, Conditions};
use meeting_netem::{Network, Path, Random};
use std::time::Duration;
use support::MILLISECOND;

const GATE_MINUTES: u64 = 10;
/// A history's bound (SourceConfig), and a chunk.
const MOST_BYTES: usize = (4 << 20) + (16 << 10);

fn some_path(random: &mut Random) -> Path {
    Path {
        delay: MILLISECOND * (5 + random.below(100) as u32),
        jitter: MILLISECOND * random.below(30) as u32,
        loss: 0.15 * random.unit(),
        burst: 0.003 * random.unit(),
        burst_length: 8.0,
        reorder: 0.05 * random.unit(),
        duplicate: 0.02 * random.unit(),
        ..Path::default()
    }
}

#[test]
fn whatever_happens_what_is_watched_can_be_decoded_and_every_number_is_sent_once() {
    let minutes = std::env::var("SIMULATED_MINUTES").map_or(GATE_MINUTES, |it| it.parse().unwrap());
    let seed = 1;
    let mut random = Random::new(seed);
    let conditions = Conditions {
        up: some_path(&mut random),
        down: some_path(&mut random),
        layer: 0,
        lossy: meeting_forward::LOSSY,
        length: Duration::from_secs(60 * minutes),
    };
    let mut call = Call::new(&conditions, seed);
    let (mut joins, mut switches, mut moves) = (1u32, 0u32, 0u32);
    let (mut shown, mut absent, mut lost_up) = (0u64, 0u64, 0u64);
    let mut next = call.now;
    while call.now < call.start + conditions.length {
        call.tick();
        if call.now < next {
            continue;
        }
        next = call.now + MILLISECOND * (100 + random.below(10_000) as u32);
        for source in &call.server.sources {
            assert!(source.history().bytes() <= MOST_BYTES);
        }
        match random.below(10) {
            0 => {
                shown += u64::from(call.pictures.seen.shown);
                // what is on its way to who left reaches nobody
                for place in [2, 3] {
                    call.networks[place] = Network::new(some_path(&mut random), random.bits());
                }
                absent += call.server.numbers.absent.len() as u64;
                call.join(random.below(3));
                joins += 1;
            }
            1..=5 => {
                call.server.show(Some(random.below(3)), call.now);
                switches += 1;
            }
            6 => call.server.show(None, call.now),
            // another address, another network; what flies is lost
            place => {
                let place = if place == 9 { 2 } else { place - 7 };
                let path = Network::new(some_path(&mut random), random.bits());
                let mut old = std::mem::replace(&mut call.networks[place], path);
                if place == 0 {
                    let flying = std::iter::from_fn(|| old.receive(call.now + conditions.length));
                    lost_up += flying.count() as u64;
                    lost_up += old.counts().lost;
                }
                moves += 1;
            }
        }
    }
    shown += u64::from(call.pictures.seen.shown);
    lost_up += call.networks[0].counts().lost;
    absent += call.server.numbers.absent.len() as u64;
    println!(
        "{minutes} min: {joins} joins, {switches} switches, {moves} moves, {shown} frames shown"
    );
    println!(
        "{absent} numbers left out, {lost_up} packets of all layers lost before they came to us"
    );
    assert!(joins > 3 && switches > 20 && moves > 10);
    // paths up to 15 % bad on both legs, pauses, and the waits for key frames
    assert!(shown > minutes * 60 * 8, "too few frames shown");
    assert!(absent <= lost_up, "numbers were left out that had come");
}
