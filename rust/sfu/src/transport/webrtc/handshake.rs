//! Which way the DTLS handshake takes, and what of it waits until the peer has proven to be there.

use crate::path::Path;

/// Datagrams that wait: two flights of a handshake.
const MAX_WAITING: usize = 8;

#[derive(Debug, Default)]
pub struct Handshake {
    sent_by: Option<Path>,
    /// Some went another way than others.
    divided: bool,
    pub came_by: Option<Path>,
    pub waiting: Vec<(Path, Vec<u8>)>,
}

impl Handshake {
    /// A part of it is sent by `path`.
    pub fn goes_to(&mut self, path: Path) {
        self.divided |= self.sent_by.is_some_and(|other| other != path);
        self.sent_by = Some(path);
    }

    /// Keep a datagram until the peer has proven to be at the other end of `path`.
    pub fn keep(&mut self, path: Path, datagram: &[u8]) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push((path, datagram.to_vec()));
        }
    }

    /// It is complete: the path by which all of it was sent and the end of it came. Who finished it has read what was
    /// sent there.
    pub fn only_way(self) -> Option<Path> {
        self.sent_by.filter(|path| !self.divided && self.came_by == Some(*path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path::udp(([192, 0, 2, 1], 5000).into(), ([192, 0, 2, 2], port).into())
    }

    #[test]
    fn a_handshake_proves_a_path_that_it_took_in_both_directions() {
        let whole = |sent: &[u16], came| {
            let mut handshake = Handshake::default();
            for port in sent {
                handshake.goes_to(path(*port));
            }
            handshake.came_by = Some(path(came));
            handshake.only_way()
        };
        assert_eq!(whole(&[1, 1], 1), Some(path(1)));
        assert_eq!(whole(&[1, 1], 2), None, "its end may be forged");
        assert_eq!(whole(&[1, 2], 2), None, "read somewhere else");
        assert_eq!(whole(&[], 1), None);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut handshake = Handshake::default();
        (0..100).for_each(|_| handshake.keep(path(1), &[0; 1200]));
        assert_eq!(handshake.waiting.len(), MAX_WAITING);
    }
}
