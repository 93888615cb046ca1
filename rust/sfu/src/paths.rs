//! The ways to one peer: those it has shown to be its own, and the one in use.
//!
//! A path is known once an authentic STUN message has come over it. Which one is used is the peer's choice (RFC 8445
//! §8.1.1), made by nomination and followed by str0m. Two things it does not follow, so they are here: a peer that moves
//! without knowing, because a NAT gave it another address, and a connection that has ended. In both cases the path in use
//! falls silent while the peer goes on to check another.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

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

#[derive(Debug)]
pub struct Paths {
    /// With the ICE generation in which each was last checked, the latest at the end.
    known: VecDeque<(Path, u32)>,
    generation: u32,
    current: Option<Path>,
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
            generation: 0,
            current: None,
            heard: now,
            chosen: None,
            allowance: ALLOWANCE,
            refilled: now,
        }
    }

    /// An authentic STUN message has come over `path`; `nominated`: it says to use it. `forget` gets what is given up.
    pub fn show(&mut self, path: Path, nominated: bool, now: Instant, mut forget: impl FnMut(Path)) -> Shown {
        let known = self.known.iter().position(|(known, _)| *known == path);
        if known.is_none() && !self.afford(now) {
            return Shown::Refused;
        }
        if let Some(index) = known {
            self.known.remove(index);
        }
        self.known.push_back((path, self.generation));
        while self.known.len() > MAX_KNOWN {
            self.known.pop_front().into_iter().for_each(|(path, _)| forget(path));
        }
        if nominated {
            let generation = self.generation;
            self.known.retain(|(path, shown)| {
                let current = *shown == generation;
                if !current {
                    forget(*path);
                }
                current
            });
        }
        self.follow(path, nominated, now);
        if known.is_some() { Shown::Known } else { Shown::New }
    }

    /// Use `path`, if the one in use has fallen silent.
    fn follow(&mut self, path: Path, nominated: bool, now: Instant) {
        let Some(current) = self.current.filter(|current| *current != path) else { return };
        let patience = if nominated { HUSHED } else { SILENT };
        let gone = !self.known.iter().any(|(known, _)| *known == current);
        if gone || now.saturating_duration_since(self.heard) >= patience {
            self.current = Some(path);
            self.heard = now;
        }
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

    /// Something has come over `path`.
    pub fn hear(&mut self, path: Path, now: Instant) {
        if self.current == Some(path) {
            self.heard = now;
        }
    }

    /// str0m sends over `path`: where to send.
    pub fn choose(&mut self, path: Path, now: Instant) -> Path {
        if self.chosen != Some(path) {
            self.chosen = Some(path);
            self.current = Some(path);
            self.heard = now;
        }
        self.current.unwrap_or(path)
    }

    /// The path in use, once there is one.
    pub fn current(&self) -> Option<Path> {
        self.current
    }

    /// ICE has restarted: paths that are not checked again are given up as soon as one is nominated.
    pub fn restart(&mut self) {
        self.generation += 1;
        self.allowance = ALLOWANCE;
    }

    /// `path` has ended, or now belongs to another peer.
    pub fn lose(&mut self, path: Path) {
        self.known.retain(|(known, _)| *known != path);
    }

    pub fn known(&self) -> impl Iterator<Item = Path> {
        self.known.iter().map(|(path, _)| *path)
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

    /// A peer that uses path 1, heard now.
    fn settled(now: Instant) -> Paths {
        let mut paths = Paths::new(now);
        assert_eq!(paths.show(path(1), true, now, |_| ()), Shown::New);
        assert_eq!(paths.choose(path(1), now), path(1));
        paths
    }

    #[test]
    fn a_path_that_is_heard_from_is_not_left_for_another() {
        let start = Instant::now();
        let mut paths = settled(start);
        for ms in (0..20_000).step_by(100) {
            let now = start + Duration::from_millis(ms);
            paths.hear(path(1), now);
            paths.show(path(2), true, now, |_| ());
            assert_eq!(paths.current(), Some(path(1)));
        }
    }

    #[test]
    fn a_silent_path_is_left_at_once_for_a_nominated_one_and_later_for_any() {
        let start = Instant::now();
        for (nominated, patience) in [(true, HUSHED), (false, SILENT)] {
            let mut paths = settled(start);
            paths.show(path(2), nominated, start + patience.mul_f32(0.99), |_| ());
            assert_eq!(paths.current(), Some(path(1)));
            paths.show(path(2), nominated, start + patience, |_| ());
            assert_eq!(paths.choose(path(1), start + patience), path(2), "whatever str0m believes");
            assert_eq!(paths.choose(path(3), start + patience), path(3), "until it has a new opinion");
        }
    }

    #[test]
    fn a_path_that_has_ended_is_left_at_the_next_check() {
        let now = Instant::now();
        let mut paths = settled(now);
        paths.lose(path(1));
        paths.show(path(2), false, now, |_| ());
        assert_eq!(paths.current(), Some(path(2)));
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
}
