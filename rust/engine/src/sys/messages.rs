//! What recvmmsg and sendmmsg are told.

use std::mem::MaybeUninit;
use std::ptr;

use super::name::Name;

/// The arrays recvmmsg and sendmmsg want. They point at each other only while a call runs: every pointer is written right
/// before it. Not `Send`: made in the thread that uses them.
pub(super) struct Headers {
    pub(super) names: Vec<Name>,
    vectors: Vec<libc::iovec>,
    pub(super) messages: Vec<libc::mmsghdr>,
}

impl Headers {
    pub(super) fn new(room: usize) -> Self {
        // SAFETY: mmsghdr is integers and pointers; all zeros is a value of it.
        let message: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        Self {
            names: vec![Name::EMPTY; room],
            vectors: vec![
                libc::iovec {
                    iov_base: ptr::null_mut(),
                    iov_len: 0
                };
                room
            ],
            messages: vec![message; room],
        }
    }

    /// Points message `at` to its name and its bytes.
    pub(super) fn point(&mut self, at: usize, bytes: *mut u8, length: usize) {
        self.vectors[at] = libc::iovec {
            iov_base: bytes.cast(),
            iov_len: length,
        };
        let header = &mut self.messages[at].msg_hdr;
        header.msg_name = (&raw mut self.names[at].storage).cast();
        header.msg_namelen = self.names[at].length;
        header.msg_iov = &raw mut self.vectors[at];
        header.msg_iovlen = 1;
        header.msg_control = ptr::null_mut();
        header.msg_controllen = 0;
        header.msg_flags = 0;
    }
}
