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
}

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        let (kind, index) = match token {
            Token::Orders => (0, 0),
            Token::Listener(index) => (1, index),
            Token::Acceptor(index) => (2, index),
            Token::Connection(index) => (3, index),
            Token::Slot(index) => (4, index),
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
            _ => Self::Slot(index),
        }
    }
}
