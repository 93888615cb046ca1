//! Header extensions by section: the numbers are those of each section's offer (RFC 8285 §5).
//!
//! str0m has one table for a whole session. It gets a reader for every number instead, which looks up what the number
//! means in the section of the packet that is being read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use str0m::media::{Mid, Rid};
use str0m::rtp::{Extension, ExtensionMap, ExtensionSerializer, ExtensionValues};

use crate::layers::dependency;

/// Numbers that the short form knows (RFC 8285 §4.2); offers with others are answered without them.
pub const MAX_ID: u8 = 14;
/// Where str0m finds that transport-wide sequence numbers are known. No packet uses it that keeps to the answer.
const TRANSPORT_SEQ_ID: u8 = 16;

/// What is understood. Video orientation is not among them: a sender that cannot signal it turns the picture itself,
/// and every subscriber sees it upright.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    AudioLevel = 1,
    AbsSendTime,
    TransportSeq,
    Mid,
    Rid,
    RepairedRid,
    TimeOffset,
    Dependency,
}

const ALL: [(Known, &str); 8] = [
    (Known::AudioLevel, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
    (Known::AbsSendTime, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    (Known::TransportSeq, TRANSPORT_SEQ_URI),
    (Known::Mid, "urn:ietf:params:rtp-hdrext:sdes:mid"),
    (Known::Rid, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
    (Known::RepairedRid, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"),
    (Known::TimeOffset, "urn:ietf:params:rtp-hdrext:toffset"),
    (Known::Dependency, dependency::URI),
];
const TRANSPORT_SEQ_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

impl Known {
    pub fn of(uri: &str) -> Option<Self> {
        ALL.iter().find(|(_, known)| *known == uri).map(|(known, _)| *known)
    }

    /// Whether it makes sense for a kind of media; the rest of an offer is not answered.
    pub fn is_for(self, audio: bool) -> bool {
        match self {
            Self::AudioLevel => audio,
            Self::Rid | Self::RepairedRid | Self::TimeOffset | Self::Dependency => !audio,
            Self::AbsSendTime | Self::TransportSeq | Self::Mid => true,
        }
    }
}

/// What each number means in one section: four bits for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Table(u64);

impl Table {
    /// False: the number is none that can be used, or means something already.
    pub fn set(&mut self, id: u8, known: Known) -> bool {
        let fits = (1..=MAX_ID).contains(&id) && self.get(id).is_none() && self.id_of(known).is_none();
        if fits {
            self.0 |= (known as u64) << (u32::from(id) * 4);
        }
        fits
    }

    pub fn get(self, id: u8) -> Option<Known> {
        let meaning = if id <= MAX_ID { self.0 >> (u32::from(id) * 4) & 0xf } else { 0 };
        ALL.iter().find(|(known, _)| *known as u64 == meaning).map(|(known, _)| *known)
    }

    pub fn id_of(self, known: Known) -> Option<u8> {
        (1..=MAX_ID).find(|id| self.get(*id) == Some(known))
    }

    /// Both tables in one; None if a number means different things in them.
    pub fn merged(self, other: Self) -> Option<Self> {
        let clash = |id| self.get(id).zip(other.get(id)).is_some_and(|(a, b)| a != b);
        (!(1..=MAX_ID).any(clash)).then_some(Self(self.0 | other.0))
    }

    /// The value of an extension in a packet, which is RTP; None if it has none.
    pub fn find(self, packet: &[u8], wanted: Known) -> Option<&[u8]> {
        let id = self.id_of(wanted)?;
        elements(packet).find(|(other, _)| *other == id).map(|(_, value)| value)
    }
}

/// The extensions of an RTP packet: numbers and values.
pub fn elements(packet: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let (short, mut rest) = block(packet).unwrap_or((true, &[]));
    std::iter::from_fn(move || {
        while let [0, padded @ ..] = rest {
            rest = padded;
        }
        let (id, length, body) = match (short, rest) {
            (true, [head, body @ ..]) if head >> 4 != 15 => (head >> 4, usize::from(head & 0xf) + 1, body),
            (false, [id, length, body @ ..]) => (*id, usize::from(*length), body),
            _ => return None,
        };
        let value = body.get(..length)?;
        rest = &body[length..];
        Some((id, value))
    })
}

/// The block of extensions, and whether its elements are in the short form.
fn block(packet: &[u8]) -> Option<(bool, &[u8])> {
    let first = *packet.first()?;
    let start = 12 + 4 * usize::from(first & 0xf);
    if first & 0x10 == 0 {
        return None;
    }
    let [m0, m1, l0, l1] = *packet.get(start..start + 4)? else { return None };
    let length = 4 * usize::from(u16::from_be_bytes([l0, l1]));
    let body = packet.get(start + 4..start + 4 + length)?;
    match u16::from_be_bytes([m0, m1]) {
        0xbede => Some((true, body)),
        mark if mark & 0xfff0 == 0x1000 => Some((false, body)),
        _ => None,
    }
}

/// The table of the packet that is being read, and the sections whose name str0m does not know them by.
#[derive(Debug, Default)]
pub struct Current {
    table: AtomicU64,
    renamed: RwLock<Vec<(String, Mid)>>,
}

impl Current {
    pub fn set(&self, table: Table) {
        self.table.store(table.0, Relaxed);
    }

    pub fn rename(&self, renamed: Vec<(String, Mid)>) {
        *self.renamed.write().unwrap_or_else(PoisonError::into_inner) = renamed;
    }

    fn mid(&self, name: &str) -> Mid {
        let renamed = self.renamed.read().unwrap_or_else(PoisonError::into_inner);
        renamed.iter().find(|(other, _)| other == name).map_or_else(|| name.into(), |(_, mid)| *mid)
    }
}

/// The readers, for str0m.
pub fn readers(current: &Arc<Current>) -> ExtensionMap {
    let mut map = ExtensionMap::empty();
    for id in 1..=MAX_ID {
        let reader = Reader { id, current: current.clone() };
        map.set(id, Extension::with_serializer(&format!("palaver:{id}"), reader));
    }
    map.set(TRANSPORT_SEQ_ID, Extension::TransportSequenceNumber);
    map
}

/// The line by which str0m hears that transport-wide sequence numbers are used.
pub fn transport_seq_line() -> String {
    format!("a=extmap:{TRANSPORT_SEQ_ID} {TRANSPORT_SEQ_URI}")
}

#[derive(Debug)]
struct Reader {
    id: u8,
    current: Arc<Current>,
}

impl ExtensionSerializer for Reader {
    fn write_to(&self, _: &mut [u8], _: &ExtensionValues) -> usize {
        0 // what we send is not written by str0m
    }

    fn parse_value(&self, bytes: &[u8], values: &mut ExtensionValues) -> bool {
        let Some(known) = Table(self.current.table.load(Relaxed)).get(self.id) else { return false };
        let text = || std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty());
        match (known, bytes) {
            (Known::AudioLevel, [level, ..]) => {
                values.audio_level = Some(-((level & 0x7f).cast_signed()));
                values.voice_activity = Some(level & 0x80 != 0);
            }
            (Known::TransportSeq, [high, low, ..]) => {
                values.transport_cc = Some(u16::from_be_bytes([*high, *low]));
            }
            (Known::Mid, _) => values.mid = text().map(|name| self.current.mid(name)),
            (Known::Rid, _) => values.rid = text().map(Rid::from),
            (Known::RepairedRid, _) => values.rid_repair = text().map(Rid::from),
            (Known::Dependency, _) => values.user_values.set(dependency::Extension(bytes.into())),
            _ => return false,
        }
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_means_one_thing_and_a_thing_has_one_number() {
        let mut table = Table::default();
        assert!(table.set(14, Known::Mid) && table.set(1, Known::Dependency));
        assert!(!table.set(14, Known::Rid) && !table.set(2, Known::Mid));
        assert!(!table.set(0, Known::Rid) && !table.set(15, Known::Rid));
        assert_eq!(
            (table.get(14), table.get(1), table.get(2)),
            (Some(Known::Mid), Some(Known::Dependency), None)
        );
        assert_eq!((table.id_of(Known::Mid), table.id_of(Known::Rid)), (Some(14), None));
    }

    #[test]
    fn tables_that_agree_are_one() {
        let table = |pairs: &[(u8, Known)]| {
            let mut table = Table::default();
            assert!(pairs.iter().all(|(id, known)| table.set(*id, *known)));
            table
        };
        let (one, other) = (table(&[(1, Known::AudioLevel), (2, Known::Mid)]), table(&[(3, Known::Mid)]));
        let both = one.merged(other).unwrap();
        assert_eq!(
            (both.get(1), both.get(2), both.get(3)),
            (Some(Known::AudioLevel), Some(Known::Mid), Some(Known::Mid))
        );
        assert_eq!(one.merged(table(&[(1, Known::Mid)])), None);
    }

    #[test]
    fn extensions_are_found_in_both_forms() {
        let header = |mark: u16, body: &[u8]| {
            let mut packet = vec![0x91, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 7, 7, 7, 7];
            packet.extend(mark.to_be_bytes());
            packet.extend((body.len() as u16 / 4).to_be_bytes());
            packet.extend(body);
            packet
        };
        let mut table = Table::default();
        assert!(table.set(3, Known::Mid));
        let short = header(0xbede, &[0, 0x10, 9, 0x31, b'a', b'b', 0, 0]);
        let long = header(0x1000, &[1, 0, 3, 2, b'a', b'b', 0, 0]);
        for packet in [&short, &long] {
            assert_eq!(table.find(packet, Known::Mid), Some(&b"ab"[..]));
            assert_eq!(elements(packet).count(), 2);
            for end in 0..packet.len() {
                let _ = elements(&packet[..end]).count();
            }
        }
        assert_eq!(elements(&header(0xbede, &[0xf0, 1, 0x31, 1])).count(), 0, "15 ends them");
        assert_eq!(elements(&header(0xabcd, &[0x30, 1, 0, 0])).count(), 0);
    }
}
