//! Whether the queue at the bottleneck grows: the slope of the accumulated delay over the last groups, against a
//! threshold that adapts to the path's jitter (draft-ietf-rmcat-gcc-02 §5.4; a least-squares line takes the place of
//! the draft's Kalman filter, as in today's browsers).

use std::collections::VecDeque;

use super::group::Spacing;

/// Groups that make up the line.
const WINDOW: usize = 20;
/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// Makes the slope comparable with a threshold in milliseconds.
const GAIN: f64 = 4.0;
/// The slope counts fully once it rests on so many groups.
const FULL_WEIGHT: u32 = 60;
/// The slope must stay above the threshold for this long.
const OVERUSE_MS: f64 = 10.0;
/// Without packets for this long, the past says nothing.
const STALE_US: i64 = 2_000_000;

/// How fast the threshold follows the slope, upwards and downwards, per millisecond.
const RISE: f64 = 0.0087;
const FALL: f64 = 0.039;
/// Leaps beyond the threshold by more are outliers, such as a change of route: it does not follow them.
const OUTLIER_MS: f64 = 15.0;
const INITIAL_THRESHOLD_MS: f64 = 12.5;
const MIN_THRESHOLD_MS: f64 = 6.0;
const MAX_THRESHOLD_MS: f64 = 600.0;
const MAX_STEP_MS: f64 = 100.0;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signal {
    /// The queue drains.
    Underuse,
    #[default]
    Normal,
    /// The queue grows.
    Overuse,
}

#[derive(Debug)]
pub struct Trend {
    signal: Signal,
    /// Arrival of the first group, from which the line's times are counted.
    origin_us: i64,
    last_arrival_us: i64,
    groups: u32,
    accumulated_ms: f64,
    smoothed_ms: f64,
    /// (arrival, smoothed delay), in milliseconds.
    line: VecDeque<(f64, f64)>,
    slope: f64,
    threshold_ms: f64,
    over_ms: Option<f64>,
    over_groups: u32,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            signal: Signal::Normal,
            origin_us: 0,
            last_arrival_us: 0,
            groups: 0,
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            line: VecDeque::with_capacity(WINDOW),
            slope: 0.0,
            threshold_ms: INITIAL_THRESHOLD_MS,
            over_ms: None,
            over_groups: 0,
        }
    }
}

impl Trend {
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// What follows does not continue what was before; the threshold is kept.
    pub fn forget(&mut self) {
        *self = Self { threshold_ms: self.threshold_ms, ..Self::default() };
    }

    /// Take in a complete group that arrived at `arrived_us`.
    pub fn update(&mut self, spacing: Spacing, arrived_us: i64) {
        if self.groups == 0 || spacing.arrived_us > STALE_US {
            self.forget();
            (self.origin_us, self.last_arrival_us) = (arrived_us, arrived_us);
        }
        self.groups = (self.groups + 1).min(FULL_WEIGHT);
        let sent_ms = spacing.sent_us as f64 / 1000.0;
        self.accumulated_ms += spacing.arrived_us as f64 / 1000.0 - sent_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        if self.line.len() == WINDOW {
            self.line.pop_front();
        }
        self.line.push_back(((arrived_us - self.origin_us) as f64 / 1000.0, self.smoothed_ms));
        let slope = if self.line.len() == WINDOW { slope(&self.line).unwrap_or(self.slope) } else { 0.0 };
        let elapsed_ms = (arrived_us - self.last_arrival_us) as f64 / 1000.0;
        self.last_arrival_us = arrived_us;
        self.detect(slope, sent_ms, elapsed_ms);
        self.slope = slope;
    }

    fn detect(&mut self, slope: f64, sent_ms: f64, elapsed_ms: f64) {
        let drift_ms = f64::from(self.groups) * slope * GAIN;
        if drift_ms > self.threshold_ms {
            let over = self.over_ms.map_or(sent_ms / 2.0, |over| over + sent_ms);
            self.over_ms = Some(over);
            self.over_groups += 1;
            if over > OVERUSE_MS && self.over_groups > 1 && slope >= self.slope {
                self.over_ms = Some(0.0);
                self.over_groups = 0;
                self.signal = Signal::Overuse;
            }
        } else {
            self.over_ms = None;
            self.over_groups = 0;
            self.signal = if drift_ms < -self.threshold_ms { Signal::Underuse } else { Signal::Normal };
        }
        self.adapt(drift_ms, elapsed_ms);
    }

    fn adapt(&mut self, drift_ms: f64, elapsed_ms: f64) {
        let beyond = drift_ms.abs() - self.threshold_ms;
        if beyond > OUTLIER_MS {
            return;
        }
        let speed = if beyond < 0.0 { FALL } else { RISE };
        self.threshold_ms = (self.threshold_ms + speed * beyond * elapsed_ms.clamp(0.0, MAX_STEP_MS))
            .clamp(MIN_THRESHOLD_MS, MAX_THRESHOLD_MS);
    }
}

/// Slope of the least-squares line; None if all points lie at one time.
fn slope(line: &VecDeque<(f64, f64)>) -> Option<f64> {
    let n = line.len() as f64;
    let (x, y) = line.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (x / n, y / n);
    let (covariance, variance) = line.iter().fold((0.0, 0.0), |(covariance, variance), point| {
        let x = point.0 - mean_x;
        (covariance + x * (point.1 - mean_y), variance + x * x)
    });
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups sent every 20 ms whose delay grows by `growth_us` each; the signals they caused.
    fn play(trend: &mut Trend, from: i64, count: i64, growth_us: i64) -> Vec<Signal> {
        (from..from + count)
            .map(|n| {
                let spacing = Spacing { sent_us: 20_000, arrived_us: 20_000 + growth_us };
                trend.update(spacing, n * (20_000 + growth_us));
                trend.signal()
            })
            .collect()
    }

    #[test]
    fn a_steady_path_is_normal_and_a_growing_queue_is_overuse_soon() {
        let mut trend = Trend::default();
        assert!(play(&mut trend, 0, 100, 0).iter().all(|s| *s == Signal::Normal));
        let signals = play(&mut trend, 100, 20, 4_000);
        let at = signals.iter().position(|s| *s == Signal::Overuse).unwrap();
        assert!(at < 20, "after {at} groups");
        let signals = play(&mut trend, 200, 60, -4_000);
        assert!(signals.contains(&Signal::Underuse));
    }

    #[test]
    fn the_threshold_learns_to_bear_jitter() {
        let mut trend = Trend::default();
        let mut random = 1_u64;
        let (mut overuse, mut early) = (0, 0);
        for n in 0..3000_i64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let jitter = (random >> 33) as i64 % 30_000;
            let before = trend.last_arrival_us;
            let at = (n * 20_000 + jitter).max(before); // nothing overtakes
            trend.update(Spacing { sent_us: 20_000, arrived_us: at - before }, at);
            overuse += i32::from(trend.signal() == Signal::Overuse);
            if n == 300 {
                early = overuse;
            }
        }
        let share = f64::from(overuse - early) / 2700.0;
        assert!(share < 0.02, "overuse in {share} of all groups");
    }

    #[test]
    fn silence_forgets_the_past() {
        let mut trend = Trend::default();
        play(&mut trend, 0, 50, 3_000);
        trend.update(Spacing { sent_us: 5_000_000, arrived_us: 5_000_000 }, 60_000_000);
        assert_eq!((trend.signal(), trend.line.len()), (Signal::Normal, 1));
    }
}
