//! Datagrams in: one system call per burst.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use super::address::RawAddress;

/// Datagrams per call.
const BURST: usize = 64;
/// The longest datagram taken whole. WebRTC keeps below the MTU; a longer one is cut and then fails authentication.
pub const DATAGRAM: usize = 2048;

/// Buffers for one burst, used again and again.
pub struct Receiver {
    buffers: Vec<[u8; DATAGRAM]>,
    addresses: Vec<RawAddress>,
    lengths: Vec<usize>,
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            buffers: vec![[0; DATAGRAM]; BURST],
            addresses: vec![RawAddress::empty(); BURST],
            lengths: Vec::with_capacity(BURST),
        }
    }
}

impl Receiver {
    /// Read what waits at `socket`, without blocking; true if there may be more.
    pub fn receive(&mut self, socket: &UdpSocket) -> bool {
        // SAFETY: both are plain old data, for which zero is a value.
        let (mut parts, mut messages): ([libc::iovec; BURST], [libc::mmsghdr; BURST]) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        for (((part, message), buffer), address) in
            parts.iter_mut().zip(&mut messages).zip(&mut self.buffers).zip(&mut self.addresses)
        {
            part.iov_base = buffer.as_mut_ptr().cast();
            part.iov_len = buffer.len();
            message.msg_hdr.msg_name = ptr::from_mut(address).cast();
            message.msg_hdr.msg_namelen = RawAddress::SIZE;
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: every message points to a buffer, an address and a part that outlive the call, with their lengths.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                BURST as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        self.lengths.clear();
        let count = usize::try_from(count).unwrap_or(0);
        self.lengths.extend(messages[..count].iter().map(|message| (message.msg_len as usize).min(DATAGRAM)));
        count == BURST
    }

    /// The datagrams of the last burst and where they came from.
    pub fn datagrams(&self) -> impl ExactSizeIterator<Item = (Option<SocketAddr>, &[u8])> {
        self.lengths
            .iter()
            .zip(&self.buffers)
            .zip(&self.addresses)
            .map(|((length, buffer), address)| (address.get(), &buffer[..*length]))
    }
}
