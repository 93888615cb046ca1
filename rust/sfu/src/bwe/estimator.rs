//! The estimator of one transport: what was sent and what the peer reports go in, a target comes out, and padding that
//! has to be sent to learn more.
//!
//! Before the peer has reported anything there is no target: such a transport is not limited. A peer that has reported
//! once and falls silent while it is sent to is taken to be cut off, and its target goes down.

use std::time::{Duration, Instant};

use super::aimd::{Aimd, Observation};
use super::backlog::Backlog;
use super::group::Groups;
use super::history::{History, Report};
use super::loss::Loss;
use super::probe::Prober;
use super::queue::Queue;
use super::rate::RateWindow;
use super::remb::Remb;
use super::stall::Stall;
use super::trend::{Signal, Trend};
use super::{MIN_BPS, PEER_CLOCK, START_BPS};

/// Round-trip time before one is known.
const INITIAL_RTT_US: i64 = 200_000;
const MAX_RTT_US: i64 = 5_000_000;
/// Sending less than this share of the estimate is being limited by what there is to send.
const LIMITED: f64 = 0.7;
/// Share of the packets that is lost on a path where repairs are lost as well.
const LOSSY: f64 = 0.02;
/// A peer that does not report for so long is cut off; from then on the target falls by a factor per interval.
const SILENCE_US: i64 = 2_000_000;
const SILENCE_INTERVAL_US: i64 = 500_000;
const SILENCE_FACTOR: f64 = 0.7;
/// For so long after the first report, what arrives counts as what the path can carry at least.
const RAMP_US: i64 = 3_000_000;
/// What a peer says of its own limit is talked about for this long.
const DENIED_US: i64 = 3_000_000;
/// For so long after an overuse, what arrives does not count as what the path can carry: a queue is being drained.
const DRAIN_US: i64 = 5_000_000;
/// Share of what a path carried while it was full that is used when it is not any more.
const DRAINED: f64 = 0.9;
/// A path that was full is taken to be narrow for this long.
const CONFINED_US: i64 = 30_000_000;

/// Padding to be sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    pub bytes: u32,
}

#[derive(Debug)]
pub struct Estimator {
    /// Time zero of all microseconds on our side.
    epoch: Instant,
    history: History,
    groups: Groups,
    trend: Trend,
    /// The trend, and what speaks for or against it.
    signal: Signal,
    queue: Queue,
    stall: Stall,
    backlog: Backlog,
    sent: RateWindow,
    /// Of it, what tells when it was sent.
    timed: RateWindow,
    arrived: RateWindow,
    aimd: Aimd,
    loss: Loss,
    prober: Prober,
    remb: Remb,
    /// What arrived while packets were waiting, which is what the path carries.
    drained_bps: Option<f64>,
    /// Of the last feedback: what it was the first to call missing.
    missing: Vec<u16>,
    rtt_us: i64,
    wanted_bps: f64,
    /// The peer's clock as last told, and how often it has come round.
    peer_clock: Option<PeerClock>,
    /// The first packet sent since the peer's last report.
    unreported_us: Option<i64>,
    /// When silence was last acted upon.
    silence_us: i64,
    first_report_us: Option<i64>,
    /// Nothing can be sent but media.
    blind: bool,
}

#[derive(Clone, Copy, Debug)]
struct PeerClock {
    told: i64,
    unwrapped: i64,
}

impl Estimator {
    pub fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            history: History::default(),
            groups: Groups::default(),
            trend: Trend::default(),
            signal: Signal::Normal,
            queue: Queue::default(),
            stall: Stall::default(),
            backlog: Backlog::default(),
            sent: RateWindow::default(),
            timed: RateWindow::default(),
            arrived: RateWindow::default(),
            aimd: Aimd::new(START_BPS),
            loss: Loss::default(),
            prober: Prober::default(),
            remb: Remb::default(),
            drained_bps: None,
            missing: Vec::new(),
            rtt_us: INITIAL_RTT_US,
            wanted_bps: 0.0,
            peer_clock: None,
            unreported_us: None,
            silence_us: 0,
            first_report_us: None,
            blind: false,
        }
    }

    /// A packet leaves, media or padding. `bytes` is all of it, from the RTP header to the authentication tag. `seq` is
    /// its transport-wide number, if it has one; `timed`: it tells when it was sent (abs-send-time).
    pub fn sent(&mut self, now: Instant, seq: Option<u16>, bytes: usize, timed: bool) {
        let (now_us, bytes) = (self.micros(now), bytes.min(usize::from(u16::MAX)) as u16);
        self.sent.add(now_us, u32::from(bytes));
        if timed {
            self.timed.add(now_us, u32::from(bytes));
        }
        if let Some(seq) = seq {
            let cluster = self.prober.sending(now_us, u32::from(bytes));
            self.backlog.sent(now_us, u32::from(bytes), self.aimd.bps());
            self.history.sent(seq, now_us, bytes, cluster);
            self.unreported_us.get_or_insert(now_us);
        }
    }

    /// A transport-cc feedback packet came: the number of each packet, and when it arrived in microseconds of the peer's
    /// clock (modulo [`PEER_CLOCK`]), if it did.
    pub fn feedback(&mut self, now: Instant, receptions: impl IntoIterator<Item = (u16, Option<i64>)>) {
        let now_us = self.micros(now);
        let (mut arrived, mut found) = (0, 0);
        let (mut last, mut stalled) = (None, false);
        self.missing.clear();
        for (seq, arrived_us) in receptions {
            match self.history.report(seq, arrived_us.is_some()) {
                Some(Report::Arrived { packet, was_missing }) => {
                    let at_us = self.unwrap_clock(arrived_us.unwrap_or(0));
                    arrived += 1;
                    found += u32::from(was_missing);
                    last = Some(packet.sent_us);
                    self.arrived.add(at_us, u32::from(packet.bytes));
                    self.prober.arrived(packet.cluster, at_us, u32::from(packet.bytes));
                    if self.stall.excuses(packet.sent_us, at_us) {
                        stalled = true;
                        continue;
                    }
                    self.queue.took(at_us - packet.sent_us);
                    // A probe may well fill the path for a moment: that is no trend.
                    if packet.cluster == 0
                        && let Some(spacing) = self.groups.add(packet.sent_us, at_us)
                    {
                        self.trend.update(spacing, at_us);
                    }
                }
                Some(Report::Missing) => self.missing.push(seq),
                None => {}
            }
        }
        let missing = self.missing.len() as u32;
        let Some(last_sent_us) = last else {
            self.loss.count(0, missing, 0);
            return;
        };
        self.unreported_us = None;
        self.first_report_us.get_or_insert(now_us);
        self.rtt_us = (now_us - last_sent_us).clamp(1_000, MAX_RTT_US);
        self.loss.count(arrived, missing, found);
        if stalled {
            // What came before and after do not belong together.
            (self.groups, self.signal) = (Groups::default(), Signal::Normal);
            self.trend.forget();
            return;
        }
        let standing = self.queue.update(now_us, self.backlog.longest_us());
        self.judge(now_us, standing);
    }

    /// The peer's own estimate, for peers that have no transport-cc.
    pub fn remb(&mut self, now: Instant, bps: u64) {
        let now_us = self.micros(now);
        let timed_bps = self.timed.bps(now_us);
        self.remb.said(now_us, bps as f64, timed_bps);
    }

    /// Share of packets that a receiver report says were lost. Peers with transport-cc tell it better.
    pub fn loss(&mut self, now: Instant, share: f64) {
        if self.peer_clock.is_none() {
            let now_us = self.micros(now);
            let bps = self.unbound_bps(now_us).or_else(|| self.sent.bps(now_us));
            self.loss.reported(now_us, share, bps.unwrap_or(START_BPS));
        }
    }

    /// Round-trip time, with what the peer takes to report.
    pub fn rtt(&self) -> Duration {
        Duration::from_micros(self.rtt_us.unsigned_abs())
    }

    /// What would be sent if the path could carry it; 0 if there is nothing to send. More than the target makes probes.
    pub fn want(&mut self, bps: u64) {
        self.wanted_bps = bps as f64;
    }

    /// Whether there is nothing that could be sent besides media.
    pub fn set_blind(&mut self, blind: bool) {
        self.blind = blind;
    }

    /// Let time pass; the result is padding to send now.
    pub fn tick(&mut self, now: Instant) -> Option<Padding> {
        let now_us = self.micros(now);
        self.notice_silence(now_us);
        self.peer_clock?;
        if let Some(outcome) = self.prober.judge(now_us, self.rtt_us, self.aimd.bps()) {
            self.probed(outcome.bps);
        }
        if self.may_probe() {
            let bps = self.estimate(now_us);
            self.prober.consider(now_us, bps, self.wanted_bps);
        }
        self.prober.due(now_us).map(|bytes| Padding { bytes })
    }

    /// When to call [`Self::tick`]; None while nothing is on the way and nobody wants more.
    pub fn deadline(&self) -> Option<Instant> {
        let probe_us = self.prober.deadline_us(self.rtt_us).or_else(|| self.next_probe_us());
        let us = match (probe_us, self.silent_at_us()) {
            (Some(probe), Some(silent)) => probe.min(silent),
            (one, other) => one.or(other)?,
        };
        Some(self.epoch + Duration::from_micros(us.max(0).unsigned_abs()))
    }

    /// Bits per second that may be sent; None if nothing limits.
    pub fn target_bps(&self, now: Instant) -> Option<u64> {
        let now_us = self.micros(now);
        let unbound = self.unbound_bps(now_us);
        let bound = self.loss.bound_bps();
        let target = match (unbound, bound) {
            (Some(unbound), Some(bound)) => unbound.min(bound),
            (one, other) => one.or(other)?,
        };
        Some(target as u64)
    }

    /// Bits per second that the peer's reports say arrive.
    pub fn throughput_bps(&self) -> Option<u64> {
        let peer = self.peer_clock?;
        self.arrived.clone().bps(peer.unwrapped).map(|bps| bps as u64)
    }

    /// The queue at the bottleneck grows or is long. Loss that is remembered from a full queue says nothing about now.
    pub fn congested(&self) -> bool {
        self.signal == Signal::Overuse || self.queue.is_long()
    }

    /// What is sent now is too much: packets wait for long, most are lost, or the peer itself says so. Some loss alone does
    /// not say it, it may be there whatever is sent.
    pub fn is_choking(&self, now: Instant) -> bool {
        let denied = self.remb.limited_us().is_some_and(|at| self.micros(now) - at < DENIED_US);
        self.signal == Signal::Overuse || self.queue.is_long() || self.loss.is_severe() || denied
    }

    /// Packets are lost all the time, and not because of what we send.
    pub fn is_lossy(&self) -> bool {
        self.loss.average() > LOSSY && !self.congested()
    }

    /// Of a path that loses all the time: what it carries by its delays, whatever it loses.
    pub fn carried_bps(&self, now: Instant) -> Option<u64> {
        let bps = self.unbound_bps(self.micros(now)).filter(|_| self.is_lossy());
        bps.map(|bps| bps as u64)
    }

    /// Numbers that the last feedback called missing, and none before it.
    pub fn take_missing(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.missing)
    }

    /// Far more is sent than gets through: there is no time to lose.
    pub fn is_urgent(&self) -> bool {
        self.signal == Signal::Overuse && self.queue.surges()
    }

    /// Packets wait for so long that audio comes too late.
    pub fn is_drowned(&self) -> bool {
        self.queue.is_drowned()
    }

    /// The peer began to report a moment ago, and nothing speaks for a limit yet.
    pub fn is_ramping(&self, now: Instant) -> bool {
        self.is_ramping_us(self.micros(now))
    }

    /// The path has been full lately.
    pub fn is_confined(&self, now: Instant) -> bool {
        let now_us = self.micros(now);
        let lately = |at: Option<i64>| at.is_some_and(|at| now_us - at < CONFINED_US);
        lately(self.aimd.decreased_us())
            || lately(self.prober.filled_us)
            || lately(self.remb.limited_us())
            || self.loss.bound_bps().is_some()
    }

    /// Whether the peer's reports, of either kind, are known.
    pub fn is_informed(&self) -> bool {
        self.first_report_us.is_some()
    }

    /// Probes begun so far.
    pub fn probes(&self) -> u64 {
        self.prober.begun_total
    }

    fn judge(&mut self, now_us: i64, standing: bool) {
        let surges = self.queue.surges() && !self.prober.is_felt(now_us);
        let throughput_bps = self.peer_clock.and_then(|peer| {
            if surges { self.arrived.latest_bps() } else { self.arrived.bps(peer.unwrapped) }
        });
        let sent_bps = self.sent.bps(now_us).unwrap_or(0.0);
        let signal = match self.trend.signal() {
            _ if surges || standing => Signal::Overuse,
            // A key frame fills the path for a moment: that is no trend either.
            Signal::Overuse if self.queue.is_explained(self.backlog.longest_us()) => Signal::Normal,
            Signal::Normal if self.queue.is_long() => Signal::Underuse, // let it drain
            signal => signal,
        };
        self.signal = signal;
        if signal == Signal::Overuse {
            self.prober.congested(now_us);
        }
        // Where packets wait, what arrives is what the path carries, however little was sent.
        let limited = sent_bps < self.aimd.bps() * LIMITED && !surges;
        let (blind, rtt_us) = (self.blind, self.rtt_us);
        self.aimd.update(now_us, &Observation { signal, throughput_bps, limited, blind, rtt_us });
        if self.queue.is_long() {
            let known = self.drained_bps;
            self.drained_bps = throughput_bps.map(|bps| known.map_or(bps, |known| f64::midpoint(known, bps)));
        } else if let Some(bps) = self.drained_bps.take() {
            self.aimd.carried(bps * DRAINED);
        }
        if let Some(bps) = throughput_bps.filter(|_| self.is_free(now_us)) {
            self.aimd.carried(bps);
        }
        self.loss.update(now_us, self.aimd.bps(), throughput_bps);
        if let Some(outcome) = self.prober.judge(now_us, self.rtt_us, self.aimd.bps()) {
            self.probed(outcome.bps);
        }
    }

    fn probed(&mut self, bps: f64) {
        self.aimd.probed(bps);
        self.loss.probed(bps);
    }

    fn next_probe_us(&self) -> Option<i64> {
        let bps = self.loss.bound_bps().map_or(self.aimd.bps(), |bound| bound.min(self.aimd.bps()));
        let useful = self.peer_clock.is_some() && self.may_probe() && self.wanted_bps > bps;
        useful.then(|| self.prober.next_us())
    }

    fn is_ramping_us(&self, now_us: i64) -> bool {
        self.first_report_us.is_some_and(|at| now_us - at < RAMP_US)
            && self.aimd.decreased_us().is_none()
            && self.is_free(now_us)
    }

    /// Nothing speaks for a limit now.
    fn is_free(&self, now_us: i64) -> bool {
        !self.congested()
            && self.aimd.decreased_us().is_none_or(|at| now_us - at >= DRAIN_US)
            && self.loss.bound_bps().is_none()
    }

    fn may_probe(&self) -> bool {
        self.wanted_bps > 0.0
            && !self.blind
            && !self.congested()
            && self.unreported_us.is_none_or(|at| at >= self.silence_us)
    }

    fn estimate(&self, now_us: i64) -> f64 {
        let unbound = self.unbound_bps(now_us).unwrap_or(START_BPS);
        self.loss.bound_bps().map_or(unbound, |bound| bound.min(unbound))
    }

    /// What delay and the peer's own estimate allow.
    fn unbound_bps(&self, now_us: i64) -> Option<f64> {
        let own = self.peer_clock.map(|_| self.aimd.bps() * self.queue.share());
        // The peer's word is about what it can judge by; the rest comes on top.
        let said = self.remb.bps(now_us).map(|bps| bps + self.untimed_bps(now_us));
        match (own, said) {
            (Some(own), Some(said)) => Some(own.min(said)),
            (one, other) => one.or(other),
        }
    }

    fn untimed_bps(&self, now_us: i64) -> f64 {
        let bps = |window: &RateWindow| window.clone().bps(now_us).unwrap_or(0.0);
        (bps(&self.sent) - bps(&self.timed)).max(0.0)
    }

    /// When the peer's silence has to be acted upon.
    fn silent_at_us(&self) -> Option<i64> {
        let since = self.unreported_us.filter(|_| self.peer_clock.is_some() && self.aimd.bps() > MIN_BPS)?;
        Some((since + SILENCE_US.max(2 * self.rtt_us)).max(self.silence_us + SILENCE_INTERVAL_US))
    }

    fn notice_silence(&mut self, now_us: i64) {
        if self.silent_at_us().is_some_and(|at| at <= now_us) {
            self.silence_us = now_us;
            self.aimd.back_off(SILENCE_FACTOR);
            self.prober.congested(now_us);
        }
    }

    fn unwrap_clock(&mut self, told: i64) -> i64 {
        let unwrapped = match self.peer_clock {
            None => told,
            Some(before) => {
                let step = (told - before.told).rem_euclid(PEER_CLOCK);
                before.unwrapped + if step > PEER_CLOCK / 2 { step - PEER_CLOCK } else { step }
            }
        };
        if self.peer_clock.is_none_or(|before| unwrapped > before.unwrapped) {
            self.peer_clock = Some(PeerClock { told, unwrapped });
        }
        unwrapped
    }

    fn micros(&self, at: Instant) -> i64 {
        at.saturating_duration_since(self.epoch).as_micros() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_peer_with_its_own_estimate_is_believed() {
        let start = Instant::now();
        let mut estimator = Estimator::new(start);
        estimator.remb(at(start, 100), 400_000);
        assert_eq!(estimator.target_bps(at(start, 100)), None, "nothing was sent");
        for ms in 100..3000 {
            estimator.sent(at(start, ms), None, 100, true); // 800 kbit/s
            if ms % 500 == 0 {
                estimator.remb(at(start, ms), 400_000);
            }
        }
        assert_eq!(estimator.target_bps(at(start, 3000)), Some(400_000));
        for n in 0..10 {
            estimator.loss(at(start, 4000 + n * 1000), 0.4);
        }
        assert!(estimator.target_bps(at(start, 14_000)).unwrap() < 300_000);
        assert_eq!((estimator.probes(), estimator.tick(at(start, 15_000))), (0, None));
    }

    #[test]
    fn a_peers_own_estimate_is_about_packets_that_tell_when_they_were_sent() {
        let start = Instant::now();
        let mut estimator = Estimator::new(start);
        let mut play = |from: u64, kbps: usize, said_bps: u64| {
            for ms in from..from + 3000 {
                estimator.sent(at(start, ms), None, 10, false); // 80 kbit/s of sound
                estimator.sent(at(start, ms), None, kbps / 8, true);
                if ms % 500 == 0 {
                    estimator.remb(at(start, ms), said_bps);
                }
            }
            estimator.target_bps(at(start, from + 3000))
        };
        assert_eq!(play(0, 96, 100_000), None, "it gets all of it");
        let target = play(3000, 400, 200_000).unwrap();
        assert!((275_000..285_000).contains(&target), "{target}");
    }

    #[test]
    fn reports_of_what_was_never_sent_change_nothing() {
        let start = Instant::now();
        let mut estimator = Estimator::new(start);
        let made_up = |n: u16| (n.wrapping_mul(7919), Some(i64::from(n) << 40));
        estimator.feedback(at(start, 10), (0..u16::MAX).map(made_up));
        assert_eq!((estimator.target_bps(at(start, 10)), estimator.deadline()), (None, None));
    }

    #[test]
    fn times_out_of_this_world_do_no_harm() {
        let start = Instant::now();
        let mut estimator = Estimator::new(start);
        estimator.want(2_000_000);
        for n in 0..5000_u64 {
            let now = at(start, n * 10);
            estimator.sent(now, Some(n as u16), 1000, true);
            let arrived_us = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64 % PEER_CLOCK;
            estimator.feedback(now, [(n as u16, Some(arrived_us))]);
            let _ = estimator.tick(now);
            let target = estimator.target_bps(now).unwrap() as f64;
            assert!((MIN_BPS * 0.5..=super::super::MAX_BPS).contains(&target), "{target}");
        }
    }
}
