//! One connection: its socket, the frame that is coming in and those that wait to leave.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Instant;

use super::framing::{Deframer, Outbox};
use crate::path::Path;

#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    path: Path,
    /// Has shown that it belongs to a transport.
    pub admitted: bool,
    pub opened: Instant,
    /// Taken out while its frames are read.
    pub inbox: Deframer,
    outbox: Outbox,
    /// Since when the peer has taken nothing, while something waits.
    stuck_since: Option<Instant>,
}

impl Connection {
    pub fn new(stream: TcpStream, path: Path, backlog: usize, opened: Instant) -> Self {
        let (inbox, outbox) = (Deframer::default(), Outbox::new(backlog));
        Self { stream, path, admitted: false, opened, inbox, outbox, stuck_since: None }
    }

    pub fn path(&self) -> Path {
        self.path
    }

    pub fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// Read what waits, without blocking.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.stream).read(buffer)
    }

    /// Queue a frame that `write` fills in place. False: the peer reads too slowly, and the frame is dropped.
    pub fn push(&mut self, length: usize, write: &mut dyn FnMut(&mut [u8]) -> bool) -> bool {
        self.outbox.push(length, write)
    }

    pub fn has_room(&self, length: usize) -> bool {
        self.outbox.has_room(length)
    }

    /// Write what the kernel takes. An error means that the connection is of no more use.
    pub fn flush(&mut self, now: Instant) -> io::Result<usize> {
        let mut total = 0;
        while !self.outbox.waiting().is_empty() {
            match (&self.stream).write(self.outbox.waiting()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.outbox.advance(count);
                    self.stuck_since = None;
                    total += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stuck_since.get_or_insert(now);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    /// Whether something waits to be written.
    pub fn is_behind(&self) -> bool {
        !self.outbox.waiting().is_empty()
    }

    pub fn stuck_since(&self) -> Option<Instant> {
        self.stuck_since
    }
}
