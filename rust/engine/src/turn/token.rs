//! What epoll tells a worker of.

/// One thing that is ready. As a number: the kind in the upper half, the index in the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The queue of orders.
    Orders,
    /// A listening UDP socket.
    Listener(usize),
    /// A listening TCP socket.
    Acceptor(usize),
    /// A client's stream.
    Connection(usize),
    /// An allocation's relay socket.
    Slot(usize),
    /// A TCP allocation's listening socket, by its slot.
    PeerListener(usize),
    /// A connection to a peer that is being made.
    Dialled(usize),
    /// The peer's end of what is joined with a client's stream, by the number of that.
    Joined(usize),
    /// A listening UDP socket of DTLS.
    Secure(usize),
}

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        let (kind, index) = match token {
            Token::Orders => (0, 0),
            Token::Listener(index) => (1, index),
            Token::Acceptor(index) => (2, index),
            Token::Connection(index) => (3, index),
            Token::Slot(index) => (4, index),
            Token::PeerListener(index) => (5, index),
            Token::Dialled(index) => (6, index),
            Token::Joined(index) => (7, index),
            Token::Secure(index) => (8, index),
        };
        kind << 32 | index as Self
    }
}

impl From<u64> for Token {
    fn from(number: u64) -> Self {
        let index = number as u32 as usize;
        match number >> 32 {
            0 => Self::Orders,
            1 => Self::Listener(index),
            2 => Self::Acceptor(index),
            3 => Self::Connection(index),
            4 => Self::Slot(index),
            5 => Self::PeerListener(index),
            6 => Self::Dialled(index),
            7 => Self::Joined(index),
            _ => Self::Secure(index),
        }
    }
}
