//! The sockets of transports of plain RTP: two each, one for media and one for control, of which only that transport reads.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use crate::egress::MAX_DATAGRAM;
use crate::id::TransportId;
use crate::io::Watch;

/// Tokens of ports have this bit, which those of other sockets have not.
const TOKEN: usize = 1 << 61;

/// An even port and the one above, of a range that many share.
#[derive(Debug, Default)]
pub struct Range {
    /// Where to look first: a port that was just given back may still be sent to.
    next: AtomicU16,
}

impl Range {
    /// Bind two ports within `first` to `last`, the lower one even.
    pub fn bind(&self, address: IpAddr, first: u16, last: u16) -> io::Result<[UdpSocket; 2]> {
        let lowest = first.next_multiple_of(2).max(2);
        let pairs = last.saturating_add(1).saturating_sub(lowest) / 2;
        let start = self.next.load(Relaxed);
        let mut refused = io::Error::new(io::ErrorKind::AddrInUse, "no two ports are free");
        for step in 0..pairs {
            let pair = start.wrapping_add(step) % pairs;
            let port = lowest + 2 * pair;
            let bind = |port| crate::io::bind(SocketAddr::new(address, port));
            match bind(port).and_then(|media| Ok([media, bind(port + 1)?])) {
                Ok(sockets) => {
                    self.next.store(pair.wrapping_add(1), Relaxed);
                    return Ok(sockets);
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => refused = error,
                Err(error) => return Err(error),
            }
        }
        Err(refused)
    }
}

#[derive(Debug)]
struct Port {
    transport: TransportId,
    control: bool,
    local: SocketAddr,
    socket: UdpSocket,
}

/// Owned by a worker.
#[derive(Debug)]
pub struct Ports {
    watch: Watch,
    open: HashMap<usize, Port>,
    by_address: HashMap<SocketAddr, usize>,
    by_transport: HashMap<TransportId, [usize; 2]>,
    next_token: usize,
    space: Box<[u8]>,
}

impl Ports {
    pub fn new(watch: Watch) -> Self {
        Self {
            watch,
            open: HashMap::new(),
            by_address: HashMap::new(),
            by_transport: HashMap::new(),
            next_token: TOKEN,
            space: vec![0; MAX_DATAGRAM].into_boxed_slice(),
        }
    }

    pub fn open(&mut self, transport: TransportId, sockets: [UdpSocket; 2]) -> io::Result<()> {
        let tokens = [self.next_token, self.next_token + 1];
        self.next_token += 2;
        for ((socket, token), control) in sockets.into_iter().zip(tokens).zip([false, true]) {
            let local = socket.local_addr()?;
            self.watch.add(socket.as_raw_fd(), token)?;
            self.by_address.insert(local, token);
            self.open.insert(token, Port { transport, control, local, socket });
            self.by_transport.insert(transport, tokens);
        }
        Ok(())
    }

    pub fn close(&mut self, transport: TransportId) {
        for token in self.by_transport.remove(&transport).into_iter().flatten() {
            if let Some(port) = self.open.remove(&token) {
                self.by_address.remove(&port.local);
            }
        }
    }

    /// Whether the token is one of a port, of a closed one too.
    pub fn is_one(token: usize) -> bool {
        token & TOKEN != 0
    }

    /// Whose port it is, whether the one for control, and where it is.
    pub fn port(&self, token: usize) -> Option<(TransportId, bool, SocketAddr, &UdpSocket)> {
        self.open.get(&token).map(|port| (port.transport, port.control, port.local, &port.socket))
    }

    /// Send one datagram from `local`. None: there is no such port; otherwise how many bytes were sent, if any.
    pub fn send(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        length: usize,
        write: &mut dyn FnMut(&mut [u8]) -> bool,
    ) -> Option<usize> {
        let port = self.by_address.get(&local).and_then(|token| self.open.get(token))?;
        let space = self.space.get_mut(..length)?;
        // What the socket does not take at once is dropped: late media is worth nothing.
        Some(if write(space) { port.socket.send_to(space, remote).unwrap_or(0) } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_even_taken_in_turn_and_run_out() {
        let (range, host) = (Range::default(), IpAddr::from([127, 0, 0, 1]));
        let free = crate::io::bind(SocketAddr::new(host, 0)).unwrap().local_addr().unwrap().port();
        let first = free.min(60_000) & !1;
        let mut taken = Vec::new();
        while let Ok(sockets) = range.bind(host, first, first + 7) {
            let [media, control] = sockets.each_ref().map(|socket| socket.local_addr().unwrap().port());
            assert!(media % 2 == 0 && control == media + 1 && (first..=first + 7).contains(&media));
            taken.push(sockets);
            assert!(taken.len() <= 4);
        }
        assert!(!taken.is_empty());
        drop(taken.remove(0));
        assert!(range.bind(host, first, first + 7).is_ok(), "given back");
        assert!(range.bind(host, first + 1, first + 1).is_err(), "there is no pair");
    }
}
