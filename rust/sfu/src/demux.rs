//! Whose datagram this is: STUN by the user name it carries (RFC 8445 §7.3), the rest by the path it takes.
//!
//! A path belongs to a transport once that transport has accepted a STUN message that came over it, message integrity
//! included. So a stranger can neither take over a path nor fill the map.

use std::collections::HashMap;

use crate::id::TransportId;
use crate::path::Path;

const HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: u16 = 0x0006;
const USE_CANDIDATE: u16 = 0x0025;

#[derive(Debug, Default)]
pub struct Demux {
    by_ufrag: HashMap<String, TransportId>,
    by_path: HashMap<Path, TransportId>,
    /// Who else has shown a path of somebody's to be its own, and is to prove it; of several the last.
    claims: HashMap<Path, TransportId>,
}

impl Demux {
    pub fn add_ufrag(&mut self, ufrag: &str, transport: TransportId) {
        self.by_ufrag.insert(ufrag.to_owned(), transport);
    }

    pub fn remove_ufrag(&mut self, ufrag: &str) {
        self.by_ufrag.remove(ufrag);
    }

    pub fn by_ufrag(&self, ufrag: &str) -> Option<TransportId> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// Give `path` to `transport`; returns who had it.
    pub fn add_path(&mut self, path: Path, transport: TransportId) -> Option<TransportId> {
        self.claims.remove(&path);
        self.by_path.insert(path, transport)
    }

    /// Forget `path` if `transport` still has it; whoever claims it, gets it.
    pub fn remove_path(&mut self, path: Path, transport: TransportId) {
        if self.claims.get(&path) == Some(&transport) {
            self.claims.remove(&path);
        }
        if self.by_path.get(&path) == Some(&transport) {
            self.by_path.remove(&path);
            if let Some(claimant) = self.claims.remove(&path) {
                self.by_path.insert(path, claimant);
            }
        }
    }

    /// `transport` says that `path` is its own.
    pub fn claim(&mut self, path: Path, transport: TransportId) {
        self.claims.insert(path, transport);
    }

    /// Who says that `path` is its own, though another has it.
    pub fn claimed(&self, path: Path) -> Option<TransportId> {
        self.claims.get(&path).copied()
    }

    pub fn by_path(&self, path: Path) -> Option<TransportId> {
        self.by_path.get(&path).copied()
    }

    /// Number of user names and paths known.
    pub fn sizes(&self) -> (usize, usize) {
        (self.by_ufrag.len(), self.by_path.len())
    }
}

/// Whether a datagram is STUN (RFC 7983 §7).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] < 4 && datagram[4..8] == MAGIC_COOKIE
}

/// Whether a datagram is an answer to a binding request of ours (RFC 8489 §5).
pub fn is_success(datagram: &[u8]) -> bool {
    is_stun(datagram) && datagram[..2] == [1, 1]
}

/// Whether a datagram is DTLS (RFC 7983 §7).
pub fn is_dtls(datagram: &[u8]) -> bool {
    matches!(datagram, [20..=63, ..])
}

/// Whether a datagram is RTCP, or RTP's sealed equivalent of it (RFC 7983 §7, RFC 5761 §4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, 192..=223, ..])
}

/// Whether a datagram is RTP (RFC 7983 §7).
pub fn is_rtp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, ..]) && !is_rtcp(datagram)
}

/// The receiver's half of USERNAME in a STUN message.
pub fn local_ufrag(datagram: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(attribute(datagram, USERNAME)?).ok()?;
    name.split(':').next().filter(|ufrag| !ufrag.is_empty())
}

/// Whether a STUN message says to use the path that it came by (RFC 8445 §7.1.2).
pub fn nominates(datagram: &[u8]) -> bool {
    attribute(datagram, USE_CANDIDATE).is_some()
}

/// Value of an attribute of a STUN message (RFC 8489 §14).
fn attribute(datagram: &[u8], wanted: u16) -> Option<&[u8]> {
    if !is_stun(datagram) {
        return None;
    }
    let mut rest = &datagram[HEADER..];
    while let [t0, t1, l0, l1, body @ ..] = rest {
        let (kind, length) = (u16::from_be_bytes([*t0, *t1]), usize::from(u16::from_be_bytes([*l0, *l1])));
        let value = body.get(..length)?;
        if kind == wanted {
            return Some(value);
        }
        rest = body.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stun(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = vec![0, 1, 0, 0];
        message.extend(MAGIC_COOKIE);
        message.extend([7; 12]);
        for (kind, value) in attributes {
            message.extend(kind.to_be_bytes());
            message.extend((value.len() as u16).to_be_bytes());
            message.extend(*value);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        message
    }

    #[test]
    fn the_ufrag_is_found_behind_other_attributes() {
        let message = stun(&[(0x8022, b"abc"), (USERNAME, b"local:remote"), (0x0024, &[0; 4])]);
        assert_eq!(local_ufrag(&message), Some("local"));
    }

    #[test]
    fn what_is_not_a_request_for_us_has_none() {
        assert_eq!(local_ufrag(&stun(&[])), None);
        assert_eq!(local_ufrag(&stun(&[(USERNAME, b":remote")])), None);
        assert_eq!(local_ufrag(&stun(&[(USERNAME, &[0xff, 0xfe])])), None);
        assert_eq!(local_ufrag(b"not stun at all, but long enough"), None);
        assert_eq!(local_ufrag(&[]), None);
    }

    #[test]
    fn a_nomination_is_an_attribute_without_a_value() {
        assert!(nominates(&stun(&[(USERNAME, b"a:b"), (USE_CANDIDATE, &[])])));
        assert!(!nominates(&stun(&[(USERNAME, b"a:b")])));
    }

    #[test]
    fn a_message_cut_anywhere_is_harmless() {
        let message = stun(&[(0x8022, b"abc"), (USERNAME, b"local:remote")]);
        for end in 0..message.len() {
            assert!(local_ufrag(&message[..end]).is_none());
        }
    }

    #[test]
    fn a_nomination_is_seen() {
        assert!(nominates(&stun(&[(USERNAME, b"local:remote"), (USE_CANDIDATE, b"")])));
        assert!(!nominates(&stun(&[(USERNAME, b"local:remote"), (0x0024, &[0; 4])])));
    }

    #[test]
    fn a_path_is_only_given_up_by_its_owner() {
        let (first, second) = (TransportId(1), TransportId(2));
        let ends = [1, 2].map(|host| std::net::SocketAddr::from(([192, 0, 2, host], 4000)));
        let path = Path::udp(ends[0], ends[1]);
        let mut demux = Demux::default();
        assert_eq!(demux.add_path(path, first), None);
        assert_eq!(demux.add_path(path, second), Some(first));
        demux.remove_path(path, first);
        assert_eq!(demux.by_path(path), Some(second));
        assert_eq!(demux.by_path(Path { protocol: str0m::net::Protocol::Tcp, ..path }), None);
        demux.remove_path(path, second);
        assert_eq!(demux.sizes(), (0, 0));
    }
}
