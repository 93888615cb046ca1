//! Remembers which of the last 1024 sequence numbers were seen.
//!
//! A packet and its retransmission must not both be forwarded, and nothing may be sealed twice under one number: two
//! packets with one key and nonce give both away.

#[derive(Debug, Default)]
pub struct Window {
    newest: Option<u64>,
    seen: [u64; 16],
}

impl Window {
    const SIZE: u64 = 1024;

    /// False if `seq` was seen or is too old to tell.
    pub fn insert(&mut self, seq: u64) -> bool {
        let newest = *self.newest.get_or_insert(seq);
        if seq + Self::SIZE <= newest {
            return false;
        }
        if seq > newest {
            for passed in (newest + 1..=seq).take(Self::SIZE as usize) {
                self.slot(passed, false);
            }
            self.newest = Some(seq);
        }
        self.slot(seq, true)
    }

    /// Set the mark of `seq`; true if that changed it.
    fn slot(&mut self, seq: u64, mark: bool) -> bool {
        let (word, bit) = ((seq % Self::SIZE / 64) as usize, 1 << (seq % 64));
        let before = self.seen[word] & bit != 0;
        self.seen[word] = if mark { self.seen[word] | bit } else { self.seen[word] & !bit };
        before != mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_number_passes_once() {
        let mut window = Window::default();
        assert!([100, 102, 101, 5000, 4999].iter().all(|seq| window.insert(*seq)));
        assert!(![100, 102, 5000, 4999, 3976].iter().any(|seq| window.insert(*seq)));
        assert!(window.insert(3977));
        assert!(window.insert(5001) && !window.insert(3977));
    }
}
