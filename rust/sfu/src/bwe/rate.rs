//! Bytes per second over a sliding window, in fixed memory.

const BUCKETS: usize = 32;
const BUCKET_US: i64 = 16_000;
/// About half a second (draft-ietf-rmcat-gcc-02 §5.5: 0.5 to 1 s).
pub const WINDOW_US: i64 = BUCKETS as i64 * BUCKET_US;
/// A rate measured over less says little.
const MIN_SPAN_US: i64 = 150_000;

#[derive(Clone, Debug, Default)]
pub struct RateWindow {
    buckets: [u32; BUCKETS],
    total: u64,
    /// Number of the newest bucket, counted from time zero.
    newest: i64,
    /// When what is in the window began to be measured.
    since_us: Option<i64>,
}

impl RateWindow {
    /// Note `bytes` at a time that may be a little before the last.
    pub fn add(&mut self, at_us: i64, bytes: u32) {
        self.advance(at_us);
        self.since_us.get_or_insert(at_us);
        let bucket = at_us.div_euclid(BUCKET_US);
        if bucket > self.newest - BUCKETS as i64 {
            self.buckets[index(bucket)] += bytes;
            self.total += u64::from(bytes);
        }
    }

    /// Bits per second up to `now_us`; None before there is enough to tell.
    pub fn bps(&mut self, now_us: i64) -> Option<f64> {
        self.advance(now_us);
        let oldest_us = (self.newest + 1 - BUCKETS as i64) * BUCKET_US;
        let span = now_us - self.since_us?.max(oldest_us);
        (span >= MIN_SPAN_US).then(|| self.total as f64 * 8e6 / span as f64)
    }

    /// Bits per second in the last moments for which anything was noted.
    pub fn latest_bps(&self) -> Option<f64> {
        const LATEST: i64 = 8;
        self.since_us?;
        // The newest bucket may not be over yet.
        let bytes: u32 = (1..=LATEST).map(|n| self.buckets[index(self.newest - n)]).sum();
        Some(f64::from(bytes) * 8e6 / (LATEST * BUCKET_US) as f64)
    }

    fn advance(&mut self, at_us: i64) {
        let bucket = at_us.div_euclid(BUCKET_US);
        let steps = bucket - self.newest;
        if steps <= 0 {
            return;
        }
        for n in 1..=steps.min(BUCKETS as i64) {
            let expired = std::mem::take(&mut self.buckets[index(self.newest + n)]);
            self.total -= u64::from(expired);
        }
        if self.total == 0 {
            self.since_us = None; // after a silence, measuring begins anew
        }
        self.newest = bucket;
    }
}

fn index(bucket: i64) -> usize {
    bucket.rem_euclid(BUCKETS as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_has_its_rate_and_forgets_what_was_before() {
        let mut rate = RateWindow::default();
        let mut at = 7_000_000;
        for _ in 0..100 {
            rate.add(at, 1000);
            at += 10_000;
        }
        let bps = rate.bps(at).unwrap();
        assert!((780_000.0..830_000.0).contains(&bps), "{bps}");
        for _ in 0..60 {
            rate.add(at, 100);
            at += 10_000;
        }
        let bps = rate.bps(at).unwrap();
        assert!((78_000.0..83_000.0).contains(&bps), "{bps}");
    }

    #[test]
    fn it_says_nothing_before_it_knows_and_after_a_silence() {
        let mut rate = RateWindow::default();
        assert_eq!(rate.bps(0), None);
        rate.add(0, 1000);
        assert_eq!(rate.bps(100_000), None);
        assert!(rate.bps(200_000).is_some());
        assert_eq!(rate.bps(10_000_000), None);
        rate.add(10_000_000, 1000);
        assert_eq!(rate.bps(10_010_000), None);
    }

    #[test]
    fn late_bytes_count_if_their_time_is_in_the_window() {
        let mut rate = RateWindow::default();
        rate.add(1_000_000, 100);
        rate.add(900_000, 100);
        rate.add(100_000, 100);
        assert_eq!(rate.total, 200);
    }
}
