//! Finds out whether more gets through, by a short cluster of packets at a higher rate: how fast it arrives is what the
//! path can carry. What is sent anyway counts towards the cluster, padding makes up the rest.
//!
//! A cluster is sent only while somebody wants more than the estimate allows. One that succeeds is followed by the
//! next at twice the rate; one that fails by a pause that grows. So an unlimited path is found in a second or two, and
//! a narrow one is bothered with a few packets every few seconds.

/// A cluster lasts this long, and has so many packets at least; fewer say nothing.
const CLUSTER_US: i64 = 25_000;
const MIN_PACKETS: u32 = 5;
/// Padding comes in portions of at least a packet and this long, so that timers are few.
const PACKET_BYTES: u32 = 1200;
const PORTION_US: f64 = 2_000.0;
/// A cluster that cannot be completed in this time is given up.
const MAX_CLUSTER_US: i64 = 200_000;
/// Share of a cluster that must have arrived to count.
const MIN_ARRIVED: f64 = 0.8;
/// An arrival slower than this share of the sending has filled the path. What was shown then includes what others had
/// to leave for a moment: only so much of the gain is taken.
const FILLED: f64 = 0.9;
const FILLED_GAIN: f64 = 0.5;
/// Rate of a cluster relative to the estimate, and to what is wanted.
const FIRST_STEP: f64 = 3.0;
const STEP: f64 = 2.0;
const BEYOND_WANTED: f64 = 1.15;
/// A cluster that would show less than this is not worth it.
const MIN_GAIN: f64 = 1.05;
/// A result above this share of its rate is followed by another cluster at once.
const PROMISING: f64 = 0.7;
/// Pauses after a failure grow from the first to the last.
const MIN_PAUSE_US: i64 = 1_500_000;
const MAX_PAUSE_US: i64 = 3_000_000;
const PAUSE_GROWTH: i64 = 1_250; // per mille
/// What a cluster left waiting is gone after this time.
const AFTERMATH_US: i64 = 300_000;
/// Beyond the round trip, a peer reports within this time.
const REPORT_US: i64 = 500_000;

#[derive(Debug, Default)]
pub struct Prober {
    cluster: Option<Cluster>,
    last_id: u8,
    /// Whether any cluster was sent yet.
    begun: bool,
    /// Not before this time.
    next_us: i64,
    pause_us: i64,
    /// Clusters begun so far.
    pub begun_total: u64,
    /// When a cluster last filled the path.
    pub filled_us: Option<i64>,
    /// When the last cluster ended.
    ended_us: Option<i64>,
}

#[derive(Debug)]
struct Cluster {
    id: u8,
    bps: f64,
    bytes: u32,
    started_us: i64,
    /// When it was complete.
    finished_us: Option<i64>,
    sent: Span,
    arrived: Span,
}

/// Packets between a first and a last moment.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    packets: u32,
    bytes: u32,
    first_us: i64,
    last_us: i64,
    first_bytes: u32,
    last_bytes: u32,
}

/// What a cluster came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    pub bps: f64,
}

impl Prober {
    /// Begin a cluster if it is time: `estimate_bps` is known, `wanted_bps` is what would be sent if it could.
    pub fn consider(&mut self, now_us: i64, estimate_bps: f64, wanted_bps: f64) {
        if self.cluster.is_some() || now_us < self.next_us {
            return;
        }
        let step = if self.begun { STEP } else { FIRST_STEP };
        let bps = (estimate_bps * step).min(wanted_bps * BEYOND_WANTED);
        if wanted_bps <= estimate_bps || bps < estimate_bps * MIN_GAIN {
            return;
        }
        self.begun = true;
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.begun_total += 1;
        self.cluster = Some(Cluster {
            id: self.last_id,
            bps,
            bytes: (bps * CLUSTER_US as f64 / 8e6) as u32,
            started_us: now_us,
            finished_us: None,
            sent: Span::default(),
            arrived: Span::default(),
        });
    }

    /// A packet is sent: the number of the cluster it belongs to, or 0.
    pub fn sending(&mut self, now_us: i64, bytes: u32) -> u8 {
        let Some(cluster) = self.cluster.as_mut().filter(|cluster| cluster.finished_us.is_none()) else {
            return 0;
        };
        cluster.sent.add(now_us, bytes);
        if cluster.sent.bytes >= cluster.bytes && cluster.sent.packets >= MIN_PACKETS {
            cluster.finished_us = Some(now_us);
        }
        cluster.id
    }

    /// Bytes of padding that have to be sent now.
    pub fn due(&mut self, now_us: i64) -> Option<u32> {
        let cluster = self.cluster.as_ref().filter(|cluster| cluster.finished_us.is_none())?;
        if now_us - cluster.started_us > MAX_CLUSTER_US {
            self.fail(now_us);
            return None;
        }
        let planned = (cluster.bps * (now_us - cluster.started_us) as f64 / 8e6) as u32;
        (cluster.sent.bytes <= planned).then(|| planned - cluster.sent.bytes + cluster.portion())
    }

    /// When padding is due next, or the outcome.
    pub fn deadline_us(&self, rtt_us: i64) -> Option<i64> {
        let cluster = self.cluster.as_ref()?;
        Some(match cluster.finished_us {
            Some(finished) => finished + rtt_us + REPORT_US,
            None => cluster.started_us + (f64::from(cluster.sent.bytes) * 8e6 / cluster.bps).ceil() as i64,
        })
    }

    /// Whether what a cluster has filled may still be waiting.
    pub fn is_felt(&self, now_us: i64) -> bool {
        self.cluster.is_some() || self.ended_us.is_some_and(|at| now_us - at < AFTERMATH_US)
    }

    /// When a cluster may begin.
    pub fn next_us(&self) -> i64 {
        self.next_us
    }

    /// A packet of a cluster has arrived, at a time of the peer's clock.
    pub fn arrived(&mut self, id: u8, arrived_us: i64, bytes: u32) {
        if let Some(cluster) = self.cluster.as_mut().filter(|cluster| cluster.id == id) {
            cluster.arrived.add(arrived_us, bytes);
        }
    }

    /// Judge the cluster if enough of it has arrived, or it is too late for that.
    pub fn judge(&mut self, now_us: i64, rtt_us: i64, estimate_bps: f64) -> Option<Outcome> {
        let cluster = self.cluster.as_ref()?;
        let finished_us = cluster.finished_us?;
        if !cluster.has_arrived() {
            if now_us >= finished_us + rtt_us + REPORT_US {
                self.fail(now_us);
            }
            return None;
        }
        let (planned, shown, filled) = (cluster.bps, cluster.shown_bps(estimate_bps), cluster.has_filled());
        if filled {
            self.filled_us = Some(now_us);
        }
        if shown < estimate_bps * MIN_GAIN {
            self.fail(now_us);
            return None;
        }
        (self.cluster, self.ended_us) = (None, Some(now_us));
        if shown > planned * PROMISING {
            (self.pause_us, self.next_us) = (0, now_us);
        } else {
            self.rest(now_us);
        }
        Some(Outcome { bps: shown })
    }

    /// The path is congested: whatever was found out does not hold, and this is no time to ask.
    pub fn congested(&mut self, now_us: i64) {
        if self.cluster.take().is_some() {
            self.ended_us = Some(now_us);
        }
        self.next_us = self.next_us.max(now_us + self.pause_us.max(MIN_PAUSE_US));
    }

    fn fail(&mut self, now_us: i64) {
        (self.cluster, self.ended_us) = (None, Some(now_us));
        self.rest(now_us);
    }

    fn rest(&mut self, now_us: i64) {
        self.pause_us = (self.pause_us * PAUSE_GROWTH / 1000).clamp(MIN_PAUSE_US, MAX_PAUSE_US);
        self.next_us = now_us + self.pause_us;
    }
}

impl Cluster {
    /// Bytes that are worth a timer.
    fn portion(&self) -> u32 {
        let timely = (self.bps * PORTION_US / 8e6) as u32;
        (self.bytes / MIN_PACKETS).min(timely.max(PACKET_BYTES))
    }

    fn has_arrived(&self) -> bool {
        let share = |part: u32, whole: u32| f64::from(part) >= f64::from(whole) * MIN_ARRIVED;
        share(self.arrived.packets, self.sent.packets) && share(self.arrived.bytes, self.sent.bytes)
    }

    /// The rate that was shown, never above what was intended: a burst of media within the cluster proves nothing more.
    fn shown_bps(&self, estimate_bps: f64) -> f64 {
        let (sent, arrived) = self.rates();
        if self.has_filled() {
            return estimate_bps + (arrived - estimate_bps) * FILLED_GAIN;
        }
        sent.min(arrived).min(self.bps)
    }

    fn has_filled(&self) -> bool {
        let (sent, arrived) = self.rates();
        arrived < sent.min(self.bps) * FILLED
    }

    /// How fast it was sent and arrived.
    fn rates(&self) -> (f64, f64) {
        let sent = self.sent.bps(self.sent.last_bytes);
        let arrived = self.arrived.bps(self.arrived.first_bytes);
        (sent.unwrap_or(f64::INFINITY), arrived.unwrap_or(f64::INFINITY))
    }
}

impl Span {
    fn add(&mut self, at_us: i64, bytes: u32) {
        if self.packets == 0 || at_us < self.first_us {
            (self.first_us, self.first_bytes) = (at_us, bytes);
        }
        if self.packets == 0 || at_us >= self.last_us {
            (self.last_us, self.last_bytes) = (at_us, bytes);
        }
        self.packets += 1;
        self.bytes += bytes;
    }

    /// Bits per second between the first and the last moment; `end` bytes lie outside of it.
    fn bps(&self, end: u32) -> Option<f64> {
        let span = self.last_us - self.first_us;
        (span > 0).then(|| f64::from(self.bytes - end) * 8e6 / span as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: i64 = 40_000;

    /// Let the prober have its way over a path of `capacity`; returns the last outcome and when it rested.
    fn cluster(prober: &mut Prober, start: i64, estimate: f64, wanted: f64, capacity: f64) -> Option<f64> {
        prober.consider(start, estimate, wanted);
        let (mut now, mut free) = (start, 0);
        while prober.cluster.as_ref()?.finished_us.is_none() {
            now = prober.deadline_us(RTT)?.max(now);
            while let Some(bytes) = prober.due(now) {
                let id = prober.sending(now, bytes);
                assert_ne!(id, 0);
                free = free.max(now + RTT) + (f64::from(bytes) * 8e6 / capacity) as i64;
                prober.arrived(id, free + 5_000_000, bytes);
            }
        }
        prober.judge(now + 2 * RTT, RTT, estimate).map(|outcome| outcome.bps)
    }

    #[test]
    fn a_free_path_is_climbed_in_steps_up_to_what_is_wanted() {
        let mut prober = Prober::default();
        let mut estimate = 300_000.0;
        let mut steps = 0;
        for n in 0..10 {
            match cluster(&mut prober, n * 200_000, estimate, 2_500_000.0, 50_000_000.0) {
                Some(bps) => (estimate, steps) = (bps, steps + 1),
                None => break,
            }
        }
        assert!(estimate > 2_500_000.0, "{estimate}");
        assert!(steps <= 4, "{steps}");
        prober.consider(5_000_000, estimate, 2_500_000.0);
        assert!(prober.cluster.is_none(), "nobody wants more");
    }

    #[test]
    fn a_narrow_path_shows_its_capacity_and_is_left_in_peace() {
        let mut prober = Prober::default();
        let shown = cluster(&mut prober, 0, 300_000.0, 3_000_000.0, 600_000.0).unwrap();
        assert!((420_000.0..460_000.0).contains(&shown), "{shown}");
        assert!(prober.next_us() >= MIN_PAUSE_US);
        let (mut now, mut clusters, mut bytes) = (prober.next_us(), 0, 0);
        while now < 60_000_000 {
            assert_eq!(cluster(&mut prober, now, 590_000.0, 3_000_000.0, 600_000.0), None);
            (now, clusters, bytes) = (prober.next_us(), clusters + 1, bytes + 3_700);
        }
        assert!(clusters < 25, "{clusters}");
        assert!(bytes * 8 / 60 < 15_000, "{bytes}");
    }

    #[test]
    fn a_cluster_that_nobody_reports_ends() {
        let mut prober = Prober::default();
        prober.consider(0, 300_000.0, 1_000_000.0);
        for now in 0..30 {
            while let Some(bytes) = prober.due(now * 1_000) {
                prober.sending(now * 1_000, bytes);
            }
        }
        let deadline = prober.deadline_us(RTT).unwrap();
        assert_eq!(prober.judge(deadline, RTT, 300_000.0), None);
        assert!(prober.cluster.is_none() && prober.next_us() > deadline);
        assert_eq!(prober.deadline_us(RTT), None);
    }

    #[test]
    fn a_cluster_that_cannot_be_sent_ends() {
        let mut prober = Prober::default();
        prober.consider(0, 300_000.0, 1_000_000.0);
        assert!(prober.due(1_000).is_some());
        assert_eq!(prober.due(MAX_CLUSTER_US + 1), None);
        assert!(prober.cluster.is_none());
    }

    #[test]
    fn a_burst_of_media_counts_but_does_not_prove_more_than_was_asked() {
        let mut prober = Prober::default();
        prober.consider(0, 300_000.0, 1_000_000.0);
        for n in 0..10 {
            let id = prober.sending(100, 1200);
            prober.arrived(id, n * 10, 1200);
        }
        let outcome = prober.judge(50_000, RTT, 300_000.0).unwrap();
        assert!((outcome.bps - 900_000.0).abs() < 1.0);
    }
}
