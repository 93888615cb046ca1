//! When a publisher is asked for a key frame.

use std::time::{Duration, Instant};

/// Lets one key frame request through per interval; one that comes too early is remembered.
#[derive(Debug, Default)]
pub struct Throttle {
    last: Option<Instant>,
    pending: bool,
    /// Requests that no key frame has followed.
    unanswered: u32,
}

/// What to do about a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    Now,
    /// Come back then, with [`Throttle::due`].
    At(Instant),
    /// A request is already waiting.
    Waiting,
}

impl Throttle {
    /// Chromium overhears what comes within 300 ms, by its own clock, and says nothing.
    pub const INTERVAL: Duration = Duration::from_millis(330);
    /// Ask again if a subscriber is still without a key frame after this long, and soon where the first request may
    /// have been lost or overheard.
    const PATIENCE: Duration = Duration::from_secs(1);

    pub fn ask(&mut self, now: Instant) -> Ask {
        match self.last.map(|last| last + Self::INTERVAL) {
            Some(next) if now < next => {
                if std::mem::replace(&mut self.pending, true) {
                    Ask::Waiting
                } else {
                    Ask::At(next)
                }
            }
            _ => {
                self.last = Some(now);
                self.pending = false;
                self.unanswered = self.unanswered.saturating_add(1);
                Ask::Now
            }
        }
    }

    /// Whether a remembered request is to be sent now, or when.
    pub fn due(&mut self, now: Instant) -> Option<Ask> {
        if !self.pending {
            return None;
        }
        self.pending = false;
        Some(self.ask(now))
    }

    /// A key frame came: what waits for one has it.
    pub fn arrived(&mut self) {
        self.pending = false;
        self.unanswered = 0;
    }

    /// The request could not be made after all.
    pub fn retract(&mut self) {
        self.last = None;
        self.unanswered = 0;
    }

    /// Whether a subscriber that gets nothing without a key frame should ask again.
    pub fn impatient(&self, now: Instant) -> bool {
        let patience = Self::INTERVAL * self.unanswered.clamp(1, 2).pow(2);
        !self.pending && self.last.is_none_or(|last| now >= last + patience.min(Self::PATIENCE))
    }
}

/// What one subscriber may ask for: a few key frames at once, as a bad moment takes, then one now and then. All
/// subscribers pay for each, with bandwidth and with sharpness.
#[derive(Debug, Default)]
pub struct Share {
    /// Until when what it has asked for so far lasts.
    used_until: Option<Instant>,
}

impl Share {
    const EACH: Duration = Duration::from_secs(2);
    const AT_ONCE: u32 = 4;

    /// Whether it may ask now. It asks again by itself if it may not.
    pub fn take(&mut self, now: Instant) -> bool {
        let begin = self.used_until.map_or(now, |until| until.max(now));
        let allowed = begin + Self::EACH <= now + Self::EACH * Self::AT_ONCE;
        if allowed {
            self.used_until = Some(begin + Self::EACH);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_few_at_once_and_then_one_every_two_seconds() {
        let (mut share, start) = (Share::default(), Instant::now());
        let mut granted = |seconds: std::ops::Range<u64>| {
            let moments = seconds.start * 50..seconds.end * 50;
            moments.filter(|n| share.take(start + Duration::from_millis(n * 20))).count()
        };
        assert_eq!((granted(0..1), granted(1..21)), (4, 10));
        assert_eq!(granted(60..61), 4);
    }

    #[test]
    fn early_requests_are_remembered_once_and_sent_later() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(throttle.ask(at(0)), Ask::Now);
        assert_eq!(throttle.ask(at(10)), Ask::At(at(330)));
        assert_eq!(throttle.ask(at(20)), Ask::Waiting);
        assert_eq!(throttle.due(at(330)), Some(Ask::Now));
        assert_eq!(throttle.due(at(331)), None);
        assert_eq!(throttle.ask(at(340)), Ask::At(at(660)));
        throttle.arrived();
        assert_eq!(throttle.due(at(660)), None);
    }

    #[test]
    fn impatience_comes_soon_and_then_after_a_second() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert!(throttle.impatient(start));
        for (asked, impatient) in [(0, 330), (330, 1330), (1330, 2330)] {
            throttle.ask(at(asked));
            assert!(!throttle.impatient(at(impatient - 1)));
            assert!(throttle.impatient(at(impatient)));
        }
        throttle.arrived();
        throttle.ask(at(2330));
        assert!(throttle.impatient(at(2660)));
    }
}
