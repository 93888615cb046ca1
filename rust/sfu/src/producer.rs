//! One section whose packets are forwarded: at home on the thread that receives it, a mirror on others that have
//! subscribers to it.

use std::time::{Duration, Instant};

use str0m::format::CodecSpec;
use str0m::media::Mid;

use crate::clock::{self, Moment};
use crate::codec;
use crate::egress::ring::Ring;
use crate::forward::MediaPacket;
use crate::frames::output::Output;
use crate::id::{ConsumerId, TransportId};
use crate::layers::{Ladder, Layer, Layers, MAX_LAYERS, Rid};
use crate::packet::RtpPacket;
use crate::redundancy;
use crate::throttle::Throttle;

/// Without anything of its peer for this long a producer is stalled.
pub const STALL: Duration = Duration::from_secs(5);
/// Audio levels are told at most this often, and only if they changed by `LEVEL_STEP`.
const LEVEL_INTERVAL: Duration = Duration::from_millis(100);
const LEVEL_STEP: u8 = 3;
/// How often is looked whether layers have stopped, while packets come.
const REVIEW_INTERVAL: Duration = Duration::from_millis(100);

/// The longest payload that is forwarded; none that crossed an Ethernet is longer.
const MAX_PAYLOAD: usize = 1500;

/// Owned by the router of its thread.
#[derive(Debug)]
pub struct Producer {
    pub origin: Origin,
    /// Known from the start at home; a mirror asks for it.
    pub format: Option<CodecSpec>,
    pub active: bool,
    pub subscribers: Vec<ConsumerId>,
    pub mirrors: Vec<Mirror>,
    /// One for each layer.
    pub keyframes: [Throttle; MAX_LAYERS],
    /// What subscribers can choose from; a mirror is told by its home.
    pub ladder: Ladder,
    /// Packets of the burst at hand that are not forwarded yet.
    pub burst: Vec<MediaPacket>,
    /// Packets that were forwarded and may be asked for again.
    pub ring: Ring,
    /// Names who records it: what comes from one transport is played together.
    pub cname: u64,
}

#[derive(Debug)]
pub enum Origin {
    Home(Home),
    /// Its packets are made of the frames of a pipeline.
    Output(Box<Output>),
    /// The producer lives on another thread, which was told that these layers are needed here.
    Mirror {
        needed: Layers,
    },
}

/// A thread that has subscribers.
#[derive(Debug)]
pub struct Mirror {
    pub thread: usize,
    /// Packets were withheld since the last ones it got.
    pub gap: bool,
    /// The layers it needs.
    pub needed: Layers,
}

/// How a section's packets arrive.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    pub payload_type: u8,
    /// Of packets that carry earlier ones as well (RFC 2198), if that was negotiated.
    pub redundant: Option<u8>,
    pub format: CodecSpec,
    /// Whether the publisher sends lost packets again.
    pub repairable: bool,
}

/// What only the home thread knows.
#[derive(Debug)]
pub struct Home {
    pub transport: TransportId,
    pub mid: Mid,
    incoming: Incoming,
    /// In the order of the offer; one without a name if there is no simulcast.
    layers: Vec<Layer>,
    next_review: Option<Instant>,
    /// What the publisher's last sender reports said, by SSRC.
    syncs: Vec<(u32, Sync)>,
    /// Of the next packet.
    index: u64,
    level: Option<(u8, Instant)>,
    last_packet: Option<Instant>,
    stalled: bool,
}

/// One moment, on a stream's clock and by our wall clock in NTP format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sync {
    pub rtp: u32,
    pub ntp: u64,
}

/// Streams of one section whose reports are remembered.
const MAX_SYNCS: usize = 16;

/// What a packet told, besides being forwarded.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Packets came back after a stall.
    pub revived: bool,
    pub size: Option<(u32, u32)>,
    pub level: Option<(i8, bool)>,
    /// The packets of this layer before this one belong to another stream.
    pub interrupted: Option<u8>,
    /// First packet since the last stall check was answered: a check has to be armed.
    pub first: bool,
    /// Packets are missing, and then is the time to ask for them.
    pub asks_at: Option<Instant>,
}

impl Producer {
    /// `rids` are the names of the layers, empty without simulcast.
    pub fn home(transport: TransportId, mid: Mid, incoming: Incoming, rids: &[Rid], cname: u64) -> Self {
        let named = rids.iter().take(MAX_LAYERS).map(|rid| Layer::new(Some(*rid)));
        let layers = if rids.is_empty() { vec![Layer::new(None)] } else { named.collect() };
        let home = Home {
            transport,
            mid,
            incoming,
            layers,
            next_review: None,
            syncs: Vec::new(),
            index: 0,
            level: None,
            last_packet: None,
            stalled: false,
        };
        Self::new(Origin::Home(home), Some(incoming.format), cname)
    }

    /// What a pipeline makes is played together with all else that it makes.
    pub fn output(format: CodecSpec, cname: u64) -> Self {
        Self::new(Origin::Output(Box::new(Output::new(format))), Some(format), cname)
    }

    pub fn mirror() -> Self {
        Self::new(Origin::Mirror { needed: Layers::MAX }, None, 0)
    }

    fn new(origin: Origin, format: Option<CodecSpec>, cname: u64) -> Self {
        Self {
            origin,
            format,
            active: true,
            subscribers: Vec::new(),
            mirrors: Vec::new(),
            keyframes: Default::default(),
            ladder: Ladder::default(),
            burst: Vec::new(),
            ring: Ring::default(),
            cname,
        }
    }

    /// Whether it has pictures to send.
    pub fn sends_video(&self) -> bool {
        self.active && self.is_video()
    }

    pub fn is_video(&self) -> bool {
        self.format.is_some_and(|format| format.codec.is_video())
    }

    /// Take in a packet of the section; what is to be forwarded joins the burst.
    pub fn receive(&mut self, packet: RtpPacket, rid: Option<Rid>, moment: Moment) -> Observed {
        let now = moment.instant;
        let (Origin::Home(home), Some(format)) = (&mut self.origin, self.format) else {
            return Observed::default();
        };
        let mut observed = home.note_arrival(now);
        let Some(index) = home.layers.iter().position(|layer| layer.rid == rid) else { return observed };
        if packet.payload.len() > MAX_PAYLOAD {
            return observed;
        }
        let (payload_type, mut newest_at) = (packet.payload_type, None);
        if Some(payload_type) == home.incoming.redundant {
            newest_at = redundancy::newest_at(&packet.payload, home.incoming.payload_type);
        }
        if payload_type != home.incoming.payload_type && newest_at.is_none() {
            return observed; // telephone events and comfort noise beside the audio
        }
        let simulcast = home.layers.len() > 1;
        let arrival = home.layers[index].receive(&packet, format.codec, now);
        let layer = index as u8;
        if arrival.interrupted {
            observed.interrupted = Some(layer);
            self.burst.retain(|packet| packet.layer != layer);
        }
        observed.size = arrival.size;
        if home.incoming.repairable {
            observed.asks_at = home.layers[index].note_gap(packet.seq, now);
        }
        if arrival.repeated || !self.active {
            return observed;
        }
        let video = format.codec.is_video();
        if arrival.reading.key.is_some() {
            self.keyframes[index].arrived();
        }
        if !video {
            observed.level = home.note_level(&packet, now);
        }
        let clock_rate = codec::rtp_clock_rate(&format);
        let captured_us = if simulcast { packet.captured_us(clock_rate) } else { None };
        let captured = home.captured(&packet, clock_rate, moment);
        self.burst.push(MediaPacket {
            layer,
            seq: packet.seq,
            timestamp: packet.timestamp,
            marker: packet.marker,
            starts: !video || arrival.reading.starts(format.codec, simulcast),
            place: arrival.reading.place,
            labels: arrival.reading.labels,
            newest_at,
            dependency: packet.dependency,
            level_dbov: packet.level_dbov,
            voice: packet.voice,
            payload: packet.payload,
            captured_us,
            captured,
            index: home.next_index(),
            received: now,
        });
        observed
    }

    /// The publisher reported on one of its streams.
    pub fn sync(&mut self, ssrc: u32, sync: Sync) {
        let Origin::Home(home) = &mut self.origin else { return };
        home.syncs.retain(|(known, _)| *known != ssrc);
        if home.syncs.len() == MAX_SYNCS {
            home.syncs.remove(0);
        }
        home.syncs.push((ssrc, sync));
    }

    /// Whether the burst ends within a frame, whose rest is on its way.
    pub fn is_open(&self) -> bool {
        self.is_video() && self.burst.last().is_some_and(|packet| !packet.marker)
    }

    /// See which layers arrive and how much of each, from time to time; true if the ladder is another now.
    pub fn review(&mut self, now: Instant) -> bool {
        let video = self.is_video();
        if let Origin::Output(output) = &mut self.origin {
            let rung = output.measure(now);
            let measured = rung.is_some();
            self.ladder =
                rung.map_or_else(|| std::mem::take(&mut self.ladder), |rung| Ladder::new(vec![rung]));
            return measured;
        }
        let Origin::Home(home) = &mut self.origin else { return false };
        let Some(last_packet) = home.last_packet.filter(|_| video) else { return false };
        let due = home.next_review.is_none_or(|at| at <= now);
        if !due && !home.layers.iter().any(Layer::changed) {
            return false;
        }
        home.next_review = Some(now + REVIEW_INTERVAL);
        let changed = home.layers.iter_mut().fold(false, |changed, layer| {
            let measured = layer.measure(now);
            layer.review(last_packet) || measured || changed
        });
        if changed {
            let layers = (0..).zip(&home.layers);
            self.ladder = Ladder::new(layers.flat_map(|(index, layer)| layer.rungs(index)).collect());
        }
        changed
    }

    /// Whether it has just been found stalled, and when to look again. A source that has nothing new, as a screen does,
    /// is not, as long as something is `heard` of its peer.
    pub fn check_stall(&mut self, now: Instant, heard: Option<Instant>) -> (bool, Option<Instant>) {
        let Origin::Home(Home { last_packet: Some(last), stalled, .. }) = &mut self.origin else {
            return (false, None);
        };
        if *stalled {
            return (false, None);
        }
        let deadline = heard.map_or(*last, |heard| heard.max(*last)) + STALL;
        if now < deadline {
            return (false, Some(deadline));
        }
        *stalled = true;
        (true, None)
    }
}

impl Home {
    /// The stream of a layer, to ask it for a key frame.
    pub fn ssrc_of(&self, layer: u8) -> Option<u32> {
        self.layers.get(usize::from(layer))?.ssrc()
    }

    /// Packets to ask for again now, by their stream.
    pub fn lost(&mut self, now: Instant) -> Vec<(u32, Vec<u16>)> {
        let lost = self.layers.iter_mut().filter_map(|layer| layer.lost(now));
        lost.filter(|(_, lost)| !lost.is_empty()).collect()
    }

    /// When there will be more of them.
    pub fn asks_at(&self) -> Option<Instant> {
        self.layers.iter().filter_map(Layer::asks_at).min()
    }

    /// When a packet was recorded: by the publisher's report, or else when it arrived.
    fn captured(&self, packet: &RtpPacket, clock_rate: u32, now: Moment) -> u64 {
        let Some((_, sync)) = self.syncs.iter().find(|(known, _)| *known == packet.ssrc) else {
            return now.ntp;
        };
        let ticks = (packet.timestamp as u32).wrapping_sub(sync.rtp).cast_signed();
        sync.ntp.wrapping_add(clock::span(i64::from(ticks), clock_rate))
    }

    fn next_index(&mut self) -> u64 {
        self.index += 1;
        self.index
    }

    fn note_arrival(&mut self, now: Instant) -> Observed {
        let first = self.last_packet.is_none() || self.stalled;
        let revived = std::mem::take(&mut self.stalled);
        self.last_packet = Some(now);
        Observed { revived, first, ..Observed::default() }
    }

    fn note_level(&mut self, packet: &RtpPacket, now: Instant) -> Option<(i8, bool)> {
        let level = packet.level_dbov?;
        let loudness = level.unsigned_abs();
        if let Some((told, at)) = self.level
            && (told.abs_diff(loudness) < LEVEL_STEP || now < at + LEVEL_INTERVAL)
        {
            return None;
        }
        self.level = Some((loudness, now));
        Some((level, packet.voice.unwrap_or(false)))
    }
}
