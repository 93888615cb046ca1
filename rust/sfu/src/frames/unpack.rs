//! RTP payloads → the bytes of a frame, per codec.
//!
//! VP8: RFC 7741. VP9: RFC 9628. H264: RFC 6184. H265: RFC 7798. AV1: the AV1 RTP payload specification, version 1.0.
//! Whatever does not keep to them costs its frame and nothing else.

use str0m::format::Codec;

use super::annexb::START_CODE;
use super::leb128;

/// A payload that is not what its codec says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A frame longer than this is given up: a pipeline takes none.
pub const MAX_FRAME: usize = super::wire::MAX_PAYLOAD;

/// Collects the payloads of one frame, in order.
#[derive(Debug)]
pub struct Unpacker {
    codec: Codec,
    frame: Vec<u8>,
    /// Of AV1: an OBU whose end is in a packet to come.
    unfinished: Vec<u8>,
    sets: ParameterSets,
}

impl Unpacker {
    pub fn new(codec: Codec) -> Self {
        Self { codec, frame: Vec::new(), unfinished: Vec::new(), sets: ParameterSets::default() }
    }

    /// Add the next payload.
    pub fn add(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        // Start codes and sizes are added to a payload, but not more than it has bytes itself.
        if self.frame.len() + self.unfinished.len() + 4 * payload.len() > MAX_FRAME {
            return Err(Malformed);
        }
        match self.codec {
            Codec::Vp8 => self.append(payload, vp8_descriptor(payload)),
            Codec::Vp9 => self.append(payload, vp9_descriptor(payload)),
            Codec::H264 => self.add_h264(payload),
            Codec::H265 => self.add_h265(payload),
            Codec::Av1 => self.add_av1(payload),
            _ => self.append(payload, Some(0)),
        }
    }

    /// The frame, whole.
    pub fn take(&mut self) -> Result<Vec<u8>, Malformed> {
        let whole = self.unfinished.is_empty();
        self.unfinished.clear();
        let mut frame = std::mem::take(&mut self.frame);
        if let Some(missing) = self.sets.missing() {
            frame.splice(..0, missing.iter().copied());
        }
        self.sets.end_frame();
        if whole && !frame.is_empty() { Ok(frame) } else { Err(Malformed) }
    }

    /// Forget what was collected.
    pub fn clear(&mut self) {
        self.frame.clear();
        self.unfinished.clear();
        self.sets.end_frame();
    }

    fn append(&mut self, payload: &[u8], skip: Option<usize>) -> Result<(), Malformed> {
        let rest = skip.and_then(|skip| payload.get(skip..)).ok_or(Malformed)?;
        self.frame.extend_from_slice(rest);
        Ok(())
    }

    fn add_unit(&mut self, unit: &[u8]) -> Result<(), Malformed> {
        self.sets.note(self.codec, *unit.first().ok_or(Malformed)?, unit);
        self.frame.extend_from_slice(&START_CODE);
        self.frame.extend_from_slice(unit);
        Ok(())
    }

    /// RFC 6184, sections 5.6 to 5.8: single units, STAP-A and FU-A, which are all that browsers use.
    fn add_h264(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let header = *payload.first().ok_or(Malformed)?;
        match header & 0x1f {
            1..=23 => self.add_unit(payload),
            24 => self.add_aggregated(&payload[1..]),
            28 => {
                let fragment = *payload.get(1).ok_or(Malformed)?;
                let unit_header = [(header & 0xe0) | (fragment & 0x1f)];
                self.add_fragment(fragment, &unit_header, &payload[2..])
            }
            _ => Err(Malformed),
        }
    }

    /// RFC 7798, section 4.4: single units, aggregation packets (48) and fragments (49), without decoding order numbers.
    fn add_h265(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let &[first, second, ..] = payload else { return Err(Malformed) };
        match (first >> 1) & 0x3f {
            0..=47 => self.add_unit(payload),
            48 => self.add_aggregated(&payload[2..]),
            49 => {
                let fragment = *payload.get(2).ok_or(Malformed)?;
                let unit_header = [(first & 0x81) | ((fragment & 0x3f) << 1), second];
                self.add_fragment(fragment, &unit_header, &payload[3..])
            }
            _ => Err(Malformed),
        }
    }

    /// Units behind 16-bit lengths.
    fn add_aggregated(&mut self, mut rest: &[u8]) -> Result<(), Malformed> {
        while let &[high, low, ref after @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([high, low]));
            self.add_unit(after.get(..length).ok_or(Malformed)?)?;
            rest = &after[length..];
        }
        if rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    /// A part of a unit: the first one brings its header.
    fn add_fragment(&mut self, fragment: u8, unit_header: &[u8], part: &[u8]) -> Result<(), Malformed> {
        if fragment & 0x80 != 0 {
            self.sets.note(self.codec, unit_header[0], &[]);
            self.frame.extend_from_slice(&START_CODE);
            self.frame.extend_from_slice(unit_header);
        } else if self.frame.is_empty() {
            return Err(Malformed);
        }
        self.frame.extend_from_slice(part);
        Ok(())
    }

    /// AV1 payload specification, section 4: a byte Z Y W W N, then OBUs or parts of them without their sizes.
    fn add_av1(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let (&aggregation, mut rest) = payload.split_first().ok_or(Malformed)?;
        let (continues, goes_on) = (aggregation & 0x80 != 0, aggregation & 0x40 != 0);
        let count = usize::from((aggregation >> 4) & 3);
        if continues == self.unfinished.is_empty() {
            return Err(Malformed);
        }
        let mut index = 0;
        while !rest.is_empty() {
            index += 1;
            let element = if count != 0 && index == count {
                std::mem::take(&mut rest)
            } else {
                let (length, used) = leb128::read(rest).ok_or(Malformed)?;
                let element = rest.get(used..).and_then(|after| after.get(..length)).ok_or(Malformed)?;
                rest = &rest[used + length..];
                element
            };
            self.unfinished.extend_from_slice(element);
            if !(rest.is_empty() && goes_on) {
                self.finish_obu()?;
            }
        }
        Ok(())
    }

    /// Write the OBU with a size field; delimiters and padding are of no use to a decoder of whole frames.
    fn finish_obu(&mut self) -> Result<(), Malformed> {
        let obu = std::mem::take(&mut self.unfinished);
        let header = *obu.first().ok_or(Malformed)?;
        let (extended, sized) = (header & 0x04 != 0, header & 0x02 != 0);
        let start = if extended { 2 } else { 1 };
        let mut body = obu.get(start..).ok_or(Malformed)?;
        if sized {
            let (length, used) = leb128::read(body).ok_or(Malformed)?;
            body = body.get(used..).and_then(|after| after.get(..length)).ok_or(Malformed)?;
        }
        if matches!((header >> 3) & 0x0f, OBU_TEMPORAL_DELIMITER | OBU_TILE_LIST | OBU_PADDING) {
            return Ok(());
        }
        self.frame.push(header | 0x02);
        self.frame.extend_from_slice(&obu[1..start]);
        leb128::write(body.len(), &mut self.frame);
        self.frame.extend_from_slice(body);
        Ok(())
    }
}

/// What has to come before each key frame of H264 and H265. A sender need not repeat it, and the packet that has it may
/// be lost while the picture's others are not: then the last ones are put there.
#[derive(Debug, Default)]
struct ParameterSets {
    /// As a byte stream.
    kept: Vec<u8>,
    /// The frame at hand has some, and it is a key frame.
    present: bool,
    key: bool,
}

impl ParameterSets {
    /// More than this are not kept.
    const CAPACITY: usize = 4096;

    /// A unit that begins with `header`; of a fragment, nothing more is known.
    fn note(&mut self, codec: Codec, header: u8, unit: &[u8]) {
        let (sets, first, key) = if codec == Codec::H264 {
            let kind = header & 0x1f;
            (matches!(kind, 7 | 8), kind == 7, kind == 5)
        } else {
            let kind = (header >> 1) & 0x3f;
            (matches!(kind, 32..=34), kind == 32, matches!(kind, 16..=21))
        };
        self.key |= key;
        if !sets {
            return;
        }
        if first && !self.present {
            self.kept.clear();
        }
        self.present = true;
        if self.kept.len() + START_CODE.len() + unit.len() <= Self::CAPACITY {
            self.kept.extend_from_slice(&START_CODE);
            self.kept.extend_from_slice(unit);
        }
    }

    /// What the frame at hand lacks.
    fn missing(&self) -> Option<&[u8]> {
        (self.key && !self.present).then_some(&self.kept)
    }

    fn end_frame(&mut self) {
        (self.present, self.key) = (false, false);
    }
}

pub(super) const OBU_TEMPORAL_DELIMITER: u8 = 2;
const OBU_TILE_LIST: u8 = 8;
const OBU_PADDING: u8 = 15;

/// Length of the VP8 payload descriptor (RFC 7741, section 4.2).
fn vp8_descriptor(payload: &[u8]) -> Option<usize> {
    if payload.first()? & 0x80 == 0 {
        return Some(1);
    }
    let flags = *payload.get(1)?;
    let mut length = 2;
    if flags & 0x80 != 0 {
        length += if payload.get(length)? & 0x80 != 0 { 2 } else { 1 };
    }
    if flags & 0x40 != 0 {
        length += 1;
    }
    if flags & 0x30 != 0 {
        length += 1;
    }
    Some(length)
}

/// Length of the VP9 payload descriptor (RFC 9628, section 4.2).
fn vp9_descriptor(payload: &[u8]) -> Option<usize> {
    let flags = *payload.first()?;
    let has = |bit: u8| flags & bit != 0;
    let (picture_id, predicted, layers, flexible, structure) =
        (has(0x80), has(0x40), has(0x20), has(0x10), has(0x02));
    let mut length = 1;
    if picture_id {
        length += if payload.get(length)? & 0x80 != 0 { 2 } else { 1 };
    }
    if layers {
        length += if flexible { 1 } else { 2 };
    }
    if predicted && flexible {
        while payload.get(length)? & 0x01 != 0 {
            length += 1;
        }
        length += 1;
    }
    if structure {
        let scalability = *payload.get(length)?;
        length += 1;
        if scalability & 0x10 != 0 {
            length += 4 * (usize::from(scalability >> 5) + 1);
        }
        if scalability & 0x08 != 0 {
            let pictures = *payload.get(length)?;
            length += 1;
            for _ in 0..pictures {
                length += 1 + usize::from((payload.get(length)? >> 2) & 0x03);
            }
        }
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(codec: Codec, payloads: &[&[u8]]) -> Result<Vec<u8>, Malformed> {
        let mut unpacker = Unpacker::new(codec);
        for payload in payloads {
            unpacker.add(payload)?;
        }
        unpacker.take()
    }

    #[test]
    fn descriptors_of_every_length_are_skipped() {
        for (payload, length) in [
            (&[0x10, 9][..], 1),
            (&[0x90, 0x80, 5, 9], 3),
            (&[0x90, 0x80, 0x80, 5, 9], 4),
            (&[0x90, 0xf0, 0x80, 5, 7, 0x20, 9], 6),
        ] {
            assert_eq!(unpacked(Codec::Vp8, &[payload]), Ok(payload[length..].to_vec()));
        }
        for (payload, length) in [
            (&[0x08, 9][..], 1),
            (&[0x88, 0x80, 1, 9], 3),
            (&[0xa8, 1, 0, 3, 9], 4),
            (&[0xf8, 1, 0, 0x03, 0x02, 9], 5),
            (&[0x8a, 1, 0x18, 1, 2, 3, 4, 2, 0x04, 7, 0x00, 9], 11),
        ] {
            assert_eq!(unpacked(Codec::Vp9, &[payload]), Ok(payload[length..].to_vec()), "{payload:?}");
        }
    }

    #[test]
    fn units_aggregates_and_fragments_become_a_byte_stream() {
        let aggregate = [0x18, 0, 2, 0x67, 1, 0, 1, 0x68];
        let fragments = [&[0x7c, 0x85, 1, 2][..], &[0x7c, 0x05, 3], &[0x7c, 0x45, 4]];
        assert_eq!(
            unpacked(Codec::H264, &[&aggregate, fragments[0], fragments[1], fragments[2]]),
            Ok(vec![0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 0, 0, 0, 1, 0x65, 1, 2, 3, 4])
        );
        let parts = [&[0x62, 1, 0x93, 7][..], &[0x62, 1, 0x53, 8]];
        assert_eq!(unpacked(Codec::H265, &parts), Ok(vec![0, 0, 0, 1, 0x26, 1, 7, 8]));
    }

    #[test]
    fn parameter_sets_are_there_though_their_packet_was_lost() {
        let mut unpacker = Unpacker::new(Codec::H264);
        let sets = [0x18, 0, 2, 0x67, 1, 0, 1, 0x68];
        for (payloads, whole) in
            [(&[&sets[..], &[0x65, 1]][..], true), (&[&[0x65, 2][..]], true), (&[&[0x41, 3]], false)]
        {
            for payload in payloads {
                unpacker.add(payload).unwrap();
            }
            let frame = unpacker.take().unwrap();
            assert_eq!(frame.starts_with(&[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 0, 0, 0, 1, 0x65]), whole);
        }
    }

    #[test]
    fn a_frame_without_an_end_is_given_up() {
        for (codec, payload) in [
            (Codec::Av1, &[0xd0; 1200][..]),
            (Codec::H264, &[0x41; 1200]),
            (Codec::H264, &[24, 0, 1, 1].repeat(300)),
        ] {
            let mut unpacker = Unpacker::new(codec);
            unpacker.add(&[0x50, 0x30, 1]).unwrap_or_default();
            let added = (0..10_000).take_while(|_| unpacker.add(payload).is_ok()).count();
            assert!(
                added < 10_000 && unpacker.frame.len() + unpacker.unfinished.len() <= MAX_FRAME,
                "{codec:?}"
            );
        }
    }

    #[test]
    fn obus_get_their_sizes_back() {
        // A sequence header whole, and a frame in two packets.
        let packets = [&[0x68, 2, 0x08, 0xaa, 0x30, 1, 2][..], &[0x90, 3, 4]];
        assert_eq!(unpacked(Codec::Av1, &packets), Ok(vec![0x0a, 1, 0xaa, 0x32, 4, 1, 2, 3, 4]));
        assert_eq!(unpacked(Codec::Av1, &packets[..1]), Err(Malformed), "its end is missing");
        assert_eq!(unpacked(Codec::Av1, &packets[1..]), Err(Malformed), "its beginning is missing");
    }

    #[test]
    fn what_is_cut_off_is_malformed() {
        for (codec, payload) in [
            (Codec::Vp8, &[0x90, 0x80][..]),
            (Codec::Vp9, &[0x8a, 1, 0x18, 1]),
            (Codec::H264, &[0x18, 0, 9, 1]),
            (Codec::H264, &[0x7c]),
            (Codec::H265, &[0x62, 1]),
            (Codec::Av1, &[0x00, 0x85]),
        ] {
            assert_eq!(unpacked(codec, &[payload]), Err(Malformed));
        }
    }
}
