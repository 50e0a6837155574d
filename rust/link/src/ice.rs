//! The ICE-lite side of a connection (RFC 8445 §2.5): it answers checks and does what they say.
//!
//! The peer is a full agent and therefore controlling. An address is the peer's from the first check on that carries our
//! password; only a check with USE-CANDIDATE moves the sending address for good. After a restart (RFC 8445 §9) the old
//! credentials stay good until the peer nominates with the new ones.

use std::fmt;
use std::time::Instant;

use meeting_stun::{BindingRequest, IntegrityKey, Message, Role};

use crate::path::Path;

/// Room for an answer: success with an IPv6 address, integrity and fingerprint needs 80, an error with unknowns more.
const ANSWER: usize = 256;
const ROLE_CONFLICT: u16 = 487;

/// A user name fragment and the password that belongs to it (RFC 8445 §5.3).
#[derive(Clone)]
pub struct Credentials {
    ufrag: String,
    key: IntegrityKey,
}

/// The credentials are not what ICE allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsError {
    /// The ufrag must have 4 to 256 characters of A–Z, a–z, 0–9, + and /.
    Ufrag,
    /// The password must have 22 to 256 of them.
    Password,
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ufrag => "an ICE ufrag has 4 to 256 characters of A-Z, a-z, 0-9, + and /",
            Self::Password => "an ICE password has 22 to 256 characters of A-Z, a-z, 0-9, + and /",
        })
    }
}

impl std::error::Error for CredentialsError {}

impl Credentials {
    /// Checks the grammar of RFC 8839 §5.4.
    pub fn new(ufrag: &str, password: &str) -> Result<Self, CredentialsError> {
        if !is_ice_text(ufrag, 4) {
            return Err(CredentialsError::Ufrag);
        }
        if !is_ice_text(password, 22) {
            return Err(CredentialsError::Password);
        }
        Ok(Self {
            ufrag: ufrag.to_owned(),
            key: IntegrityKey::new(password.as_bytes()),
        })
    }

    /// The fragment, by which a shared port finds the Link.
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.ufrag)
    }
}

fn is_ice_text(text: &str, least: usize) -> bool {
    (least..=256).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

/// What came of a check.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What to send back to where it came from.
    pub answer: Option<Vec<u8>>,
    /// It was valid.
    pub valid: bool,
    /// The address is the peer's from now on.
    pub validated: bool,
    /// An address that made room.
    pub forgotten: Option<Path>,
    /// The sending address is another one now.
    pub moved: bool,
}

/// The agent's whole state.
#[derive(Debug)]
pub(crate) struct IceLite {
    credentials: Credentials,
    previous: Option<Credentials>,
    /// The peer's addresses, least recently checked first.
    addresses: Vec<Path>,
    most_addresses: usize,
    path: Option<Path>,
    nominated: bool,
    last_check: Option<Instant>,
}

impl IceLite {
    pub(crate) fn new(credentials: Credentials, most_addresses: usize) -> Self {
        Self {
            credentials,
            previous: None,
            addresses: Vec::new(),
            most_addresses: most_addresses.max(1),
            path: None,
            nominated: false,
            last_check: None,
        }
    }

    /// Where to send: the nominated address, before that the one heard last.
    pub(crate) fn path(&self) -> Option<Path> {
        self.path
    }

    /// When the last valid check came in.
    pub(crate) fn last_check(&self) -> Option<Instant> {
        self.last_check
    }

    pub(crate) fn knows(&self, address: Path) -> bool {
        self.addresses.contains(&address)
    }

    pub(crate) fn addresses(&self) -> &[Path] {
        &self.addresses
    }

    /// Browsers begin DTLS on the pair they like before they nominate it: answer where they speak.
    pub(crate) fn heard_from(&mut self, address: Path) {
        if !self.nominated && self.knows(address) {
            self.path = Some(address);
        }
    }

    /// The stream of this path is gone. Until the peer checks anew there may be nowhere to send to.
    pub(crate) fn lost(&mut self, path: Path) {
        self.addresses.retain(|known| *known != path);
        if self.path == Some(path) {
            self.path = None;
            self.nominated = false;
        }
    }

    pub(crate) fn restart(&mut self, credentials: Credentials) {
        let old = std::mem::replace(&mut self.credentials, credentials);
        self.previous = Some(old);
    }

    /// Answers a check. One that is not for us, or without our password, gets no answer: it would only reflect.
    pub(crate) fn handle_check(
        &mut self,
        now: Instant,
        from: Path,
        message: Message<'_>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(check) = BindingRequest::new(message) else {
            return outcome;
        };
        let renewed = check.local_ufrag() == self.credentials.ufrag.as_bytes();
        let credentials = if renewed {
            &self.credentials
        } else {
            match &self.previous {
                Some(old) if check.local_ufrag() == old.ufrag.as_bytes() => old,
                _ => return outcome,
            }
        };
        if !check.verify(&credentials.key) {
            return outcome;
        }
        let key = credentials.key.clone();
        let mut room = [0; ANSWER];
        if check.has_unknown() {
            outcome.answer = answered(check.write_unknown(&key, &mut room).ok(), &room);
            return outcome;
        }
        // We are lite and so never controlling: whoever takes itself for controlled is to change (RFC 8445 §7.3.1.1).
        if matches!(check.role, Some(Role::Controlled(_))) {
            outcome.answer = answered(
                check.write_error(ROLE_CONFLICT, &key, &mut room).ok(),
                &room,
            );
            return outcome;
        }
        outcome.answer = answered(
            check.write_success(&key, from.address, &mut room).ok(),
            &room,
        );
        outcome.valid = true;
        self.last_check = Some(now);
        (outcome.validated, outcome.forgotten) = self.remember(from);
        if check.use_candidate {
            if renewed {
                self.previous = None;
            }
            // Once nominated anew, a late check of the old generation must not move us back.
            outcome.moved = self.path != Some(from);
            self.path = Some(from);
            self.nominated = true;
        } else if self.path.is_none() {
            outcome.moved = true;
            self.path = Some(from);
        }
        outcome
    }

    fn remember(&mut self, address: Path) -> (bool, Option<Path>) {
        if let Some(at) = self.addresses.iter().position(|known| *known == address) {
            self.addresses[at..].rotate_left(1);
            return (false, None);
        }
        let full = self.addresses.len() >= self.most_addresses;
        let forgotten = full
            .then(|| {
                let path = self.path;
                self.addresses
                    .iter()
                    .position(|known| Some(*known) != path)
                    .map(|at| self.addresses.remove(at))
            })
            .flatten();
        self.addresses.push(address);
        (true, forgotten)
    }
}

fn answered(len: Option<usize>, room: &[u8]) -> Option<Vec<u8>> {
    len.map(|len| room[..len].to_vec())
}
