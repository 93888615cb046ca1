//! Where the peer really sends from. Behind a NAT that is not what its description says, so the first that sends what was
//! agreed on is taken to be the peer. But only once, and only within [`WINDOW`] of the agreement: later on it could be
//! anybody who wants to be sent the call ("RTP bleed"). An authentic packet is the peer's, whenever it comes first.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a peer may take to show itself from elsewhere than it said.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Packets in a row that a sender from elsewhere shows itself with, if nothing else tells that it is the peer.
const PROOF: u8 = 3;

#[derive(Debug, Default)]
pub struct Latch {
    /// By its description.
    said: Option<SocketAddr>,
    /// Once it is known.
    found: Option<SocketAddr>,
    until: Option<Instant>,
    candidate: Option<Candidate>,
}

/// A sender from elsewhere.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    next: u16,
    seen: u8,
}

impl Latch {
    /// What was agreed on. Another address than before is another place to look at.
    pub fn agree(&mut self, said: Option<SocketAddr>, now: Instant) {
        if said.is_some() && said != self.said {
            *self = Self { said, ..Self::default() };
        }
        if self.found.is_none() {
            self.until = Some(now + WINDOW);
        }
    }

    /// Where to send to.
    pub fn target(&self) -> Option<SocketAddr> {
        self.found.or(self.said)
    }

    /// Whether it is known where the peer sends from.
    pub fn is_done(&self) -> bool {
        self.found.is_some()
    }

    /// Whether packets from `source` are looked at.
    pub fn admits(&self, source: SocketAddr, protected: bool, now: Instant) -> bool {
        match self.found {
            Some(found) => found == source,
            None => self.said == Some(source) || protected || self.until.is_some_and(|until| now < until),
        }
    }

    /// An admitted packet of an agreed payload type has come, authentic if it is `protected`. True: it is the peer's.
    pub fn note(&mut self, source: SocketAddr, ssrc: u32, seq: u16, protected: bool) -> bool {
        if self.found.is_some() {
            return true;
        }
        let expected = Candidate { source, ssrc, next: seq, seen: 0 };
        let candidate = match self.candidate {
            Some(known) if (known.source, known.ssrc, known.next) == (source, ssrc, seq) => known,
            _ => expected,
        };
        let candidate = Candidate { next: seq.wrapping_add(1), seen: candidate.seen + 1, ..candidate };
        self.candidate = Some(candidate);
        if protected || self.said == Some(source) || candidate.seen >= PROOF {
            self.found = Some(source);
            self.candidate = None;
        }
        self.found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn agreed(now: Instant) -> Latch {
        let mut latch = Latch::default();
        latch.agree(Some(address(1)), now);
        latch
    }

    #[test]
    fn the_said_address_is_the_peers_at_once_and_another_after_three_packets() {
        let now = Instant::now();
        assert!(agreed(now).note(address(1), 7, 100, false));
        let mut latch = agreed(now);
        assert!(!latch.note(address(2), 7, 100, false));
        assert!(!latch.note(address(2), 7, 101, false));
        assert!(!latch.note(address(2), 7, 103, false), "not in a row");
        assert!(!latch.note(address(2), 7, 104, false));
        assert!(latch.note(address(2), 7, 105, false));
        assert_eq!(latch.target(), Some(address(2)));
    }

    #[test]
    fn whoever_comes_later_is_not_the_peer() {
        let now = Instant::now();
        let mut latch = agreed(now);
        assert!(latch.admits(address(2), false, now));
        assert!(!latch.admits(address(2), false, now + WINDOW));
        assert!(latch.admits(address(2), true, now + WINDOW), "it will have to be authentic");
        assert!(latch.admits(address(1), false, now + WINDOW));
        assert!(latch.note(address(1), 7, 1, false));
        assert!(!latch.admits(address(2), true, now));
        latch.agree(Some(address(1)), now);
        assert!(!latch.admits(address(2), false, now), "nothing new was agreed on");
        latch.agree(None, now);
        assert_eq!(latch.target(), Some(address(1)), "on hold");
        latch.agree(Some(address(3)), now);
        assert!(latch.admits(address(2), false, now) && !latch.is_done());
    }

    #[test]
    fn an_authentic_packet_is_the_peers() {
        let mut latch = agreed(Instant::now());
        assert!(latch.note(address(2), 7, 100, true));
    }
}
