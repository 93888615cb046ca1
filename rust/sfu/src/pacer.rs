//! Spreads bursts of video over time, so that audio that comes after a big key frame does not wait behind it in a
//! narrow path. Audio itself never waits here.
//!
//! What was saved up lets an ordinary frame through at once. Without a rate, everything goes at once.
#![allow(clippy::cast_precision_loss, reason = "rates are far below 2^52")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So much of the rate can be saved up.
const BURST: Duration = Duration::from_millis(40);
/// What would wait for longer is refused. Only a stream far above the rate comes to that.
pub const MAX_WAIT: Duration = Duration::from_secs(2);
/// Packets are let go in portions of at least this, so that timers are few.
const PORTION: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub struct Pacer<T> {
    bytes_per_second: Option<f64>,
    /// Bytes that may go at once; negative after what did not wait.
    credit: f64,
    at: Instant,
    queue: VecDeque<(usize, T)>,
    queued_bytes: usize,
}

impl<T> Pacer<T> {
    pub fn new(now: Instant) -> Self {
        Self { bytes_per_second: None, credit: 0.0, at: now, queue: VecDeque::new(), queued_bytes: 0 }
    }

    /// None: nothing is to wait.
    pub fn set_rate(&mut self, now: Instant, bps: Option<u64>) {
        self.earn(now);
        let before = self.bytes_per_second;
        self.bytes_per_second = bps.map(|bps| bps.max(1) as f64 / 8.0);
        if before.is_none() {
            self.credit = self.most();
        }
    }

    /// Whether packets may have to wait.
    pub fn is_on(&self) -> bool {
        self.bytes_per_second.is_some() || !self.queue.is_empty()
    }

    /// Whether the rate leaves room for something that does not wait.
    pub fn has_room(&mut self, now: Instant) -> bool {
        self.earn(now) > 0.0
    }

    /// Something is sent that does not wait.
    pub fn spend(&mut self, bytes: usize) {
        if self.bytes_per_second.is_some() {
            self.credit -= bytes as f64;
        }
    }

    /// Whether a packet has to wait; if not it is accounted for.
    pub fn waits(&mut self, now: Instant, bytes: usize) -> bool {
        self.is_on() && !self.pass(now, bytes)
    }

    /// Whether a packet may go now; if so it is accounted for.
    pub fn pass(&mut self, now: Instant, bytes: usize) -> bool {
        let free = self.queue.is_empty() && self.earn(now) > 0.0;
        if free {
            self.spend(bytes);
        }
        free
    }

    /// Let a packet wait that may not go now. It is given back if it would wait for too long.
    pub fn push(&mut self, bytes: usize, packet: T) -> Result<(), T> {
        let wait_s = self.bytes_per_second.map_or(0.0, |rate| self.queued_bytes as f64 / rate);
        if wait_s > MAX_WAIT.as_secs_f64() {
            return Err(packet);
        }
        self.queued_bytes += bytes;
        self.queue.push_back((bytes, packet));
        Ok(())
    }

    /// The next packet whose time has come.
    pub fn pop(&mut self, now: Instant) -> Option<T> {
        if self.queue.is_empty() || self.earn(now) <= 0.0 {
            return None;
        }
        let (bytes, packet) = self.queue.pop_front()?;
        self.queued_bytes -= bytes;
        self.spend(bytes);
        Some(packet)
    }

    /// Forget waiting packets; returns how many.
    pub fn drop_where(&mut self, unwanted: impl Fn(&T) -> bool) -> usize {
        let before = self.queue.len();
        self.queue.retain(|(_, packet)| !unwanted(packet));
        self.queued_bytes = self.queue.iter().map(|(bytes, _)| bytes).sum();
        before - self.queue.len()
    }

    /// When to call [`Self::pop`].
    pub fn deadline(&self) -> Option<Instant> {
        if self.queue.is_empty() {
            return None;
        }
        let Some(rate) = self.bytes_per_second else { return Some(self.at) };
        let owed_s = if self.credit > 0.0 { 0.0 } else { -self.credit / rate };
        Some(self.at + Duration::from_secs_f64(owed_s.min(1.0)) + PORTION)
    }

    fn most(&self) -> f64 {
        self.bytes_per_second.map_or(f64::INFINITY, |rate| rate * BURST.as_secs_f64())
    }

    fn earn(&mut self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.credit = match self.bytes_per_second {
            // What did not wait is not held against video for long.
            Some(rate) => (self.credit + elapsed * rate).clamp(-self.most(), self.most()),
            None => f64::INFINITY,
        };
        self.credit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times in milliseconds at which packets of 1000 bytes leave that come at 0.
    fn leave(bps: Option<u64>, packets: usize) -> Vec<u128> {
        let start = Instant::now();
        let mut pacer = Pacer::new(start);
        pacer.set_rate(start, bps);
        let mut left = Vec::new();
        for n in 0..packets {
            if pacer.pass(start, 1000) {
                left.push(0);
            } else if pacer.push(1000, n).is_err() {
                break;
            }
        }
        while let Some(now) = pacer.deadline() {
            while pacer.pop(now).is_some() {
                left.push((now - start).as_millis());
            }
        }
        left
    }

    #[test]
    fn a_frame_goes_at_once_and_a_burst_is_spread() {
        assert_eq!(leave(Some(1_600_000), 8), [0; 8]);
        let left = leave(Some(1_600_000), 48);
        assert_eq!(left.len(), 48);
        assert_eq!(left[..8], [0; 8]);
        assert!((190..=215).contains(left.last().unwrap()), "{left:?}");
        assert!(left.windows(9).skip(8).all(|nine| nine[8] > nine[0]), "{left:?}");
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        assert_eq!(leave(None, 500), [0; 500]);
    }

    #[test]
    fn what_would_wait_too_long_is_refused() {
        let left = leave(Some(800_000), 500);
        assert!(left.len() < 210, "{}", left.len());
        assert!(*left.last().unwrap() < 2200);
    }

    #[test]
    fn a_rate_that_is_lifted_lets_go_of_everything() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start);
        pacer.set_rate(start, Some(80_000));
        let waiting = (0..5).filter(|n| !pacer.pass(start, 1000) && pacer.push(1000, *n).is_ok()).count();
        assert_eq!((waiting, pacer.is_on()), (4, true));
        pacer.set_rate(start, None);
        assert_eq!(std::iter::from_fn(|| pacer.pop(start)).count(), 4);
        assert!(!pacer.is_on() && pacer.deadline().is_none());
    }

    #[test]
    fn what_does_not_wait_takes_from_the_rest_but_never_starves_it() {
        let start = Instant::now();
        let mut pacer = Pacer::<()>::new(start);
        pacer.set_rate(start, Some(800_000));
        pacer.spend(1_000_000);
        assert!(!pacer.pass(start, 100));
        assert!(pacer.pass(start + Duration::from_millis(50), 100));
    }

    #[test]
    fn one_kind_can_be_forgotten() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start);
        pacer.set_rate(start, Some(800));
        (0..10).for_each(|n| assert!(pacer.push(1, n).is_ok()));
        assert_eq!((pacer.drop_where(|n| n % 2 == 0), pacer.queue.len(), pacer.queued_bytes), (5, 5, 5));
    }
}
