//! Fits what each transport is sent to what the way to it can carry: estimate → [`crate::allocation`] → layers.
//!
//! A transport is looked at when something changed that matters (its estimate, its consumers, the layers they can
//! choose from), at most every [`rate::INTERVAL`] for the estimate. Its timer runs only while a probe does or could.

use std::time::{Duration, Instant};

use super::{Owner, Router};
use crate::allocation::{self, Wanted};
use crate::consumer::Consumer;
use crate::egress::Waiting;
use crate::id::{ConsumerId, ProducerId, TransportId};
use crate::layers::{Allowance, Rung};
use crate::outlet::Outlet;
use crate::producer::Producer;
use crate::rate::{self, Outlook};

/// What a packet takes beyond its payload, in 100ths of that.
const OVERHEAD: u64 = 105;
/// A layer that takes so many times what there is ends at once, without waiting for the key frame of the next.
const CRUSHING: u64 = 3;
/// Video leaves at this many tenths of what the path can carry, and of a path that is known to be narrow.
const PACE: u64 = 25;
const CLOSE_PACE: u64 = 15;
/// Padding that could not be sent is not tried again sooner.
const BREATH: Duration = Duration::from_millis(1);

/// A video that could be sent.
struct Video {
    id: ConsumerId,
    rungs: Vec<(u8, Option<u8>)>,
    ladder: Vec<u64>,
    current: Option<usize>,
    /// What the layer that flows takes.
    flowing_bps: u64,
}

impl Router {
    /// The estimate of a transport may have changed.
    pub(super) fn steer(&mut self, id: TransportId, now: Instant, out: &mut dyn Outlet) {
        let Some(transport) = self.transports.get(&id) else { return };
        let urgent = transport.common.egress.as_ref().is_some_and(|egress| egress.estimator.is_urgent());
        if urgent || transport.common.rate.next_review <= now {
            self.review(id, now, out);
        }
    }

    /// The layers of a producer are not what they were.
    pub(super) fn steer_subscribers(&mut self, id: ProducerId, now: Instant, out: &mut dyn Outlet) {
        let Some(producer) = self.producers.get(&id).filter(|producer| producer.is_video()) else {
            return;
        };
        let subscribers = producer.subscribers.iter().filter_map(|id| self.consumers.get(id));
        let mut transports: Vec<TransportId> = subscribers.map(|subscriber| subscriber.transport).collect();
        transports.dedup();
        for transport in transports {
            self.steer(transport, now, out);
        }
    }

    fn first_allowance(&self, id: TransportId, now: Instant) -> Allowance {
        let egress = self.transports.get(&id).and_then(|transport| transport.common.egress.as_ref());
        let limited = egress.is_some_and(|egress| {
            egress.estimator.target_bps(now).is_some() && !egress.estimator.is_ramping(now)
        });
        if limited { Allowance::Nothing } else { Allowance::Everything }
    }

    /// A consumer begins, or begins again: if there is a limit, see what it may have.
    pub(super) fn admit(&mut self, id: ConsumerId, now: Instant, out: &mut dyn Outlet) {
        let Some(consumer) = self.consumers.get(&id) else { return };
        let producer = self.producers.get(&consumer.producer);
        if !producer.is_some_and(Producer::is_video) {
            return;
        }
        let transport = consumer.transport;
        let allowance = self.first_allowance(transport, now);
        if let Some(consumer) = self.consumers.get_mut(&id) {
            consumer.allowance = allowance;
        }
        self.review(transport, now, out);
    }

    /// Choose anew what each video consumer of a transport may have.
    pub(super) fn review(&mut self, id: TransportId, now: Instant, out: &mut dyn Outlet) {
        let videos = self.videos(id);
        self.weigh_audio(id, now);
        let blind = !self.can_pad(id);
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let Some(egress) = &mut transport.common.egress else { return };
        let (rate, estimator) = (&mut transport.common.rate, &mut egress.estimator);
        rate.next_review = now + rate::INTERVAL;
        let outlook = estimator.target_bps(now).filter(|_| !estimator.is_ramping(now)).map(|target_bps| {
            let (confined, congested) = (estimator.is_confined(now), estimator.congested());
            let (choking, drowned) = (estimator.is_choking(now), estimator.is_drowned());
            Outlook { target_bps, confined, congested, choking, drowned }
        });
        let mut wanted: Vec<Wanted> = videos.iter().map(Video::wanted).collect();
        let chosen = match outlook {
            Some(outlook) => rate.choose(now, outlook, &mut wanted),
            None => wanted.iter().map(Wanted::top).collect(),
        };
        let withheld = wanted.iter().zip(&chosen).any(|(wanted, rung)| *rung < wanted.top());
        let ambition = if withheld { allocation::ambition(rate.audio.bps(), &wanted) } else { 0 };
        let pace =
            |outlook: Outlook| outlook.target_bps * if outlook.confined { CLOSE_PACE } else { PACE } / 10;
        // Where packets are lost and none has to wait, repairs come on top: what waits here would come too late.
        let carried = estimator.carried_bps(now).unwrap_or(0) * PACE / 10;
        egress.pacer.set_rate(now, outlook.map(|outlook| pace(outlook).max(carried)));
        estimator.want(ambition);
        estimator.set_blind(blind);
        let is_paused =
            |(wanted, rung): &(&Wanted, &Option<usize>)| !wanted.ladder.is_empty() && rung.is_none();
        let paused = wanted.iter().zip(&chosen).filter(is_paused).count();
        let before = std::mem::replace(&mut rate.paused, paused);
        transport.common.stats.videos_paused.set(paused as u64);
        transport.common.stats.target_bps.set(outlook.map_or(0, |outlook| outlook.target_bps));
        self.count_paused(before, paused);
        for (video, rung) in videos.iter().zip(chosen) {
            let allowance = match (outlook, rung) {
                (None, _) => Allowance::Everything,
                (_, Some(rung)) => {
                    let (layer, target) = video.rungs[rung];
                    Allowance::UpTo { layer, target }
                }
                _ if video.ladder.is_empty() => Allowance::Everything, // nothing is known to choose from
                _ => Allowance::Nothing,
            };
            let crushing = rung < video.current
                && outlook.is_some_and(|outlook| video.flowing_bps > CRUSHING * outlook.target_bps);
            self.grant(video.id, allowance, crushing, now, out);
        }
        self.arm_rate(id, now);
    }

    fn grant(
        &mut self,
        id: ConsumerId,
        allowance: Allowance,
        crushing: bool,
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let Some(consumer) = self.consumers.get_mut(&id) else { return };
        if consumer.allowance == allowance {
            return;
        }
        if crushing || allowance == Allowance::Nothing {
            consumer.forward.interrupt();
            let egress = self.transports.get_mut(&consumer.transport).and_then(|t| t.common.egress.as_mut());
            if let Some(egress) = egress {
                let dropped = egress.pacer.drop_where(|waiting| waiting.consumer == id);
                self.stats.pacing_dropped.add(dropped as u64);
            }
            if let Some(send_stream) = &mut consumer.send_stream {
                send_stream.forget(); // no use in repairing it
            }
        }
        self.allow(id, allowance, now, out);
    }

    /// The videos of a transport that its owner and its peer want, in the order of their consumer.
    fn videos(&self, id: TransportId) -> Vec<Video> {
        let Some(transport) = self.transports.get(&id) else { return Vec::new() };
        let mut videos: Vec<Video> =
            transport.common.consumers.values().filter_map(|id| self.video(*id)).collect();
        videos.sort_unstable_by_key(|video| video.id);
        videos
    }

    fn video(&self, id: ConsumerId) -> Option<Video> {
        let consumer = self.consumers.get(&id)?;
        let producer = self.producers.get(&consumer.producer)?;
        let wanted = consumer.active && consumer.open && producer.active && producer.is_video();
        wanted.then(|| Video::new(id, consumer, producer))
    }

    fn weigh_audio(&mut self, id: TransportId, now: Instant) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let (mut total, mut streams) = (0_u32, 0);
        for consumer in transport.common.consumers.values().filter_map(|id| self.consumers.get(id)) {
            let producer = self.producers.get(&consumer.producer);
            let audio = producer.is_some_and(|producer| producer.active && !producer.is_video());
            if let Some(send_stream) = consumer.send_stream.as_ref().filter(|_| audio && consumer.active) {
                total = total.wrapping_add(send_stream.sent_bytes());
                streams += 1;
            }
        }
        transport.common.rate.audio.sent(now, total, streams);
    }

    /// The time of a transport has come: packets that wait, probes, and what comes of silence.
    pub(super) fn tend_rate(&mut self, id: TransportId, now: Instant, out: &mut dyn Outlet) {
        self.let_go(id, now, out);
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let Some(egress) = &mut transport.common.egress else { return };
        let before = egress.estimator.probes();
        let due = egress.estimator.tick(now);
        let begun = egress.estimator.probes() - before;
        self.stats.probes.add(begun);
        transport.common.stats.probes.add(begun);
        if let Some(padding) = due {
            let sent = self.pad(id, padding.bytes as usize, now, out);
            self.stats.padding_bytes.add(sent as u64);
        }
        self.steer(id, now, out);
        self.arm_rate(id, now);
    }

    /// Send video that has waited for its turn.
    fn let_go(&mut self, id: TransportId, now: Instant, out: &mut dyn Outlet) {
        let moment = self.setup.clock.at(now);
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let Some(egress) = &mut transport.common.egress else { return };
        egress.set_path(transport.common.paths.proven());
        let mut forwarded = 0;
        while let Some(Waiting { consumer, packet, rewritten }) = egress.pacer.pop(now) {
            let Some(consumer) = self.consumers.get_mut(&consumer) else { continue };
            let (Some(send_stream), Some(route)) = (&mut consumer.send_stream, &consumer.route) else {
                continue;
            };
            forwarded += u64::from(egress.send(moment, &packet, &rewritten, send_stream, route, out));
        }
        self.stats.packets_forwarded.add(forwarded);
    }

    /// Send padding on the first section that can carry it. Returns how many bytes were sent.
    fn pad(&mut self, id: TransportId, bytes: usize, now: Instant, out: &mut dyn Outlet) -> usize {
        let moment = self.setup.clock.at(now);
        let Some(transport) = self.transports.get_mut(&id) else { return 0 };
        let Some(egress) = &mut transport.common.egress else { return 0 };
        egress.set_path(transport.common.paths.proven());
        for consumer in transport.common.consumers.values() {
            let Some(consumer) = self.consumers.get_mut(consumer) else { continue };
            let Some(producer) = self.producers.get(&consumer.producer) else { continue };
            let (Some(send_stream), Some(route)) = (&mut consumer.send_stream, &consumer.route) else {
                continue;
            };
            let sent = egress.pad(moment, bytes, &producer.ring, send_stream, route, out);
            if sent > 0 {
                return sent;
            }
        }
        0
    }

    fn can_pad(&self, id: TransportId) -> bool {
        let Some(transport) = self.transports.get(&id) else { return false };
        transport.common.consumers.values().filter_map(|id| self.consumers.get(id)).any(|consumer| {
            let parts = consumer.send_stream.as_ref().zip(consumer.route.as_ref());
            parts.is_some_and(|(send_stream, route)| send_stream.takes_padding(route))
        })
    }

    /// A transport had so many videos paused, and has others now.
    pub(super) fn count_paused(&mut self, before: usize, now: usize) {
        self.videos_paused = (self.videos_paused + now).saturating_sub(before);
        self.stats.videos_paused.set(self.videos_paused as u64);
    }

    /// Wake the transport when something waits, or its estimator has something to do.
    fn arm_rate(&mut self, id: TransportId, now: Instant) {
        let egress = self.transports.get(&id).and_then(|transport| transport.common.egress.as_ref());
        let deadlines = egress.map(|egress| [egress.estimator.deadline(), egress.pacer.deadline()]);
        if let Some(deadline) = deadlines.into_iter().flatten().flatten().min() {
            self.timers.set(Owner::Rate(id), deadline.max(now + BREATH));
        }
    }
}

impl Video {
    fn new(id: ConsumerId, consumer: &Consumer, producer: &Producer) -> Self {
        let ladder = &producer.ladder;
        let place = |rung: &Rung| (rung.layer, rung.target.map(|target| target.index));
        let open: Vec<&Rung> = ladder.open_to(&consumer.wish).collect();
        let rungs: Vec<_> = open.iter().map(|rung| place(rung)).collect();
        let mut most = 0;
        let costs = open.iter().map(|rung| {
            most = most.max(rung.bitrate_bps * OVERHEAD / 100);
            most
        });
        let ladder_bps = costs.collect();
        let current = match consumer.allowance {
            Allowance::Everything => rungs.len().checked_sub(1),
            Allowance::Nothing => None,
            // The same, or the next below of those that are left; what is not known there any more gets the least.
            Allowance::UpTo { layer, target } => {
                let all: Vec<_> = ladder.rungs().iter().map(place).collect();
                let limit = all.iter().position(|rung| *rung == (layer, target)).unwrap_or(0);
                let below = |rung: &&(u8, Option<u8>)| {
                    all.iter().position(|other| other == *rung).is_some_and(|position| position <= limit)
                };
                (!rungs.is_empty()).then(|| rungs.iter().filter(below).count().saturating_sub(1))
            }
        };
        let flows = |rung: &&Rung| consumer.forward.layer() == Some(rung.layer);
        let flowing_bps = ladder.rungs().iter().filter(flows).map(|rung| rung.bitrate_bps).max().unwrap_or(0);
        Self { id, rungs, ladder: ladder_bps, current, flowing_bps }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted { ladder: &self.ladder, priority: 0, current: self.current, may_rise: true }
    }
}
