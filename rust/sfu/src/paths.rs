//! The ways to one peer: those it has shown to be its own, and the one in use.
//!
//! A path is known once an authentic STUN message has come over it. Which one is used is the peer's choice (RFC 8445
//! §8.1.1), made by nomination and followed by str0m. Two things it does not follow, so they are here: a peer that moves
//! without knowing, because a NAT gave it another address, and a connection that has ended. In both cases the path in use
//! falls silent while the peer goes on to check another.
//!
//! Media goes to no path before the peer has proven that it is there: by the answer to a check of ours, by the DTLS
//! handshake, or by the connection. Until then no more than [`AMPLIFICATION`] times what came over a path is sent back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use str0m::net::Protocol;

use crate::check::Transaction;
use crate::path::Path;

/// Paths known at a time; the one that was checked longest ago is forgotten.
pub const MAX_KNOWN: usize = 16;
/// New paths that a peer may show at once. Each leaves something behind in str0m until ICE restarts.
const ALLOWANCE: u32 = 64;
/// Time after which it may show one more.
const REFILL: Duration = Duration::from_secs(5);
/// For how long the path in use has to be silent until another that the peer nominates replaces it whatever its priority.
const HUSHED: Duration = Duration::from_millis(500);
/// The same for one that is only checked. Longer than peers leave between two checks of the path they use.
const SILENT: Duration = Duration::from_secs(3);

/// Bytes that may be sent over a path that is not proven, for each that came over it (as RFC 9000 §8.1 has it).
const AMPLIFICATION: usize = 3;
/// Time between two checks of ours of the same path.
const CHECK_AGAIN: Duration = Duration::from_millis(50);

/// What is known of a path.
#[derive(Debug)]
struct Known {
    path: Path,
    /// The ICE generation in which it was last checked.
    generation: u32,
    proven: bool,
    /// The check of ours, and when it was last sent.
    asked: Option<(Transaction, Instant)>,
    received: usize,
    sent: usize,
}

#[derive(Debug)]
pub struct Paths {
    /// The one that was checked last at the end.
    known: VecDeque<Known>,
    /// How many of them are not proven.
    unproven: usize,
    generation: u32,
    current: Option<Path>,
    /// The current one, if it is proven.
    proven: Option<Path>,
    /// To be used as soon as it is proven.
    awaited: Option<Path>,
    /// When something last came over the current path.
    heard: Instant,
    /// What str0m last chose.
    chosen: Option<Path>,
    allowance: u32,
    refilled: Instant,
}

/// What an authentic STUN message has changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Shown {
    Known,
    New,
    /// The peer has shown too many.
    Refused,
}

impl Paths {
    pub fn new(now: Instant) -> Self {
        Self {
            known: VecDeque::new(),
            unproven: 0,
            generation: 0,
            current: None,
            proven: None,
            awaited: None,
            heard: now,
            chosen: None,
            allowance: ALLOWANCE,
            refilled: now,
        }
    }

    /// An authentic STUN message has come over `path`; `nominated`: it says to use it. `forget` gets what is given up.
    pub fn show(&mut self, path: Path, nominated: bool, now: Instant, mut forget: impl FnMut(Path)) -> Shown {
        let index = self.known.iter().position(|known| known.path == path);
        if index.is_none() && !self.afford(now) {
            return Shown::Refused;
        }
        let generation = self.generation;
        let known = index.and_then(|index| self.known.remove(index)).unwrap_or(Known {
            path,
            generation,
            proven: path.protocol != Protocol::Udp, // its handshake has shown it
            asked: None,
            received: 0,
            sent: 0,
        });
        self.known.push_back(Known { generation, ..known });
        while self.known.len() > MAX_KNOWN {
            self.known.pop_front().into_iter().for_each(|known| forget(known.path));
        }
        if nominated {
            self.known.retain(|known| {
                let current = known.generation == generation;
                if !current {
                    forget(known.path);
                }
                current
            });
        }
        self.count();
        self.follow(path, nominated, now);
        if index.is_some() { Shown::Known } else { Shown::New }
    }

    /// Use `path`, if the one in use has fallen silent.
    fn follow(&mut self, path: Path, nominated: bool, now: Instant) {
        let Some(current) = self.current.filter(|current| *current != path) else { return };
        let patience = if nominated { HUSHED } else { SILENT };
        let gone = !self.known.iter().any(|known| known.path == current);
        if gone || now.saturating_duration_since(self.heard) >= patience {
            self.take(path, now);
        }
    }

    /// Use `path`: at once, or as soon as it is proven where what is in use is proven.
    fn take(&mut self, path: Path, now: Instant) {
        if self.proven.is_some() && !self.is_proven(path) {
            self.awaited = Some(path);
            return;
        }
        self.current = Some(path);
        self.heard = now;
        self.awaited = None;
        self.count();
    }

    /// Whether the peer has proven to be at the other end of `path`.
    pub fn is_proven(&self, path: Path) -> bool {
        self.known.iter().any(|known| known.path == path && known.proven)
    }

    /// Note what has changed about paths that are proven.
    fn count(&mut self) {
        self.unproven = self.known.iter().filter(|known| !known.proven).count();
        self.proven = self.current.filter(|current| self.is_proven(*current));
    }

    /// The peer is at the other end of `path`: of no use unless that is known.
    pub fn prove(&mut self, path: Path, now: Instant) {
        let Some(known) = self.known.iter_mut().find(|known| known.path == path) else { return };
        known.proven = true;
        self.count();
        if self.awaited == Some(path) {
            self.take(path, now);
        }
    }

    /// The check that is to be made of `path`, if one is.
    pub fn ask(&mut self, path: Path, now: Instant) -> Option<Transaction> {
        let known = self.known.iter_mut().find(|known| known.path == path && !known.proven)?;
        let (transaction, due) = match known.asked {
            Some((transaction, at)) => (transaction, at + CHECK_AGAIN),
            None => (Transaction::random()?, now),
        };
        if due > now {
            return None;
        }
        known.asked = Some((transaction, now));
        Some(transaction)
    }

    /// The check that was made of `path` and is not answered.
    pub fn asked(&self, path: Path) -> Option<Transaction> {
        let known = self.known.iter().find(|known| known.path == path && !known.proven)?;
        known.asked.map(|(transaction, _)| transaction)
    }

    /// Whether so much may be sent over `path`; if so, it is taken to be sent.
    pub fn admits(&mut self, path: Path, bytes: usize) -> bool {
        if self.proven == Some(path) {
            return true;
        }
        let Some(known) = self.known.iter_mut().find(|known| known.path == path) else { return false };
        let admitted = known.proven || known.sent + bytes <= known.received.saturating_mul(AMPLIFICATION);
        known.sent += if admitted { bytes } else { 0 };
        admitted
    }

    fn afford(&mut self, now: Instant) -> bool {
        let refills = now.saturating_duration_since(self.refilled).as_millis() / REFILL.as_millis();
        if refills > 0 {
            self.allowance =
                self.allowance.saturating_add(u32::try_from(refills).unwrap_or(ALLOWANCE)).min(ALLOWANCE);
            self.refilled = now;
        }
        let affordable = self.allowance > 0;
        self.allowance = self.allowance.saturating_sub(1);
        affordable
    }

    /// So much has come over `path`.
    pub fn hear(&mut self, path: Path, bytes: usize, now: Instant) {
        if self.current == Some(path) {
            self.heard = now;
        }
        if self.unproven > 0
            && let Some(known) = self.known.iter_mut().find(|known| known.path == path)
        {
            known.received = known.received.saturating_add(bytes);
        }
    }

    /// When the path in use was last heard from.
    pub fn heard(&self) -> Instant {
        self.heard
    }

    /// str0m sends over `path`: where to send.
    pub fn choose(&mut self, path: Path, now: Instant) -> Path {
        if self.chosen != Some(path) {
            self.chosen = Some(path);
            self.take(path, now);
        }
        self.current.unwrap_or(path)
    }

    /// The path in use, once there is one and the peer has proven to be there.
    pub fn proven(&self) -> Option<Path> {
        self.proven
    }

    /// ICE has restarted: paths that are not checked again are given up as soon as one is nominated.
    pub fn restart(&mut self) {
        self.generation += 1;
        self.allowance = ALLOWANCE;
    }

    /// Use this path, whatever was known: signalling has said so, and answers for it.
    pub fn fix(&mut self, path: Option<Path>, now: Instant) {
        if self.proven != path {
            (self.current, self.proven, self.heard) = (path, path, now);
        }
    }

    /// `path` has ended, or now belongs to another peer.
    pub fn lose(&mut self, path: Path) {
        self.known.retain(|known| known.path != path);
        self.count();
    }

    pub fn known(&self) -> impl Iterator<Item = Path> {
        self.known.iter().map(|known| known.path)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn path(port: u16) -> Path {
        let local = SocketAddr::from(([192, 0, 2, 1], 5000));
        Path::udp(local, SocketAddr::from(([192, 0, 2, 2], port)))
    }

    /// The peer shows a path, and proves that it is there.
    fn prove(paths: &mut Paths, port: u16, nominated: bool, now: Instant) {
        assert_ne!(paths.show(path(port), nominated, now, |_| ()), Shown::Refused);
        paths.prove(path(port), now);
    }

    /// A peer that uses path 1, heard now.
    fn settled(now: Instant) -> Paths {
        let mut paths = Paths::new(now);
        prove(&mut paths, 1, true, now);
        assert_eq!(paths.choose(path(1), now), path(1));
        paths
    }

    #[test]
    fn a_path_that_is_heard_from_is_not_left_for_another() {
        let start = Instant::now();
        let mut paths = settled(start);
        for ms in (0..20_000).step_by(100) {
            let now = start + Duration::from_millis(ms);
            paths.hear(path(1), 100, now);
            prove(&mut paths, 2, true, now);
            assert_eq!(paths.proven(), Some(path(1)));
        }
    }

    #[test]
    fn a_silent_path_is_left_at_once_for_a_nominated_one_and_later_for_any() {
        let start = Instant::now();
        for (nominated, patience) in [(true, HUSHED), (false, SILENT)] {
            let mut paths = settled(start);
            prove(&mut paths, 2, nominated, start + patience.mul_f32(0.99));
            assert_eq!(paths.proven(), Some(path(1)));
            prove(&mut paths, 2, nominated, start + patience);
            assert_eq!(paths.choose(path(1), start + patience), path(2), "whatever str0m believes");
            prove(&mut paths, 3, false, start + patience);
            assert_eq!(paths.choose(path(3), start + patience), path(3), "until it has a new opinion");
        }
    }

    #[test]
    fn a_path_that_has_ended_is_left_at_the_next_check() {
        let now = Instant::now();
        let mut paths = settled(now);
        paths.lose(path(1));
        assert_eq!(paths.proven(), None);
        prove(&mut paths, 2, false, now);
        assert_eq!(paths.proven(), Some(path(2)));
    }

    #[test]
    fn after_a_restart_the_old_paths_are_forgotten_with_the_first_nomination() {
        let now = Instant::now();
        let mut paths = settled(now);
        paths.show(path(2), false, now, |_| ());
        paths.restart();
        let mut forgotten = Vec::new();
        paths.show(path(2), false, now, |path| forgotten.push(path));
        assert_eq!(forgotten, [], "they carry media until then");
        paths.show(path(3), true, now, |path| forgotten.push(path));
        assert_eq!(forgotten, [path(1)], "the second was checked again");
        assert_eq!(paths.known().collect::<Vec<_>>(), [path(2), path(3)]);
    }

    #[test]
    fn a_peer_shows_a_bounded_number_of_paths() {
        let start = Instant::now();
        let mut paths = settled(start);
        let mut forgotten = 0;
        let mut show = |paths: &mut Paths, port, now| paths.show(path(port), false, now, |_| forgotten += 1);
        let shown = (2..1000).filter(|port| show(&mut paths, *port, start) == Shown::New).count();
        assert_eq!(shown, ALLOWANCE as usize - 1);
        assert_eq!(show(&mut paths, 2000, start + REFILL), Shown::New);
        assert_eq!(show(&mut paths, 2001, start + REFILL), Shown::Refused);
        assert_eq!(paths.known().count(), MAX_KNOWN);
        assert_eq!(forgotten, ALLOWANCE as usize + 1 - MAX_KNOWN);
    }

    #[test]
    fn a_chosen_path_is_used_once_it_is_proven_and_the_former_until_then() {
        let now = Instant::now();
        let mut paths = settled(now);
        paths.show(path(2), true, now, |_| ());
        assert_eq!(paths.choose(path(2), now), path(1));
        assert_eq!(paths.proven(), Some(path(1)));
        paths.prove(path(2), now);
        assert_eq!(paths.choose(path(2), now), path(2));
        assert_eq!(paths.proven(), Some(path(2)));
    }

    #[test]
    fn before_anything_is_proven_three_times_what_came_may_be_sent_and_no_media() {
        let now = Instant::now();
        let mut paths = Paths::new(now);
        paths.show(path(1), true, now, |_| ());
        paths.hear(path(1), 100, now);
        assert_eq!(paths.choose(path(1), now), path(1));
        assert_eq!(paths.proven(), None);
        assert!(paths.admits(path(1), 200) && paths.admits(path(1), 100));
        assert!(!paths.admits(path(1), 1) && !paths.admits(path(2), 1));
        paths.prove(path(1), now);
        assert!(paths.admits(path(1), 100_000));
        assert_eq!(paths.proven(), Some(path(1)));
    }

    #[test]
    fn a_connection_is_proven_by_itself() {
        let now = Instant::now();
        let mut paths = Paths::new(now);
        let connection = Path { protocol: Protocol::Tcp, ..path(1) };
        paths.show(connection, true, now, |_| ());
        assert_eq!((paths.choose(connection, now), paths.proven()), (connection, Some(connection)));
        assert_eq!(paths.ask(connection, now), None);
    }

    #[test]
    fn the_same_check_is_made_again_after_a_while_until_it_is_answered() {
        let now = Instant::now();
        let mut paths = Paths::new(now);
        assert_eq!(paths.ask(path(1), now), None, "nobody showed it");
        paths.show(path(1), false, now, |_| ());
        let asked = paths.ask(path(1), now);
        assert!(asked.is_some() && asked == paths.asked(path(1)));
        assert_eq!(paths.ask(path(1), now + CHECK_AGAIN / 2), None);
        assert_eq!(paths.ask(path(1), now + CHECK_AGAIN), asked);
        paths.prove(path(1), now);
        assert_eq!((paths.ask(path(1), now + CHECK_AGAIN * 2), paths.asked(path(1))), (None, None));
    }
}
