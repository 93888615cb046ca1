//! What the bottleneck carried when it was full: mean and deviation of the throughput at each overuse
//! (draft-ietf-rmcat-gcc-02 §5.5). Near it the estimate grows carefully.

/// Weight of a new sample.
const WEIGHT: f64 = 0.05;
/// A probe shows the capacity better than an overuse.
const PROBE_WEIGHT: f64 = 0.5;
/// Deviations from the mean that are still "near".
const NEAR: f64 = 3.0;
/// Bounds of the variance, relative to the mean in kbit/s.
const MIN_VARIANCE: f64 = 0.4;
const MAX_VARIANCE: f64 = 2.5;

#[derive(Debug)]
pub struct Capacity {
    mean_kbps: Option<f64>,
    variance: f64,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { mean_kbps: None, variance: MIN_VARIANCE }
    }
}

impl Capacity {
    /// The queue grew while so much arrived.
    pub fn overused(&mut self, bps: f64) {
        if bps < self.near().0 {
            self.mean_kbps = None; // it has become another link
        }
        self.update(bps / 1000.0, WEIGHT);
    }

    /// A probe arrived at this rate.
    pub fn probed(&mut self, bps: f64) {
        self.update(bps / 1000.0, PROBE_WEIGHT);
    }

    /// So much arrived without the queue growing.
    pub fn carried(&mut self, bps: f64) {
        if bps > self.near().1 {
            self.mean_kbps = None;
        }
    }

    pub fn known(&self) -> Option<f64> {
        self.mean_kbps.map(|mean| mean * 1000.0)
    }

    fn near(&self) -> (f64, f64) {
        let Some(mean) = self.mean_kbps else { return (0.0, f64::INFINITY) };
        let reach = NEAR * (self.variance * mean).sqrt();
        ((mean - reach).max(0.0) * 1000.0, (mean + reach) * 1000.0)
    }

    fn update(&mut self, kbps: f64, weight: f64) {
        let mean = self.mean_kbps.map_or(kbps, |mean| (1.0 - weight) * mean + weight * kbps);
        let error = mean - kbps;
        self.variance = ((1.0 - weight) * self.variance + weight * error * error / mean.max(1.0))
            .clamp(MIN_VARIANCE, MAX_VARIANCE);
        self.mean_kbps = Some(mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_link_is_learnt_at_once() {
        let mut capacity = Capacity::default();
        for bps in [1_000_000.0, 1_020_000.0, 990_000.0] {
            capacity.overused(bps);
        }
        assert!((capacity.known().unwrap() - 1_000_000.0).abs() < 5_000.0);
        capacity.carried(1_040_000.0);
        assert!(capacity.known().is_some());
        capacity.overused(300_000.0);
        assert!((capacity.known().unwrap() - 300_000.0).abs() < 1.0);
        capacity.carried(900_000.0);
        assert_eq!(capacity.known(), None);
    }
}
