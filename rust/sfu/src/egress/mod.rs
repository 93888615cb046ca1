//! What is sent to one peer: media that others publish, written by us from the header to the authentication tag.
//!
//! ```text
//! forward (which numbers) → header (which extensions) → payload copied behind it → sealed in place → outlet
//! ```
//!
//! str0m does not know of these packets. What belongs to sending is here too: transport-wide numbers, retransmissions
//! ([`repair`]), padding, sender reports ([`report`]). The streams themselves are [`SendStream`]s, one per section.

pub mod budget;
pub mod carried;
pub mod header;
pub mod history;
pub mod repair;
pub mod report;
pub mod ring;
pub mod send_stream;

use std::sync::Arc;
use std::time::Instant;

use crate::bwe::Estimator;
use crate::clock::Moment;
use crate::forward::{MediaPacket, Rewritten};
use crate::id::ConsumerId;
use crate::io::prefetch;
use crate::outlet::Outlet;
use crate::pacer::Pacer;
use crate::path::Path;
use crate::redundancy;
use crate::srtp::Sealer;
use crate::stats::TransportStats;

use budget::Budget;
use carried::{Carried, Load};
use header::{Header, Stamp};
pub use send_stream::{Route, SendStream};

/// The longest datagram that is sent; a producer's packets are shorter (see [`crate::producer`]).
pub const MAX_DATAGRAM: usize = 1600;

/// Owned by its transport, from the moment that DTLS is up.
#[derive(Debug)]
pub struct Egress {
    sealer: Sealer,
    /// Where the peer is; nothing is sent while that is not known.
    path: Option<Path>,
    /// Where its RTCP goes, if that is elsewhere.
    control: Option<Path>,
    stats: Arc<TransportStats>,
    /// The next transport-wide sequence number.
    transport_seq: u16,
    /// What each of them carried.
    carried: Carried,
    budget: Budget,
    /// Where video waits, if what the way to the peer can carry is known.
    pub pacer: Pacer<Waiting>,
    /// What the way to the peer can carry. It hears of all media, and can be told of what carries a transport-wide number.
    pub estimator: Estimator,
    /// For the packets of RTCP that are being written.
    rtcp: Vec<u8>,
    /// Media was sent since the last report, so that there will be another.
    reporting: bool,
}

/// A packet that is to leave a little later.
#[derive(Debug)]
pub struct Waiting {
    pub consumer: ConsumerId,
    pub packet: MediaPacket,
    pub rewritten: Rewritten,
}

/// One packet and what it is to look like.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub packet: &'a MediaPacket,
    pub rewritten: &'a Rewritten,
    pub stamp: Stamp,
}

impl Egress {
    pub fn new(sealer: Sealer, stats: Arc<TransportStats>, now: Instant) -> Self {
        Self {
            sealer,
            path: None,
            control: None,
            stats,
            transport_seq: 0,
            carried: Carried::default(),
            budget: Budget::default(),
            pacer: Pacer::new(now),
            estimator: Estimator::new(now),
            rtcp: Vec::new(),
            reporting: false,
        }
    }

    /// It will send in a moment.
    pub fn fetch(&self) {
        prefetch(&*self.stats);
        self.sealer.fetch();
    }

    /// To be said before anything is sent: the peer may have moved.
    pub fn set_path(&mut self, path: Option<Path>) {
        self.path = path;
    }

    /// To be said when it changes: RTCP goes another way than media.
    pub fn set_control(&mut self, path: Option<Path>) {
        self.control = path;
    }

    /// Another key, for all that is sent from now on.
    pub fn set_sealer(&mut self, sealer: Sealer) {
        self.sealer = sealer;
    }

    /// Send a packet on a stream. False: it could not be sent.
    pub fn send(
        &mut self,
        now: Moment,
        packet: &MediaPacket,
        rewritten: &Rewritten,
        send_stream: &mut SendStream,
        route: &Route,
        out: &mut dyn Outlet,
    ) -> bool {
        // Twice under one number would be twice with one nonce, whatever went wrong before.
        if self.path.is_none() || !send_stream.used.insert(rewritten.seq) {
            return false;
        }
        let stamp = self.stamp(now, send_stream, route);
        let outgoing = Outgoing { packet, rewritten, stamp };
        let Some(bytes) = self.write_media(outgoing, send_stream, route, out) else { return false };
        self.budget.earn(bytes);
        self.inform(now, route, stamp, bytes);
        self.note_load(send_stream, route, rewritten.seq as u16, stamp);
        send_stream.note_sent(outgoing, route, now);
        true
    }

    /// What a packet's header says about when and how it was sent.
    fn stamp(&mut self, now: Moment, send_stream: &SendStream, route: &Route) -> Stamp {
        let transport_seq = route.extensions.transport_seq.map(|_| {
            let seq = self.transport_seq;
            self.transport_seq = seq.wrapping_add(1);
            seq
        });
        Stamp {
            abs_send_time: now.abs_send_time(),
            transport_seq: transport_seq.unwrap_or(0),
            mid: !send_stream.is_known(),
        }
    }

    /// Let the estimator know of a packet that was sent.
    fn inform(&mut self, now: Moment, route: &Route, stamp: Stamp, bytes: usize) {
        let seq = route.extensions.transport_seq.map(|_| stamp.transport_seq);
        self.estimator.sent(now.instant, seq, bytes, route.extensions.abs_send_time.is_some());
    }

    /// Remember what a transport-wide number carried, if it can be sent again.
    fn note_load(&mut self, send_stream: &SendStream, route: &Route, seq: u16, stamp: Stamp) {
        if route.nack && route.extensions.transport_seq.is_some() {
            self.carried.note(stamp.transport_seq, Load { ssrc: send_stream.ssrc, seq });
        }
    }

    /// What a transport-wide number carried, if it can be sent again.
    pub fn load_of(&self, number: u16) -> Option<Load> {
        self.carried.find(number)
    }

    /// Write and seal a packet under its own numbers. Returns its size, or None if it was too long.
    fn write_media(
        &mut self,
        outgoing: Outgoing<'_>,
        send_stream: &SendStream,
        route: &Route,
        out: &mut dyn Outlet,
    ) -> Option<usize> {
        let Outgoing { packet, rewritten, stamp } = outgoing;
        let redundant = packet.newest_at.and(route.redundant);
        let payload = route.payload_of(packet);
        let payload_type = redundant.unwrap_or(route.payload_type);
        let Rewritten { marker, seq, timestamp, .. } = *rewritten;
        let mut header = Header::new(payload_type, marker, seq, timestamp, send_stream.ssrc);
        header.extend(&route.extensions, stamp, packet, rewritten);
        self.seal(header.bytes(), seq, payload.len(), out, |space| {
            rewritten.fill(payload, space);
            if redundant.is_some() {
                redundancy::rename(space, route.payload_type);
            }
        })
    }

    /// Seal a packet of `header` and a payload of `length` that `fill` writes. Returns the datagram's size.
    fn seal(
        &mut self,
        header: &[u8],
        seq: u64,
        length: usize,
        out: &mut dyn Outlet,
        fill: impl Fn(&mut [u8]),
    ) -> Option<usize> {
        let path = self.path?;
        let sealer = &self.sealer;
        let end = header.len() + length;
        let total = end + sealer.overhead();
        if total > MAX_DATAGRAM {
            return None;
        }
        out.send(path, total, &mut |space| {
            space[..header.len()].copy_from_slice(header);
            fill(&mut space[header.len()..end]);
            sealer.seal_rtp(space, header.len(), seq)
        });
        self.count(total);
        Some(total)
    }

    fn count(&self, bytes: usize) {
        self.stats.packets_sent.add(1);
        self.stats.bytes_sent.add(bytes as u64);
    }
}
