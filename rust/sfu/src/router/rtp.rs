//! Transports of plain RTP: opened on ports of their own, configured by signalling.

use std::sync::Arc;
use std::time::Instant;

use str0m::media::Mid;

use super::Router;
use super::command::refuse;
use crate::egress::SendStream;
use crate::forward::{Forward, MediaPacket};
use crate::id::{ConsumerId, TransportId};
use crate::outlet::Outlet;
use crate::path::Path;
use crate::rtcp;
use crate::transport::rtp::{Local, SECTION, Section};
use crate::transport::{Transport, TransportEvent};

impl Router {
    pub(super) fn open_rtp(
        &mut self,
        id: TransportId,
        local: Local,
        beside: Option<TransportId>,
        ssrc: u32,
        now: Instant,
    ) {
        let cname = beside.unwrap_or(id).0;
        let stats = self.registry.insert(id);
        self.transports.insert(id, Transport::rtp(&self.setup, local, (ssrc, cname), stats, now));
    }

    pub(super) fn set_rtp(&mut self, id: TransportId, section: Section, now: Instant, out: &mut dyn Outlet) {
        let Some(transport) = self.transports.get_mut(&id) else {
            refuse(id.0, "unknown transport", out);
            return;
        };
        let Some((session, common)) = transport.as_rtp() else {
            refuse(id.0, "not a transport of plain RTP", out);
            return;
        };
        let consumers: Vec<ConsumerId> = common.consumers.values().copied().collect();
        let sending = consumers.iter().find_map(|id| self.consumers.get(id)?.send_stream.as_ref());
        let newest =
            sending.or_else(|| common.send_streams.get(&SECTION.into())).map_or(0, SendStream::newest);
        let first = !session.is_configured();
        match session.configure(section, newest, common, now) {
            Ok(false) => {}
            Ok(true) => {
                let published: Vec<_> = common.producers.values().copied().collect();
                for producer in published {
                    self.end_producer(producer, out);
                }
            }
            Err(fault) => {
                self.transport_events.push_back((id, TransportEvent::Ended(fault)));
                return;
            }
        }
        for consumer in consumers {
            if !self.find_route(consumer)
                && let Some(consumer) = self.consumers.get_mut(&consumer)
            {
                consumer.route = None; // it is of the codec before
            }
        }
        self.reopen_sections(id, now, out);
        if first {
            self.start_consumers(id, now, out);
        }
        self.poll(id, now, out);
    }

    /// A datagram has come to the port of a transport; `control`: to the one for RTCP.
    pub fn receive_rtp(
        &mut self,
        id: TransportId,
        control: bool,
        now: Instant,
        path: Path,
        datagram: &[u8],
        out: &mut dyn Outlet,
    ) {
        let Some((session, common)) = self.transports.get_mut(&id).and_then(Transport::as_rtp) else {
            self.stats.packets_unknown.add(1);
            return;
        };
        if control || crate::demux::is_rtcp(datagram) {
            self.receive_control(id, now, path, datagram, out);
        } else if !session.receive(common, path.remote, datagram, now) {
            self.stats.packets_unknown.add(1);
        }
        self.poll(id, now, out);
        self.settle(now, out);
    }

    fn receive_control(
        &mut self,
        id: TransportId,
        now: Instant,
        path: Path,
        datagram: &[u8],
        out: &mut dyn Outlet,
    ) {
        let Some((session, common)) = self.transports.get_mut(&id).and_then(Transport::as_rtp) else {
            return;
        };
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(datagram);
        match session.admits_control(path.remote).then(|| session.open(&mut scratch)) {
            Some(Ok(plain)) if rtcp::packets(plain).is_ok() => {
                session.note_control(common, path.remote, datagram.len(), now);
                if let Some(egress) = &mut common.egress {
                    egress.set_path(common.paths.proven());
                }
                let reports = rtcp::packets(plain).into_iter().flatten().filter_map(Result::ok);
                for packet in reports {
                    if let rtcp::Packet::SenderReport { sender, info, .. } = packet {
                        session.note_report(sender, info.ntp, info.rtp, now);
                    }
                }
                self.heed(id, self.setup.clock.at(now), plain, out);
                self.note_reported(id);
            }
            _ => {
                common.stats.packets_refused.add(1);
                self.stats.rtcp_refused.add(1);
            }
        }
        self.scratch = scratch;
    }

    /// Let what the peer says of our stream be read.
    fn note_reported(&self, id: TransportId) {
        let Some(transport) = self.transports.get(&id) else { return };
        for consumer in transport.common.consumers.values() {
            let Some(consumer) = self.consumers.get(consumer) else { continue };
            if let Some(send_stream) = &consumer.send_stream {
                let reception = send_stream.reception;
                let stats = &transport.common.stats;
                stats.reported_lost.set(u64::from(reception.fraction_lost));
                stats.round_trip_us.set(reception.round_trip.map_or(0, |trip| trip.as_micros() as u64));
            }
        }
    }

    /// Let a transport press keys, behind those that it presses already.
    pub(super) fn send_digits(&mut self, id: TransportId, digits: &str, now: Instant, out: &mut dyn Outlet) {
        let Some((session, _)) = self.transports.get_mut(&id).and_then(Transport::as_rtp) else { return };
        session.press(digits, now);
        self.press(id, now, out);
        self.poll(id, now, out);
    }

    /// Send what is due of the keys that a transport presses: under the numbers of its stream, between its media.
    pub(super) fn press(&mut self, id: TransportId, now: Instant, out: &mut dyn Outlet) {
        let Some((session, common)) = self.transports.get_mut(&id).and_then(Transport::as_rtp) else {
            return;
        };
        let mid = Mid::from(SECTION);
        let Some(egress) = &mut common.egress else { return };
        egress.set_path(common.paths.proven());
        let consumer = common.consumers.get(&mid).and_then(|id| self.consumers.get_mut(id));
        let (forward, send_stream) = match consumer {
            Some(consumer) => (&mut consumer.forward, consumer.send_stream.as_mut()),
            None => (
                common.resting.entry(mid).or_insert_with(|| Forward::new(id.0 as u32)),
                common.send_streams.get_mut(&mid),
            ),
        };
        let Some(send_stream) = send_stream else { return };
        let moment = self.setup.clock.at(now);
        while let Some(part) = session.next_part(now) {
            let rewritten = forward.insert(part.clock_rate, part.begins, part.marker, now);
            let packet = MediaPacket::alone(Arc::from(part.payload), moment);
            egress.send(moment, &packet, &rewritten, send_stream, &part.route, out);
        }
    }

    /// The peer of a consumer has asked for a key frame, other than by RTCP.
    pub(super) fn refresh(&mut self, id: ConsumerId, now: Instant, out: &mut dyn Outlet) {
        let Some(consumer) = self.consumers.get_mut(&id) else { return };
        if consumer.share.take(now) {
            self.want_picture(id, now, out);
        } else {
            self.stats.keyframe_requests_refused.add(1);
        }
    }
}
