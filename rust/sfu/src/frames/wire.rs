//! The messages on the socket between the core and a pipeline, as `docs/protocol/frames.md` has them.

use std::collections::BTreeSet;

use str0m::format::Codec;

pub const HEADER: usize = 32;
pub const MAX_PAYLOAD: usize = 4 << 20;
/// In place of a track: the payload begins with the numbers of several.
pub const MANY: u32 = u32::MAX;
pub const UNKNOWN_LEVEL: u8 = 255;

const KEY_FRAME: u8 = 1;
const GAP: u8 = 2;
const VOICE: u8 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Frame,
    KeyFrameWanted,
    End,
    /// Nobody receives an output any more.
    Unwanted,
}

/// All of a message but its payload. `pts` counts ticks of `clock_rate` (Hz); `time_ns` is the monotonic clock's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub codec: Option<Codec>,
    pub key_frame: bool,
    pub gap: bool,
    pub voice: bool,
    pub level: u8,
    pub track: u32,
    pub clock_rate: u32,
    pub pts: i64,
    pub time_ns: i64,
}

impl Header {
    /// A message that has only a kind and a track.
    pub fn plain(kind: Kind, track: u32) -> Self {
        Self {
            kind,
            codec: None,
            key_frame: false,
            gap: false,
            voice: false,
            level: UNKNOWN_LEVEL,
            track,
            clock_rate: 0,
            pts: 0,
            time_ns: 0,
        }
    }

    pub fn encode(&self, payload: usize) -> [u8; HEADER] {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let mut bytes = [0; HEADER];
        bytes[0..4].copy_from_slice(&(payload as u32).to_le_bytes());
        bytes[4] = match self.kind {
            Kind::Frame => 1,
            Kind::KeyFrameWanted => 2,
            Kind::End => 3,
            Kind::Unwanted => 4,
        };
        bytes[5] = self.codec.map_or(0, codec_number);
        bytes[6] = flag(self.key_frame, KEY_FRAME) | flag(self.gap, GAP) | flag(self.voice, VOICE);
        bytes[7] = self.level;
        bytes[8..12].copy_from_slice(&self.track.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.clock_rate.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.pts.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.time_ns.to_le_bytes());
        bytes
    }

    /// The header and the length of its payload; None if it breaks the form.
    pub fn decode(bytes: &[u8; HEADER]) -> Option<(Self, usize)> {
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let i64_at = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            i64::from_le_bytes(eight)
        };
        let length = usize::try_from(u32_at(0)).ok().filter(|length| *length <= MAX_PAYLOAD)?;
        let kind = match bytes[4] {
            1 => Kind::Frame,
            2 => Kind::KeyFrameWanted,
            3 => Kind::End,
            4 => Kind::Unwanted,
            _ => return None,
        };
        let header = Self {
            kind,
            codec: codec_of(bytes[5]),
            key_frame: bytes[6] & KEY_FRAME != 0,
            gap: bytes[6] & GAP != 0,
            voice: bytes[6] & VOICE != 0,
            level: bytes[7],
            track: u32_at(8),
            clock_rate: u32_at(12),
            pts: i64_at(16),
            time_ns: i64_at(24),
        };
        Some((header, length))
    }
}

const NUMBERS: [(Codec, u8); 9] = [
    (Codec::Vp8, 1),
    (Codec::Vp9, 2),
    (Codec::H264, 3),
    (Codec::H265, 4),
    (Codec::Av1, 5),
    (Codec::Opus, 16),
    (Codec::PCMU, 17),
    (Codec::PCMA, 18),
    (Codec::G722, 19),
];

fn codec_number(codec: Codec) -> u8 {
    NUMBERS.iter().find(|(known, _)| *known == codec).map_or(0, |(_, number)| *number)
}

fn codec_of(number: u8) -> Option<Codec> {
    NUMBERS.iter().find(|(_, known)| *known == number).map(|(codec, _)| *codec)
}

/// Cuts what a pipeline sends into messages.
#[derive(Debug, Default)]
pub struct Parser {
    buffer: Vec<u8>,
    read: usize,
}

/// The pipeline does not keep to the form: nothing after it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl Parser {
    /// Take in what was read.
    pub fn feed(&mut self, data: &[u8]) {
        if self.read > 0 {
            self.buffer.drain(..self.read);
            self.read = 0;
        }
        self.buffer.extend_from_slice(data);
    }

    /// The next whole message.
    pub fn next_message(&mut self) -> Result<Option<(Header, &[u8])>, Broken> {
        let rest = &self.buffer[self.read..];
        let Some(bytes) = rest.first_chunk::<HEADER>() else { return Ok(None) };
        let (header, length) = Header::decode(bytes).ok_or(Broken)?;
        if rest.len() < HEADER + length {
            return Ok(None);
        }
        let start = self.read + HEADER;
        self.read = start + length;
        Ok(Some((header, &self.buffer[start..self.read])))
    }
}

/// The tracks that a frame is for, and the frame itself.
pub fn addressed<'a>(header: &Header, payload: &'a [u8]) -> Result<(Vec<u32>, &'a [u8]), Broken> {
    if header.track != MANY {
        return Ok((vec![header.track], payload));
    }
    let (count, rest) = payload.split_first_chunk::<2>().ok_or(Broken)?;
    let length = 4 * usize::from(u16::from_le_bytes(*count));
    let listed = rest.get(..length).ok_or(Broken)?;
    let tracks = listed.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]));
    // Each once: or a frame could be multiplied by as many as fit the count.
    Ok((tracks.collect::<BTreeSet<u32>>().into_iter().collect(), &rest[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(track: u32) -> Header {
        Header {
            codec: Some(Codec::H264),
            key_frame: true,
            voice: true,
            level: 30,
            clock_rate: 90_000,
            pts: -5,
            time_ns: 1 << 40,
            ..Header::plain(Kind::Frame, track)
        }
    }

    #[test]
    fn headers_come_back() {
        for kind in [Kind::Frame, Kind::KeyFrameWanted, Kind::End, Kind::Unwanted] {
            let header = Header { kind, ..header(7) };
            assert_eq!(Header::decode(&header.encode(12)), Some((header, 12)));
        }
        for (codec, number) in NUMBERS {
            assert_eq!((codec_of(number), codec_number(codec)), (Some(codec), number));
        }
    }

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let stream =
            [&header(1).encode(3)[..], b"abc", &header(2).encode(0), &header(3).encode(1), b"z"].concat();
        for cut in [1, 7, 33, 1000] {
            let mut parser = Parser::default();
            let mut found = Vec::new();
            for part in stream.chunks(cut) {
                parser.feed(part);
                while let Some((header, payload)) = parser.next_message().unwrap() {
                    found.push((header.track, payload.to_vec()));
                }
            }
            assert_eq!(found, [(1, b"abc".to_vec()), (2, vec![]), (3, b"z".to_vec())]);
        }
    }

    #[test]
    fn what_breaks_the_form_is_noticed() {
        let mut parser = Parser::default();
        parser.feed(&[0xff; 40]);
        assert_eq!(parser.next_message(), Err(Broken));
        let mut wrong_kind = header(1).encode(0);
        wrong_kind[4] = 9;
        assert_eq!(Header::decode(&wrong_kind), None);
        assert_eq!(addressed(&header(MANY), &[9, 0, 1]), Err(Broken));
    }

    #[test]
    fn one_frame_may_be_for_several() {
        let payload = [2, 0, 4, 0, 0, 0, 9, 0, 0, 0, 0xaa];
        assert_eq!(addressed(&header(MANY), &payload), Ok((vec![4, 9], &[0xaa][..])));
        let again = [3, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 0xaa];
        assert_eq!(addressed(&header(MANY), &again), Ok((vec![4], &[0xaa][..])), "once for each");
        assert_eq!(addressed(&header(5), &[1]), Ok((vec![5], &[1][..])));
    }
}
