//! Packets sent again: those that the peer lost (RFC 4588, or as they were), and old ones in place of padding.
//!
//! A request can be lost, and so can the repair; each costs a round trip and what the peer takes to ask again, and then
//! the picture stands still. So what transport-wide feedback reports as missing is sent without being asked for, and
//! where packets are lost all the time each repair goes twice.

use super::header::Header;
use super::history::Sent;
use super::ring::Ring;
use super::{Egress, Outgoing, Route, SendStream};
use crate::clock::Moment;
use crate::forward::MediaPacket;
use crate::outlet::Outlet;

/// A retransmission begins with the original sequence number (RFC 4588 §4).
const ORIGINAL_SEQ: usize = 2;
/// What one padding packet can carry (RFC 3550 §5.1: the last byte counts them all).
const MAX_PADDING: usize = 255;

/// What came of a request for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    Sent,
    /// Never sent, or too long ago.
    Gone,
    /// Sent again a moment ago.
    Early,
    /// The peer asks for more than its share.
    Exhausted,
}

/// A packet that the peer misses.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    pub seq: u16,
    /// The transport-wide number that was reported missing; None if the peer asked for the packet.
    pub reported: Option<u16>,
}

/// A packet that was sent again: how long it was, and its transport-wide number.
#[derive(Clone, Copy, Debug)]
struct Repeated {
    bytes: usize,
    number: u16,
}

impl Egress {
    /// Send a packet again.
    pub fn repair(
        &mut self,
        now: Moment,
        lost: Lost,
        ring: &Ring,
        send_stream: &mut SendStream,
        route: &Route,
        out: &mut dyn Outlet,
    ) -> Repair {
        let Some(sent) = send_stream.history.find(lost.seq).copied() else { return Repair::Gone };
        let lossy = self.estimator.is_lossy();
        let due = match lost.reported {
            Some(number) => sent.latest == number, // nothing is known of what was sent since
            None => send_stream.may_resend(&sent, now.instant, lossy),
        };
        if !due {
            return Repair::Early;
        }
        if self.estimator.congested() && !self.pacer.has_room(now.instant) {
            return Repair::Early; // it would fill a full path further, and audio would wait behind it
        }
        let Some(packet) = ring.get(sent.index) else { return Repair::Gone };
        if !self.budget.spend(now.instant, packet.payload.len()) {
            return Repair::Exhausted;
        }
        self.pacer.spend(packet.payload.len());
        let Some(mut latest) = self.resend(now, &sent, packet, send_stream, route, out) else {
            return Repair::Gone;
        };
        if lossy && self.budget.spend(now.instant, packet.payload.len()) {
            self.pacer.spend(packet.payload.len());
            latest = self.resend(now, &sent, packet, send_stream, route, out).unwrap_or(latest);
        }
        if let Some(sent) = send_stream.history.find(lost.seq) {
            (sent.resent, sent.latest) = (Some(now.instant), latest.number);
        }
        Repair::Sent
    }

    fn resend(
        &mut self,
        now: Moment,
        sent: &Sent,
        packet: &MediaPacket,
        send_stream: &mut SendStream,
        route: &Route,
        out: &mut dyn Outlet,
    ) -> Option<Repeated> {
        let Some((payload_type, ssrc)) = route.rtx.zip(send_stream.rtx_ssrc) else {
            let outgoing = Outgoing { packet, rewritten: &sent.rewritten, stamp: sent.stamp };
            let bytes = self.write_media(outgoing, send_stream, route, out)?;
            return Some(Repeated { bytes, number: sent.stamp.transport_seq });
        };
        let stamp = self.stamp(now, send_stream, route);
        let seq = next(&mut send_stream.rtx_seq);
        let rewritten = &sent.rewritten;
        let mut header = Header::new(payload_type, rewritten.marker, seq, rewritten.timestamp, ssrc);
        header.extend(&route.extensions, stamp, packet, rewritten);
        let bytes = self.seal(header.bytes(), seq, ORIGINAL_SEQ + packet.payload.len(), out, |space| {
            let (original, payload) = space.split_at_mut(ORIGINAL_SEQ);
            original.copy_from_slice(&(rewritten.seq as u16).to_be_bytes());
            rewritten.fill(&packet.payload, payload);
        })?;
        self.inform(now, route, stamp, bytes);
        self.note_load(send_stream, route, rewritten.seq as u16, stamp);
        Some(Repeated { bytes, number: stamp.transport_seq })
    }

    /// Send about `bytes` that the peer can do without, to learn what its network carries: packets it may have lost,
    /// newest first, or nothing but padding. Returns how many bytes were sent, 0 if the send stream cannot carry any.
    pub fn pad(
        &mut self,
        now: Moment,
        bytes: usize,
        ring: &Ring,
        send_stream: &mut SendStream,
        route: &Route,
        out: &mut dyn Outlet,
    ) -> usize {
        if !send_stream.takes_padding(route) {
            return 0;
        }
        let spare: Vec<Sent> = send_stream
            .history
            .recent()
            .filter(|sent| ring.get(sent.index).is_some_and(|packet| packet.payload.len() > MAX_PADDING))
            .take(bytes / MAX_PADDING + 1)
            .copied()
            .collect();
        let (mut total, mut spare) = (0, spare.into_iter());
        while total < bytes {
            // A long packet in place of a short one would fill a narrow path.
            let most = 2 * (bytes - total);
            let fits = |packet: &&MediaPacket| packet.payload.len() <= most;
            let repeated = spare.next().and_then(|sent| Some((ring.get(sent.index).filter(fits)?, sent)));
            let size = match repeated {
                Some((packet, sent)) => {
                    self.resend(now, &sent, packet, send_stream, route, out).map(|repeated| repeated.bytes)
                }
                None => self.pad_once(now, (bytes - total).min(MAX_PADDING), send_stream, route, out),
            };
            let Some(size) = size else { break };
            total += size;
        }
        total
    }

    /// One packet of nothing but padding.
    fn pad_once(
        &mut self,
        now: Moment,
        padding: usize,
        send_stream: &mut SendStream,
        route: &Route,
        out: &mut dyn Outlet,
    ) -> Option<usize> {
        let (payload_type, ssrc, last) = (route.rtx?, send_stream.rtx_ssrc?, send_stream.last?);
        let padding = padding.max(1);
        let stamp = self.stamp(now, send_stream, route);
        let seq = next(&mut send_stream.rtx_seq);
        let mut header = Header::new(payload_type, false, seq, last.timestamp, ssrc);
        header.pad().extend_padding(&route.extensions, stamp);
        let bytes = self.seal(header.bytes(), seq, padding, out, |space| {
            space.fill(0);
            space[padding - 1] = padding as u8;
        })?;
        self.inform(now, route, stamp, bytes);
        Some(bytes)
    }
}

fn next(seq: &mut u64) -> u64 {
    let now = *seq;
    *seq += 1;
    now
}
