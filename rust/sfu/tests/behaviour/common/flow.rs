//! A sender with an estimator, an emulated link, and a receiver that reports: congestion control alone, without routers.
#![allow(clippy::cast_precision_loss, reason = "rates and sizes are far below 2^52")]

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use palaver_sfu::bwe::Estimator;

use super::link::{Conditions, Link};

pub const STEP: Duration = Duration::from_millis(1);
const FRAME: Duration = Duration::from_millis(33);
const AUDIO: Duration = Duration::from_millis(20);
const REPORT: Duration = Duration::from_millis(60);
const AUDIO_BYTES: usize = 120;
const PACKET_BYTES: usize = 1100;
const READ_PER_STEP: usize = 4;

/// What there is to send besides audio.
pub type Supply = fn(target_bps: u64) -> u64;

/// As much as the target allows.
pub const GREEDY: Supply = |target| target.saturating_sub(48_000);
/// Layers of 150, 500 and 1700 kbit/s, as an allocation would choose.
pub const LAYERS: Supply = |target| match target / 1000 {
    0..200 => 0,
    200..550 => 150_000,
    550..1750 => 500_000,
    _ => 1_700_000,
};

pub struct Flow {
    pub now: Instant,
    pub start: Instant,
    pub estimator: Estimator,
    pub link: Link<Packet>,
    pub reports: Link<Vec<(u16, Option<i64>)>>,
    pub supply: Supply,
    pub wanted_bps: u64,
    /// The receiver says nothing.
    pub mute: bool,
    /// The receiver's machine does something else until then; what has come meanwhile it reads bit by bit.
    pub stalled_until: Instant,
    unread: VecDeque<Packet>,
    /// What others send over the same link.
    pub cross_bps: u64,
    pub padding_bytes: u64,
    /// (time, target, queueing) every 50 ms.
    pub samples: Vec<(f64, u64, Duration)>,
    peer_epoch_us: i64,
    next_seq: u16,
    next_audio: Instant,
    next_frame: Instant,
    next_cross: Instant,
    next_report: Instant,
    next_sample: Instant,
    received: BTreeMap<u64, i64>,
    expected: Option<u64>,
    newest: u64,
}

#[derive(Clone, Copy)]
pub enum Packet {
    Ours(u16),
    Foreign,
}

impl Flow {
    pub fn new(conditions: Conditions, supply: Supply) -> Self {
        let now = Instant::now();
        Self {
            now,
            start: now,
            estimator: Estimator::new(now),
            link: Link::new(conditions, 1, now),
            reports: Link::new(Conditions::default(), 2, now),
            supply,
            wanted_bps: 2_500_000,
            mute: false,
            stalled_until: now,
            unread: VecDeque::new(),
            cross_bps: 0,
            padding_bytes: 0,
            samples: Vec::new(),
            peer_epoch_us: palaver_sfu::bwe::PEER_CLOCK - 3_000_000, // comes round soon
            next_seq: 65_000,
            next_audio: now,
            next_frame: now,
            next_cross: now,
            next_report: now,
            next_sample: now,
            received: BTreeMap::new(),
            expected: None,
            newest: 65_000,
        }
    }

    pub fn target(&self) -> u64 {
        self.estimator.target_bps(self.now).unwrap_or(0)
    }

    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.step();
        }
    }

    /// The sender's machine does something else; nothing is made up for.
    pub fn oversleep(&mut self, duration: Duration) {
        self.now += duration;
        (self.next_audio, self.next_frame) = (self.now, self.now);
    }

    /// Samples since `from` seconds.
    pub fn since(&self, from: f64) -> impl Iterator<Item = &(f64, u64, Duration)> {
        self.samples.iter().filter(move |sample| sample.0 >= from)
    }

    /// Seconds after the beginning.
    pub fn time(&self) -> f64 {
        (self.now - self.start).as_secs_f64()
    }

    /// Run until `done`; how long it took.
    pub fn until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Duration {
        let begun = self.now;
        while !done(self) {
            assert!(self.now - begun < limit, "not within {limit:?}: {:?}", self.samples.last());
            self.step();
        }
        self.now - begun
    }

    pub fn step(&mut self) {
        self.now += STEP;
        for (at, packet) in self.link.arrivals(self.now) {
            if self.now < self.stalled_until || !self.unread.is_empty() {
                self.unread.push_back(packet);
            } else {
                self.receive(at, packet);
            }
        }
        if self.now >= self.stalled_until {
            let some = self.unread.len().min(READ_PER_STEP);
            let read: Vec<Packet> = self.unread.drain(..some).collect();
            for packet in read {
                self.receive(self.now, packet);
            }
        }
        for (at, report) in self.reports.arrivals(self.now) {
            self.estimator.feedback(at, report);
        }
        self.estimator.want(self.wanted_bps);
        if let Some(padding) = self.estimator.tick(self.now) {
            self.padding_bytes += u64::from(padding.bytes);
            let mut left = padding.bytes as usize;
            while left > 0 {
                let bytes = left.clamp(50, 1200);
                self.send(bytes);
                left = left.saturating_sub(bytes);
            }
        }
        if self.now >= self.next_audio {
            self.next_audio += AUDIO;
            self.send(AUDIO_BYTES);
        }
        if self.now >= self.next_frame {
            self.next_frame += FRAME;
            let bps = (self.supply)(self.estimator.target_bps(self.now).unwrap_or(500_000));
            let mut left = (bps as f64 * FRAME.as_secs_f64() / 8.0) as usize;
            while left > 0 {
                let bytes = left.min(PACKET_BYTES);
                self.send(bytes.max(50));
                left -= bytes;
            }
        }
        while self.cross_bps > 0 && self.now >= self.next_cross {
            self.next_cross = self.next_cross.max(self.now.checked_sub(STEP).unwrap())
                + Duration::from_secs_f64(1200.0 * 8.0 / self.cross_bps as f64);
            self.link.push(self.now, 1200, Packet::Foreign);
        }
        if self.now >= self.next_report.max(self.stalled_until) {
            self.next_report = self.now + REPORT;
            self.report();
        }
        if self.now >= self.next_sample {
            self.next_sample += Duration::from_millis(50);
            self.samples.push((self.time(), self.target(), self.link.queueing()));
        }
    }

    fn send(&mut self, bytes: usize) {
        self.estimator.sent(self.now, Some(self.next_seq), bytes, true);
        self.link.push(self.now, bytes + 28, Packet::Ours(self.next_seq));
        self.next_seq = self.next_seq.wrapping_add(1);
    }

    fn receive(&mut self, at: Instant, packet: Packet) {
        let Packet::Ours(seq) = packet else { return };
        let step = i64::from(seq.wrapping_sub(self.newest as u16) as i16);
        let seq = self.newest.wrapping_add_signed(step);
        self.newest = self.newest.max(seq);
        let arrived_us = self.peer_epoch_us + (at - self.start).as_micros() as i64;
        self.received.insert(seq, arrived_us / 250 * 250);
        if let Some(expected) = &mut self.expected {
            *expected = (*expected).min(seq); // what comes late is reported late
        }
    }

    fn report(&mut self) {
        let (Some((first, _)), Some((last, _))) =
            (self.received.first_key_value(), self.received.last_key_value())
        else {
            return;
        };
        let (from, last) = (self.expected.unwrap_or(*first), *last);
        let wrapped = |us: &i64| us.rem_euclid(palaver_sfu::bwe::PEER_CLOCK);
        let receptions: Vec<_> =
            (from..=last).map(|seq| (seq as u16, self.received.get(&seq).map(wrapped))).collect();
        self.expected = Some(last + 1);
        self.received.clear();
        if !self.mute {
            self.reports.push(self.now, 100, receptions);
        }
    }
}
