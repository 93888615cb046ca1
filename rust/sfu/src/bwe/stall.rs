//! Tells a stall from a full path. A machine that is busy, or a radio that is away, lets nothing through for a while and
//! then everything at once: packets are late by as much as in a long queue, and yet the path carries what it did.
//!
//! A queue at the bottleneck grows by what one packet takes there; it never leaps. So after a leap nothing that arrives
//! late is held against the path until packets are on time again, for a while. What is still late then does wait.

/// Later than the packet before by this much is a leap.
const LEAP_US: i64 = 100_000;
/// What was held up has to have arrived this long after the leap.
const PATIENCE_US: i64 = 400_000;
/// Within this of what it was, the delay is as before.
const NEAR_US: i64 = 20_000;
/// A delay that stays has become the path's own.
const LASTING_US: i64 = 5_000_000;

#[derive(Debug, Default)]
pub struct Stall {
    /// When the last packet was sent, and arrived.
    last: Option<(i64, i64)>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    None,
    /// Since a leap at this time, by the peer's clock; the delay before it.
    Excused { since_us: i64, usual_us: i64 },
    /// It took too long: no excuse before packets are on time again.
    Spent { since_us: i64, usual_us: i64 },
}

impl Stall {
    /// A packet arrived, in the order of sending. True if its delay says nothing about the path.
    pub fn excuses(&mut self, sent_us: i64, arrived_us: i64) -> bool {
        let delay_us = arrived_us - sent_us;
        let before = self.last.filter(|(sent, _)| *sent <= sent_us);
        if self.last.is_none() || before.is_some() {
            self.last = Some((sent_us, arrived_us));
        }
        let on_time = |usual_us: i64| delay_us <= usual_us + NEAR_US;
        self.state = match self.state {
            State::None => match before {
                Some((sent, arrived)) if delay_us - (arrived - sent) >= LEAP_US => {
                    State::Excused { since_us: arrived_us, usual_us: arrived - sent }
                }
                _ => State::None,
            },
            State::Excused { usual_us, .. } | State::Spent { usual_us, .. } if on_time(usual_us) => {
                State::None
            }
            State::Excused { since_us, usual_us } if arrived_us - since_us > PATIENCE_US => {
                State::Spent { since_us, usual_us }
            }
            State::Spent { since_us, .. } if arrived_us - since_us > LASTING_US => State::None,
            state => state,
        };
        matches!(self.state, State::Excused { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether packets sent every 10 ms are excused that arrive so late, in milliseconds.
    fn play(delays_ms: impl IntoIterator<Item = i64>) -> Vec<bool> {
        let mut stall = Stall::default();
        let arrivals = (0..).zip(delays_ms);
        arrivals.map(|(n, delay)| stall.excuses(n * 10_000, (n * 10 + delay) * 1000 - 77_000_000)).collect()
    }

    #[test]
    fn what_a_stall_held_up_is_excused_until_packets_are_on_time() {
        let held_up = (0..30).map(|n| 330 - 10 * n); // all arrive at once
        let excused = play([20; 10].into_iter().chain(held_up).chain([20; 10]));
        assert!(!excused[..10].contains(&true) && !excused[39..].contains(&true));
        assert!(!excused[10..38].contains(&false));
    }

    #[test]
    fn a_queue_that_grows_is_not() {
        assert!(!play((0..200).map(|n| 20 + 5 * n)).contains(&true));
    }

    #[test]
    fn a_delay_that_stays_is_excused_for_a_moment() {
        let excused = play([20; 10].into_iter().chain([250; 1000]));
        assert!(excused[10..50].iter().all(|excused| *excused));
        assert!(!excused[52..].contains(&true));
    }
}
