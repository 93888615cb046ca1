//! System calls: sockets, descriptors that wake a thread, and datagrams in batches. The only unsafe code of the crate.
#![allow(
    unsafe_code,
    reason = "recvmmsg, sendmmsg, UDP_SEGMENT, epoll and eventfd have no safe wrapper in std"
)]

mod address;
mod receive;
mod send;
mod wake;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

pub use receive::{DATAGRAM, Receiver};
pub use send::{Flushed, Sender};
pub use wake::{EventFd, Poll, Watch};

/// Kernel buffers asked for; the kernel cuts this to its `rmem_max` and `wmem_max`.
const SOCKET_BUFFER: libc::c_int = 4 << 20;
/// What may wait in the kernel for one peer over TCP: more would only be late.
const STREAM_BUFFER: libc::c_int = 128 << 10;

/// A non-blocking UDP socket on one address of this machine.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    ask_for(socket.as_raw_fd(), libc::SO_RCVBUF, SOCKET_BUFFER);
    ask_for(socket.as_raw_fd(), libc::SO_SNDBUF, SOCKET_BUFFER);
    Ok(socket)
}

/// A non-blocking TCP listener on one address of this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Make an accepted connection fit for media: nothing blocks, nothing waits to be filled up, little waits at all.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    ask_for(stream.as_raw_fd(), libc::SO_SNDBUF, STREAM_BUFFER);
    Ok(())
}

/// Ask the kernel for a buffer. A refusal leaves the default size, which works.
fn ask_for(socket: RawFd, option: libc::c_int, size: libc::c_int) {
    // SAFETY: `size` outlives the call and its length is given.
    unsafe {
        let length = size_of_val(&size) as libc::socklen_t;
        libc::setsockopt(socket, libc::SOL_SOCKET, option, (&raw const size).cast(), length);
    }
}
