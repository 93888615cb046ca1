//! The loss-based bound: falls while much is lost, rises while little is (draft-ietf-rmcat-gcc-02 §6).
//!
//! The draft's rule alone ends at nothing on a path that loses a tenth of everything by itself. What such a path may
//! lose without being called full grows with the inverse of the rate, as in today's browsers: a fifth lost stops the
//! fall at half a megabit per second, half lost at a sixth of one.

use super::{MAX_BPS, MIN_BPS};

/// Shares of packets lost below which the bound rises, above which it falls, and above which one full look is
/// enough.
const LOW: f64 = 0.02;
const HIGH: f64 = 0.10;
const SEVERE: f64 = 0.30;
/// Weight of a new look in the average, if it saw so many packets.
const WEIGHT: f64 = 0.4;
const FULL_LOOK: u32 = 50;
/// A look takes at least this long and this many packets, or a long time and a few.
const LOOK_US: i64 = 250_000;
const LOOK_PACKETS: u32 = 20;
const LONG_LOOK_US: i64 = 2_000_000;
const LONG_LOOK_PACKETS: u32 = 5;
/// Growth per second.
const GROWTH: f64 = 1.25;
/// A path may lose `TOLERANCE + SLACK_BPS / rate` by itself.
const TOLERANCE: f64 = 0.05;
const SLACK_BPS: f64 = 75_000.0;

#[derive(Debug, Default)]
pub struct Loss {
    bound_bps: Option<f64>,
    average: f64,
    arrived: u32,
    missing: u32,
    looked_us: Option<i64>,
}

impl Loss {
    /// The most that should be sent; None if loss is no reason.
    pub fn bound_bps(&self) -> Option<f64> {
        self.bound_bps
    }

    /// Share of packets lost lately.
    pub fn average(&self) -> f64 {
        self.average
    }

    pub fn is_severe(&self) -> bool {
        self.average > SEVERE
    }

    /// Count packets that a report says have arrived or are missing; `found`: said to be missing before.
    pub fn count(&mut self, arrived: u32, missing: u32, found: u32) {
        self.arrived += arrived;
        self.missing = (self.missing + missing).saturating_sub(found);
    }

    /// Judge what was counted, if it is enough. `bps`: what is allowed by all others; `throughput_bps`: what arrives.
    pub fn update(&mut self, now_us: i64, bps: f64, throughput_bps: Option<f64>) {
        let elapsed_us = now_us - *self.looked_us.get_or_insert(now_us);
        let packets = self.arrived + self.missing;
        let enough = (elapsed_us >= LOOK_US && packets >= LOOK_PACKETS)
            || (elapsed_us >= LONG_LOOK_US && packets >= LONG_LOOK_PACKETS);
        if enough {
            let share = f64::from(self.missing) / f64::from(packets);
            self.look(share, packets, elapsed_us, bps, throughput_bps);
            (self.arrived, self.missing, self.looked_us) = (0, 0, Some(now_us));
        }
    }

    /// A peer without transport-wide feedback says what share it misses (RFC 3550 §6.4.1).
    pub fn reported(&mut self, now_us: i64, share: f64, bps: f64) {
        let elapsed_us = now_us - *self.looked_us.get_or_insert(now_us);
        self.look(share.clamp(0.0, 1.0), FULL_LOOK, elapsed_us, bps, None);
        self.looked_us = Some(now_us);
    }

    /// A probe got through at this rate.
    pub fn probed(&mut self, bps: f64) {
        self.bound_bps = self.bound_bps.map(|bound| bound.max(bps));
    }

    fn look(&mut self, share: f64, packets: u32, elapsed_us: i64, bps: f64, throughput_bps: Option<f64>) {
        let weight = WEIGHT * (f64::from(packets) / f64::from(FULL_LOOK)).min(1.0);
        self.average += weight * (share - self.average);
        let severe = share > SEVERE && packets >= FULL_LOOK;
        let grown = |bound: f64| bound * GROWTH.powf((elapsed_us as f64 / 1e6).min(2.0));
        if severe || self.average > HIGH {
            let before = self.bound_bps.map_or(bps, |bound| bound.min(bps));
            let fallen = match throughput_bps {
                Some(arrives) if severe => before.min(arrives),
                _ => before * (1.0 - 0.5 * self.average),
            };
            let lost = if severe { share } else { self.average };
            let bearable = SLACK_BPS / (lost - TOLERANCE);
            self.bound_bps = Some(fallen.max(bearable.min(grown(before))).clamp(MIN_BPS, MAX_BPS));
        } else if self.average < LOW
            && let Some(bound) = self.bound_bps
        {
            self.bound_bps = Some(grown(bound)).filter(|bound| *bound < 2.0 * bps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BPS: f64 = 3_000_000.0;

    /// Looks each half second at 100 packets, of which `missing` are lost.
    fn play(loss: &mut Loss, from: i64, looks: i64, missing: u32, throughput: Option<f64>) {
        for n in from..from + looks {
            loss.count(100 - missing, missing, 0);
            loss.update(n * 500_000, BPS, throughput);
        }
    }

    #[test]
    fn little_loss_is_no_reason() {
        let mut loss = Loss::default();
        play(&mut loss, 0, 100, 5, None);
        assert_eq!(loss.bound_bps(), None);
    }

    #[test]
    fn a_path_that_loses_by_itself_keeps_what_it_can_bear() {
        let mut loss = Loss::default();
        play(&mut loss, 0, 200, 20, Some(BPS * 0.8));
        let bound = loss.bound_bps().unwrap();
        assert!((480_000.0..520_000.0).contains(&bound), "{bound}");
    }

    #[test]
    fn severe_loss_falls_to_what_arrives_at_once() {
        let mut loss = Loss::default();
        play(&mut loss, 0, 2, 85, Some(300_000.0));
        assert!((loss.bound_bps().unwrap() - 300_000.0).abs() < 1.0);
        play(&mut loss, 2, 60, 0, Some(300_000.0));
        assert_eq!(loss.bound_bps(), None, "and is forgotten when it is over");
    }

    #[test]
    fn packets_that_were_only_late_are_not_lost() {
        let mut loss = Loss::default();
        for n in 0..50 {
            loss.count(100, 30, 30);
            loss.update(n * 500_000, BPS, None);
        }
        assert_eq!((loss.bound_bps(), loss.average()), (None, 0.0));
    }

    #[test]
    fn a_few_packets_are_judged_after_a_while() {
        let mut loss = Loss::default();
        for n in 0..100 {
            loss.count(1, 1, 0);
            loss.update(n * 500_000, BPS, None);
        }
        assert!(loss.bound_bps().unwrap() < BPS / 4.0);
    }
}
