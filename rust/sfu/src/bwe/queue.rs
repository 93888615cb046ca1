//! How long packets wait at the bottleneck: one-way delay above the least of the last half minute.
//!
//! The trend tells that a queue grows, not that it is there: once the estimate has come down to what the path carries,
//! a long queue would stay, and audio with it. So a part of the estimate is withheld until it is gone, and if that does
//! not help, the queue counts as an overuse. If that does not help either, it is not ours: the path has become longer.

/// The least delay is that of the last one to two such periods.
const PERIOD_US: i64 = 15_000_000;
/// A queue up to this is normal, and from this on half of the target is withheld.
const SHORT_US: f64 = 60_000.0;
const LONG_US: f64 = 400_000.0;
const MAX_WITHHELD: f64 = 0.5;
/// A queue that is this long and grows by this share of the time is of our making, and no trend has to prove it.
const SURGE_US: i64 = 80_000;
const SURGE_SLOPE: f64 = 0.4;
/// A wait that is longer than our bursts explain by this says nothing yet.
const NOISE_US: i64 = 20_000;
/// From this on, audio cannot be heard in time.
const DROWNED_US: i64 = 300_000;
/// A long queue has to be gone after this; otherwise it is an overuse, so many times.
const PATIENCE_US: i64 = 1_500_000;
const MAX_OVERUSES: u8 = 3;

#[derive(Debug, Default)]
pub struct Queue {
    periods: Option<Periods>,
    /// The least delay in the latest report.
    latest_us: Option<i64>,
    waiting_us: i64,
    updated_us: i64,
    surges: bool,
    /// Since when packets have been waiting for long, or when that last counted as an overuse.
    long_since_us: Option<i64>,
    overuses: u8,
}

/// In microseconds.
#[derive(Clone, Copy, Debug)]
struct Periods {
    begun: i64,
    least: i64,
    former_least: i64,
}

impl Queue {
    /// A packet took `delay_us`; the clocks of both sides need not agree.
    pub fn took(&mut self, delay_us: i64) {
        self.latest_us = Some(self.latest_us.map_or(delay_us, |latest| latest.min(delay_us)));
    }

    /// A report is complete. True if packets have been waiting for too long.
    ///
    /// `explained_us`: so long they may have been waiting because of a burst.
    pub fn update(&mut self, now_us: i64, explained_us: i64) -> bool {
        let Some(latest) = self.latest_us.take() else { return false };
        let periods = self.periods.get_or_insert(Periods::new(now_us, latest, latest));
        if now_us - periods.begun >= PERIOD_US {
            *periods = Periods::new(now_us, latest, periods.least);
        }
        periods.least = periods.least.min(latest);
        let before_us = self.waiting_us;
        self.waiting_us = latest - periods.least.min(periods.former_least);
        let elapsed_us = now_us - std::mem::replace(&mut self.updated_us, now_us);
        let growth = (self.waiting_us - before_us) as f64;
        self.surges = self.waiting_us >= SURGE_US + explained_us && growth >= elapsed_us as f64 * SURGE_SLOPE;
        if !self.is_long() {
            (self.long_since_us, self.overuses) = (None, 0);
            return false;
        }
        if now_us - *self.long_since_us.get_or_insert(now_us) < PATIENCE_US {
            return false;
        }
        self.long_since_us = Some(now_us);
        self.overuses += 1;
        if self.overuses > MAX_OVERUSES {
            *self = Self { periods: Some(Periods::new(now_us, latest, latest)), ..Self::default() };
            return false;
        }
        true
    }

    /// Whether packets wait for no longer than a burst explains.
    pub fn is_explained(&self, explained_us: i64) -> bool {
        self.waiting_us <= explained_us + NOISE_US
    }

    /// Far more is sent than gets through.
    pub fn surges(&self) -> bool {
        self.surges
    }

    /// Packets wait for so long that what is said live comes too late.
    pub fn is_drowned(&self) -> bool {
        self.waiting_us >= DROWNED_US
    }

    /// Packets wait longer than is normal.
    pub fn is_long(&self) -> bool {
        self.waiting_us as f64 > SHORT_US
    }

    /// Share of the estimate that may be used.
    pub fn share(&self) -> f64 {
        let excess = (self.waiting_us as f64 - SHORT_US) / (LONG_US - SHORT_US);
        1.0 - MAX_WITHHELD * excess.clamp(0.0, 1.0)
    }
}

impl Periods {
    fn new(begun: i64, least: i64, former_least: i64) -> Self {
        Self { begun, least, former_least }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(queue: &mut Queue, at_ms: i64, delays_ms: &[i64]) -> f64 {
        for delay in delays_ms {
            queue.took(delay * 1000 - 77_000_000);
        }
        queue.update(at_ms * 1000, 0);
        queue.share()
    }

    #[test]
    fn a_standing_queue_withholds_and_single_packets_do_not() {
        let mut queue = Queue::default();
        let shares = [
            report(&mut queue, 0, &[30, 35]),
            report(&mut queue, 100, &[40, 900, 700]),
            report(&mut queue, 200, &[260, 420]),
            report(&mut queue, 300, &[1500]),
            report(&mut queue, 400, &[60]),
        ];
        assert_eq!(shares.map(|share| (share * 100.0) as u32), [100, 100, 75, 50, 100]);
    }

    #[test]
    fn a_queue_that_stays_is_an_overuse_until_the_path_proves_to_be_longer() {
        let mut queue = Queue::default();
        report(&mut queue, 0, &[30]);
        let mut overuses = 0;
        for n in 1..100 {
            queue.took(180_000 - 77_000_000);
            overuses += u8::from(queue.update(n * 100_000, 0));
        }
        assert_eq!(overuses, MAX_OVERUSES);
        assert!(!queue.is_long() && queue.share() > 0.99);
    }
}
