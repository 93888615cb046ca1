//! The hot path: a burst of packets in, rewritten per subscriber, a burst of packets out.
//!
//! ```text
//! receive a burst → route: group by publication → fan out: per subscriber, rewrite and write → flush: seal and send
//! ```
//!
//! **The seam.** Everything up to `fan_out` decides: which packets, for whom, with which numbers ([`crate::forward`]).
//! What follows, [`Transport::write`](crate::transport::Transport::write) for each packet and one `flush` for the whole
//! burst, seals and sends. Today str0m does that, once per burst and subscriber, so that a video frame leaves as one
//! run of datagrams (see [`crate::io`]). To seal packets of one's own, replace these two calls and nothing else; but
//! then retransmission, sender reports and transport-wide sequence numbers are one's own as well, and no SSRC may ever
//! be sealed by both: two packets with one key and nonce give away the key stream.

use std::sync::Arc;
use std::time::Instant;

use str0m::media::{Mid, Rid};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};

use super::Hub;
use crate::event::Event;
use crate::forward::{Forward, MediaPacket, Rewritten, Verdict};
use crate::id::{PublicationId, TransportId};
use crate::layers::{Layers, dependency};
use crate::message::Relay;
use crate::outlet::Outlet;
use crate::publication::STALL;
use crate::subscription::Route;
use crate::transport::Happening;

impl Hub {
    /// One packet has come from a transport: it joins the burst of its publication.
    pub(super) fn route(
        &mut self,
        transport: TransportId,
        mid: Mid,
        rid: Option<Rid>,
        packet: RtpPacket,
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let Some(&id) = self.transports.get(&transport).and_then(|t| t.publications.get(&mid)) else {
            return;
        };
        let Some(publication) = self.publications.get_mut(&id) else { return };
        let was_empty = publication.burst.is_empty();
        let observed = publication.receive(packet, rid, now);
        if was_empty && !publication.burst.is_empty() {
            self.touched.push(id);
        }
        if observed.revived {
            out.event(Event::Stalled { publication: id, stalled: false });
        }
        if observed.first {
            self.watch(id, now + STALL);
        }
        if let Some((width, height)) = observed.size {
            out.event(Event::Resolution { publication: id, rid, width, height });
        }
        if let Some((level_dbov, voice)) = observed.level {
            out.event(Event::AudioLevel { publication: id, level_dbov, voice });
        }
        if observed.interrupted.is_some() {
            self.interrupt(id, observed.interrupted);
        }
    }

    /// The burst is complete: send what it brought.
    pub fn forward(&mut self, now: Instant, out: &mut dyn Outlet) {
        if self.touched.is_empty() {
            return;
        }
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            if self.publications.get_mut(&id).is_some_and(|publication| publication.review(now)) {
                self.spread_ladder(id, now, out);
            }
            let Some(publication) = self.publications.get_mut(&id) else { continue };
            let burst = std::mem::take(&mut publication.burst);
            if burst.is_empty() {
                continue;
            }
            self.relay_burst(id, &burst, out);
            self.fan_out(id, &burst, now, out);
        }
        self.touched = touched;
        self.flush(now, out);
        self.settle(now, out);
    }

    /// Pass a burst on to the mirrors: to each the layers that it needs.
    fn relay_burst(&mut self, id: PublicationId, burst: &[MediaPacket], out: &mut dyn Outlet) {
        let Some(publication) = self.publications.get_mut(&id) else { return };
        let present = burst.iter().fold(0, |set: Layers, packet| set | 1 << packet.layer);
        let mut made: Vec<(Layers, Arc<[MediaPacket]>)> = Vec::new();
        for mirror in &mut publication.mirrors {
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
            let sent = out.relay(mirror.thread, Relay::Packets { publication: id, gap: mirror.gap, packets });
            mirror.gap = !sent;
        }
    }

    /// Rewrite and write `packets` for every subscriber on this thread.
    pub(super) fn fan_out(
        &mut self,
        id: PublicationId,
        packets: &[MediaPacket],
        now: Instant,
        out: &mut dyn Outlet,
    ) {
        let Some(publication) = self.publications.get(&id) else { return };
        let Some(format) = publication.format else { return };
        let (clock_rate, video) = (format.clock_rate.get(), format.codec.is_video());
        // The layers that somebody needs a key frame of, and those who get another layer than before.
        let (mut awaited, mut switched): (Layers, _) = (0, Vec::new());
        for id in &publication.subscribers {
            let Some(subscription) = self.subscriptions.get_mut(id) else { continue };
            let Some(route) = subscription.route.filter(|_| subscription.active && subscription.open) else {
                continue;
            };
            let Some(transport) = self.transports.get_mut(&subscription.transport) else { continue };
            if !transport.connected() {
                continue;
            }
            let forward = &mut subscription.forward;
            let mut starved_of = None;
            let mut rewrite =
                |packet: &MediaPacket, forward: &mut Forward| match forward.accept(packet, clock_rate, now) {
                    Verdict::Send(rewritten) => Some(rtp(packet, rewritten, route, video)),
                    Verdict::Starving => {
                        starved_of = Some(packet.layer);
                        None
                    }
                    Verdict::Late | Verdict::LeftOut | Verdict::Held => None,
                };
            let mut written =
                transport.write(route.ssrc, packets.iter().filter_map(|packet| rewrite(packet, forward)));
            let released = forward.release(now);
            if !released.is_empty() {
                let more = released.iter().filter_map(|packet| rewrite(packet, forward));
                written = written.and_then(|count| Ok(count + transport.write(route.ssrc, more)?));
            }
            match written {
                Ok(0) => {}
                Ok(count) => {
                    self.stats.packets_forwarded.add(count);
                    if !std::mem::replace(&mut transport.dirty, true) {
                        self.dirty.push(subscription.transport);
                    }
                }
                Err(fault) => self.happenings.push_back((subscription.transport, Happening::Ended(fault))),
            }
            if video {
                let layer = subscription.forward.awaits(now).or(starved_of);
                awaited = layer.map_or(awaited, |layer| awaited | 1 << layer);
                if subscription.forward.layer().is_some_and(|layer| subscription.told != Some(layer)) {
                    switched.push(*id);
                }
            }
        }
        let ask: Vec<u8> = (0..)
            .zip(&publication.keyframes)
            .filter(|(layer, throttle)| awaited >> layer & 1 == 1 && throttle.impatient(now))
            .map(|(layer, _)| layer)
            .collect();
        for layer in ask {
            self.want_keyframe(id, layer, now, out);
        }
        if !switched.is_empty() {
            for subscription in switched {
                self.tell_layer(subscription, out);
            }
            self.tell_needed(id, out);
        }
    }

    /// Seal and send what was written.
    pub(super) fn flush(&mut self, now: Instant, out: &mut dyn Outlet) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            self.tick(id, now, out);
        }
        self.dirty = dirty;
    }

    /// What follows does not continue what was forwarded: begin anew, at a key frame if it is video.
    ///
    /// `layer`: of that layer only.
    pub(super) fn interrupt(&mut self, id: PublicationId, layer: Option<u8>) {
        let Some(publication) = self.publications.get_mut(&id) else { return };
        for mirror in &mut publication.mirrors {
            mirror.gap = true;
        }
        for subscription in &publication.subscribers {
            if let Some(subscription) = self.subscriptions.get_mut(subscription)
                && (layer.is_none() || subscription.forward.layer() == layer)
            {
                subscription.forward.interrupt();
            }
        }
    }
}

fn rtp(packet: &MediaPacket, rewritten: Rewritten, route: Route, video: bool) -> RtpWrite {
    let mut extensions = ExtensionValues {
        audio_level: packet.level_dbov,
        voice_activity: packet.voice,
        ..ExtensionValues::default()
    };
    let (mut payload, mut dependency) = (packet.payload.clone(), packet.dependency.clone());
    if let Some(patch) = rewritten.patch {
        if let Some(bytes) = &mut dependency {
            patch.apply_dependency(Arc::make_mut(bytes));
        } else {
            patch.apply(Arc::make_mut(&mut payload));
        }
    }
    if let Some(bytes) = dependency {
        extensions.user_values.set(dependency::Extension(bytes));
    }
    RtpWrite::new(route.payload_type, rewritten.seq.into(), rewritten.timestamp, packet.received, payload)
        .marker(rewritten.marker)
        .nackable(video)
        .ext_vals(extensions)
}
