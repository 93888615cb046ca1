//! The wall clock, as a function of the time that is passed around.

use std::time::{Duration, Instant, SystemTime};

const BELIEVABLE_NS: u64 = 10_000_000_000;

/// Seconds from 1900, where NTP begins, to 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;

/// Two clocks read at once. All threads have the same, so that their reports agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    instant: Instant,
    ntp: u64,
    /// `CLOCK_MONOTONIC` at `instant`, which other processes know too.
    monotonic_ns: i64,
}

/// One moment, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub instant: Instant,
    /// In NTP format: seconds since 1900 and their fraction, 32 bits each.
    pub ntp: u64,
}

impl Clock {
    pub fn new(instant: Instant, wall: SystemTime) -> Self {
        Self { instant, ntp: ntp(wall), monotonic_ns: 0 }
    }

    /// The same, with what `CLOCK_MONOTONIC` said at that moment.
    #[must_use]
    pub fn with_monotonic(self, nanoseconds: i64) -> Self {
        Self { monotonic_ns: nanoseconds, ..self }
    }

    /// `CLOCK_MONOTONIC` when something was captured (in NTP format) that was received at `received`. A capture that
    /// is not within ten seconds of that is not believed.
    pub fn monotonic_ns(&self, received: Instant, captured: u64) -> i64 {
        let since = i64::try_from(received.saturating_duration_since(self.instant).as_nanos()).unwrap_or(0);
        let at = self.monotonic_ns.saturating_add(since);
        let ago = self.at(received).ntp.wrapping_sub(captured).cast_signed();
        let ago_ns = ((i128::from(ago) * 1_000_000_000) >> 32) as i64;
        if ago_ns.unsigned_abs() > BELIEVABLE_NS { at } else { at - ago_ns }
    }

    /// The NTP time of a moment of `CLOCK_MONOTONIC`; now if it is unknown (0) or not within ten seconds.
    pub fn ntp_of(&self, monotonic_ns: i64, now: Moment) -> u64 {
        let ago_ns = self.monotonic_ns(now.instant, now.ntp) - monotonic_ns;
        if monotonic_ns == 0 || ago_ns.unsigned_abs() > BELIEVABLE_NS {
            return now.ntp;
        }
        now.ntp.wrapping_sub((((i128::from(ago_ns)) << 32) / 1_000_000_000) as u64)
    }

    pub fn at(&self, instant: Instant) -> Moment {
        let ntp = match instant.checked_duration_since(self.instant) {
            Some(later) => self.ntp.wrapping_add(fraction(later)),
            None => self.ntp.wrapping_sub(fraction(self.instant - instant)),
        };
        Moment { instant, ntp }
    }
}

impl Moment {
    /// For the header extension abs-send-time: 24 bits, of which 18 are the fraction of a second.
    pub fn abs_send_time(&self) -> u32 {
        (self.ntp >> 14) as u32 & 0xff_ffff
    }

    /// The middle of [`Self::ntp`], with which receiver reports name a sender report (RFC 3550 §6.4.1).
    pub fn ntp_middle(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

/// A wall clock time in NTP format.
pub fn ntp(wall: SystemTime) -> u64 {
    let since_1970 = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    fraction(since_1970).wrapping_add(UNIX_EPOCH << 32)
}

/// A duration in NTP format.
pub fn fraction(duration: Duration) -> u64 {
    (duration.as_secs() << 32) + (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000
}

/// How many ticks of a clock of `rate` Hertz from one NTP time to a later one; negative if it is an earlier one.
pub fn ticks(from: u64, to: u64, rate: u32) -> i64 {
    let difference = i128::from(to.wrapping_sub(from).cast_signed());
    ((difference * i128::from(rate)) >> 32) as i64
}

/// A number of ticks of a clock of `rate` Hertz in NTP format, to be added with a wrap.
pub fn span(ticks: i64, rate: u32) -> u64 {
    ((i128::from(ticks) << 32) / i128::from(rate.max(1))) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_begins_seventy_years_before_unix() {
        assert_eq!(ntp(SystemTime::UNIX_EPOCH + Duration::from_millis(500)), UNIX_EPOCH << 32 | 1 << 31);
    }

    #[test]
    fn both_clocks_run_alike_in_both_directions() {
        let (before, step) = (Instant::now(), Duration::from_millis(2250));
        let clock = Clock::new(before + step, SystemTime::UNIX_EPOCH);
        let [first, second, third] = [0, 1, 2].map(|n| clock.at(before + step * n).ntp);
        assert_eq!((second - first, third - second), (9 << 30, 9 << 30));
    }

    #[test]
    fn ticks_count_both_ways() {
        let second = 1_u64 << 32;
        assert_eq!(ticks(5 * second, 7 * second + second / 2, 48_000), 120_000);
        assert_eq!(ticks(7 * second, 5 * second, 90_000), -180_000);
        assert_eq!(ticks(u64::MAX, second - 1, 8000), 8000);
        assert_eq!(5 * second, (7 * second).wrapping_add(span(-180_000, 90_000)));
    }

    #[test]
    fn times_are_cut_as_the_wire_wants_them() {
        let moment = Moment { instant: Instant::now(), ntp: 0x0123_4567_89ab_cdef };
        assert_eq!(moment.ntp_middle(), 0x4567_89ab);
        assert_eq!(moment.abs_send_time(), (0x0123_4567_89ab_cdef_u64 >> 14) as u32 & 0xff_ffff);
    }
}
