//! A peer of plain RTP, such as a phone: one section on two ports, described by signalling (RFC 3550, RFC 3551, RFC 3711).
//!
//! ```text
//! datagram → where from ([`latch`]) → opened → in order, counted anew ([`receiver`]) → packets, keys ([`telephone`])
//! ```

pub mod keypad;
pub mod latch;
pub mod receiver;
pub mod section;
pub mod telephone;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::format::{Codec, CodecSpec};

use super::{Common, TransportEvent};
use crate::clock::Clock;
use crate::codec;
use crate::egress::header::Extensions;
use crate::egress::{Egress, Route, SendStream};
use crate::fault::Fault;
use crate::outlet::Outlet;
use crate::path::Path;
use crate::producer::{Incoming, Sync};
use crate::rtp_header::RtpHeader;
use crate::srtp::{Opener, Refused, RtpOpener, Sdes, Sealer};
use keypad::{Keypad, Part};
use latch::Latch;
use receiver::{Arrived, Passed, Receiver};
pub use section::{Content, Direction, EventFormat, Feedback, Section};
use telephone::{Event, Keys};

/// What the core calls the one section.
pub const SECTION: &str = "rtp";
/// Between two reports on what the peer sends.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// Nothing is waited for.
const NEVER: Duration = Duration::from_secs(3600);

/// The addresses of the two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    pub media: SocketAddr,
    pub control: SocketAddr,
}

pub struct Rtp {
    local: Local,
    ssrc: u32,
    clock: Clock,
    section: Option<Section>,
    latch: Latch,
    /// Where the peer sends RTCP from, if that is not where RTP comes from.
    control_found: Option<SocketAddr>,
    /// None while nothing is protected.
    opener: Option<RtpOpener>,
    control_opener: Option<Opener>,
    receiver: Receiver,
    keys: Keys,
    keypad: Keypad,
    happened: VecDeque<TransportEvent>,
    heard: Instant,
    silent: bool,
    report_at: Option<Instant>,
    picture_wanted: bool,
    /// Of the last request for a key frame (RFC 5104 §4.3.1.1).
    fir: u8,
    scratch: Vec<u8>,
}

impl Rtp {
    pub fn new(local: Local, ssrc: u32, clock: Clock, common: &mut Common, now: Instant) -> Self {
        common.send_streams.insert(SECTION.into(), SendStream::new(ssrc, None));
        Self {
            local,
            ssrc,
            clock,
            section: None,
            latch: Latch::default(),
            control_found: None,
            opener: None,
            control_opener: None,
            receiver: Receiver::new(false, 8000),
            keys: Keys::default(),
            keypad: Keypad::default(),
            happened: VecDeque::new(),
            heard: now,
            silent: false,
            report_at: None,
            picture_wanted: false,
            fir: 0,
            scratch: Vec::new(),
        }
    }

    // ── what was agreed on ──────────────────────────────────────────────────────────────────────────

    /// Take over what was agreed on. True: the codec is another, so that what was published has ended.
    ///
    /// `newest` is the highest sequence number that was sent.
    pub fn configure(
        &mut self,
        section: Section,
        newest: u64,
        common: &mut Common,
        now: Instant,
    ) -> Result<bool, Fault> {
        let former = self.section.take();
        let first = former.is_none();
        let other_codec = former.as_ref().is_some_and(|former| !same_codec(&former.format, &section.format));
        let (ours_was, theirs_was) = former.and_then(|former| former.srtp).unzip();
        let (ours, theirs) = section.srtp.as_ref().map(|(ours, theirs)| (ours, theirs)).unzip();
        if first || theirs != theirs_was.as_ref() {
            self.renew_openers(theirs)?;
        }
        if first || ours != ours_was.as_ref() {
            renew_sealer(ours, newest, common, now)?;
        }
        if first || other_codec {
            self.receiver =
                Receiver::new(section.format.codec.is_video(), codec::rtp_clock_rate(&section.format));
            self.keys.forget();
        }
        let before = self.latch.is_done();
        self.latch.agree(section.remote, now);
        if before && !self.latch.is_done() {
            self.control_found = None;
        }
        self.heard = now;
        self.silent = false;
        self.report_at.get_or_insert(now + REPORT_INTERVAL);
        self.section = Some(section);
        self.follow(common, now);
        Ok(other_codec)
    }

    fn renew_openers(&mut self, theirs: Option<&Sdes>) -> Result<(), Fault> {
        let Some(theirs) = theirs else {
            (self.opener, self.control_opener) = (None, None);
            return Ok(());
        };
        let opener = theirs.opener().ok_or_else(no_keys)?;
        self.opener = Some(match &self.opener {
            Some(former) => opener.after(former),
            None => opener,
        });
        self.control_opener = Some(theirs.control_opener().ok_or_else(no_keys)?);
        Ok(())
    }

    /// Send to where the peer is.
    fn follow(&self, common: &mut Common, now: Instant) {
        let Some(section) = &self.section else { return };
        let on_hold = section.remote.is_none();
        let target = self.latch.target().filter(|_| !on_hold);
        common.paths.fix(target.map(|remote| Path::udp(self.local.media, remote)), now);
        let control = section.control.zip(target).map(|(said, target)| {
            let remote = self.control_found.unwrap_or_else(|| SocketAddr::new(target.ip(), said.port()));
            Path::udp(self.local.control, remote)
        });
        if let Some(egress) = &mut common.egress {
            egress.set_control(control);
        }
    }

    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub fn is_configured(&self) -> bool {
        self.section.is_some()
    }

    pub fn sends(&self) -> bool {
        self.section.as_ref().is_some_and(|section| section.direction.sends)
    }

    /// The format in which the peer sends.
    pub fn incoming(&self) -> Option<Incoming> {
        let section = self.section.as_ref()?;
        Some(Incoming {
            payload_type: 0,
            redundant: None,
            format: section.format,
            repairable: section.feedback.nack && section.format.codec.is_video(),
        })
    }

    /// How `format` is sent; None if it is not.
    pub fn outgoing(&self, format: &CodecSpec) -> Option<Route> {
        let section = self.section.as_ref().filter(|section| same_codec(&section.format, format))?;
        Some(Route {
            payload_type: section.payload_type,
            redundant: None,
            rtx: None,
            nack: section.feedback.nack,
            clock_rate: codec::rtp_clock_rate(format),
            extensions: Extensions::default(),
        })
    }

    // ── what comes ──────────────────────────────────────────────────────────────────────────────────

    /// Take in a datagram of RTP. False: it is not the peer's, or not what was agreed on.
    pub fn receive(
        &mut self,
        common: &mut Common,
        source: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> bool {
        let taken = self.try_receive(common, source, datagram, now).is_some();
        if !taken {
            common.stats.packets_refused.add(1);
        }
        common.stats.packets_lost.set(self.receiver.lost());
        common.stats.packets_late.set(self.receiver.late);
        common.stats.jitter_us.set(self.receiver.jitter_us());
        taken
    }

    fn try_receive(
        &mut self,
        common: &mut Common,
        source: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Option<()> {
        let section = self.section.as_ref()?;
        let header = RtpHeader::read(datagram)?;
        let content = section.content(header.payload_type)?;
        let protected = self.opener.is_some();
        if !self.latch.admits(source, protected, now) {
            return None;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(datagram);
        let (index, end) = match &mut self.opener {
            Some(opener) => opener.open(&header, &mut self.scratch).ok()?,
            None => (self.receiver.extend(&header), datagram.len()),
        };
        let payload: Arc<[u8]> = header.payload(self.scratch.get(..end)?)?.into();
        let known = self.latch.is_done();
        if !self.latch.note(source, header.ssrc, header.seq, protected) {
            return None;
        }
        if !known {
            self.happened.push_back(TransportEvent::Latched(source));
            self.follow(common, now);
        }
        self.hear(common, source, datagram.len(), now);
        self.take(Arrived { header, index, content, payload }, protected, now);
        Some(())
    }

    /// The peer is there.
    pub fn hear(&mut self, common: &mut Common, source: SocketAddr, bytes: usize, now: Instant) {
        common.hear(now, Path::udp(self.local.media, source), bytes);
        self.heard = now;
        if std::mem::take(&mut self.silent) {
            self.happened.push_back(TransportEvent::Silent(false));
        }
    }

    fn take(&mut self, arrived: Arrived, authentic: bool, now: Instant) {
        let mut passed = Vec::new();
        self.receiver.take(arrived, authentic, now, &mut |one| passed.push(one));
        self.pass(passed);
    }

    fn pass(&mut self, passed: Vec<Passed>) {
        let receives = self.section.as_ref().is_some_and(|section| section.direction.receives);
        for one in passed {
            match one {
                Passed::Media(packet) if receives => {
                    let event = TransportEvent::Packet { mid: SECTION.into(), rid: None, packet };
                    self.happened.push_back(event);
                }
                Passed::Media(_) => {} // on hold
                Passed::Event(payload, timestamp) => {
                    let event = Event::read(&payload);
                    let key = event.and_then(|event| self.keys.note(event, timestamp));
                    self.happened.extend(key.map(TransportEvent::Digit));
                }
                Passed::Anew => self.keys.forget(),
            }
        }
    }

    /// Whether RTCP from `source` is looked at.
    pub fn admits_control(&self, source: SocketAddr) -> bool {
        let from_peer = self.latch.target().is_some_and(|target| target.ip() == source.ip());
        self.section.is_some()
            && (from_peer || self.control_opener.is_some())
            && self.control_found.is_none_or(|found| found == source)
    }

    /// Open an RTCP packet in place.
    pub fn open<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a [u8], Refused> {
        match &mut self.control_opener {
            Some(opener) => opener.open(packet),
            None => Ok(packet),
        }
    }

    /// RTCP that could be read has come from `source`.
    pub fn note_control(&mut self, common: &mut Common, source: SocketAddr, bytes: usize, now: Instant) {
        self.hear(common, source, bytes, now);
        let apart = self.section.as_ref().is_some_and(|section| section.control.is_some());
        if apart && self.latch.is_done() && self.control_found.is_none() {
            self.control_found = Some(source);
            self.follow(common, now);
        }
    }

    /// The peer has reported on what it sends.
    pub fn note_report(&mut self, ssrc: u32, ntp: u64, rtp: u32, now: Instant) {
        self.receiver.note_report(ssrc, ntp, now);
        if self.receiver.ssrc() == Some(ssrc) {
            let sync = Sync { rtp, ntp: self.clock.at(now).ntp };
            self.happened.push_back(TransportEvent::Synced { mid: SECTION.into(), ssrc, sync });
        }
    }

    // ── time ────────────────────────────────────────────────────────────────────────────────────────

    /// Let time pass.
    pub fn tick(&mut self, now: Instant) {
        let mut passed = Vec::new();
        self.receiver.release(now, &mut |one| passed.push(one));
        self.pass(passed);
        if !self.silent && self.silent_at().is_some_and(|at| at <= now) {
            self.silent = true;
            self.happened.push_back(TransportEvent::Silent(true));
        }
    }

    /// When the peer has been silent for too long, if it is to send at all.
    fn silent_at(&self) -> Option<Instant> {
        let section = self.section.as_ref()?;
        let waits = section.direction.receives && section.remote.is_some() && !section.timeout.is_zero();
        (waits && !self.silent).then(|| self.heard + section.timeout)
    }

    /// When to call [`Self::tick`] and [`Self::poll`].
    pub fn deadline(&self, now: Instant) -> Instant {
        let times = [self.receiver.deadline(), self.silent_at(), self.report_at, self.keypad.deadline()];
        times.into_iter().flatten().min().unwrap_or(now + NEVER)
    }

    /// Ask for a key frame; to be polled.
    pub fn request_keyframe(&mut self) -> bool {
        self.picture_wanted = self.receiver.ssrc().is_some();
        self.picture_wanted
    }

    /// Press keys, behind those that are pressed already.
    pub fn press(&mut self, digits: &str, now: Instant) {
        self.keypad.press(digits, now);
    }

    /// The next packet of a key that is pressed, if one is due and the peer takes it.
    pub fn next_part(&mut self, now: Instant) -> Option<Part> {
        let section = self.section.as_ref()?;
        let Some(format) = section.send_events else {
            self.keypad.drop_all();
            return None;
        };
        self.keypad.next(format, now)
    }

    /// Write what is due, and take out what happened.
    pub fn poll(
        &mut self,
        common: &mut Common,
        now: Instant,
        out: &mut dyn Outlet,
        happened: impl FnMut(TransportEvent),
    ) {
        if let Some(egress) = &mut common.egress {
            egress.set_path(common.paths.proven());
            if std::mem::take(&mut self.picture_wanted) {
                self.ask_for_picture(egress, out);
            }
            if self.report_at.is_some_and(|at| at <= now) {
                self.report_at = Some(now + REPORT_INTERVAL);
                if let Some(reception) = self.receiver.reception(now) {
                    egress.report_reception(self.ssrc, &reception, common.cname, out);
                }
            }
        }
        self.happened.drain(..).for_each(happened);
    }

    fn ask_for_picture(&mut self, egress: &mut Egress, out: &mut dyn Outlet) {
        let (Some(section), Some(media)) = (&self.section, self.receiver.ssrc()) else { return };
        if section.feedback.pli {
            egress.ask_for_picture(self.ssrc, media, None, out);
        } else if section.feedback.fir {
            self.fir = self.fir.wrapping_add(1);
            egress.ask_for_picture(self.ssrc, media, Some(self.fir), out);
        } else {
            self.happened.push_back(TransportEvent::PictureWanted { mid: SECTION.into() });
        }
    }
}

/// Seal with another key from now on, or with none.
fn renew_sealer(ours: Option<&Sdes>, newest: u64, common: &mut Common, now: Instant) -> Result<(), Fault> {
    let sealer = match ours {
        Some(ours) => ours.sealer().ok_or_else(no_keys)?.beginning_at(newest),
        None => Sealer::plain(),
    };
    match &mut common.egress {
        Some(egress) => egress.set_sealer(sealer),
        None => common.egress = Some(Egress::new(sealer, common.stats.clone(), now)),
    }
    Ok(())
}

fn no_keys() -> Fault {
    Fault::Other("no keys for SRTP".to_owned())
}

/// Whether what is made as one can be sent as the other. A peer of plain RTP is taken at its word: without packetization
/// mode 1 it puts no fragments together (RFC 6184 §6.2).
fn same_codec(section: &CodecSpec, other: &CodecSpec) -> bool {
    let whole = |spec: &CodecSpec| spec.format.packetization_mode.unwrap_or(0) == 0;
    let fits = section.codec != Codec::H264 || whole(other) || !whole(section);
    codec::same_format(section, other) && fits
}
