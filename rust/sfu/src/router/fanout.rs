//! The hot path: a burst of packets in, rewritten and sealed per subscriber, a burst of packets out.
//!
//! ```text
//! receive a burst → route: group by producer → hold: wait for the rest of a frame → fan out: per subscriber,
//! rewrite ([`crate::forward`]), write and seal ([`crate::egress`]) in the arena that the kernel reads from
//! ```
//!
//! All packets of a burst go to one subscriber before the next has its turn, so that a video frame leaves as one run of
//! datagrams (see [`crate::io`]). For the same reason a frame that has not arrived as a whole is held, for [`HOLD`] at
//! most. Per packet and subscriber nothing is allocated or locked, and the payload is copied once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::media::{Mid, Rid};

use super::{Owner, Router};
use crate::clock::Moment;
use crate::consumer::Consumer;
use crate::egress::{Waiting, report};
use crate::event::Event;
use crate::forward::{Forward, MediaPacket, Verdict};
use crate::id::{ById, ConsumerId, ProducerId, TransportId};
use crate::io::prefetch;
use crate::layers::Layers;
use crate::message::Relay;
use crate::outlet::Outlet;
use crate::packet::RtpPacket;
use crate::producer::STALL;
use crate::transport::Transport;

/// How long the beginning of a frame waits for its end.
pub const HOLD: Duration = Duration::from_millis(1);

/// Have the processor fetch what it will need of those who come after the first of `subscribers`, in three steps: each
/// tells where the next one is found.
fn fetch_ahead(
    subscribers: &[ConsumerId],
    consumers: &ById<ConsumerId, Consumer>,
    transports: &ById<TransportId, Transport>,
) {
    let consumer = |ahead: usize| subscribers.get(ahead).and_then(|id| consumers.get(id));
    let transport = |ahead| consumer(ahead).and_then(|found| transports.get(&found.transport));
    if let Some(consumer) = consumer(3) {
        prefetch(consumer);
    }
    if let Some(transport) = transport(2) {
        transport.common.fetch();
    }
    if let Some(egress) = transport(1).and_then(|transport| transport.common.egress.as_ref()) {
        egress.fetch();
    }
}

/// Packets of one producer on their way to its subscribers.
struct Burst<'a> {
    packets: &'a [MediaPacket],
    video: bool,
    now: Instant,
    moment: Moment,
}

/// What sending a burst to one subscriber led to.
#[derive(Default)]
struct Sent {
    packets: u64,
    /// Packets that were too many to be paced.
    dropped: u64,
    paced_until: Option<Instant>,
    begins_to_report: bool,
    /// The layer that the subscriber needs a key frame of.
    awaited: Option<u8>,
    switched: bool,
}

/// What sending a burst to all subscribers led to.
#[derive(Default)]
struct Round {
    forwarded: u64,
    /// The layers that somebody needs a key frame of.
    awaited: Layers,
    /// Those who get another layer than before.
    switched: Vec<ConsumerId>,
}

impl Round {
    fn add(&mut self, id: ConsumerId, sent: &Sent) {
        self.forwarded += sent.packets;
        self.awaited |= sent.awaited.map_or(0, |layer| 1 << layer);
        if sent.switched {
            self.switched.push(id);
        }
    }
}

impl Burst<'_> {
    /// Rewrite, seal and send it to one subscriber; None while nothing can be sent to that one.
    fn send(
        &self,
        id: ConsumerId,
        consumer: &mut Consumer,
        transport: &mut Transport,
        out: &mut dyn Outlet,
    ) -> Option<Sent> {
        let (route, send_stream) = (consumer.route.as_ref()?, consumer.send_stream.as_mut()?);
        let egress = transport.common.egress.as_mut()?;
        egress.set_path(transport.common.paths.proven());
        let forward = &mut consumer.forward;
        let (mut sent, mut overflown) = (Sent::default(), false);
        let mut offer = |packet: &MediaPacket, forward: &mut Forward| match forward.accept(
            packet,
            route.clock_rate,
            self.now,
        ) {
            Verdict::Send(rewritten) if self.video && egress.pacer.waits(self.now, packet.payload.len()) => {
                let waiting = Waiting { consumer: id, packet: packet.clone(), rewritten };
                overflown |= egress.pacer.push(packet.payload.len(), waiting).is_err();
            }
            Verdict::Send(rewritten) => {
                if !self.video {
                    egress.pacer.spend(packet.payload.len());
                }
                let is_sent = egress.send(self.moment, packet, &rewritten, send_stream, route, out);
                sent.packets += u64::from(is_sent);
            }
            Verdict::Starving => sent.awaited = Some(packet.layer),
            Verdict::Late | Verdict::LeftOut | Verdict::Held => {}
        };
        for packet in self.packets {
            offer(packet, forward);
        }
        for packet in &forward.release(self.now) {
            offer(packet, forward);
        }
        if overflown {
            sent.dropped = egress.pacer.drop_where(|waiting| waiting.consumer == id) as u64 + 1;
            sent.awaited = forward.layer();
            forward.interrupt();
        }
        sent.paced_until = egress.pacer.deadline();
        sent.begins_to_report = sent.packets > 0 && egress.begins_to_report();
        if !self.video {
            sent.awaited = None;
            return Some(sent);
        }
        sent.awaited = forward.awaits(self.now).or(sent.awaited);
        sent.switched = consumer.told.is_behind(forward);
        if sent.switched && egress.estimator.congested() {
            send_stream.forget_before(forward.began_as());
        }
        Some(sent)
    }
}

impl Router {
    /// One packet has come from a transport: it joins the burst of its producer.
    pub(super) fn route(
        &mut self,
        transport: TransportId,
        mid: Mid,
        rid: Option<Rid>,
        packet: RtpPacket,
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let Some(&id) = self.transports.get(&transport).and_then(|t| t.common.producers.get(&mid)) else {
            return;
        };
        let Some(producer) = self.producers.get_mut(&id) else { return };
        let was_empty = producer.burst.is_empty();
        let observed = producer.receive(packet, rid, self.setup.clock.at(now));
        if was_empty && !producer.burst.is_empty() {
            self.touched.push(id);
        }
        if observed.revived {
            out.event(Event::Stalled { producer: id, stalled: false });
        }
        if observed.first {
            self.watch(id, now + STALL);
        }
        if let Some(deadline) = observed.asks_at {
            self.timers.set(Owner::Gaps(id), deadline);
        }
        if let Some((width, height)) = observed.size {
            out.event(Event::Resolution { producer: id, rid, width, height });
        }
        if let Some((level_dbov, voice)) = observed.level {
            out.event(Event::AudioLevel { producer: id, level_dbov, voice });
        }
        if observed.interrupted.is_some() {
            self.interrupt(id, observed.interrupted);
        }
    }

    /// The socket is empty: send what came, except for frames whose rest may come within moments.
    pub fn forward(&mut self, now: Instant, out: &mut dyn Outlet) {
        if self.touched.is_empty() {
            return;
        }
        self.held = None;
        let mut touched = std::mem::take(&mut self.touched);
        touched.retain(|id| {
            let until = self.hold(*id, now);
            if until.is_none() {
                self.forward_burst(*id, now, out);
            }
            self.held = self.held.into_iter().chain(until).min();
            until.is_some()
        });
        self.touched = touched;
        self.settle(now, out);
    }

    /// Until when the burst of a producer is held; None if it is complete, or has been held long enough.
    fn hold(&self, id: ProducerId, now: Instant) -> Option<Instant> {
        let producer = self.producers.get(&id).filter(|producer| producer.is_open())?;
        let until = producer.burst.first()?.received + HOLD;
        (now < until).then_some(until)
    }

    fn forward_burst(&mut self, id: ProducerId, now: Instant, out: &mut dyn Outlet) {
        if self.producers.get_mut(&id).is_some_and(|producer| producer.review(now)) {
            self.spread_ladder(id, now, out);
        }
        let Some(producer) = self.producers.get_mut(&id) else { return };
        let mut burst = std::mem::take(&mut producer.burst);
        if burst.is_empty() {
            return;
        }
        self.relay_burst(id, &burst, out);
        self.fan_out(id, &burst, now, out);
        burst.clear();
        if let Some(producer) = self.producers.get_mut(&id) {
            producer.burst = burst; // its space is used again
        }
    }

    /// Pass a burst on to the mirrors: to each the layers that it needs.
    fn relay_burst(&mut self, id: ProducerId, burst: &[MediaPacket], out: &mut dyn Outlet) {
        let Some(producer) = self.producers.get_mut(&id) else { return };
        let present = burst.iter().fold(0, |set: Layers, packet| set | 1 << packet.layer);
        let mut made: Vec<(Layers, Arc<[MediaPacket]>)> = Vec::new();
        for mirror in &mut producer.mirrors {
            let needed = mirror.needed & present;
            if needed == 0 {
                continue;
            }
            let packets =
                made.iter().find(|(layers, _)| *layers == needed).map(|(_, packets)| packets.clone());
            let packets = packets.unwrap_or_else(|| {
                let wanted = burst.iter().filter(|packet| needed >> packet.layer & 1 == 1);
                let packets: Arc<[MediaPacket]> = wanted.cloned().collect();
                made.push((needed, packets.clone()));
                packets
            });
            let sent = out.relay(mirror.thread, Relay::Packets { producer: id, gap: mirror.gap, packets });
            mirror.gap = !sent;
        }
    }

    /// Rewrite, seal and send `packets` to every subscriber on this thread.
    pub(super) fn fan_out(
        &mut self,
        id: ProducerId,
        packets: &[MediaPacket],
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let Some(producer) = self.producers.get_mut(&id) else { return };
        for packet in packets {
            producer.ring.push(packet.clone(), now);
        }
        let burst = Burst { packets, video: producer.is_video(), now, moment: self.setup.clock.at(now) };
        let mut round = Round::default();
        for (at, id) in producer.subscribers.iter().enumerate() {
            fetch_ahead(&producer.subscribers[at..], &self.consumers, &self.transports);
            let Some(consumer) = self.consumers.get_mut(id) else { continue };
            if !consumer.active || !consumer.open {
                continue;
            }
            if let Some(tap) = &mut consumer.tap {
                let fed = tap.feed(packets, &mut consumer.forward, &self.setup.clock, now);
                if let Some(link) = self.pipelines.get_mut(&tap.pipeline) {
                    let starving = link.push(tap, &fed, &self.stats);
                    let own = 1 << consumer.forward.layer().unwrap_or(0);
                    round.awaited |= if starving { own } else { fed.awaited };
                    out.pipe_ready(tap.pipeline);
                }
                if consumer.told.is_behind(&consumer.forward) {
                    round.switched.push(*id);
                }
            } else if let Some(transport) = self.transports.get_mut(&consumer.transport) {
                let owner = consumer.transport;
                let Some(sent) = burst.send(*id, consumer, transport, out) else { continue };
                round.add(*id, &sent);
                self.stats.pacing_dropped.add(sent.dropped);
                if let Some(deadline) = sent.paced_until {
                    self.timers.set(Owner::Rate(owner), deadline);
                }
                if sent.begins_to_report {
                    self.timers.set(Owner::Report(owner), now + report::FIRST);
                }
            }
        }
        self.stats.packets_forwarded.add(round.forwarded);
        self.settle_round(id, round, now, out);
    }

    /// After all subscribers had their turn: ask for key frames, tell who gets another layer.
    fn settle_round(&mut self, id: ProducerId, round: Round, now: Instant, out: &mut dyn Outlet) {
        let layers = self.producers.get(&id).map_or(0, |producer| producer.keyframes.len());
        for layer in (0..).take(layers).filter(|layer| round.awaited >> layer & 1 == 1) {
            let throttle = self.producers.get(&id).map(|producer| &producer.keyframes[usize::from(layer)]);
            if throttle.is_some_and(|throttle| throttle.impatient(now)) {
                self.want_keyframe(id, layer, now, out);
            }
        }
        if !round.switched.is_empty() {
            for consumer in round.switched {
                self.tell_layer(consumer, out);
            }
            self.tell_needed(id, out);
        }
    }

    /// What follows does not continue what was forwarded: begin anew, at a key frame if it is video.
    ///
    /// `layer`: of that layer only.
    pub(super) fn interrupt(&mut self, id: ProducerId, layer: Option<u8>) {
        let Some(producer) = self.producers.get_mut(&id) else { return };
        producer.ring.cut();
        for mirror in &mut producer.mirrors {
            mirror.gap = true;
        }
        for consumer in &producer.subscribers {
            if let Some(consumer) = self.consumers.get_mut(consumer)
                && (layer.is_none() || consumer.forward.layer() == layer)
            {
                consumer.forward.interrupt();
            }
        }
    }
}
