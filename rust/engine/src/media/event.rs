//! What the control side hears.

use std::sync::Arc;

use bytes::Bytes;

use super::command::Id;
use super::statistics::Statistics;
use crate::queue::Queue;

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// ICE and DTLS are up, the fingerprint is right.
    LinkConnected {
        /// Which.
        link: Id,
        /// Over what, for people.
        path: String,
    },
    /// The peer nominated another address.
    LinkPathChanged {
        /// Which.
        link: Id,
        /// The new one.
        path: String,
    },
    /// A Link ended by itself: its last event.
    LinkClosed {
        /// Which.
        link: Id,
        /// Why, for a log line.
        reason: String,
    },
    /// A channel can be used.
    ChannelOpened {
        /// On which Link.
        link: Id,
        /// Its label.
        label: Arc<str>,
    },
    /// A data message came in.
    Message {
        /// On which Link.
        link: Id,
        /// The channel's label.
        label: Arc<str>,
        /// The content.
        data: Bytes,
        /// False for text.
        binary: bool,
    },
    /// An encoding's packets come.
    SourceStarted {
        /// Which.
        source: Id,
        /// Under which SSRC.
        ssrc: u32,
    },
    /// They ceased.
    SourceStopped {
        /// Which.
        source: Id,
    },
    /// A subscriber's path has no room for these pictures (`true`), or has again.
    SinksPaused {
        /// Whose.
        link: Id,
        /// Which, and whether they are paused.
        sinks: Vec<(Id, bool)>,
    },
    /// Who speaks, in −dBov, and who just ceased (127).
    AudioLevels(Vec<(Id, u8)>),
    /// The last second.
    Statistics(Box<Statistics>),
    /// For the administrator.
    Trouble(String),
}

/// The writing end of the event queue. What describes a state (a Link is up, a Source came) is never lost and bounded by the
/// number of things there are; what repeats or carries data is dropped when the reader is too slow, and that is told.
pub(super) struct Events {
    queue: Arc<Queue<Event>>,
    dropped: u64,
    told: u64,
}

impl Events {
    pub(super) fn new(queue: Arc<Queue<Event>>) -> Self {
        Self {
            queue,
            dropped: 0,
            told: 0,
        }
    }

    pub(super) fn state(&self, event: Event) {
        self.queue.push_always(event);
    }

    pub(super) fn offer(&mut self, event: Event) {
        self.dropped += u64::from(self.queue.push(event).is_err());
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Tells of drops since the last time; to be called once a second, so that trouble does not make more of it.
    pub(super) fn tell_drops(&mut self) {
        let news = self.dropped - self.told;
        if news > 0 {
            self.told = self.dropped;
            self.state(Event::Trouble(format!(
                "{news} events of the data plane were dropped: the reactor was too busy to take them"
            )));
        }
    }
}
