//! The bytes of a frame → RTP payloads, per codec: see [`super::unpack`] for where each is described.

use str0m::format::Codec;

use super::annexb;
use super::leb128;
use super::unpack::OBU_TEMPORAL_DELIMITER;

/// Bytes of a payload at most: with headers, extensions and the seal it stays below 1200, which every path takes.
const MAX_PAYLOAD: usize = 1120;

/// Cuts the frames of one track.
#[derive(Debug)]
pub struct Packer {
    codec: Codec,
    /// Of VP8 and VP9: 15 bits, one more for each picture.
    picture: u16,
}

impl Packer {
    pub fn new(codec: Codec) -> Self {
        Self { codec, picture: 0 }
    }

    /// The payloads of one frame, in order; none if the frame is not what the codec says.
    pub fn pack(&mut self, frame: &[u8], key: bool) -> Vec<Vec<u8>> {
        self.picture = (self.picture + 1) & 0x7fff;
        let [high, low] = (self.picture | 0x8000).to_be_bytes();
        match self.codec {
            // X and, on the first, S; then I; then the picture id.
            Codec::Vp8 => parts(frame, 4)
                .map(|(first, _, part)| [&[if first { 0x90 } else { 0x80 }, 0x80, high, low], part].concat())
                .collect(),
            // I, P unless a key frame, B on the first and E on the last; then the picture id.
            Codec::Vp9 => parts(frame, 3)
                .map(|(first, last, part)| {
                    let flags = 0x80
                        | if key { 0 } else { 0x40 }
                        | if first { 0x08 } else { 0 }
                        | if last { 0x04 } else { 0 };
                    [&[flags, high, low], part].concat()
                })
                .collect(),
            Codec::H264 => annexb::units(frame).flat_map(h264).collect(),
            Codec::H265 => annexb::units(frame).flat_map(h265).collect(),
            Codec::Av1 => av1(frame, key).unwrap_or_default(),
            _ => vec![frame.to_vec()],
        }
    }
}

/// `data` in parts that leave room for a header: whether the first, whether the last, and the part. Equal but for the
/// last, so that they leave as one segmented datagram.
fn parts(data: &[u8], header: usize) -> impl Iterator<Item = (bool, bool, &[u8])> {
    let size = MAX_PAYLOAD - header;
    let count = data.len().div_ceil(size);
    data.chunks(size).enumerate().map(move |(index, part)| (index == 0, index + 1 == count, part))
}

/// RFC 6184, section 5.8: FU-A where a unit is too long.
fn h264(unit: &[u8]) -> Vec<Vec<u8>> {
    if unit.len() <= MAX_PAYLOAD {
        return vec![unit.to_vec()];
    }
    let (indicator, kind) = ((unit[0] & 0xe0) | 0x1c, unit[0] & 0x1f);
    parts(&unit[1..], 2)
        .map(|(first, last, part)| [&[indicator, fragment_header(first, last, kind)], part].concat())
        .collect()
}

/// RFC 7798, section 4.4.3.
fn h265(unit: &[u8]) -> Vec<Vec<u8>> {
    if unit.len() <= MAX_PAYLOAD || unit.len() < 3 {
        return vec![unit.to_vec()];
    }
    let (first_byte, kind) = ((unit[0] & 0x81) | (49 << 1), (unit[0] >> 1) & 0x3f);
    parts(&unit[2..], 3)
        .map(|(first, last, part)| {
            [&[first_byte, unit[1], fragment_header(first, last, kind)], part].concat()
        })
        .collect()
}

fn fragment_header(first: bool, last: bool, kind: u8) -> u8 {
    kind | if first { 0x80 } else { 0 } | if last { 0x40 } else { 0 }
}

/// One OBU or part of one per payload (W = 1), without size fields.
fn av1(frame: &[u8], key: bool) -> Option<Vec<Vec<u8>>> {
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let mut rest = frame;
    while let Some(&header) = rest.first() {
        let start = if header & 0x04 != 0 { 2 } else { 1 };
        let after = rest.get(start..)?;
        let (length, used) = if header & 0x02 != 0 { leb128::read(after)? } else { (after.len(), 0) };
        let body = after.get(used..)?.get(..length)?;
        let obu = [&[header & !0x02], &rest[1..start], body].concat();
        rest = &after[used + length..];
        if (header >> 3) & 0x0f == OBU_TEMPORAL_DELIMITER {
            continue;
        }
        for (first, last, part) in parts(&obu, 1) {
            let new_sequence = if key && payloads.is_empty() { 0x08 } else { 0 };
            let flags = 0x10 | new_sequence | if first { 0 } else { 0x80 } | if last { 0 } else { 0x40 };
            payloads.push([&[flags], part].concat());
        }
    }
    Some(payloads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::unpack::Unpacker;

    fn noise(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 31 % 251) as u8 | 1).collect()
    }

    fn frame(codec: Codec, length: usize) -> Vec<u8> {
        match codec {
            Codec::H264 => [&[0, 0, 0, 1, 0x67, 9, 0, 0, 0, 1, 0x65], &noise(length)[..]].concat(),
            Codec::H265 => [&[0, 0, 0, 1, 0x40, 1, 9, 0, 0, 0, 1, 0x26, 1], &noise(length)[..]].concat(),
            Codec::Av1 => {
                let mut frame = vec![0x12, 0, 0x0a, 1, 0xaa, 0x32];
                leb128::write(length, &mut frame);
                frame.extend(noise(length));
                frame
            }
            _ => noise(length),
        }
    }

    #[test]
    fn frames_of_every_codec_and_length_come_back() {
        for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1, Codec::Opus] {
            for length in [1, 3, 1000, 1117, 1120, 1121, 5000, 100_000] {
                let whole = frame(codec, length);
                let payloads = Packer::new(codec).pack(&whole, true);
                if codec != Codec::Opus {
                    assert!(payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
                }
                let mut unpacker = Unpacker::new(codec);
                for payload in &payloads {
                    unpacker.add(payload).unwrap();
                }
                let expected = if codec == Codec::Av1 { &whole[2..] } else { &whole[..] };
                assert_eq!(unpacker.take().unwrap(), expected, "{codec:?} {length}");
            }
        }
    }

    #[test]
    fn key_frames_are_seen_as_such() {
        let mut vp9 = Packer::new(Codec::Vp9);
        assert_eq!(vp9.pack(&[1], true)[0][0] & 0x40, 0);
        assert_eq!(vp9.pack(&[1], false)[0][0] & 0x40, 0x40);
        let av1 = Packer::new(Codec::Av1).pack(&frame(Codec::Av1, 3), true);
        assert_eq!((av1[0][0] & 0x08, av1[1][0] & 0x08), (0x08, 0));
    }

    #[test]
    fn what_is_no_frame_gives_no_payload() {
        assert!(Packer::new(Codec::Av1).pack(&[0x0a, 9, 1], true).is_empty());
        assert!(Packer::new(Codec::H264).pack(&[1, 2, 3], true).is_empty());
    }
}
