//! System calls: descriptors that wake a thread, and datagrams in batches. The only unsafe code of the crate.
#![allow(
    unsafe_code,
    reason = "recvmmsg, sendmmsg, UDP_SEGMENT, epoll and eventfd have no safe wrapper in std"
)]

mod address;
mod receive;
mod send;
mod wake;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

pub use receive::{DATAGRAM, Receiver};
pub use send::{Flushed, Sender};
pub use wake::{EventFd, Poll};

/// Kernel buffers asked for; the kernel cuts this to its `rmem_max` and `wmem_max`.
const SOCKET_BUFFER: libc::c_int = 4 << 20;

/// A non-blocking UDP socket on one address of this machine.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    for option in [libc::SO_RCVBUF, libc::SO_SNDBUF] {
        let size = SOCKET_BUFFER;
        // SAFETY: `size` outlives the call and its length is given. A refusal leaves the default size, which works.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const size).cast(),
                size_of_val(&size) as libc::socklen_t,
            );
        }
    }
    Ok(socket)
}
