//! What the peer sends, put in order and counted anew: events and comfort noise have numbers of the same row as the audio
//! beside them, and leave no gap in what is forwarded. Timestamps stay: they say where it belongs.
//!
//! Audio waits a moment for what was overtaken. Video does not: its subscribers put it in order, and ask for what is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::section::Content;
use crate::packet::RtpPacket;
use crate::rtcp::Reception;
use crate::rtp_header::RtpHeader;
use crate::srtp::nearest;

/// How long, and for how many packets, an audio packet waits for one before it.
const PATIENCE: Duration = Duration::from_millis(60);
const MOST_HELD: usize = 16;
/// RFC 3550 appendix A.1: numbers that are further apart are not of one row, unless two follow each other.
const MAX_AHEAD: u64 = 3000;
const MAX_BEHIND: u64 = 500;
/// A row that begins anew under the same SSRC is given numbers that are higher than all before, with the same low bits.
const ROLLOVER: u64 = 1 << 16;

/// A packet of the peer, opened.
#[derive(Debug)]
pub struct Arrived {
    pub header: RtpHeader,
    /// Extended, near those before it.
    pub index: u64,
    pub content: Content,
    pub payload: Arc<[u8]>,
}

/// What is passed on, in order.
#[derive(Debug)]
pub enum Passed {
    Media(RtpPacket),
    /// A telephone event and its timestamp.
    Event(Arc<[u8]>, u32),
    /// Another sender, or another row of the same.
    Anew,
}

#[derive(Debug)]
pub struct Receiver {
    video: bool,
    clock_rate: u32,
    row: Option<Row>,
    /// One packet of what may be another row: its SSRC, and the number that would follow.
    suspect: Option<(u32, u64)>,
    pub late: u64,
}

/// Packets of one sender whose numbers follow each other.
#[derive(Debug)]
struct Row {
    ssrc: u32,
    first: u64,
    newest: u64,
    received: u64,
    /// Of the packet that is passed on next; those before are not waited for any more.
    next: u64,
    /// What `next` is counted as.
    counted: u64,
    timestamp: u64,
    held: BTreeMap<u64, (Arrived, Instant)>,
    /// Nothing of it was passed on yet.
    fresh: bool,
    jitter: Jitter,
    /// At the last report.
    expected_before: u64,
    received_before: u64,
    /// The middle of the last sender report's time, and when it came.
    reported: Option<(u32, Instant)>,
}

impl Receiver {
    pub fn new(video: bool, clock_rate: u32) -> Self {
        Self { video, clock_rate, row: None, suspect: None, late: 0 }
    }

    /// The SSRC at hand.
    pub fn ssrc(&self) -> Option<u32> {
        self.row.as_ref().map(|row| row.ssrc)
    }

    /// The extended number of a packet that nothing authenticates: near those of its row.
    pub fn extend(&self, header: &RtpHeader) -> u64 {
        let row = self.row.as_ref().filter(|row| row.ssrc == header.ssrc).map(|row| row.newest);
        let suspect = self.suspect.filter(|(ssrc, _)| *ssrc == header.ssrc).map(|(_, next)| next);
        row.or(suspect).map_or(u64::from(header.seq), |newest| nearest(u64::from(header.seq), newest))
    }

    /// Take in a packet. `authentic`: nobody but the peer can have sent it.
    pub fn take(&mut self, arrived: Arrived, authentic: bool, now: Instant, pass: &mut dyn FnMut(Passed)) {
        let ssrc = arrived.header.ssrc;
        let belongs = self.row.as_ref().is_some_and(|row| row.ssrc == ssrc && row.is_near(arrived.index));
        if !belongs {
            let follows = self.suspect == Some((ssrc, arrived.index));
            self.suspect = Some((ssrc, arrived.index + 1));
            if self.row.is_some() && !follows && !authentic {
                return;
            }
            let former = self.row.take();
            if let Some(mut former) = former {
                former.pass_all(self.clock_rate, self.video, pass);
                self.row = Some(Row::new(&arrived, former.counted));
            } else {
                self.row = Some(Row::new(&arrived, 0));
            }
            pass(Passed::Anew);
        }
        self.suspect = None;
        let Some(row) = &mut self.row else { return };
        if arrived.content == Content::Media {
            row.jitter.note(arrived.header.timestamp, self.clock_rate, now);
        }
        row.received += 1;
        row.newest = row.newest.max(arrived.index);
        if self.video {
            let index = arrived.index;
            row.next = row.next.max(index + 1);
            row.pass(arrived, index, pass);
        } else if arrived.index < row.next || row.held.contains_key(&arrived.index) {
            self.late += 1;
        } else {
            row.held.insert(arrived.index, (arrived, now));
            self.release(now, pass);
        }
    }

    /// Pass on what need not wait any more.
    pub fn release(&mut self, now: Instant, pass: &mut dyn FnMut(Passed)) {
        let Some(row) = &mut self.row else { return };
        while let Some((&index, (_, since))) = row.held.first_key_value() {
            if index > row.next && now < *since + PATIENCE && row.held.len() <= MOST_HELD {
                break;
            }
            let Some((arrived, _)) = row.held.remove(&index) else { break };
            row.pass_counted(index, arrived, pass);
        }
    }

    /// When to call [`Self::release`].
    pub fn deadline(&self) -> Option<Instant> {
        let (_, (_, since)) = self.row.as_ref()?.held.first_key_value()?;
        Some(*since + PATIENCE)
    }

    /// Packets that never came.
    pub fn lost(&self) -> u64 {
        self.row.as_ref().map_or(0, |row| row.expected().saturating_sub(row.received))
    }

    pub fn jitter_us(&self) -> u64 {
        self.row
            .as_ref()
            .map_or(0, |row| u64::from(row.jitter.ticks()) * 1_000_000 / u64::from(self.clock_rate.max(1)))
    }

    /// The peer has reported on what it sends.
    pub fn note_report(&mut self, ssrc: u32, ntp: u64, now: Instant) {
        if let Some(row) = self.row.as_mut().filter(|row| row.ssrc == ssrc) {
            row.reported = Some(((ntp >> 16) as u32, now));
        }
    }

    /// How its stream arrives (RFC 3550 §6.4.1), since the last time.
    pub fn reception(&mut self, now: Instant) -> Option<Reception> {
        let row = self.row.as_mut()?;
        let expected = row.expected();
        let (span, got) = (expected - row.expected_before, row.received - row.received_before);
        (row.expected_before, row.received_before) = (expected, row.received);
        let missing = span.saturating_sub(got);
        let fraction = (missing * 256).checked_div(span).unwrap_or(0).min(255);
        let lost =
            i64::try_from(expected).unwrap_or(i64::MAX) - i64::try_from(row.received).unwrap_or(i64::MAX);
        let (last_report, delay) = row.reported.map_or((0, 0), |(middle, at)| {
            let since = now.saturating_duration_since(at);
            (middle, (since.as_micros() * 65_536 / 1_000_000).min(u128::from(u32::MAX)) as u32)
        });
        Some(Reception {
            ssrc: row.ssrc,
            fraction_lost: fraction as u8,
            lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: row.newest as u32,
            jitter: row.jitter.ticks(),
            last_report,
            delay,
        })
    }
}

impl Row {
    fn new(arrived: &Arrived, counted: u64) -> Self {
        let index = arrived.index;
        // Of a row that begins anew nothing may look older than what was before.
        let counted = counted.next_multiple_of(ROLLOVER) + ROLLOVER + index % ROLLOVER;
        Self {
            ssrc: arrived.header.ssrc,
            first: index,
            newest: index,
            received: 0,
            next: index,
            counted,
            timestamp: u64::from(arrived.header.timestamp) + (1 << 32),
            held: BTreeMap::new(),
            fresh: true,
            jitter: Jitter::default(),
            expected_before: 0,
            received_before: 0,
            reported: None,
        }
    }

    fn is_near(&self, index: u64) -> bool {
        index <= self.newest + MAX_AHEAD && index + MAX_BEHIND >= self.newest
    }

    fn expected(&self) -> u64 {
        self.newest - self.first + 1
    }

    fn pass_all(&mut self, _clock_rate: u32, video: bool, pass: &mut dyn FnMut(Passed)) {
        if video {
            self.counted = self.counted_as(self.newest) + 1;
            return;
        }
        while let Some((index, (arrived, _))) = self.held.pop_first() {
            self.pass_counted(index, arrived, pass);
        }
    }

    /// The next of audio: numbers are lost where packets were, and only there.
    fn pass_counted(&mut self, index: u64, arrived: Arrived, pass: &mut dyn FnMut(Passed)) {
        self.counted += index.saturating_sub(self.next);
        self.next = index + 1;
        let counted = self.counted;
        if arrived.content == Content::Media {
            self.counted += 1;
        }
        self.emit(arrived, counted, pass);
    }

    /// Video keeps its numbers, so that what is lost can be asked for by them.
    fn pass(&mut self, arrived: Arrived, index: u64, pass: &mut dyn FnMut(Passed)) {
        let counted = self.counted_as(index);
        self.emit(arrived, counted, pass);
    }

    fn counted_as(&self, index: u64) -> u64 {
        (self.counted + index).saturating_sub(self.first)
    }

    fn emit(&mut self, arrived: Arrived, seq: u64, pass: &mut dyn FnMut(Passed)) {
        let Arrived { header, content, payload, .. } = arrived;
        let step = header.timestamp.wrapping_sub(self.timestamp as u32).cast_signed();
        let timestamp = self.timestamp.saturating_add_signed(i64::from(step));
        match content {
            Content::Media => {
                self.timestamp = self.timestamp.max(timestamp);
                pass(Passed::Media(RtpPacket {
                    ssrc: self.ssrc,
                    payload_type: 0, // numbers may change; whoever publishes knows the format
                    marker: header.marker,
                    seq,
                    timestamp,
                    payload,
                    level_dbov: None,
                    voice: None,
                    dependency: None,
                    reported: None,
                    fresh: std::mem::take(&mut self.fresh),
                }));
            }
            Content::Event(_) => pass(Passed::Event(payload, header.timestamp)),
            Content::Noise => {}
        }
    }
}

/// Interarrival jitter (RFC 3550 §6.4.1, appendix A.8).
#[derive(Debug, Default)]
struct Jitter {
    last: Option<(u32, Instant)>,
    /// In sixteenths of a tick.
    value: u64,
}

impl Jitter {
    fn note(&mut self, timestamp: u32, clock_rate: u32, now: Instant) {
        if let Some((before, at)) = self.last.replace((timestamp, now)) {
            let arrived =
                (now.saturating_duration_since(at).as_micros() * u128::from(clock_rate) / 1_000_000) as i64;
            let sent = i64::from(timestamp.wrapping_sub(before).cast_signed());
            let difference = (arrived - sent).unsigned_abs().min(u64::from(clock_rate));
            self.value = self.value + difference - ((self.value + 8) >> 4);
        }
    }

    fn ticks(&self) -> u32 {
        (self.value >> 4) as u32
    }
}
