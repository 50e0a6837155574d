//! What recvmmsg and sendmmsg are told.

use std::mem::{MaybeUninit, size_of};
use std::ptr;

use libc::c_int;

use super::name::Name;

/// The arrays recvmmsg and sendmmsg want. They point at each other only while a call runs: every pointer is written right
/// before it. Not `Send`: made in the thread that uses them.
pub(super) struct Headers {
    pub(super) names: Vec<Name>,
    pub(super) vectors: Vec<libc::iovec>,
    pub(super) messages: Vec<libc::mmsghdr>,
    controls: Vec<Control>,
}

/// Room for the one control message there is: the size of the datagrams that make up a longer one (UDP_SEGMENT when it is
/// sent, UDP_GRO when it is received; udp(7)). Its header is 16 bytes, the size 2 or 4, padded to 24.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 24]);

const _: () = assert!(
    // SAFETY: only calculates.
    unsafe { libc::CMSG_SPACE(size_of::<c_int>() as u32) } as usize <= size_of::<Control>()
);

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
            controls: vec![Control([0; 24]); room],
        }
    }

    /// Points message `at` to its name and its bytes.
    pub(super) fn point(&mut self, at: usize, bytes: *mut u8, length: usize) {
        self.set_vector(at, bytes, length);
        self.gather(at, at, 1);
    }

    /// Points vector `at` to bytes.
    pub(super) fn set_vector(&mut self, at: usize, bytes: *mut u8, length: usize) {
        self.vectors[at] = libc::iovec {
            iov_base: bytes.cast(),
            iov_len: length,
        };
    }

    /// Points message `at` to its name and to `count` vectors from `first` on.
    pub(super) fn gather(&mut self, at: usize, first: usize, count: usize) {
        let vectors = &mut self.vectors[first..first + count];
        let header = &mut self.messages[at].msg_hdr;
        header.msg_name = (&raw mut self.names[at].storage).cast();
        header.msg_namelen = self.names[at].length;
        header.msg_iov = vectors.as_mut_ptr();
        header.msg_iovlen = count;
        header.msg_control = ptr::null_mut();
        header.msg_controllen = 0;
        header.msg_flags = 0;
    }

    /// Has message `at` cut into datagrams of `segment` bytes (UDP_SEGMENT, Linux 4.18).
    pub(super) fn cut(&mut self, at: usize, segment: u16) {
        let header = &mut self.messages[at].msg_hdr;
        header.msg_control = self.controls[at].0.as_mut_ptr().cast();
        // SAFETY: CMSG_SPACE and CMSG_LEN only calculate. CMSG_FIRSTHDR gives the beginning of `controls[at]`, which is aligned
        // for a cmsghdr and has room for one with four bytes behind it (checked at compile time above).
        unsafe {
            header.msg_controllen = libc::CMSG_SPACE(2) as usize;
            let control = libc::CMSG_FIRSTHDR(header);
            (*control).cmsg_level = libc::SOL_UDP;
            (*control).cmsg_type = libc::UDP_SEGMENT;
            (*control).cmsg_len = libc::CMSG_LEN(2) as usize;
            ptr::write_unaligned(libc::CMSG_DATA(control).cast::<u16>(), segment);
        }
    }

    /// Gives message `at` room for the size of what it is made up of.
    pub(super) fn expect_segment(&mut self, at: usize) {
        let header = &mut self.messages[at].msg_hdr;
        header.msg_control = self.controls[at].0.as_mut_ptr().cast();
        header.msg_controllen = size_of::<Control>();
    }

    /// The size of the datagrams received message `at` is made up of, if there are several (UDP_GRO, Linux 5.0).
    pub(super) fn segment(&self, at: usize) -> Option<usize> {
        let header = &self.messages[at].msg_hdr;
        // SAFETY: the kernel has written as many bytes of control messages as `msg_controllen` says to `controls[at]`, which
        // `msg_control` points to and which lives as long as `self`. CMSG_FIRSTHDR gives null if they are too few for a
        // header; the length is checked before the value is read.
        unsafe {
            let control = libc::CMSG_FIRSTHDR(header);
            let size = size_of::<c_int>();
            if control.is_null()
                || (*control).cmsg_level != libc::SOL_UDP
                || (*control).cmsg_type != libc::UDP_GRO
                || (*control).cmsg_len < libc::CMSG_LEN(size as u32) as usize
            {
                return None;
            }
            let segment = ptr::read_unaligned(libc::CMSG_DATA(control).cast::<c_int>());
            usize::try_from(segment).ok().filter(|size| *size > 0)
        }
    }
}
