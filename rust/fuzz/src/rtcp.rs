//! RTCP compounds.

use meeting_bwe::{Bounds, SendEstimate};
use meeting_rtp::rtcp::transport_cc::MOST_ARRIVALS;
use meeting_rtp::rtcp::{Builder, Packet, TransportCc, packets};
use std::time::{Duration, Instant};

/// A subscriber's RTCP about a thousand packets that were sent: the estimate stays within its bounds.
pub fn estimate(data: &[u8]) {
    let start = Instant::now();
    let mut estimate = SendEstimate::new(Bounds::default(), start);
    estimate.demand(10_000_000);
    for number in 0..1000_u16 {
        let now = start + Duration::from_millis(u64::from(number) * 3);
        estimate.sent(number, 1000, now);
        if number % 100 == 99 {
            estimate.advance(now);
            for packet in packets(data).flatten() {
                match packet {
                    Packet::TransportCc(feedback) => estimate.feedback(&feedback, now),
                    Packet::Remb(remb) => estimate.named(remb.bitrate, 1_000_000, now),
                    _ => estimate.loss_reported(data[0], 1_000_000, now),
                }
            }
        }
    }
    let Bounds { floor, ceiling, .. } = Bounds::default();
    let bitrate = estimate.bitrate();
    assert!(bitrate.is_none_or(|bitrate| (floor..=ceiling).contains(&bitrate)));
}

/// Nothing panics or runs on, and what can be written again reads the same.
pub fn rtcp(data: &[u8]) {
    assert!(packets(data).count() <= data.len() / 4 + 1);
    for packet in packets(data).flatten() {
        let mut out = vec![0; data.len() + 64];
        let mut builder = Builder::new(&mut out);
        match &packet {
            Packet::SenderReport { ssrc, info, blocks } => {
                let blocks: Vec<_> = blocks.iter().collect();
                builder
                    .sender_report(*ssrc, *info, &blocks)
                    .expect("there is room");
            }
            Packet::ReceiverReport { ssrc, blocks } => {
                let blocks: Vec<_> = blocks.iter().collect();
                builder
                    .receiver_report(*ssrc, &blocks)
                    .expect("there is room");
            }
            Packet::Goodbye(ssrcs) => {
                let ssrcs: Vec<_> = ssrcs.iter().collect();
                builder.goodbye(&ssrcs).expect("there is room");
            }
            Packet::PictureLoss { sender, media } => {
                builder
                    .picture_loss(*sender, *media)
                    .expect("there is room");
            }
            Packet::Nack(nack) => return assert!(nack.sequences().count() <= data.len() / 4 * 17),
            Packet::Fir(fir) => return assert!(fir.requests().count() <= data.len() / 8),
            Packet::Remb(remb) => {
                let ssrcs: Vec<_> = remb.ssrcs.iter().collect();
                builder
                    .remb(remb.sender, remb.bitrate, &ssrcs)
                    .expect("there is room");
                let Some(Ok(Packet::Remb(again))) = packets(builder.as_bytes()).next() else {
                    panic!("we wrote it")
                };
                return assert!(
                    again.bitrate <= remb.bitrate
                        && again.bitrate >= remb.bitrate - remb.bitrate / 1024
                );
            }
            Packet::TransportCc(feedback) => return transport_cc(feedback),
            Packet::SourceDescription(_) | Packet::Other { .. } => return,
        }
        assert_eq!(packets(builder.as_bytes()).next(), Some(Ok(packet)));
    }
}

fn transport_cc(feedback: &TransportCc<'_>) {
    let arrivals: Vec<_> = feedback.arrivals().collect();
    assert!(arrivals.len() <= usize::from(feedback.count));
    let mut out = [0; 4096];
    let mut builder = Builder::new(&mut out);
    let Ok(covered) = builder.transport_cc(
        feedback.sender,
        feedback.media,
        feedback.feedback,
        &arrivals,
    ) else {
        return; // nothing arrived
    };
    assert!(covered <= arrivals.len().min(MOST_ARRIVALS));
    let Some(Ok(Packet::TransportCc(again))) = packets(builder.as_bytes()).next() else {
        panic!("we wrote it")
    };
    // the reference time has 24 bits: a time that was beyond them comes back short of them
    let read: Vec<_> = again.arrivals().collect();
    assert_eq!(read.len(), covered);
    for (read, sent) in read.iter().zip(&arrivals) {
        assert_eq!(read.sequence, sent.sequence);
        assert_eq!(read.ticks.is_some(), sent.ticks.is_some());
    }
}
