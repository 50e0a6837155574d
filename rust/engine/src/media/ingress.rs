//! Datagrams in: sorted by their first byte (RFC 7983), opened, forwarded.

use std::net::SocketAddr;
use std::time::Instant;

use meeting_forward::{Kind, Packet};
use meeting_link::{Event as LinkEvent, Path};
use meeting_rtp::extension::Values;
use meeting_rtp::rtcp;
use meeting_srtp::Rejected;
use meeting_stun::Message;

use super::bandwidth::Leaving;
use super::event::Event;
use super::exit::Exit;
use super::plane::{Place, Plane, Receipt};
use super::tracks::place_of;

/// A media packet of this batch with the place of its Source.
struct Media<'a> {
    source: usize,
    packet: Packet<'a>,
}

impl Plane {
    /// Handles one batch of an exit: first all that came in, then, Sink by Sink, what goes out, so that a frame's packets
    /// leave together.
    pub(super) fn batch<'a>(
        &mut self,
        now: Instant,
        socket: usize,
        datagrams: impl Iterator<Item = (SocketAddr, &'a mut [u8])>,
    ) {
        let transport = self.exits[socket].transport();
        let mut media = Vec::with_capacity(datagrams.size_hint().1.unwrap_or_default());
        for (address, bytes) in datagrams {
            self.counters.datagrams += 1;
            let from = Path { transport, address };
            match bytes.first() {
                Some(0..=3) => self.stun(now, socket, from, bytes),
                Some(20..=63) => self.dtls(now, socket, from, bytes),
                Some(128..=191) => media.extend(self.srtp(now, from, bytes)),
                _ => self.counters.malformed += 1,
            }
        }
        if !media.is_empty() {
            self.fan_out(now, &media);
        }
    }

    fn stun(&mut self, now: Instant, socket: usize, from: Path, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        let link = message
            .username()
            .and_then(|username| username.split(|byte| *byte == b':').next())
            .and_then(|ufrag| std::str::from_utf8(ufrag).ok())
            .and_then(|ufrag| self.ufrags.get(ufrag).copied());
        match link {
            Some(at) => self.hand_over(now, socket, from, at, bytes),
            None => self.counters.unknown_ufrag += 1,
        }
    }

    fn dtls(&mut self, now: Instant, socket: usize, from: Path, bytes: &[u8]) {
        match self.addresses.get(&from) {
            Some(place) => self.hand_over(now, socket, from, place.link, bytes),
            None => self.counters.unknown_address += 1,
        }
    }

    fn hand_over(&mut self, now: Instant, socket: usize, from: Path, at: usize, bytes: &[u8]) {
        self.current = Some(at);
        let link = &mut self.links[at];
        link.packets_received += 1;
        link.bytes_received += bytes.len() as u64;
        link.machine.handle_datagram(now, from, bytes);
        if let Some(place) = self.addresses.get_mut(&from)
            && place.link == at
        {
            place.socket = socket;
        }
        self.attend(now, at, socket);
        self.touched.push(at);
    }

    /// Sends what a Link's machine wants sent. An address that is not the peer's yet is answered from where it came.
    pub(super) fn send_waiting(&mut self, at: usize, socket: usize) {
        let link = &mut self.links[at];
        while let Some(transmit) = link.machine.poll_transmit() {
            let socket = self
                .addresses
                .get(&transmit.to)
                .map_or(socket, |place| place.socket);
            link.packets_sent += 1;
            link.bytes_sent += transmit.bytes.len() as u64;
            self.exits[socket].push_bytes(&transmit.bytes, transmit.to.address);
        }
    }

    /// Takes what a Link's machine gives after it was given something.
    pub(super) fn attend(&mut self, now: Instant, at: usize, socket: usize) {
        self.send_waiting(at, socket);
        while let Some(event) = self
            .links
            .get_mut(at)
            .and_then(|link| link.machine.poll_event())
        {
            let id = self.links[at].id;
            match event {
                LinkEvent::AddressValidated(path) => {
                    self.addresses.insert(path, Place { link: at, socket });
                    if let Some(streams) = self.exits[socket].streams() {
                        streams.recognise(path.address);
                    }
                }
                LinkEvent::AddressForgotten(path) => self.forget_path(path, at),
                LinkEvent::Connected { path, keys } => {
                    let link = &mut self.links[at];
                    if let Some(keys) = keys {
                        link.inbound = Some(keys.inbound);
                        link.outbound = Some(keys.outbound);
                    }
                    self.set_path(at, path, socket);
                    self.events.state(Event::LinkConnected {
                        link: id,
                        path: path.to_string(),
                    });
                    self.begin_sinks(now, at);
                }
                LinkEvent::PathChanged(path) => {
                    self.set_path(at, path, socket);
                    self.events.state(Event::LinkPathChanged {
                        link: id,
                        path: path.to_string(),
                    });
                }
                LinkEvent::ChannelOpened(label) => {
                    self.events.state(Event::ChannelOpened { link: id, label });
                }
                LinkEvent::Message {
                    label,
                    data,
                    binary,
                } => self.events.offer(Event::Message {
                    link: id,
                    label,
                    data,
                    binary,
                }),
                LinkEvent::MessageDropped(_) => self.counters.messages_dropped += 1,
                LinkEvent::Closed(reason) => {
                    self.remove_link(at);
                    self.events.state(Event::LinkClosed {
                        link: id,
                        reason: reason.to_string(),
                    });
                }
            }
        }
    }

    fn set_path(&mut self, at: usize, path: Path, socket: usize) {
        let socket = self
            .addresses
            .get(&path)
            .map_or(socket, |place| place.socket);
        self.links[at].path = Some((path.address, socket));
    }

    /// Key frames asked for before the Link was up may have come and gone: ask again.
    fn begin_sinks(&mut self, now: Instant, at: usize) {
        for sink in self.links[at].sinks.clone() {
            self.sinks[sink].machine.key_frame_requested();
            self.pass_key_frame_request(now, sink);
        }
    }

    fn srtp<'a>(&mut self, now: Instant, from: Path, bytes: &'a mut [u8]) -> Option<Media<'a>> {
        let Some(place) = self.addresses.get(&from) else {
            self.counters.unknown_address += 1;
            return None;
        };
        let at = place.link;
        self.current = Some(at);
        let link = &mut self.links[at];
        link.packets_received += 1;
        link.bytes_received += bytes.len() as u64;
        let Some(inbound) = &mut link.inbound else {
            self.counters.not_connected += 1;
            return None;
        };
        if meeting_rtp::is_rtcp(bytes) {
            match inbound.unprotect_rtcp(bytes) {
                Ok(len) => self.rtcp(now, at, &bytes[..len]),
                Err(why) => self.rejected(at, why),
            }
            return None;
        }
        let (header, len) = match inbound.unprotect_rtp(bytes) {
            Ok(opened) => opened,
            Err(why) => {
                self.rejected(at, why);
                return None;
            }
        };
        let bytes = &mut bytes[..len];
        match &mut link.congestion {
            Receipt::TransportWide(arrivals) => {
                let values = Values::parse(&header, bytes, &link.reception.extensions);
                if let Some(sequence) = values.transport_cc(bytes) {
                    arrivals.arrived(sequence, header.ssrc, now);
                }
            }
            Receipt::Estimate(estimate) => estimate.received(header.ssrc, len, now),
            Receipt::None => {}
        }
        self.touched.push(at);
        let Some(source) = link
            .demux
            .route(&header, bytes)
            .and_then(|name| place_of(&self.sources, name))
        else {
            self.counters.unknown_ssrc += 1;
            return None;
        };
        match self.sources[source].machine.receive(bytes, &header, now) {
            Ok(packet) => Some(Media { source, packet }),
            Err(_) => {
                self.counters.ignored += 1;
                None
            }
        }
    }

    fn rejected(&mut self, at: usize, why: Rejected) {
        self.links[at].refused += 1;
        let counter = match why {
            Rejected::Forged => &mut self.counters.srtp_forged,
            Rejected::Replayed => &mut self.counters.srtp_replayed,
            _ => &mut self.counters.srtp_other,
        };
        *counter += 1;
    }

    /// Source by Source, Sink by Sink, packet by packet.
    fn fan_out(&mut self, now: Instant, media: &[Media<'_>]) {
        let wall = self.clock.at(now);
        let mut wishes = Vec::new();
        for (i, first) in media.iter().enumerate() {
            let place = first.source;
            if media[..i].iter().any(|earlier| earlier.source == place) {
                continue;
            }
            let Some(source) = self.sources.get(place) else {
                continue;
            };
            for &at in &source.sinks {
                let sink = &mut self.sinks[at];
                let link = &mut self.links[sink.link];
                let (Some(_), Some((to, socket))) = (&link.outbound, link.path) else {
                    continue;
                };
                self.current = Some(sink.link);
                let exit: &mut Exit = &mut self.exits[socket];
                let behind = source.machine.kind() == Kind::Video && exit.is_behind(&to);
                link.departure.at(wall);
                for one in &media[i..] {
                    if one.source != place {
                        continue;
                    }
                    let room = exit.room();
                    let Some(out) =
                        sink.machine
                            .forward(&one.packet, now, &mut link.departure, room)
                    else {
                        continue;
                    };
                    if behind {
                        // Its sequence number is used up: the peer sees a gap and asks for a key frame when it has caught up.
                        self.counters.held_back += 1;
                        continue;
                    }
                    let protected = link
                        .outbound
                        .as_ref()
                        .map(|outbound| outbound.protect_rtp(room, out.header, out.len, out.index));
                    if let Some(Ok(len)) = protected {
                        let leaving = Leaving {
                            kind: sink.choice.kind,
                            sequence: out.transport_sequence,
                            len,
                        };
                        if link.leave(leaving, exit, now) {
                            self.touched.push(sink.link);
                        }
                        self.counters.forwarded += 1;
                    }
                }
                if let Some(name) = sink.machine.take_key_frame_request() {
                    wishes.push(name);
                }
            }
        }
        for name in wishes {
            if let Some(place) = place_of(&self.sources, name) {
                self.request_key_frame(now, place);
            }
        }
        self.settle_switches();
    }

    /// Sinks that have begun their new Source need the old one no more.
    fn settle_switches(&mut self) {
        for at in std::mem::take(&mut self.switching) {
            let Some(sink) = self.sinks.get(at) else {
                continue;
            };
            if sink.machine.flowing() == sink.machine.wanted() {
                self.detach(at);
            } else {
                self.switching.push(at);
            }
        }
    }

    /// Feedback of a subscriber, reports of a publisher.
    fn rtcp(&mut self, now: Instant, at: usize, compound: &[u8]) {
        self.touched.push(at);
        // What is malformed is skipped: the datagram has authenticated, so it is the peer's own mistake.
        for packet in rtcp::packets(compound).flatten() {
            match packet {
                rtcp::Packet::SenderReport { ssrc, info, blocks } => {
                    if let Some(name) = self.links[at].demux.source_of(ssrc)
                        && let Some(place) = place_of(&self.sources, name)
                    {
                        self.sources[place].machine.sender_report(&info, now);
                    }
                    self.report_blocks(now, at, blocks);
                }
                rtcp::Packet::ReceiverReport { blocks, .. } => self.report_blocks(now, at, blocks),
                rtcp::Packet::Nack(nack) => self.nack(now, at, &nack),
                rtcp::Packet::PictureLoss { media, .. } => self.key_frame_wanted(now, at, media),
                rtcp::Packet::Fir(fir) => {
                    for (ssrc, _) in fir.requests() {
                        self.key_frame_wanted(now, at, ssrc);
                    }
                }
                rtcp::Packet::TransportCc(feedback) => {
                    self.links[at].bandwidth.estimate.feedback(&feedback, now);
                }
                rtcp::Packet::Remb(remb) => {
                    let bandwidth = &mut self.links[at].bandwidth;
                    let sending = bandwidth.sending.bitrate();
                    bandwidth.estimate.named(remb.bitrate, sending, now);
                }
                _ => {}
            }
        }
    }

    pub(super) fn sink_of(&self, at: usize, ssrc: u32) -> Option<usize> {
        let mut sinks = self.links[at].sinks.iter().copied();
        sinks.find(|sink| self.sinks[*sink].ssrc == ssrc)
    }

    fn report_blocks(&mut self, now: Instant, at: usize, blocks: rtcp::Blocks<'_>) {
        for block in blocks.iter() {
            if let Some(sink) = self.sink_of(at, block.ssrc) {
                let sink = &mut self.sinks[sink];
                sink.machine.report_block(&block, now);
                sink.lost = i64::from(block.cumulative_lost);
                let bandwidth = &mut self.links[at].bandwidth;
                let sending = bandwidth.sending.bitrate();
                bandwidth
                    .estimate
                    .loss_reported(block.fraction_lost, sending, now);
            }
        }
    }

    fn key_frame_wanted(&mut self, now: Instant, at: usize, ssrc: u32) {
        if let Some(sink) = self.sink_of(at, ssrc) {
            self.sinks[sink].plis_received += 1;
            self.sinks[sink].machine.key_frame_requested();
            self.pass_key_frame_request(now, sink);
        }
    }
}
