//! One section whose packets are forwarded: at home on the thread that receives it, a mirror on others that have
//! subscribers to it.
//!
//! Of a simulcast publication one layer is forwarded: the first whose packets arrive. Choosing among layers is not
//! implemented yet.

use std::time::{Duration, Instant};

use str0m::format::{Codec, CodecSpec};
use str0m::media::{Mid, Pt, Rid};
use str0m::rtp::{RtpPacket, Ssrc, Vp8Descriptor};

use crate::forward::MediaPacket;
use crate::id::{SubscriptionId, TransportId};
use crate::keyframe;

/// Without packets for this long a publication is stalled.
pub const STALL: Duration = Duration::from_secs(5);
/// Audio levels are told at most this often, and only if they changed by `LEVEL_STEP`.
const LEVEL_INTERVAL: Duration = Duration::from_millis(100);
const LEVEL_STEP: u8 = 3;

/// The longest payload that is forwarded; none that crossed an Ethernet is longer. Subscribers' sessions cannot hold
/// payloads above 2000 bytes: str0m's retransmission buffer panics.
const MAX_PAYLOAD: usize = 1500;

/// Owned by the hub of its thread.
#[derive(Debug)]
pub struct Publication {
    pub origin: Origin,
    /// Known from the start at home; a mirror asks for it.
    pub format: Option<CodecSpec>,
    pub active: bool,
    pub subscribers: Vec<SubscriptionId>,
    pub mirrors: Vec<Mirror>,
    pub keyframes: Throttle,
    /// Packets of the burst at hand that are not forwarded yet.
    pub burst: Vec<MediaPacket>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "mirrors are few, and a home is used for each packet")]
pub enum Origin {
    Home(Home),
    /// The publication lives on another thread.
    Mirror,
}

/// A thread that has subscribers.
#[derive(Debug)]
pub struct Mirror {
    pub thread: usize,
    /// Packets were withheld since the last ones it got.
    pub gap: bool,
}

/// What only the home thread knows.
#[derive(Debug)]
pub struct Home {
    pub transport: TransportId,
    pub mid: Mid,
    payload_type: Pt,
    source: Option<Source>,
    size: Option<(u32, u32)>,
    level: Option<(u8, Instant)>,
    last_packet: Option<Instant>,
    stalled: bool,
}

/// The stream that is forwarded.
#[derive(Debug)]
struct Source {
    rid: Option<Rid>,
    ssrc: Ssrc,
    seen: Window,
}

/// What a packet told, besides being forwarded.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Packets came back after a stall.
    pub revived: bool,
    pub size: Option<(u32, u32)>,
    pub level: Option<(i8, bool)>,
    /// The packets before this one belong to another stream.
    pub interrupted: bool,
    /// First packet since the last stall check was answered: a check has to be armed.
    pub first: bool,
}

impl Publication {
    pub fn home(transport: TransportId, mid: Mid, payload_type: Pt, format: CodecSpec) -> Self {
        let home = Home {
            transport,
            mid,
            payload_type,
            source: None,
            size: None,
            level: None,
            last_packet: None,
            stalled: false,
        };
        Self::new(Origin::Home(home), Some(format))
    }

    pub fn mirror() -> Self {
        Self::new(Origin::Mirror, None)
    }

    fn new(origin: Origin, format: Option<CodecSpec>) -> Self {
        Self {
            origin,
            format,
            active: true,
            subscribers: Vec::new(),
            mirrors: Vec::new(),
            keyframes: Throttle::default(),
            burst: Vec::new(),
        }
    }

    pub fn is_video(&self) -> bool {
        self.format.is_some_and(|format| format.codec.is_video())
    }

    /// Take in a packet of the section; what is to be forwarded joins the burst.
    pub fn receive(&mut self, packet: RtpPacket, rid: Option<Rid>, now: Instant) -> Observed {
        let (Origin::Home(home), Some(format)) = (&mut self.origin, self.format) else {
            return Observed::default();
        };
        let mut observed = home.note_arrival(now);
        let ssrc = packet.header.ssrc;
        let source = home.source.get_or_insert_with(|| Source { rid, ssrc, seen: Window::default() });
        if source.rid != rid || packet.header.payload_type != home.payload_type {
            return observed; // another layer; telephone events and comfort noise beside the audio
        }
        if packet.payload.len() > MAX_PAYLOAD {
            return observed;
        }
        if source.ssrc != ssrc {
            *source = Source { rid, ssrc, seen: Window::default() };
            observed.interrupted = true;
            self.burst.clear();
        }
        if !source.seen.insert(*packet.seq_no) || !self.active {
            return observed;
        }
        let starts = if format.codec.is_video() {
            let key = keyframe::inspect(format.codec, &packet.payload);
            if let Some(size) = key.and_then(|key| key.size)
                && home.size != Some(size)
            {
                home.size = Some(size);
                observed.size = Some(size);
            }
            if key.is_some() {
                self.keyframes.arrived();
            }
            key.is_some()
        } else {
            observed.level = home.note_level(&packet, now);
            true
        };
        let vp8 = if format.codec == Codec::Vp8 { Vp8Descriptor::parse(&packet.payload).ok() } else { None };
        self.burst.push(MediaPacket {
            seq: *packet.seq_no,
            timestamp: packet.time.numer(),
            marker: packet.header.marker,
            starts,
            level_dbov: packet.header.ext_vals.audio_level,
            voice: packet.header.ext_vals.voice_activity,
            payload: packet.payload,
            vp8,
            received: now,
        });
        observed
    }

    /// Whether it has just been found stalled, and when to look again.
    pub fn check_stall(&mut self, now: Instant) -> (bool, Option<Instant>) {
        let Origin::Home(Home { last_packet: Some(last), stalled, .. }) = &mut self.origin else {
            return (false, None);
        };
        if *stalled {
            return (false, None);
        }
        let deadline = *last + STALL;
        if now < deadline {
            return (false, Some(deadline));
        }
        *stalled = true;
        (true, None)
    }

    /// The layer that is forwarded, to ask it for a key frame.
    pub fn layer(&self) -> Option<Rid> {
        match &self.origin {
            Origin::Home(home) => home.source.as_ref().and_then(|source| source.rid),
            Origin::Mirror => None,
        }
    }
}

impl Home {
    fn note_arrival(&mut self, now: Instant) -> Observed {
        let first = self.last_packet.is_none() || self.stalled;
        let revived = std::mem::take(&mut self.stalled);
        self.last_packet = Some(now);
        Observed { revived, first, ..Observed::default() }
    }

    fn note_level(&mut self, packet: &RtpPacket, now: Instant) -> Option<(i8, bool)> {
        let level = packet.header.ext_vals.audio_level?;
        let loudness = level.unsigned_abs();
        if let Some((told, at)) = self.level
            && (told.abs_diff(loudness) < LEVEL_STEP || now < at + LEVEL_INTERVAL)
        {
            return None;
        }
        self.level = Some((loudness, now));
        Some((level, packet.header.ext_vals.voice_activity.unwrap_or(false)))
    }
}

/// Lets one key frame request through per interval; one that comes too early is remembered.
#[derive(Debug, Default)]
pub struct Throttle {
    last: Option<Instant>,
    pending: bool,
}

/// What to do about a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    Now,
    /// Come back then, with [`Throttle::due`].
    At(Instant),
    /// A request is already waiting.
    Waiting,
}

impl Throttle {
    const INTERVAL: Duration = Duration::from_millis(300);
    /// Ask again if a subscriber is still without a key frame after this long.
    const PATIENCE: Duration = Duration::from_secs(1);

    pub fn ask(&mut self, now: Instant) -> Ask {
        match self.last.map(|last| last + Self::INTERVAL) {
            Some(next) if now < next => {
                if std::mem::replace(&mut self.pending, true) {
                    Ask::Waiting
                } else {
                    Ask::At(next)
                }
            }
            _ => {
                self.last = Some(now);
                self.pending = false;
                Ask::Now
            }
        }
    }

    /// Whether a remembered request is to be sent now, or when.
    pub fn due(&mut self, now: Instant) -> Option<Ask> {
        if !self.pending {
            return None;
        }
        self.pending = false;
        Some(self.ask(now))
    }

    /// A key frame came: what waits for one has it.
    pub fn arrived(&mut self) {
        self.pending = false;
    }

    /// The request could not be made after all.
    pub fn retract(&mut self) {
        self.last = None;
    }

    /// Whether a subscriber that gets nothing without a key frame should ask again.
    pub fn impatient(&self, now: Instant) -> bool {
        !self.pending && self.last.is_none_or(|last| now >= last + Self::PATIENCE)
    }
}

/// Remembers which of the last 1024 sequence numbers were seen. A packet and its retransmission must not both be
/// forwarded: that would seal two packets with one key and nonce.
#[derive(Debug, Default)]
struct Window {
    newest: Option<u64>,
    seen: [u64; 16],
}

impl Window {
    const SIZE: u64 = 1024;

    /// False if `seq` was seen or is too old to tell.
    fn insert(&mut self, seq: u64) -> bool {
        let newest = *self.newest.get_or_insert(seq);
        if seq + Self::SIZE <= newest {
            return false;
        }
        if seq > newest {
            for passed in (newest + 1..=seq).take(Self::SIZE as usize) {
                self.slot(passed, false);
            }
            self.newest = Some(seq);
        }
        self.slot(seq, true)
    }

    /// Set the mark of `seq`; true if that changed it.
    fn slot(&mut self, seq: u64, mark: bool) -> bool {
        let (word, bit) = ((seq % Self::SIZE / 64) as usize, 1 << (seq % 64));
        let before = self.seen[word] & bit != 0;
        self.seen[word] = if mark { self.seen[word] | bit } else { self.seen[word] & !bit };
        before != mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_requests_are_remembered_once_and_sent_later() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(throttle.ask(at(0)), Ask::Now);
        assert_eq!(throttle.ask(at(10)), Ask::At(at(300)));
        assert_eq!(throttle.ask(at(20)), Ask::Waiting);
        assert_eq!(throttle.due(at(300)), Some(Ask::Now));
        assert_eq!(throttle.due(at(301)), None);
        assert_eq!(throttle.ask(at(310)), Ask::At(at(600)));
        throttle.arrived();
        assert_eq!(throttle.due(at(600)), None);
    }

    #[test]
    fn impatience_comes_after_a_second() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        assert!(throttle.impatient(start));
        throttle.ask(start);
        assert!(!throttle.impatient(start + Duration::from_millis(900)));
        assert!(throttle.impatient(start + Duration::from_secs(1)));
    }

    #[test]
    fn a_sequence_number_passes_once() {
        let mut window = Window::default();
        assert!([100, 102, 101, 5000, 4999].iter().all(|seq| window.insert(*seq)));
        assert!(![100, 102, 5000, 4999, 3976].iter().any(|seq| window.insert(*seq)));
        assert!(window.insert(3977));
        assert!(window.insert(5001) && !window.insert(3977));
    }
}
