//! What the control side asks for. The nouns are those of docs/protocols/dataplane.md.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use meeting_bwe::Importance;
use meeting_forward::{CodecParameters, Kind, SinkConfig};
use meeting_link::{ChannelSettings, Credentials, Fingerprint};
use meeting_rtp::ExtensionMap;

use super::steps::Bounds;

/// Names a Link, a Source or a Sink: made by the control side, never reused.
pub type Id = u64;

/// One step. Unknown ids are ignored and counted: commands race with events by nature.
#[derive(Debug)]
pub enum Command {
    /// Expect a peer.
    AddLink {
        /// Its name.
        link: Id,
        /// What the peer will show in its checks.
        credentials: Credentials,
        /// Of the peer's certificate, if known yet.
        fingerprint: Option<Fingerprint>,
    },
    /// The peer's description is known.
    SetRemote {
        /// Whose.
        link: Id,
        /// Of the peer's certificate.
        fingerprint: Fingerprint,
    },
    /// What is received on a Link.
    Configure {
        /// Which.
        link: Id,
        /// Payload types.
        codecs: Vec<CodecParameters>,
        /// Header-extension ids.
        extensions: ExtensionMap,
        /// How a sender learns what arrives.
        congestion: Congestion,
    },
    /// Expect an encoding.
    AddSource {
        /// On which Link.
        link: Id,
        /// Its name.
        source: Id,
        /// Its media section.
        mid: String,
        /// Audio or video.
        kind: Kind,
        /// Its restriction id, if it has one.
        rid: Option<String>,
        /// SSRCs known from signalling: media and retransmissions.
        ssrcs: Vec<u32>,
    },
    /// Make a track to send.
    AddSink {
        /// On which Link.
        link: Id,
        /// Its name.
        sink: Id,
        /// The rest.
        config: Box<SinkConfig>,
    },
    /// Attach or switch a Sink.
    Feed {
        /// Which.
        sink: Id,
        /// By one of these encodings, the smallest first: the last one, where the path has room for it. None pauses.
        sources: Vec<Id>,
        /// Against the subscriber's other pictures; who speaks is known here.
        importance: Importance,
        /// Within these.
        bounds: Bounds,
    },
    /// Ask the publisher for a key frame.
    RequestKeyFrame {
        /// Of which encoding.
        source: Id,
    },
    /// Open a data channel.
    OpenChannel {
        /// On which Link.
        link: Id,
        /// Its label.
        label: Arc<str>,
        /// How it delivers.
        settings: ChannelSettings,
    },
    /// Send one message to one or many.
    Send {
        /// To whom.
        links: Vec<Id>,
        /// Through which channel.
        label: Arc<str>,
        /// What.
        data: Bytes,
        /// False for text.
        binary: bool,
    },
    /// New ICE credentials.
    RestartIce {
        /// On which Link.
        link: Id,
        /// The new ones.
        credentials: Credentials,
    },
    /// Take over a TCP connection that was accepted elsewhere.
    Adopt {
        /// The connection.
        socket: OwnedFd,
        /// What has been read of it.
        head: Vec<u8>,
    },
    /// Say goodbye and forget.
    CloseLink {
        /// Which.
        link: Id,
    },
    /// Forget a Source.
    CloseSource {
        /// Which.
        source: Id,
    },
    /// Forget a Sink.
    CloseSink {
        /// Which.
        sink: Id,
    },
    /// Close everything and end the thread.
    Shutdown,
    /// Fails inside the handling of a Link.
    #[cfg(test)]
    Panic {
        /// Which.
        link: Id,
    },
}

/// How the peer's sender is told what it may send: one of the two is needed, or browsers keep back their best layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Congestion {
    /// Neither was agreed: audio only, or an old client.
    None,
    /// It estimates by itself from transport-wide feedback.
    TransportWide,
    /// It is told a bitrate.
    ReceiverEstimate,
}
