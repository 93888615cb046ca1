//! How much may be retransmitted to one peer: a share of what it is sent, and a little more, so that neither a bad
//! network nor a peer that asks for everything again can multiply the traffic.

use std::time::{Duration, Instant};

/// Of the bytes sent, how many may be sent again: one in so many.
const SHARE: usize = 2;
/// Bytes per second that may be sent again whatever was sent.
const FLOOR: u64 = 25_000;
/// The most that is saved up, about a key frame.
const CAPACITY: usize = 150_000;

#[derive(Debug)]
pub struct Budget {
    bytes: usize,
    filled: Option<Instant>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: CAPACITY, filled: None }
    }
}

impl Budget {
    /// A packet was sent for the first time.
    pub fn earn(&mut self, bytes: usize) {
        self.bytes = (self.bytes + bytes / SHARE).min(CAPACITY);
    }

    /// Whether `bytes` may be sent again now.
    pub fn spend(&mut self, now: Instant, bytes: usize) -> bool {
        let elapsed = now.saturating_duration_since(*self.filled.get_or_insert(now));
        let earned = elapsed.min(Duration::from_secs(60)).as_millis() as u64 * FLOOR / 1000;
        if earned > 0 {
            self.filled = Some(now);
            self.bytes = (self.bytes + earned as usize).min(CAPACITY);
        }
        let enough = self.bytes >= bytes;
        if enough {
            self.bytes -= bytes;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_what_is_sent_and_a_floor_may_be_sent_again() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let spent = |budget: &mut Budget, at| (0..1000).take_while(|_| budget.spend(at, 1000)).count();
        assert_eq!(spent(&mut budget, now), 150);
        assert_eq!(spent(&mut budget, now), 0);
        (0..100).for_each(|_| budget.earn(1000));
        assert_eq!(spent(&mut budget, now), 50);
        assert_eq!(spent(&mut budget, now + Duration::from_secs(2)), 50);
        assert_eq!(spent(&mut budget, now + Duration::from_secs(100)), 150);
    }
}
