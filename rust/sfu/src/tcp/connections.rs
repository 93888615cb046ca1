//! The connections of one thread: accepted, bounded in number, time and memory, and found again by their path.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::net::Protocol;

use super::Connection;
use super::framing::Deframer;
use crate::io::Watch;
use crate::path::Path;
use crate::stats::ThreadStats;
use crate::timer::Timers;

/// Connections accepted from one listener before others have their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// What is given to connections, per thread.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections that have not shown whose they are; one more pushes out the oldest.
    pub strangers: usize,
    /// The same from one host, or one network of IPv6; one more is turned away.
    pub strangers_per_host: usize,
    /// Time to show it.
    pub admit_within: Duration,
    /// Time for which a peer may take nothing while something waits for it.
    pub stuck_for: Duration,
    /// Bytes that may wait for one peer; more is dropped, packet by packet.
    pub backlog: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            strangers: 256,
            strangers_per_host: 32,
            admit_within: Duration::from_secs(10),
            stuck_for: Duration::from_secs(10),
            backlog: 128 << 10,
        }
    }
}

pub struct Connections {
    limits: Limits,
    watch: Watch,
    listeners: Vec<(SocketAddr, TcpListener)>,
    by_token: HashMap<usize, Connection>,
    by_path: HashMap<Path, usize>,
    /// Not admitted, in the order of their opening.
    strangers: VecDeque<usize>,
    hosts: HashMap<IpAddr, usize>,
    timers: Timers<usize>,
    /// With something to write.
    behind: Vec<usize>,
    /// Closed, and not yet told of.
    gone: Vec<Path>,
    first_token: usize,
    next_token: usize,
    /// A descriptor to give up when there are no more, so that a connection can be taken and turned away.
    spare: Option<File>,
    stats: Arc<ThreadStats>,
}

impl Connections {
    /// `first_token` is that of the first listener; those of other listeners and of connections follow.
    pub fn new(
        listeners: Vec<TcpListener>,
        limits: Limits,
        watch: Watch,
        first_token: usize,
        stats: Arc<ThreadStats>,
    ) -> io::Result<Self> {
        let mut bound = Vec::with_capacity(listeners.len());
        for (index, listener) in listeners.into_iter().enumerate() {
            watch.add(listener.as_raw_fd(), first_token + index)?;
            bound.push((listener.local_addr()?, listener));
        }
        let next_token = first_token + bound.len();
        Ok(Self {
            limits,
            watch,
            listeners: bound,
            by_token: HashMap::new(),
            by_path: HashMap::new(),
            strangers: VecDeque::new(),
            hosts: HashMap::new(),
            timers: Timers::default(),
            behind: Vec::new(),
            gone: Vec::new(),
            first_token,
            next_token,
            spare: spare(),
            stats,
        })
    }

    /// Take new connections if `token` is a listener's; true if it is.
    pub fn accept(&mut self, token: usize, now: Instant) -> bool {
        let index = token.wrapping_sub(self.first_token);
        for _ in 0..ACCEPTS_PER_TURN {
            let Some((local, listener)) = self.listeners.get(index) else { return false };
            let local = *local;
            match listener.accept() {
                Ok((stream, remote)) => {
                    let path = Path { protocol: Protocol::Tcp, local, remote: plain(remote) };
                    if crate::io::prepare(&stream).is_ok() && self.admits(path.remote.ip()) {
                        self.open(Connection::new(stream, path, self.limits.backlog, now), now);
                    } else {
                        self.stats.tcp_refused.add(1);
                    }
                }
                Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                    self.turn_away(index);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {} // it was gone before it was taken
            }
        }
        true
    }

    /// There are no descriptors left. A connection that stayed in the queue would wake us for ever.
    fn turn_away(&mut self, index: usize) {
        self.spare = None;
        if self.listeners[index].1.accept().is_ok() {
            self.stats.tcp_refused.add(1);
        }
        self.spare = spare();
    }

    /// Whether one more stranger from `ip` is let in.
    fn admits(&self, ip: IpAddr) -> bool {
        self.hosts.get(&host(ip)).is_none_or(|count| *count < self.limits.strangers_per_host)
    }

    fn open(&mut self, connection: Connection, now: Instant) {
        if self.strangers.len() >= self.limits.strangers
            && let Some(oldest) = self.strangers.pop_front()
        {
            self.stats.tcp_rejected.add(1);
            self.close(oldest);
        }
        let (token, path) = (self.next_token, connection.path());
        self.next_token += 1;
        if self.watch.add(connection.fd(), token).is_err() {
            self.stats.tcp_refused.add(1);
            return;
        }
        self.stats.tcp_accepted.add(1);
        *self.hosts.entry(host(path.remote.ip())).or_default() += 1;
        self.strangers.push_back(token);
        self.timers.set(token, now + self.limits.admit_within);
        if let Some(&former) = self.by_path.get(&path) {
            self.lose(former); // its peer has forgotten it, or it could not have connected again
        }
        self.by_path.insert(path, token);
        self.by_token.insert(token, connection);
        self.stats.tcp_connections.set(self.by_token.len() as u64);
    }

    /// The path of a connection, and its inbox, to be given back with [`Self::put_inbox`].
    pub fn take_inbox(&mut self, token: usize) -> Option<(Path, Deframer)> {
        let connection = self.by_token.get_mut(&token)?;
        Some((connection.path(), std::mem::take(&mut connection.inbox)))
    }

    pub fn put_inbox(&mut self, token: usize, inbox: Deframer) {
        if let Some(connection) = self.by_token.get_mut(&token) {
            connection.inbox = inbox;
        }
    }

    pub fn is_open(&self, token: usize) -> bool {
        self.by_token.contains_key(&token)
    }

    /// Read what waits, without blocking; None if there is no such connection any more.
    pub fn read(&self, token: usize, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        Some(self.by_token.get(&token)?.read(buffer))
    }

    /// A stranger has shown whose it is, and may stay; or it has failed to, and is shown out.
    pub fn judge(&mut self, token: usize, authentic: bool) {
        let Some(connection) = self.by_token.get_mut(&token).filter(|connection| !connection.admitted) else {
            return;
        };
        if authentic {
            connection.admitted = true;
            let ip = connection.path().remote.ip();
            self.forget_stranger(token, ip);
        } else {
            self.stats.tcp_rejected.add(1);
            self.close(token);
        }
    }

    /// Queue a frame; false if it was dropped, because the peer reads too slowly or is gone.
    pub fn push(
        &mut self,
        path: Path,
        length: usize,
        now: Instant,
        write: &mut dyn FnMut(&mut [u8]) -> bool,
    ) -> bool {
        let Some(&token) = self.by_path.get(&path) else { return false };
        let Some(connection) = self.by_token.get_mut(&token) else { return false };
        if !connection.is_behind() {
            self.behind.push(token);
        } else if !connection.has_room(length) {
            self.flush_one(token, now);
        }
        let Some(connection) = self.by_token.get_mut(&token) else { return false };
        let queued = connection.push(length, write);
        if !queued {
            self.stats.tcp_dropped.add(1);
        }
        queued
    }

    /// Write what has been queued.
    pub fn flush(&mut self, now: Instant) {
        for token in std::mem::take(&mut self.behind) {
            self.flush_one(token, now);
        }
    }

    /// Write what waits for one connection; what the kernel does not take waits until it can.
    pub fn flush_one(&mut self, token: usize, now: Instant) {
        let Some(connection) = self.by_token.get_mut(&token) else { return };
        let was_stuck = connection.stuck_since().is_some();
        let flushed = connection.flush(now);
        if let Ok(count) = flushed {
            self.stats.bytes_sent.add(count as u64);
        }
        let stuck = connection.stuck_since();
        let watched = was_stuck == stuck.is_some()
            || self.watch.writable(connection.fd(), token, stuck.is_some()).is_ok();
        if flushed.is_err() || !watched {
            self.lose(token);
        } else if let Some(since) = stuck {
            self.timers.set(token, since + self.limits.stuck_for);
        }
    }

    /// When to call [`Self::timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Close who has had his time.
    pub fn timeout(&mut self, now: Instant) {
        while let Some(token) = self.timers.pop(now) {
            let Some(connection) = self.by_token.get(&token) else { continue };
            let admit_by = (!connection.admitted).then(|| connection.opened + self.limits.admit_within);
            let stuck_until = connection.stuck_since().map(|since| since + self.limits.stuck_for);
            if admit_by.is_some_and(|deadline| deadline <= now) {
                self.stats.tcp_rejected.add(1);
                self.lose(token);
            } else if stuck_until.is_some_and(|deadline| deadline <= now) {
                self.stats.tcp_stuck.add(1);
                self.lose(token);
            } else if let Some(deadline) = admit_by.into_iter().chain(stuck_until).min() {
                self.timers.set(token, deadline);
            }
        }
    }

    /// Close a connection that is of no more use, to be told of.
    pub fn lose(&mut self, token: usize) {
        if let Some(path) = self.close(token) {
            self.gone.push(path);
        }
    }

    /// Connections that were closed by the peer or by a limit since the last call.
    pub fn take_gone(&mut self) -> Vec<Path> {
        std::mem::take(&mut self.gone)
    }

    /// Close the connection of `path`, after a last attempt to write what waits.
    pub fn hang_up(&mut self, path: Path, now: Instant) {
        if let Some(&token) = self.by_path.get(&path) {
            if let Some(connection) = self.by_token.get_mut(&token) {
                let _ = connection.flush(now); // what the kernel does not take now is lost with the connection
            }
            self.close(token);
        }
    }

    fn close(&mut self, token: usize) -> Option<Path> {
        let connection = self.by_token.remove(&token)?;
        let path = connection.path();
        if !connection.admitted {
            self.forget_stranger(token, path.remote.ip());
        }
        if self.by_path.get(&path) == Some(&token) {
            self.by_path.remove(&path);
        }
        self.timers.cancel(token);
        self.stats.tcp_connections.set(self.by_token.len() as u64);
        Some(path)
    }

    fn forget_stranger(&mut self, token: usize, ip: IpAddr) {
        self.strangers.retain(|stranger| *stranger != token);
        if let Some(count) = self.hosts.get_mut(&host(ip)) {
            *count -= 1;
            if *count == 0 {
                self.hosts.remove(&host(ip));
            }
        }
    }
}

/// Whom strangers are counted by: an address, or the network that one IPv6 host has to itself (RFC 6177).
fn host(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

/// As datagrams show it: without a flow label.
fn plain(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(mut address) => {
            address.set_flowinfo(0);
            address.into()
        }
        SocketAddr::V4(_) => address,
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}
