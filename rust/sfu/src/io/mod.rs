//! System calls: sockets, descriptors that wake a thread, and datagrams in batches; and what to fetch ahead. The only
//! unsafe code of the crate.
#![allow(
    unsafe_code,
    reason = "recvmmsg, sendmmsg, UDP_SEGMENT, epoll, eventfd and prefetching have no safe wrapper in std"
)]

mod address;
mod prefetch;
mod receive;
mod send;
mod wake;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::net::UnixStream;

pub use prefetch::prefetch;
pub use receive::{DATAGRAM, Receiver};
pub use send::{Flushed, Sender};
pub use wake::{EventFd, Poll, Watch};

/// Kernel buffers asked for; the kernel cuts this to its `rmem_max` and `wmem_max`.
const SOCKET_BUFFER: libc::c_int = 4 << 20;
/// What may wait in the kernel for one peer over TCP: more would only be late.
const STREAM_BUFFER: libc::c_int = 128 << 10;

/// What the kernel holds for a pipeline: a key frame of 300 kB and more passes in one go.
const PIPE_BUFFER: libc::c_int = 1 << 20;

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

/// What `CLOCK_MONOTONIC` says, which all processes of a machine share.
pub fn monotonic_ns() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call, which fills it.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

/// Own a connected Unix socket by its descriptor, which has to be the caller's to give away.
pub fn adopt(fd: RawFd) -> io::Result<UnixStream> {
    // SAFETY: asks only whether there is such a descriptor.
    if fd < 0 || unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the descriptor is open, and by the contract of this function nobody else's any more.
    let stream = unsafe { UnixStream::from_raw_fd(fd) };
    ask_for(fd, libc::SO_SNDBUF, PIPE_BUFFER);
    Ok(stream)
}

/// Ask the kernel for a buffer. A refusal leaves the default size, which works.
fn ask_for(socket: RawFd, option: libc::c_int, size: libc::c_int) {
    // SAFETY: `size` outlives the call and its length is given.
    unsafe {
        let length = size_of_val(&size) as libc::socklen_t;
        libc::setsockopt(socket, libc::SOL_SOCKET, option, (&raw const size).cast(), length);
    }
}
