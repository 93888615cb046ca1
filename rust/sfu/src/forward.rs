//! Rewrites one track for one subscriber: no hole in its sequence numbers, timestamps and picture ids, whatever
//! happened to the track: a pause, a mute, a change of source, packets lost between threads.
//!
//! This is the first half of sending: it decides what a packet is to look like. Sealing and transmission know nothing
//! of it (see [`crate::hub::fanout`]).

use std::sync::Arc;
use std::time::Instant;

use str0m::rtp::{Vp8Descriptor, Vp8Patch};

/// One packet of a publication, shared by all its subscribers.
#[derive(Clone, Debug)]
pub struct MediaPacket {
    /// Extended sequence number of the publisher.
    pub seq: u64,
    /// Extended timestamp of the publisher, in ticks of the codec's clock.
    pub timestamp: u64,
    pub marker: bool,
    /// A decoder can start here. True for all audio.
    pub starts: bool,
    pub payload: Arc<[u8]>,
    pub level_dbov: Option<i8>,
    pub voice: Option<bool>,
    pub vp8: Option<Vp8Descriptor>,
    pub received: Instant,
}

/// What becomes of a packet for one subscriber.
#[derive(Debug)]
pub enum Verdict {
    Send(Rewritten),
    /// Nothing can be sent before the next key frame.
    Starving,
    /// It belongs before the point where sending (re)started.
    Late,
}

#[derive(Clone, Copy, Debug)]
pub struct Rewritten {
    pub seq: u64,
    pub timestamp: u32,
    pub vp8: Option<Vp8Patch>,
}

/// What was sent last.
#[derive(Clone, Copy, Debug)]
struct Sent {
    seq: u64,
    timestamp: u64,
    at: Instant,
    picture: u16,
    base_layer: u8,
}

/// How the publisher's numbers map to the subscriber's while packets flow.
#[derive(Clone, Copy, Debug)]
struct Link {
    first_seq: u64,
    seq: u64,
    timestamp: u64,
    picture: u16,
    base_layer: u8,
}

/// The outgoing numbers of one section. They outlive a subscription: a section keeps its SSRC, and one SSRC must
/// never use a sequence number twice (RFC 3711 §9.1).
#[derive(Debug)]
pub struct Forward {
    first_seq: u64,
    link: Option<Link>,
    sent: Option<Sent>,
}

impl Forward {
    /// `seed` chooses the first sequence number, which has to be below 2^15 (RFC 3711 §3.3.1 cannot tell a roll-over otherwise).
    pub fn new(seed: u32) -> Self {
        Self { first_seq: u64::from(seed & 0x3fff) + 1024, link: None, sent: None }
    }

    /// Packets will not follow on from what was sent: begin again at the next packet that allows it.
    pub fn interrupt(&mut self) {
        self.link = None;
    }

    /// Whether packets flow.
    pub fn flowing(&self) -> bool {
        self.link.is_some()
    }

    pub fn accept(&mut self, packet: &MediaPacket, clock_rate: u32, now: Instant) -> Verdict {
        let link = match self.link {
            Some(link) => link,
            None if packet.starts => *self.link.insert(self.begin(packet, clock_rate, now)),
            None => return Verdict::Starving,
        };
        if packet.seq < link.first_seq {
            return Verdict::Late;
        }
        let seq = packet.seq.wrapping_add(link.seq);
        let timestamp = packet.timestamp.wrapping_add(link.timestamp);
        let (mut picture, mut base_layer) = (0, 0);
        let mut vp8 = None;
        if let Some(descriptor) = packet.vp8 {
            let mask = picture_mask(&packet.payload);
            picture = descriptor.picture_id().unwrap_or(0).wrapping_add(link.picture) & mask;
            base_layer = descriptor.tl0_pic_idx().unwrap_or(0).wrapping_add(link.base_layer);
            if link.picture & mask != 0 || link.base_layer != 0 {
                vp8 = patch(&descriptor, picture, base_layer);
            }
        }
        if self.sent.is_none_or(|sent| sent.seq < seq) {
            self.sent = Some(Sent { seq, timestamp, at: now, picture, base_layer });
        }
        Verdict::Send(Rewritten { seq, timestamp: timestamp as u32, vp8 })
    }

    /// The mapping that makes `packet` the successor of what was sent last.
    fn begin(&self, packet: &MediaPacket, clock_rate: u32, now: Instant) -> Link {
        let Some(sent) = self.sent else {
            let seq = self.first_seq.wrapping_sub(packet.seq);
            return Link { first_seq: packet.seq, seq, timestamp: 0, picture: 0, base_layer: 0 };
        };
        let elapsed = now.saturating_duration_since(sent.at).as_micros() as u64;
        let ticks = (elapsed * u64::from(clock_rate) / 1_000_000).max(1);
        let picture = packet.vp8.and_then(|d| d.picture_id()).unwrap_or(0);
        let base_layer = packet.vp8.and_then(|d| d.tl0_pic_idx()).unwrap_or(0);
        Link {
            first_seq: packet.seq,
            seq: sent.seq.wrapping_add(1).wrapping_sub(packet.seq),
            timestamp: sent.timestamp.wrapping_add(ticks).wrapping_sub(packet.timestamp),
            picture: sent.picture.wrapping_add(1).wrapping_sub(picture),
            base_layer: sent.base_layer.wrapping_add(1).wrapping_sub(base_layer),
        }
    }
}

/// Picture ids are written with 7 or 15 bits (RFC 7741 §4.2); the width of a packet's id stays as it is.
fn picture_mask(payload: &[u8]) -> u16 {
    if payload.get(2).is_some_and(|id| id & 0x80 != 0) { 0x7fff } else { 0x7f }
}

fn patch(descriptor: &Vp8Descriptor, picture: u16, base_layer: u8) -> Option<Vp8Patch> {
    let mut patch = descriptor.patch();
    if descriptor.picture_id().is_some() {
        patch = patch.picture_id(picture);
    }
    if descriptor.tl0_pic_idx().is_some() {
        patch = patch.tl0_pic_idx(base_layer);
    }
    patch.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const CLOCK_RATE: u32 = 90_000;

    fn packet(seq: u64, timestamp: u64, starts: bool) -> MediaPacket {
        MediaPacket {
            seq,
            timestamp,
            marker: true,
            starts,
            payload: Arc::from([0]),
            level_dbov: None,
            voice: None,
            vp8: None,
            received: Instant::now(),
        }
    }

    fn vp8(seq: u64, picture: u16, starts: bool) -> MediaPacket {
        let [high, low] = (picture | 0x8000).to_be_bytes();
        let payload: Arc<[u8]> = Arc::from([0x90, 0x80, high, low, u8::from(!starts), 0, 0]);
        let vp8 = Vp8Descriptor::parse(&payload).ok();
        MediaPacket { payload, vp8, ..packet(seq, seq * 3000, starts) }
    }

    fn sent(verdict: Verdict) -> (u64, u32) {
        match verdict {
            Verdict::Send(rewritten) => (rewritten.seq, rewritten.timestamp),
            other => panic!("not sent: {other:?}"),
        }
    }

    #[test]
    fn nothing_is_sent_before_a_key_frame() {
        let mut forward = Forward::new(0);
        let now = Instant::now();
        assert!(matches!(forward.accept(&packet(70_000, 0, false), CLOCK_RATE, now), Verdict::Starving));
        assert_eq!(sent(forward.accept(&packet(70_001, 500, true), CLOCK_RATE, now)), (1024, 500));
        assert_eq!(
            sent(forward.accept(&packet(70_003, 600, false), CLOCK_RATE, now)),
            (1026, 600),
            "a loss stays visible"
        );
        assert_eq!(
            sent(forward.accept(&packet(70_002, 500, false), CLOCK_RATE, now)),
            (1025, 500),
            "and can be repaired"
        );
        assert!(matches!(forward.accept(&packet(70_000, 0, false), CLOCK_RATE, now), Verdict::Late));
    }

    #[test]
    fn numbers_go_on_after_an_interruption_and_time_has_passed() {
        let mut forward = Forward::new(0);
        let now = Instant::now();
        assert_eq!(sent(forward.accept(&packet(10, 1000, true), CLOCK_RATE, now)), (1024, 1000));
        forward.interrupt();
        assert!(!forward.flowing());
        assert!(matches!(forward.accept(&packet(11, 4000, false), CLOCK_RATE, now), Verdict::Starving));
        let later = now + Duration::from_secs(2);
        // another source altogether: numbers start anew
        assert_eq!(sent(forward.accept(&packet(3, 7, true), CLOCK_RATE, later)), (1025, 181_000));
        assert_eq!(sent(forward.accept(&packet(4, 3007, false), CLOCK_RATE, later)), (1026, 184_000));
    }

    #[test]
    fn no_number_is_ever_used_for_two_packets() {
        let mut forward = Forward::new(0);
        let now = Instant::now();
        let mut used = std::collections::HashSet::new();
        for (seq, interrupt) in
            [(5, false), (7, false), (6, true), (8, false), (7, false), (9, true), (8, false)]
        {
            if interrupt {
                forward.interrupt();
            }
            if let Verdict::Send(rewritten) = forward.accept(&packet(seq, seq * 10, true), CLOCK_RATE, now) {
                assert!(used.insert(rewritten.seq), "{} twice", rewritten.seq);
            }
        }
        assert_eq!(used.len(), 6);
    }

    #[test]
    fn vp8_picture_ids_go_on_after_an_interruption() {
        let mut forward = Forward::new(0);
        let now = Instant::now();
        let picture = |verdict: Verdict, packet: &MediaPacket| match verdict {
            Verdict::Send(Rewritten { vp8: None, .. }) => packet.vp8.unwrap().picture_id().unwrap(),
            Verdict::Send(Rewritten { vp8: Some(patch), .. }) => {
                let text = format!("{patch:?}");
                assert!(!text.is_empty());
                u16::MAX // rewritten; the value is checked end to end
            }
            other => panic!("{other:?}"),
        };
        let first = vp8(1, 0x7ffe, true);
        assert_eq!(picture(forward.accept(&first, CLOCK_RATE, now), &first), 0x7ffe);
        forward.interrupt();
        let second = vp8(9, 40, true);
        assert_eq!(picture(forward.accept(&second, CLOCK_RATE, now), &second), u16::MAX);
        assert_eq!(forward.sent.unwrap().picture, 0x7fff);
        let third = vp8(10, 41, false);
        forward.accept(&third, CLOCK_RATE, now);
        assert_eq!(forward.sent.unwrap().picture, 0);
    }
}
