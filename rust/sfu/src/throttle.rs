//! When a publisher is asked for a key frame.

use std::time::{Duration, Instant};

/// Lets one key frame request through per interval; one that comes too early is remembered.
#[derive(Debug, Default)]
pub struct Throttle {
    last: Option<Instant>,
    pending: bool,
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
    /// Ask again if a subscriber is still without a key frame after this long.
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
    }

    /// The request could not be made after all.
    pub fn retract(&mut self) {
        self.last = None;
    }

    /// Whether a subscriber that gets nothing without a key frame should ask again.
    pub fn impatient(&self, now: Instant) -> bool {
        !self.pending && self.last.is_none_or(|last| now >= last + Self::PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn impatience_comes_after_a_second() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        assert!(throttle.impatient(start));
        throttle.ask(start);
        assert!(!throttle.impatient(start + Duration::from_millis(900)));
        assert!(throttle.impatient(start + Duration::from_secs(1)));
    }
}
