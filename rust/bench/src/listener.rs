//! What a subscriber counts, and what it tells the server. It takes RTP before str0m would: str0m knows of none.

use std::time::{Duration, Instant};

use str0m::crypto::dtls::SrtpProfile;

use crate::feedback::{self, Arrivals};
use crate::formats::Formats;
use crate::keys::Agreed;
use crate::sequence::Sequence;
use crate::srtp::Session;
use crate::stamp::{Kind, Stamp};
use crate::tally::Tally;

const REPORTS: Duration = Duration::from_secs(1);
/// As often as a browser that receives 1.5 Mbit/s.
const TRANSPORT_FEEDBACK: Duration = Duration::from_millis(50);

struct Track {
    ssrc: u32,
    payload_type: u8,
    sequence: Sequence,
}

pub struct Listener {
    pub stream: u16,
    feedback: bool,
    lose_every: u32,
    until_loss: u32,
    formats: Formats,
    session: Option<Session>,
    tracks: Vec<Track>,
    arrivals: Arrivals,
    /// Highest number of a stamp, of audio and of video.
    highest: [Option<u64>; 2],
    next_report: Option<Instant>,
    next_transport_feedback: Option<Instant>,
    /// NACK and transport-wide feedback sent in the window.
    pub requests: u64,
    /// What encrypts the media.
    pub profile: Option<SrtpProfile>,
}

/// The fields of an RTP header (RFC 3550 §5.1).
struct Header {
    payload_type: u8,
    number: u16,
    ssrc: u32,
    length: usize,
    padded: bool,
}

impl Listener {
    pub fn new(stream: u16, feedback: bool, lose_every: u32) -> Self {
        Self {
            stream,
            feedback,
            lose_every,
            until_loss: lose_every,
            formats: Formats::default(),
            session: None,
            tracks: Vec::new(),
            arrivals: Arrivals::default(),
            highest: [None; 2],
            next_report: None,
            next_transport_feedback: None,
            requests: 0,
            profile: None,
        }
    }

    pub fn negotiated(&mut self, formats: Formats) {
        self.formats = formats;
    }

    /// False if the keys are of a kind that is not spoken here.
    pub fn agreed(&mut self, agreed: &Agreed, now: Instant) -> bool {
        self.session = Session::new(agreed);
        self.profile = Some(agreed.profile);
        self.next_report = Some(now + REPORTS);
        self.next_transport_feedback = self.feedback.then_some(now + TRANSPORT_FEEDBACK);
        self.session.is_some()
    }

    pub fn receives_all(&self) -> bool {
        self.highest.iter().all(Option::is_some)
    }

    /// Begin a window.
    pub fn open(&mut self) {
        self.tracks.iter_mut().for_each(|track| track.sequence.open());
        self.requests = 0;
    }

    pub fn gaps(&self) -> u64 {
        self.tracks.iter().map(|track| track.sequence.gaps()).sum()
    }

    /// Take a datagram that is RTP.
    pub fn packet(&mut self, datagram: &[u8], now_ns: u64, tally: &mut Tally) {
        let Some(header) = Header::parse(datagram) else { return };
        let in_window = tally.window.contains(now_ns);
        let retransmission = self.formats.retransmissions.contains(&header.payload_type);
        let index = self.track(&header);
        let track = &mut self.tracks[index];
        let number = track.sequence.extend(header.number);
        let video = header.payload_type == self.formats.video; // sound is not sent again
        let refused = self.lose_every > 0 && video && {
            self.until_loss -= 1;
            self.until_loss == 0
        };
        track.sequence.note(number, self.feedback && !retransmission, refused, in_window);
        tally.arrived += u64::from(in_window && !retransmission);
        tally.retransmitted += u64::from(in_window && retransmission);
        if refused {
            self.until_loss = self.lose_every;
            tally.refused += u64::from(in_window);
            return;
        }
        if let Some(transport_number) = self.formats.transport_number(datagram) {
            self.arrivals.note(transport_number, now_ns);
        }
        let mut payload = [0; 2048];
        let Some(session) = &self.session else { return };
        let Some(length) = session.open_rtp(datagram, header.length, (number >> 16) as u32 - 1, &mut payload)
        else {
            tally.unopened += 1;
            return;
        };
        let padding =
            if header.padded { payload[..length].last().map_or(0, |last| *last as usize) } else { 0 };
        let payload = &payload[..length.saturating_sub(padding)];
        if payload.len() <= 2 {
            tally.padding += u64::from(in_window);
            return;
        }
        if retransmission {
            self.retransmitted(u16::from_be_bytes([payload[0], payload[1]]));
        }
        if let Some(stamp) = Stamp::find(payload) {
            self.count(stamp, retransmission, now_ns, tally);
        }
    }

    fn track(&mut self, header: &Header) -> usize {
        self.tracks.iter().position(|track| track.ssrc == header.ssrc).unwrap_or_else(|| {
            let sequence = Sequence::default();
            self.tracks.push(Track { ssrc: header.ssrc, payload_type: header.payload_type, sequence });
            self.tracks.len() - 1
        })
    }

    /// RFC 4588 §4: what follows is the packet of this number.
    fn retransmitted(&mut self, number: u16) {
        let retransmissions = &self.formats.retransmissions;
        let video = Some(self.formats.video);
        let original = self.tracks.iter_mut().find(|track| {
            Some(track.payload_type) == video && !retransmissions.contains(&track.payload_type)
        });
        if let Some(track) = original {
            let number = track.sequence.extend(number);
            track.sequence.found(number);
        }
    }

    fn count(&mut self, stamp: Stamp, retransmission: bool, now_ns: u64, tally: &mut Tally) {
        let highest = &mut self.highest[usize::from(stamp.kind == Kind::Video)];
        let late = highest.is_some_and(|highest| stamp.number <= highest);
        *highest = Some(highest.unwrap_or(0).max(stamp.number));
        if !tally.window.contains(stamp.sent_ns) || stamp.stream != self.stream {
            return;
        }
        tally.received += 1;
        if retransmission {
            tally.repaired += 1;
        } else {
            tally.reordered += u64::from(late);
            tally.latency(now_ns - stamp.sent_ns);
        }
    }

    pub fn due(&self) -> Option<Instant> {
        self.next_report.into_iter().chain(self.next_transport_feedback).min()
    }

    /// Sealed RTCP that is to be sent now: what is missing, and what is due.
    pub fn reports(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let Some(session) = &mut self.session else { return Vec::new() };
        let mut reports = Vec::new();
        if self.feedback {
            for track in &mut self.tracks {
                let wanted = track.sequence.wanted(now);
                if !wanted.is_empty() {
                    reports.push(feedback::nack(track.ssrc, &wanted));
                }
            }
        }
        if self.next_transport_feedback.is_some_and(|at| now >= at) {
            self.next_transport_feedback = Some(now + TRANSPORT_FEEDBACK);
            reports.extend(self.tracks.first().and_then(|track| self.arrivals.report(track.ssrc)));
        }
        self.requests += reports.len() as u64;
        if self.next_report.is_some_and(|at| now >= at) {
            self.next_report = Some(now + REPORTS);
            let about: Vec<_> = self.tracks.iter().map(|t| (t.ssrc, t.sequence.highest())).collect();
            reports.push(feedback::receiver_report(&about));
        }
        reports.into_iter().filter_map(|report| session.seal_rtcp(report)).collect()
    }
}

impl Header {
    fn parse(packet: &[u8]) -> Option<Self> {
        let fixed = packet.first_chunk::<12>()?;
        let mut length = 12 + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let words = packet.get(length + 2..length + 4)?;
            length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        (packet.len() >= length).then_some(Self {
            payload_type: fixed[1] & 0x7f,
            number: u16::from_be_bytes([fixed[2], fixed[3]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            length,
            padded: fixed[0] & 0x20 != 0,
        })
    }
}
