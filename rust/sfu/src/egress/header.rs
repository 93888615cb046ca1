//! RTP headers and their extensions (RFC 3550 §5.1, RFC 8285).

use str0m::media::Mid;

use crate::extensions::Known;
use crate::forward::{MediaPacket, Rewritten};
use crate::sdp::Section;

/// Marks of the two forms of an extension block.
const ONE_BYTE: u16 = 0xbede;
const TWO_BYTE: u16 = 0x1000;
/// What an element of the one-byte form can hold.
const SHORT_ID: u8 = 14;
const SHORT: usize = 16;
/// The longest dependency descriptor that is passed on; the length of an element is one byte.
const MAX_DEPENDENCY: usize = 255;
/// The longest header: all extensions in the long form, whose elements begin with two bytes.
const LONGEST: usize = 12 + 4 + (2 + 2) + (2 + 3) + (2 + 1) + (2 + SHORT) + (2 + MAX_DEPENDENCY);

/// The ids of the extensions a peer has negotiated for a section. None: not this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    pub mid: Option<(u8, Mid)>,
    pub audio_level: Option<u8>,
    pub abs_send_time: Option<u8>,
    pub transport_seq: Option<u8>,
    /// The dependency descriptor.
    pub dependency: Option<u8>,
}

impl Extensions {
    pub fn of(section: &Section, transport_cc: bool) -> Self {
        let id = |known| section.extensions.id_of(known);
        Self {
            mid: id(Known::Mid).map(|id| (id, section.label())),
            audio_level: id(Known::AudioLevel),
            abs_send_time: id(Known::AbsSendTime),
            transport_seq: id(Known::TransportSeq).filter(|_| transport_cc),
            dependency: id(Known::Dependency),
        }
    }
}

/// What differs from one sending of a packet to the next. Kept, because a packet that is sent again under the same
/// number has to be the same to the last bit: it is sealed with the same nonce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    pub abs_send_time: u32,
    pub transport_seq: u16,
    /// Whether the section is named.
    pub mid: bool,
}

/// A header that is being written, where its writer works: a buffer that each peer had for itself would seldom be in
/// the processor's cache.
#[derive(Debug)]
pub struct Header {
    bytes: [u8; LONGEST.next_multiple_of(4)],
    length: usize,
}

impl Header {
    pub fn new(payload_type: u8, marker: bool, seq: u64, timestamp: u32, ssrc: u32) -> Self {
        let mut header = Self { bytes: [0; _], length: 0 };
        header.push(&[0x80, payload_type | u8::from(marker) << 7]);
        header.push(&(seq as u16).to_be_bytes());
        header.push(&timestamp.to_be_bytes());
        header.push(&ssrc.to_be_bytes());
        header
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Say that the payload ends with padding.
    pub fn pad(&mut self) -> &mut Self {
        self.bytes[0] |= 0x20;
        self
    }

    /// Add what was negotiated, and for a packet what it says itself.
    pub fn extend(&mut self, ids: &Extensions, stamp: Stamp, packet: &MediaPacket, rewritten: &Rewritten) {
        let level = packet.level_dbov.map(|dbov| dbov.unsigned_abs() & 0x7f);
        let level = level.map(|level| level | u8::from(packet.voice.unwrap_or(false)) << 7);
        let dependency = packet.dependency.as_deref().filter(|bytes| bytes.len() <= MAX_DEPENDENCY);
        let at = self.write(ids, stamp, level, dependency);
        if let (Some(at), Some(dependency)) = (at, dependency)
            && let Some(space) = self.bytes.get_mut(at..at + dependency.len())
        {
            rewritten.fill_dependency(dependency, space);
        }
    }

    /// Add what was negotiated to a packet that carries no media.
    pub fn extend_padding(&mut self, ids: &Extensions, stamp: Stamp) {
        self.write(ids, stamp, None, None);
    }

    /// Returns where the dependency descriptor begins, if it was written. It is the last.
    fn write(
        &mut self,
        ids: &Extensions,
        stamp: Stamp,
        level: Option<u8>,
        dependency: Option<&[u8]>,
    ) -> Option<usize> {
        let time = stamp.abs_send_time.to_be_bytes();
        let seq = stamp.transport_seq.to_be_bytes();
        let mid = ids.mid.filter(|_| stamp.mid);
        let level = level.map(|level| [level]);
        let elements = [
            ids.transport_seq.map(|id| (id, &seq[..])),
            ids.abs_send_time.map(|id| (id, &time[1..])),
            ids.audio_level.zip(level.as_ref()).map(|(id, level)| (id, &level[..])),
            mid.as_ref().map(|(id, mid)| (*id, mid.as_bytes())),
            ids.dependency.zip(dependency),
        ];
        let end = self.block(&elements);
        ids.dependency.zip(dependency).map(|(_, bytes)| end - bytes.len())
    }

    /// The short form if everything fits into it; peers that negotiate more must take the long one (RFC 8285 §4.1.2).
    /// Returns where the last element ends.
    fn block(&mut self, elements: &[Option<(u8, &[u8])>]) -> usize {
        let mut present = elements.iter().flatten().peekable();
        if present.peek().is_none() {
            return self.length;
        }
        let short = present.clone().all(|(id, value)| *id <= SHORT_ID && (1..=SHORT).contains(&value.len()));
        self.bytes[0] |= 0x10;
        self.push(&if short { ONE_BYTE } else { TWO_BYTE }.to_be_bytes());
        self.push(&[0, 0]);
        let start = self.length;
        for (id, value) in present {
            if short {
                self.push(&[id << 4 | (value.len() - 1) as u8]);
            } else {
                self.push(&[*id, value.len() as u8]);
            }
            self.push(value);
        }
        let end = self.length;
        self.length = start + (end - start).next_multiple_of(4); // what is skipped is zero
        let words = ((self.length - start) / 4) as u16;
        self.bytes[start - 2..start].copy_from_slice(&words.to_be_bytes());
        end
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: usize = 12;

    fn block(elements: &[Option<(u8, &[u8])>]) -> Vec<u8> {
        let mut header = Header::new(96, true, 0x1_0203, 4, 5);
        header.block(elements);
        assert_eq!(header.bytes[1..FIXED], [0xe0, 2, 3, 0, 0, 0, 4, 0, 0, 0, 5]);
        assert_eq!(header.bytes[0], if elements.iter().any(Option::is_some) { 0x90 } else { 0x80 });
        header.bytes()[FIXED..].to_vec()
    }

    #[test]
    fn short_elements_take_the_short_form() {
        assert_eq!(block(&[None, None]), []);
        assert_eq!(
            block(&[Some((3, &[7, 8])), None, Some((14, &[9, 9, 9]))]),
            [0xbe, 0xde, 0, 2, 0x31, 7, 8, 0xe2, 9, 9, 9, 0]
        );
    }

    #[test]
    fn a_long_element_or_a_high_id_takes_the_long_form() {
        let long = [5; 17];
        let written = block(&[Some((1, &[7])), Some((2, &long))]);
        assert_eq!(written[..7], [0x10, 0, 0, 6, 1, 1, 7]);
        assert_eq!((written[7], written[8], written.len()), (2, 17, 4 + 24));
        assert_eq!(block(&[Some((15, &[7]))]), [0x10, 0, 0, 1, 15, 1, 7, 0]);
    }

    #[test]
    fn padding_is_announced() {
        let mut header = Header::new(97, false, 1, 2, 3);
        header.pad();
        assert_eq!(header.bytes()[0], 0xa0);
    }
}
