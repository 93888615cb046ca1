//! One SSRC as the server numbers it: how often the number rolled over, what is missing.

use std::time::{Duration, Instant};

/// Missing packets that are remembered; more than this, and the oldest is given up.
const MISSING: usize = 256;
/// Time between two requests for the same packet, and how often it is asked for.
const PATIENCE: Duration = Duration::from_millis(50);
const REQUESTS: u8 = 10;

struct Missing {
    number: u64,
    asked: Option<Instant>,
    requests: u8,
}

#[derive(Default)]
pub struct Sequence {
    /// Extended: how often the number rolled over, and the number. It starts at one, so that it may go back.
    highest: Option<u64>,
    missing: Vec<Missing>,
    /// Of the measured window.
    first: u64,
    last: u64,
    pub arrived: u64,
}

impl Sequence {
    /// The extended number of an arriving packet, RFC 3711 §3.3.1.
    pub fn extend(&self, number: u16) -> u64 {
        let Some(highest) = self.highest else { return 1 << 16 | u64::from(number) };
        let step = number.wrapping_sub(highest as u16) as i16;
        highest.wrapping_add_signed(i64::from(step))
    }

    pub fn highest(&self) -> u32 {
        self.highest.unwrap_or(0) as u32
    }

    /// Note a number that has arrived. Where `listed`, numbers that it skips are remembered as missing, and so is the
    /// number itself if it is `refused`.
    pub fn note(&mut self, number: u64, listed: bool, refused: bool, in_window: bool) {
        let next = self.highest.map_or(number, |highest| highest + 1);
        if number >= next {
            self.highest = Some(number);
            if listed {
                let missing = next..number + u64::from(refused);
                self.missing.extend(missing.map(|number| Missing { number, asked: None, requests: 0 }));
                let excess = self.missing.len().saturating_sub(MISSING);
                self.missing.drain(..excess);
            }
        } else if !refused {
            self.found(number);
        }
        if in_window {
            if self.arrived == 0 {
                (self.first, self.last) = (number, number);
            }
            self.last = self.last.max(number);
            self.arrived += 1;
        }
    }

    /// What was missing has come, by itself or by a retransmission.
    pub fn found(&mut self, number: u64) {
        self.missing.retain(|missing| missing.number != number);
    }

    /// Numbers to ask for now, in order.
    pub fn wanted(&mut self, now: Instant) -> Vec<u16> {
        self.missing.retain(|missing| missing.requests < REQUESTS);
        let due = |missing: &&mut Missing| missing.asked.is_none_or(|asked| now - asked >= PATIENCE);
        self.missing
            .iter_mut()
            .filter(due)
            .map(|missing| {
                missing.asked = Some(now);
                missing.requests += 1;
                missing.number as u16
            })
            .collect()
    }

    /// Numbers of the window that never arrived.
    pub fn gaps(&self) -> u64 {
        if self.arrived == 0 { 0 } else { (self.last - self.first + 1).saturating_sub(self.arrived) }
    }

    /// Begin a window.
    pub fn open(&mut self) {
        self.arrived = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_continue_where_they_roll_over() {
        let mut sequence = Sequence::default();
        for (number, extended) in [(65_534, 131_070), (65_535, 131_071), (1, 131_073), (0, 131_072)] {
            assert_eq!(sequence.extend(number), extended);
            sequence.note(extended, true, false, true);
        }
        assert_eq!(sequence.gaps(), 0);
    }

    #[test]
    fn what_is_skipped_is_asked_for_until_it_comes() {
        let (mut sequence, start) = (Sequence::default(), Instant::now());
        for number in [10, 11, 14] {
            sequence.note(number, true, number == 14, true);
        }
        assert_eq!(sequence.gaps(), 2);
        assert_eq!(sequence.wanted(start), [12, 13, 14]);
        assert!(sequence.wanted(start).is_empty());
        sequence.found(12);
        assert_eq!(sequence.wanted(start + PATIENCE), [13, 14]);
        for round in 2..20 {
            sequence.wanted(start + PATIENCE * round);
        }
        assert!(sequence.wanted(start + PATIENCE * 20).is_empty());
    }
}
