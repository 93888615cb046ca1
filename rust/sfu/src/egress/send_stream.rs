//! One stream that is sent on one section: its SSRCs, its counters, and what is known of its reception.
//!
//! It outlives consumers, like the section's numbers ([`crate::forward::Forward`]): its SSRCs are in the answer.

use std::time::{Duration, Instant};

use super::Outgoing;
use super::header::Extensions;
use super::history::{History, Sent};
use crate::clock::Moment;
use crate::forward::MediaPacket;
use crate::rtcp::Reception;
use crate::window::Window;

/// How packets of a producer go out on a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub payload_type: u8,
    /// The payload type of redundant audio, if the peer takes it.
    pub redundant: Option<u8>,
    /// The payload type of retransmissions; None: lost packets are sent again as they were (RFC 4588 was not negotiated).
    pub rtx: Option<u8>,
    /// Whether the peer may ask for lost packets.
    pub nack: bool,
    pub clock_rate: u32,
    pub extensions: Extensions,
}

impl Route {
    /// What this peer gets of a packet: redundant audio as it is, or its new block alone.
    pub(super) fn payload_of<'a>(&self, packet: &'a MediaPacket) -> &'a [u8] {
        let from = packet.newest_at.filter(|_| self.redundant.is_none()).unwrap_or(0);
        packet.payload.get(from..).unwrap_or_default()
    }
}

#[derive(Debug)]
pub struct SendStream {
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    /// The next sequence number of retransmissions, extended. Like all first numbers below 2^15.
    pub(super) rtx_seq: u64,
    /// Packets and payload bytes sent so far.
    pub(super) packets: u32,
    pub(super) octets: u32,
    pub(super) last: Option<Last>,
    /// Sequence numbers that media was sealed with.
    pub(super) used: Window,
    /// Media was sent since the last report.
    pub(super) unreported: bool,
    /// The peer has reported on it: it knows which section it belongs to.
    known: bool,
    pub(super) history: History,
    pub reception: Received,
}

/// The newest packet: which moment its timestamp means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub seq: u64,
    pub timestamp: u32,
    /// When it was recorded, by our wall clock in NTP format.
    pub captured: u64,
}

/// What the peer said last about how it receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// In 256ths.
    pub fraction_lost: u8,
    pub round_trip: Option<Duration>,
}

impl SendStream {
    pub fn new(ssrc: u32, rtx_ssrc: Option<u32>) -> Self {
        Self {
            ssrc,
            rtx_ssrc,
            rtx_seq: u64::from(ssrc & 0x3fff) + 1,
            packets: 0,
            octets: 0,
            last: None,
            used: Window::default(),
            unreported: false,
            known: false,
            history: History::default(),
            reception: Received::default(),
        }
    }

    /// The highest sequence number that was sent, extended; 0 if nothing was.
    pub fn newest(&self) -> u64 {
        self.last.map_or(0, |last| last.seq)
    }

    /// Whether the peer knows by now which section the SSRC belongs to.
    pub fn is_known(&self) -> bool {
        self.known
    }

    pub(super) fn note_sent(&mut self, outgoing: Outgoing<'_>, route: &Route, now: Moment) {
        let Outgoing { packet, rewritten, stamp } = outgoing;
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(route.payload_of(packet).len() as u32);
        self.unreported = true;
        if self.last.is_none_or(|last| last.seq < rewritten.seq) {
            let (seq, timestamp, captured) = (rewritten.seq, rewritten.timestamp, packet.captured);
            self.last = Some(Last { seq, timestamp, captured });
        }
        if route.nack {
            self.history.note(Sent {
                index: packet.index,
                rewritten: *rewritten,
                stamp,
                at: now.instant,
                resent: None,
                latest: stamp.transport_seq,
            });
        }
    }

    /// The peer reported on the send stream, or on its retransmissions.
    pub fn note_report(&mut self, reception: &Reception, now: Moment) {
        self.known = true;
        if reception.ssrc != self.ssrc {
            return;
        }
        self.reception.fraction_lost = reception.fraction_lost;
        if reception.last_report != 0 {
            // RFC 3550 §6.4.1: arrival, minus the time the peer held it, minus departure.
            let trip = now.ntp_middle().wrapping_sub(reception.delay).wrapping_sub(reception.last_report);
            if trip < 1 << 31 {
                self.reception.round_trip = Some(Duration::from_micros((u64::from(trip) * 1_000_000) >> 16));
            }
        }
    }

    /// RTP bytes sent so far, about, modulo 2^32.
    pub fn sent_bytes(&self) -> u32 {
        const HEADER: u32 = 36; // with extensions and the authentication tag
        self.octets.wrapping_add(self.packets.wrapping_mul(HEADER))
    }

    /// Whether padding can be sent on it: it needs a stream of retransmissions (RFC 4588), and media before it.
    pub fn takes_padding(&self, route: &Route) -> bool {
        route.rtx.is_some() && self.rtx_ssrc.is_some() && self.last.is_some()
    }

    /// What was sent cannot be sent again: other packets follow, or they would look different.
    pub fn forget(&mut self) {
        self.history.clear();
    }

    /// A key frame went out as `seq`: what was sent before it is not needed any more.
    pub fn forget_before(&mut self, seq: u64) {
        self.history.forget_before(seq);
    }

    /// When a packet may be sent again after it has been: not before the peer can have got it. A peer that does not know
    /// the round-trip time may ask again sooner; where much is lost, what it asks for may well be lost again.
    pub(super) fn may_resend(&self, sent: &Sent, now: Instant, lossy: bool) -> bool {
        let round_trip = self.reception.round_trip.unwrap_or(DEFAULT_ROUND_TRIP);
        let patience = if lossy { round_trip / 2 } else { round_trip }.clamp(LEAST_PATIENCE, MOST_PATIENCE);
        sent.resent.is_none_or(|at| now >= at + patience)
    }
}

const DEFAULT_ROUND_TRIP: Duration = Duration::from_millis(50);
const LEAST_PATIENCE: Duration = Duration::from_millis(5);
const MOST_PATIENCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_measured_from_the_sender_report() {
        let mut send_stream = SendStream::new(7, Some(8));
        let now = Moment { instant: Instant::now(), ntp: 0x0001_8000_0000 << 16 };
        let report = |last_report, delay| Reception {
            ssrc: 7,
            fraction_lost: 26,
            last_report,
            delay,
            ..Default::default()
        };
        send_stream.note_report(&report(0, 0), now);
        assert_eq!(send_stream.reception, Received { fraction_lost: 26, round_trip: None });
        let middle = now.ntp_middle();
        send_stream.note_report(&report(middle.wrapping_sub(0x1_8000), 0x1_0000), now);
        assert_eq!(send_stream.reception.round_trip, Some(Duration::from_millis(500)));
        send_stream.note_report(&report(middle.wrapping_add(5), 0), now);
        assert_eq!(
            send_stream.reception.round_trip,
            Some(Duration::from_millis(500)),
            "a report from the future"
        );
    }
}
