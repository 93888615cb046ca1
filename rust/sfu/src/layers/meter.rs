//! How many bits and frames a second arrive.

use std::time::{Duration, Instant};

/// Measured over about this long; the first figure comes sooner.
pub const WINDOW: Duration = Duration::from_secs(1);
/// Weight of the past is one less.
const SMOOTHING: u64 = 3;
const FIRST_WINDOW: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, Debug)]
pub struct Meter {
    bytes: u64,
    frames: u32,
    newest: Option<u64>,
    since: Instant,
    /// 0 until measured; then smoothed: key frames and encoders make it vary from second to second.
    pub bitrate_bps: u64,
    pub framerate: f64,
}

impl Meter {
    pub fn new(now: Instant) -> Self {
        Self { bytes: 0, frames: 0, newest: None, since: now, bitrate_bps: 0, framerate: 0.0 }
    }

    /// Packets of one picture have one timestamp.
    pub fn note(&mut self, bytes: usize, timestamp: u64) {
        self.bytes += bytes as u64;
        if self.newest.is_none_or(|newest| newest < timestamp) {
            self.newest = Some(timestamp);
            self.frames += 1;
        }
    }

    /// Work out the figures if it is time to; true if so.
    pub fn measure(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < if self.bitrate_bps == 0 { FIRST_WINDOW } else { WINDOW } {
            return false;
        }
        let microseconds = elapsed.as_micros() as u64;
        let bps = self.bytes.saturating_mul(8_000_000) / microseconds;
        self.bitrate_bps = match self.bitrate_bps {
            0 => bps,
            before => (before * (SMOOTHING - 1) + bps) / SMOOTHING,
        };
        self.framerate = f64::from(self.frames) / elapsed.as_secs_f64();
        (self.bytes, self.frames, self.since) = (0, 0, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_frames_are_measured_by_the_second() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        for n in 0..30_u64 {
            meter.note(1000, n / 2 * 3000); // two packets each
        }
        assert!(!meter.measure(start + Duration::from_millis(200)));
        assert!(meter.measure(start + Duration::from_millis(500)));
        assert_eq!((meter.bitrate_bps, meter.framerate), (480_000, 30.0));
        assert!(!meter.measure(start + Duration::from_millis(1400)));
        assert!(meter.measure(start + Duration::from_millis(1500)));
        assert_eq!((meter.bitrate_bps, meter.framerate), (320_000, 0.0));
    }
}
