//! The media port's control handle (docs/protocols/dataplane.md). Values are checked here, so that what reaches the thread
//! is sound.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use meeting_bwe::Importance;
use meeting_engine::media::{
    self, Bounds, Command, Configuration, Congestion, Event, Id, Statistics, StreamLimits,
    duplicate,
};
use meeting_forward::{CodecParameters, Kind, SinkConfig};
use meeting_link::{ChannelSettings, Credentials, Fingerprint, Identity, Limits};
use meeting_rtp::{Codec, ExtensionMap};
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

/// (payload type, name, clock rate, rtx payload type, nack, pli).
type PyCodec = (u8, String, u32, Option<u8>, bool, bool);
/// (URI, id).
type PyExtensions = Vec<(String, u8)>;

/// A running port: sockets and a thread from construction to `close()`.
#[pyclass(frozen, module = "meeting.dataplane._native")]
struct Port {
    engine: media::Port,
    fingerprint: String,
}

#[pymethods]
impl Port {
    #[new]
    #[pyo3(signature = (*, bind, bind_tcp, certificate, key, events, commands, early_data, message, channel_buffer, connect_seconds, consent_seconds, socket_buffer, streams, unknown_streams, stream_seconds, stream_video_queue, stream_queue))]
    #[allow(
        clippy::too_many_arguments,
        reason = "they are named on the other side"
    )]
    fn new(
        py: Python<'_>,
        bind: Vec<(String, u16)>,
        bind_tcp: Vec<(String, u16)>,
        certificate: Vec<u8>,
        key: Vec<u8>,
        events: usize,
        commands: usize,
        early_data: usize,
        message: usize,
        channel_buffer: usize,
        connect_seconds: f64,
        consent_seconds: f64,
        socket_buffer: usize,
        streams: usize,
        unknown_streams: usize,
        stream_seconds: f64,
        stream_video_queue: usize,
        stream_queue: usize,
    ) -> PyResult<Self> {
        let identity = Identity::new(certificate, key).map_err(value_error)?;
        let fingerprint = identity.fingerprint().to_string();
        let limits = Limits {
            early_data,
            message,
            channel_buffer,
            connect: seconds(connect_seconds)?,
            consent: seconds(consent_seconds)?,
            ..Limits::default()
        };
        let configuration = Configuration {
            bind: socket_addresses(&bind)?,
            bind_tcp: socket_addresses(&bind_tcp)?,
            identity,
            limits,
            streams: StreamLimits {
                connections: streams,
                unknown: unknown_streams,
                patience: seconds(stream_seconds)?,
                video_queue: stream_video_queue,
                queue: stream_queue,
            },
            events,
            commands,
            socket_buffer,
        };
        let engine = py.detach(|| media::Port::start(configuration))?;
        Ok(Self {
            engine,
            fingerprint,
        })
    }

    /// Readable while `take_events` has something.
    fn fileno(&self) -> i32 {
        self.engine.as_raw_fd()
    }

    fn addresses(&self) -> Vec<(String, u16)> {
        hosts_and_ports(self.engine.addresses())
    }

    fn tcp_addresses(&self) -> Vec<(String, u16)> {
        hosts_and_ports(self.engine.tcp_addresses())
    }

    /// Takes over a TCP connection, of which `head` has been read. The descriptor stays the caller's to close.
    fn adopt(&self, descriptor: RawFd, head: Vec<u8>) -> PyResult<()> {
        self.command(Command::Adopt {
            socket: duplicate(descriptor)?,
            head,
        })
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn take_events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let mut events = Vec::new();
        self.engine.take_events(&mut events);
        events.into_iter().map(|event| heard(py, event)).collect()
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.engine.close());
    }

    #[pyo3(signature = (link, ufrag, password, fingerprint))]
    fn add_link(
        &self,
        link: Id,
        ufrag: &str,
        password: &str,
        fingerprint: Option<&str>,
    ) -> PyResult<()> {
        self.command(Command::AddLink {
            link,
            credentials: credentials(ufrag, password)?,
            fingerprint: fingerprint.map(parsed::<Fingerprint>).transpose()?,
        })
    }

    fn set_remote(&self, link: Id, fingerprint: &str) -> PyResult<()> {
        self.command(Command::SetRemote {
            link,
            fingerprint: parsed(fingerprint)?,
        })
    }

    /// `congestion`: 0 none, 1 transport-wide feedback, 2 receiver estimate.
    fn configure(
        &self,
        link: Id,
        codecs: Vec<PyCodec>,
        extensions: PyExtensions,
        congestion: u8,
    ) -> PyResult<()> {
        let codecs = codecs
            .into_iter()
            .map(|(payload_type, name, clock_rate, rtx, nack, pli)| {
                for number in [Some(payload_type), rtx].into_iter().flatten() {
                    payload_type_in_range(number)?;
                }
                Ok(CodecParameters {
                    payload_type,
                    codec: Codec::from_name(&name),
                    clock_rate,
                    rtx_payload_type: rtx,
                    nack,
                    pli,
                })
            })
            .collect::<PyResult<_>>()?;
        self.command(Command::Configure {
            link,
            codecs,
            extensions: extension_map(&extensions),
            congestion: match congestion {
                0 => Congestion::None,
                1 => Congestion::TransportWide,
                2 => Congestion::ReceiverEstimate,
                _ => return Err(PyValueError::new_err("congestion is 0, 1 or 2")),
            },
        })
    }

    #[pyo3(signature = (link, source, mid, video, rid, ssrcs))]
    fn add_source(
        &self,
        link: Id,
        source: Id,
        mid: String,
        video: bool,
        rid: Option<String>,
        ssrcs: Vec<u32>,
    ) -> PyResult<()> {
        self.command(Command::AddSource {
            link,
            source,
            mid,
            kind: kind(video),
            rid,
            ssrcs,
        })
    }

    #[pyo3(signature = (link, sink, mid, video, ssrc, rtx_ssrc, payload_types, rtx_payload_types, extensions))]
    #[allow(clippy::too_many_arguments, reason = "a track has so many properties")]
    fn add_sink(
        &self,
        link: Id,
        sink: Id,
        mid: String,
        video: bool,
        ssrc: u32,
        rtx_ssrc: Option<u32>,
        payload_types: Vec<(u8, u8)>,
        rtx_payload_types: Vec<(u8, u8)>,
        extensions: PyExtensions,
    ) -> PyResult<()> {
        for (from, to) in payload_types.iter().chain(&rtx_payload_types) {
            payload_type_in_range(*from)?;
            payload_type_in_range(*to)?;
        }
        let config = SinkConfig {
            kind: kind(video),
            ssrc,
            rtx_ssrc,
            mid,
            payload_types,
            rtx_payload_types,
            extensions: extension_map(&extensions),
            mixed_extensions: true,
            lossy: meeting_forward::LOSSY,
        };
        self.command(Command::AddSink {
            link,
            sink,
            config: Box::new(config),
        })
    }

    /// `sources`: encodings, the smallest first; `size`: the area it is shown in, in pixels; `spatial`: the highest layer of
    /// each that is wanted; `frame_rate`: pictures a second that are enough.
    #[pyo3(signature = (sink, sources, screen, size, spatial, frame_rate))]
    fn feed(
        &self,
        sink: Id,
        sources: Vec<Id>,
        screen: bool,
        size: u32,
        spatial: Option<u8>,
        frame_rate: Option<u32>,
    ) -> PyResult<()> {
        let importance = Importance {
            screen,
            speaks: false,
            size,
        };
        self.command(Command::Feed {
            sink,
            sources,
            importance,
            bounds: Bounds {
                spatial: spatial.unwrap_or(u8::MAX),
                frame_rate,
            },
        })
    }

    fn request_key_frame(&self, source: Id) -> PyResult<()> {
        self.command(Command::RequestKeyFrame { source })
    }

    #[pyo3(signature = (link, label, ordered, max_retransmits, negotiated))]
    fn open_channel(
        &self,
        link: Id,
        label: &str,
        ordered: bool,
        max_retransmits: Option<u32>,
        negotiated: Option<u16>,
    ) -> PyResult<()> {
        self.command(Command::OpenChannel {
            link,
            label: label.into(),
            settings: ChannelSettings {
                ordered,
                max_retransmits,
                negotiated,
            },
        })
    }

    fn send(&self, links: Vec<Id>, label: &str, data: &[u8], binary: bool) -> PyResult<()> {
        self.command(Command::Send {
            links,
            label: label.into(),
            data: Bytes::copy_from_slice(data),
            binary,
        })
    }

    fn restart_ice(&self, link: Id, ufrag: &str, password: &str) -> PyResult<()> {
        self.command(Command::RestartIce {
            link,
            credentials: credentials(ufrag, password)?,
        })
    }

    fn close_link(&self, link: Id) -> PyResult<()> {
        self.command(Command::CloseLink { link })
    }

    fn close_source(&self, source: Id) -> PyResult<()> {
        self.command(Command::CloseSource { source })
    }

    fn close_sink(&self, sink: Id) -> PyResult<()> {
        self.command(Command::CloseSink { sink })
    }
}

impl Port {
    fn command(&self, command: Command) -> PyResult<()> {
        self.engine.command(command).map_err(|_| {
            PyBufferError::new_err(
                "too many commands wait for the media thread (PortLimits.commands)",
            )
        })
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Port>()
}

fn socket_addresses(pairs: &[(String, u16)]) -> PyResult<Vec<SocketAddr>> {
    pairs
        .iter()
        .map(|(host, port)| Ok(SocketAddr::new(parsed::<IpAddr>(host)?, *port)))
        .collect()
}

fn hosts_and_ports(addresses: &[SocketAddr]) -> Vec<(String, u16)> {
    addresses
        .iter()
        .map(|address| (address.ip().to_string(), address.port()))
        .collect()
}

fn value_error(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str) -> PyResult<T> {
    text.parse().map_err(value_error)
}

fn credentials(ufrag: &str, password: &str) -> PyResult<Credentials> {
    Credentials::new(ufrag, password).map_err(value_error)
}

fn seconds(value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(value_error)
}

fn kind(video: bool) -> Kind {
    if video { Kind::Video } else { Kind::Audio }
}

fn payload_type_in_range(number: u8) -> PyResult<()> {
    if number < 128 {
        Ok(())
    } else {
        Err(PyValueError::new_err("a payload type is 0 to 127"))
    }
}

fn extension_map(extensions: &PyExtensions) -> ExtensionMap {
    ExtensionMap::from_uris(extensions.iter().map(|(uri, id)| (uri.as_str(), *id)))
}

/// An event as a tuple: its name, then its values.
fn heard(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyTuple>> {
    match event {
        Event::LinkConnected { link, path } => ("link_connected", link, path).into_pyobject(py),
        Event::LinkPathChanged { link, path } => {
            ("link_path_changed", link, path).into_pyobject(py)
        }
        Event::LinkClosed { link, reason } => ("link_closed", link, reason).into_pyobject(py),
        Event::ChannelOpened { link, label } => {
            ("channel_opened", link, text(&label)).into_pyobject(py)
        }
        Event::Message {
            link,
            label,
            data,
            binary,
        } => (
            "message",
            link,
            text(&label),
            PyBytes::new(py, &data),
            binary,
        )
            .into_pyobject(py),
        Event::SourceStarted { source, ssrc } => ("source_started", source, ssrc).into_pyobject(py),
        Event::SourceStopped { source } => ("source_stopped", source).into_pyobject(py),
        Event::SinksPaused { link, sinks } => ("sinks_paused", link, sinks).into_pyobject(py),
        Event::AudioLevels(levels) => ("audio_levels", levels).into_pyobject(py),
        Event::Statistics(statistics) => ("statistics", rows(py, &statistics)?).into_pyobject(py),
        Event::Trouble(text) => ("trouble", text).into_pyobject(py),
    }
}

fn text(label: &Arc<str>) -> &str {
    label
}

/// (uptime, links, sources, sinks, threads, counters): rows in the order of the dataclasses of values.py, ids first.
fn rows<'py>(py: Python<'py>, statistics: &Statistics) -> PyResult<Bound<'py, PyTuple>> {
    let links = statistics.links.iter().map(|row| {
        (
            row.link,
            row.packets_received,
            row.bytes_received,
            row.packets_sent,
            row.bytes_sent,
            row.refused,
            row.round_trip.map(|time| time.as_secs_f64()),
            row.connected,
            row.estimate,
            row.acknowledged,
            row.demand,
            row.paused,
        )
    });
    let sources = statistics.sources.iter().map(|row| {
        (
            row.source,
            row.link,
            row.packets,
            row.bytes,
            row.ignored,
            row.lost,
            row.nacks_sent,
            row.repaired,
            row.plis_sent,
            row.key_frames,
            row.layers.0,
            row.layers.1,
        )
    });
    let sinks = statistics.sinks.iter().map(|row| {
        (
            row.sink,
            row.link,
            row.packets,
            row.bytes,
            row.lost,
            f64::from(row.fraction_lost) / 256.0,
            row.nacks_received,
            row.retransmitted,
            row.plis_received,
            row.paused,
            row.spatial,
            row.temporal,
        )
    });
    let threads = statistics
        .threads
        .iter()
        .map(|row| (row.name.as_str(), row.cpu.as_secs_f64(), row.turns));
    (
        statistics.uptime.as_secs_f64(),
        links.collect::<Vec<_>>(),
        sources.collect::<Vec<_>>(),
        sinks.collect::<Vec<_>>(),
        threads.collect::<Vec<_>>(),
        statistics.counters.clone(),
    )
        .into_pyobject(py)
}
