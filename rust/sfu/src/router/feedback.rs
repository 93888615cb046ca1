//! What subscribers say about what we send them: lost packets, lost pictures, how they receive; and our own reports.

use std::iter;
use std::time::Instant;

use super::{Owner, Router};
use crate::clock::Moment;
use crate::egress::repair::{Lost, Repair};
use crate::egress::report;
use crate::id::TransportId;
use crate::outlet::Outlet;
use crate::path::Path;
use crate::rtcp::{self, Packet, Receptions};
use crate::transport::TransportEvent;

impl Router {
    /// Read an RTCP datagram of a transport. True: there is something in it for str0m, which looks after what the peer
    /// sends; or nothing can be read yet.
    pub(super) fn read_rtcp(
        &mut self,
        id: TransportId,
        now: Instant,
        path: Path,
        datagram: &[u8],
        out: &mut dyn Outlet,
    ) -> bool {
        let Some(transport) = self.transports.get_mut(&id) else { return false };
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(datagram);
        let concerns_str0m = match transport.open(&mut scratch) {
            None => true,
            Some(Err(_)) => {
                self.stats.rtcp_refused.add(1);
                false
            }
            Some(Ok(plain)) => {
                transport.common.hear(now, path, datagram.len());
                if let Some(egress) = &mut transport.common.egress {
                    egress.set_path(transport.common.paths.proven());
                }
                self.heed(id, self.setup.clock.at(now), plain, out)
            }
        };
        self.scratch = scratch;
        concerns_str0m
    }

    /// Act on the packets of an authentic datagram. True: some are about what the peer sends.
    pub(super) fn heed(
        &mut self,
        id: TransportId,
        now: Moment,
        datagram: &[u8],
        out: &mut dyn Outlet,
    ) -> bool {
        let Ok(packets) = rtcp::packets(datagram) else {
            self.stats.rtcp_refused.add(1);
            return false;
        };
        let mut others = false;
        for packet in packets {
            match packet {
                Ok(Packet::ReceiverReport { receptions, .. }) => {
                    self.note_receptions(id, receptions, now, out);
                }
                Ok(Packet::SenderReport { receptions, .. }) => {
                    self.note_receptions(id, receptions, now, out);
                    others = true;
                }
                Ok(Packet::Nack { media, lost }) => {
                    self.repair(id, media, lost.map(|seq| Lost { seq, reported: None }), now, out);
                }
                Ok(Packet::Pli { media }) => self.lost_picture(id, media, now.instant),
                Ok(Packet::Fir { requests }) => {
                    requests.for_each(|(media, _)| self.lost_picture(id, media, now.instant));
                }
                Ok(Packet::TransportCc(body)) => {
                    if self.transport_feedback.read(body).is_err() {
                        self.stats.rtcp_refused.add(1);
                        continue;
                    }
                    let egress =
                        self.transports.get_mut(&id).and_then(|transport| transport.common.egress.as_mut());
                    if let Some(egress) = egress {
                        egress.estimator.feedback(now.instant, self.transport_feedback.iter());
                        self.repair_reported(id, now, out);
                        self.steer(id, now.instant, out);
                    }
                }
                Ok(Packet::Remb { bps }) => {
                    let transport = self.transports.get_mut(&id);
                    if let Some(egress) = transport.and_then(|transport| transport.common.egress.as_mut()) {
                        egress.estimator.remb(now.instant, bps);
                        self.steer(id, now.instant, out);
                    }
                }
                Ok(Packet::SourceDescription | Packet::Goodbye | Packet::Other) => others = true,
                Err(_) => self.stats.rtcp_refused.add(1),
            }
        }
        others
    }

    fn note_receptions(
        &mut self,
        id: TransportId,
        receptions: Receptions<'_>,
        now: Moment,
        out: &mut dyn Outlet,
    ) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let (mut lost, mut streams) = (0.0, 0.0);
        for reception in receptions {
            let Some(mid) = transport.sender_of(reception.ssrc) else { continue };
            let consumer = transport.common.consumers.get(&mid).and_then(|id| self.consumers.get_mut(id));
            if let Some(send_stream) = consumer.and_then(|consumer| consumer.send_stream.as_mut()) {
                send_stream.note_report(&reception, now);
                lost += f64::from(reception.fraction_lost) / 256.0;
                streams += 1.0;
            }
        }
        if let Some(egress) = transport.common.egress.as_mut().filter(|_| streams > 0.0) {
            egress.estimator.loss(now.instant, lost / streams);
            self.steer(id, now.instant, out);
        }
    }

    /// Send again what a subscriber has lost.
    fn repair(
        &mut self,
        id: TransportId,
        media: u32,
        lost: impl Iterator<Item = Lost>,
        now: Moment,
        out: &mut dyn Outlet,
    ) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let subscribed = transport.sender_of(media).and_then(|mid| transport.common.consumers.get(&mid));
        let Some(consumer) = subscribed.and_then(|id| self.consumers.get_mut(id)) else { return };
        let Some(producer) = self.producers.get(&consumer.producer) else { return };
        let (Some(egress), Some(send_stream)) = (&mut transport.common.egress, &mut consumer.send_stream)
        else {
            return;
        };
        let Some(route) = consumer.route.as_ref().filter(|route| route.nack) else { return };
        for lost in lost {
            match egress.repair(now, lost, &producer.ring, send_stream, route, out) {
                Repair::Sent => self.stats.packets_retransmitted.add(1),
                Repair::Gone if lost.reported.is_none() => self.stats.repairs_missed.add(1),
                Repair::Exhausted => self.stats.repairs_refused.add(1),
                Repair::Early | Repair::Gone => {}
            }
        }
    }

    /// Send again what a peer's transport-wide feedback calls missing. A path that is full is not filled further.
    fn repair_reported(&mut self, id: TransportId, now: Moment, out: &mut dyn Outlet) {
        let egress = self.transports.get_mut(&id).and_then(|transport| transport.common.egress.as_mut());
        let Some(egress) = egress else { return };
        let missing = egress.estimator.take_missing();
        if egress.estimator.congested() {
            return;
        }
        let loads: Vec<_> = missing.iter().filter_map(|n| Some((*n, egress.load_of(*n)?))).collect();
        for (number, load) in loads {
            let lost = Lost { seq: load.seq, reported: Some(number) };
            self.repair(id, load.ssrc, iter::once(lost), now, out);
        }
    }

    /// A peer asks for a key frame of what is sent as `media`.
    fn lost_picture(&mut self, id: TransportId, media: u32, now: Instant) {
        let Some(transport) = self.transports.get(&id) else { return };
        let Some(mid) = transport.sender_of(media) else { return };
        let consumer = transport.common.consumers.get(&mid).and_then(|id| self.consumers.get_mut(id));
        if consumer.is_some_and(|consumer| !consumer.share.take(now)) {
            self.stats.keyframe_requests_refused.add(1);
            return;
        }
        self.transport_events.push_back((id, TransportEvent::KeyframeWanted { mid }));
    }

    /// Send the sender reports of a transport, and again as long as it sends.
    pub(super) fn report(&mut self, id: TransportId, now: Instant, out: &mut dyn Outlet) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        let Some(egress) = &mut transport.common.egress else { return };
        egress.set_path(transport.common.paths.proven());
        let moment = self.setup.clock.at(now);
        let mut any = false;
        for consumer in transport.common.consumers.values() {
            let Some(consumer) = self.consumers.get_mut(consumer) else { continue };
            let Some(producer) = self.producers.get(&consumer.producer) else { continue };
            if let (Some(send_stream), Some(route)) = (&mut consumer.send_stream, &consumer.route) {
                any |= egress.report(moment, send_stream, route.clock_rate, producer.cname, out);
            }
        }
        egress.end_report(any, out);
        if any {
            self.timers.set(Owner::Report(id), now + report::INTERVAL);
            self.steer(id, now, out); // who hears nothing of the peer has to notice that
        }
    }
}
