//! The delay-based estimate (draft-ietf-rmcat-gcc-02 §5.5): decrease when the queue grows, hold while it drains,
//! increase otherwise; by a factor far from the known capacity, by a packet per response time near it.

use super::capacity::Capacity;
use super::trend::Signal;
use super::{MAX_BPS, MIN_BPS};

/// What is left of the throughput after an overuse.
const DECREASE: f64 = 0.85;
/// The most that one overuse takes off the estimate if we did not fill the link ourselves: then the throughput does not
/// say what the link can carry.
const LIMITED_DECREASE: f64 = 0.5;
/// Growth per second.
const GROWTH: f64 = 1.08;
/// The same where nothing can be tried: what is sent has to grow by itself before more of it is.
const BLIND_GROWTH: f64 = 1.2;
/// The estimate does not run away from what is known to arrive.
const MAX_LEAD: f64 = 1.5;
const MAX_BLIND_LEAD: f64 = 4.0;
const LEAD_BPS: f64 = 10_000.0;
/// From a change of rate to its effect on the delay, beyond the round trip.
const RESPONSE_US: i64 = 100_000;
const MIN_GROWTH_BPS: f64 = 4_000.0;
const PACKET_BITS: f64 = 1200.0 * 8.0;
/// Between two decreases, unless the throughput fell much below the estimate.
const MIN_DECREASE_US: i64 = 10_000;
const MAX_DECREASE_US: i64 = 200_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

/// What happened since the last update.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    pub signal: Signal,
    /// Bits per second that arrived, if that is known.
    pub throughput_bps: Option<f64>,
    /// We sent less than the estimate allowed.
    pub limited: bool,
    /// Nothing can be sent to find out more: the estimate has to grow by itself.
    pub blind: bool,
    pub rtt_us: i64,
}

#[derive(Debug)]
pub struct Aimd {
    bps: f64,
    state: State,
    capacity: Capacity,
    updated_us: Option<i64>,
    decreased_us: Option<i64>,
}

impl Aimd {
    pub fn new(bps: f64) -> Self {
        Self { bps, state: State::Hold, capacity: Capacity::default(), updated_us: None, decreased_us: None }
    }

    pub fn bps(&self) -> f64 {
        self.bps
    }

    /// When the estimate was last decreased.
    pub fn decreased_us(&self) -> Option<i64> {
        self.decreased_us
    }

    pub fn update(&mut self, now_us: i64, seen: &Observation) {
        match (seen.signal, self.state) {
            (Signal::Overuse, _) => self.decrease(now_us, seen),
            (Signal::Underuse, _) => self.state = State::Hold,
            (Signal::Normal, State::Hold) => self.state = State::Increase,
            (Signal::Normal, State::Increase) => self.increase(now_us, seen),
        }
        self.updated_us = Some(now_us);
    }

    /// A probe has shown that more gets through.
    pub fn probed(&mut self, bps: f64) {
        self.capacity.probed(bps);
        self.bps = self.bps.max(bps).min(MAX_BPS);
    }

    /// So much arrives, and the path has shown no limit yet.
    pub fn carried(&mut self, bps: f64) {
        self.bps = self.bps.max(bps).min(MAX_BPS);
    }

    /// Nothing is heard: assume less.
    pub fn back_off(&mut self, factor: f64) {
        self.bps = (self.bps * factor).max(MIN_BPS);
    }

    fn increase(&mut self, now_us: i64, seen: &Observation) {
        if let Some(throughput) = seen.throughput_bps {
            self.capacity.carried(throughput);
        }
        if seen.limited && !seen.blind {
            return;
        }
        let elapsed_s = self.updated_us.map_or(0.0, |at| ((now_us - at) as f64 / 1e6).clamp(0.0, 1.0));
        let grown = if self.capacity.known().is_some() && !seen.limited {
            let response_s = (seen.rtt_us + RESPONSE_US) as f64 / 1e6;
            self.bps + (PACKET_BITS / response_s).max(MIN_GROWTH_BPS) * elapsed_s
        } else {
            let growth = if seen.blind { BLIND_GROWTH } else { GROWTH };
            self.bps * growth.powf(elapsed_s)
        };
        let most = if seen.blind { MAX_BLIND_LEAD } else { MAX_LEAD };
        let lead = seen.throughput_bps.map_or(f64::INFINITY, |bps| bps * most + LEAD_BPS);
        self.bps = self.bps.max(grown.min(lead)).min(MAX_BPS);
    }

    fn decrease(&mut self, now_us: i64, seen: &Observation) {
        let pause = seen.rtt_us.clamp(MIN_DECREASE_US, MAX_DECREASE_US);
        let rested = self.decreased_us.is_none_or(|at| now_us - at >= pause);
        let far_below = seen.throughput_bps.is_some_and(|bps| bps < self.bps / 2.0) && !seen.limited;
        if !rested && !far_below {
            return;
        }
        let mut lower = seen.throughput_bps.unwrap_or(self.bps) * DECREASE;
        if seen.limited {
            lower = lower.max(self.bps * LIMITED_DECREASE);
        } else if let Some(throughput) = seen.throughput_bps {
            if lower > self.bps
                && let Some(capacity) = self.capacity.known()
            {
                lower = capacity * DECREASE;
            }
            self.capacity.overused(throughput);
        }
        self.bps = self.bps.min(lower).max(MIN_BPS);
        self.state = State::Hold;
        self.decreased_us = Some(now_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn seen(signal: Signal, throughput: f64) -> Observation {
        Observation { signal, throughput_bps: Some(throughput), limited: false, blind: false, rtt_us: 50_000 }
    }

    fn play(aimd: &mut Aimd, from_s: i64, seconds: i64, observation: &Observation) {
        for step in from_s * 10..(from_s + seconds) * 10 {
            aimd.update(step * SECOND / 10, observation);
        }
    }

    #[test]
    fn it_grows_by_a_factor_until_it_knows_the_capacity_and_by_packets_then() {
        let mut aimd = Aimd::new(1_000_000.0);
        play(&mut aimd, 0, 5, &seen(Signal::Normal, 1_000_000.0));
        assert!((1_350_000.0..1_480_000.0).contains(&aimd.bps()), "{}", aimd.bps());
        aimd.update(6 * SECOND, &seen(Signal::Overuse, 1_200_000.0));
        assert!((aimd.bps() - 1_020_000.0).abs() < 1.0);
        play(&mut aimd, 7, 2, &seen(Signal::Normal, 1_200_000.0));
        let gained = aimd.bps() - 1_020_000.0;
        assert!((100_000.0..140_000.0).contains(&gained), "{gained}");
    }

    #[test]
    fn it_does_not_run_away_from_what_arrives() {
        let mut aimd = Aimd::new(1_000_000.0);
        play(&mut aimd, 0, 60, &seen(Signal::Normal, 1_000_000.0));
        assert!(aimd.bps() <= 1_510_000.0);
        let idle = Observation { limited: true, ..seen(Signal::Normal, 10_000.0) };
        let before = aimd.bps();
        play(&mut aimd, 60, 60, &idle);
        assert!((aimd.bps() - before).abs() < 1.0);
    }

    #[test]
    fn where_nothing_can_be_tried_it_grows_by_itself_but_not_far() {
        let mut aimd = Aimd::new(300_000.0);
        let blind = Observation { limited: true, blind: true, ..seen(Signal::Normal, 200_000.0) };
        play(&mut aimd, 0, 10, &blind);
        assert!(aimd.bps() > 550_000.0, "{}", aimd.bps());
        play(&mut aimd, 10, 60, &blind);
        assert!((aimd.bps() - 810_000.0).abs() < 1.0, "{}", aimd.bps());
    }

    #[test]
    fn an_overuse_that_is_not_ours_halves_at_most() {
        let mut aimd = Aimd::new(2_000_000.0);
        let limited = Observation { limited: true, ..seen(Signal::Overuse, 40_000.0) };
        aimd.update(0, &limited);
        assert!((aimd.bps() - 1_000_000.0).abs() < 1.0);
        aimd.update(10_000, &limited);
        assert!((aimd.bps() - 1_000_000.0).abs() < 1.0, "not twice for one queue");
        play(&mut aimd, 1, 10, &limited);
        assert!(aimd.bps() <= MIN_BPS, "but down to the end if it goes on");
    }
}
