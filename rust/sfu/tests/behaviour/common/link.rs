//! One direction of an emulated path: rate with a bounded queue, delay, jitter, loss, reordering. On virtual time, and
//! the same for the same seed.
#![allow(clippy::cast_precision_loss, reason = "rates and sizes are far below 2^52")]

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    pub delay: Duration,
    /// Up to so much more delay, at random. Nothing overtakes by it.
    pub jitter: Duration,
    /// Share of datagrams lost at random.
    pub loss: f64,
    /// Share of datagrams that are overtaken by those of the next 20 ms.
    pub reordering: f64,
    pub rate_bps: Option<u64>,
    /// What waits for the rate; more is dropped as it comes.
    pub queue_bytes: usize,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(20),
            jitter: Duration::ZERO,
            loss: 0.0,
            reordering: 0.0,
            rate_bps: None,
            queue_bytes: 60_000,
        }
    }
}

impl Conditions {
    pub fn rate(bps: u64) -> Self {
        Self { rate_bps: Some(bps), ..Self::default() }
    }
}

/// Deterministic random numbers (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    pub fn share(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

const OVERTAKEN_BY: Duration = Duration::from_millis(20);

pub struct Link<T> {
    conditions: Conditions,
    dice: Dice,
    queue: VecDeque<(usize, T)>,
    queued_bytes: usize,
    /// When the head of the queue began to leave.
    begun: Instant,
    travelling: BTreeMap<(Instant, u64), T>,
    order: u64,
    last_arrival: Instant,
    pub dropped: u64,
    pub lost: u64,
}

impl<T> Link<T> {
    pub fn new(conditions: Conditions, seed: u64, now: Instant) -> Self {
        Self {
            conditions,
            dice: Dice(seed),
            queue: VecDeque::new(),
            queued_bytes: 0,
            begun: now,
            travelling: BTreeMap::new(),
            order: 0,
            last_arrival: now,
            dropped: 0,
            lost: 0,
        }
    }

    /// Change the conditions for what has not left the queue yet.
    pub fn set(&mut self, conditions: Conditions, now: Instant) {
        self.advance(now);
        self.conditions = conditions;
        self.begun = self.begun.max(now);
    }

    pub fn push(&mut self, now: Instant, bytes: usize, item: T) {
        self.advance(now);
        if self.conditions.rate_bps.is_none() {
            self.depart(now, item);
        } else if self.queued_bytes + bytes > self.conditions.queue_bytes {
            self.dropped += 1;
        } else {
            if self.queue.is_empty() {
                self.begun = now;
            }
            self.queued_bytes += bytes;
            self.queue.push_back((bytes, item));
        }
    }

    /// What has arrived by `now`, in the order of arrival, with the time of it.
    pub fn arrivals(&mut self, now: Instant) -> Vec<(Instant, T)> {
        self.advance(now);
        let mut arrived = Vec::new();
        while let Some(entry) = self.travelling.first_entry() {
            let (at, _) = *entry.key();
            if at > now {
                break;
            }
            arrived.push((at, entry.remove()));
        }
        arrived
    }

    /// How long a datagram that comes now would wait.
    pub fn queueing(&self) -> Duration {
        let bits = self.queued_bytes as f64 * 8.0;
        self.conditions.rate_bps.map_or(Duration::ZERO, |bps| Duration::from_secs_f64(bits / bps as f64))
    }

    fn advance(&mut self, now: Instant) {
        while let Some((bytes, _)) = self.queue.front() {
            let takes = self
                .conditions
                .rate_bps
                .map_or(Duration::ZERO, |bps| Duration::from_nanos(*bytes as u64 * 8_000_000_000 / bps));
            let leaves = self.begun + takes;
            if leaves > now {
                return;
            }
            self.begun = leaves;
            if let Some((bytes, item)) = self.queue.pop_front() {
                self.queued_bytes -= bytes;
                self.depart(leaves, item);
            }
        }
    }

    fn depart(&mut self, at: Instant, item: T) {
        let Conditions { delay, jitter, loss, reordering, .. } = self.conditions;
        if self.dice.share() < loss {
            self.lost += 1;
            return;
        }
        let mut arrival = at + delay + jitter.mul_f64(self.dice.share());
        if self.dice.share() < reordering {
            arrival += OVERTAKEN_BY;
        } else {
            arrival = arrival.max(self.last_arrival);
            self.last_arrival = arrival;
        }
        self.order += 1;
        self.travelling.insert((arrival, self.order), item);
    }
}

mod tests {
    use super::*;

    #[test]
    fn a_rate_spaces_datagrams_and_a_full_queue_drops() {
        let start = Instant::now();
        let mut link = Link::new(Conditions { queue_bytes: 5000, ..Conditions::rate(800_000) }, 1, start);
        for n in 0..10 {
            link.push(start, 1000, n);
        }
        assert_eq!((link.dropped, link.queueing()), (5, Duration::from_millis(50)));
        let arrived = link.arrivals(start + Duration::from_secs(1));
        let at: Vec<_> = arrived.iter().map(|(at, n)| ((*at - start).as_millis(), *n)).collect();
        assert_eq!(at, [(30, 0), (40, 1), (50, 2), (60, 3), (70, 4)]);
    }

    #[test]
    fn a_new_rate_holds_for_what_waits() {
        let start = Instant::now();
        let mut link = Link::new(Conditions::rate(80_000), 1, start);
        (0..5).for_each(|n| link.push(start, 1000, n));
        link.set(Conditions::rate(8_000_000), start + Duration::from_millis(150));
        let arrived = link.arrivals(start + Duration::from_secs(1));
        let at: Vec<_> = arrived.iter().map(|(at, _)| (*at - start).as_millis()).collect();
        assert_eq!(at, [120, 171, 172, 173, 174]);
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed() {
        let conditions = Conditions {
            loss: 0.2,
            reordering: 0.1,
            jitter: Duration::from_millis(10),
            ..Conditions::default()
        };
        let play = |seed| {
            let start = Instant::now();
            let mut link = Link::new(conditions, seed, start);
            (0..1000).for_each(|n| link.push(start + Duration::from_millis(n), 100, n));
            let arrived = link.arrivals(start + Duration::from_secs(9));
            arrived.into_iter().map(|(at, n)| (at - start, n)).collect::<Vec<_>>()
        };
        let arrived = play(7);
        assert_eq!(arrived, play(7));
        assert_ne!(arrived, play(8));
        assert!((750..850).contains(&arrived.len()));
        let overtaken = arrived.windows(2).filter(|pair| pair[1].1 < pair[0].1).count();
        assert!((40..160).contains(&overtaken), "{overtaken}");
    }
}
