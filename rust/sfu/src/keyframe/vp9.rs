//! VP9: RFC 9628 (payload descriptor), VP9 bitstream specification §6.2 and §7.2 (uncompressed header).

use super::Keyframe;
use super::bits::Bits;

const SYNC_CODE: u32 = 0x49_8342;
const SRGB: u32 = 7;

pub fn inspect(payload: &[u8]) -> Option<Keyframe> {
    let (&flags, mut rest) = payload.split_first()?;
    let has = |bit: u8| flags & bit != 0;
    let (picture_id, predicted, layers, flexible, begins, structure) =
        (has(0x80), has(0x40), has(0x20), has(0x10), has(0x08), has(0x02));
    if predicted || !begins {
        return None;
    }
    if picture_id {
        let long = rest.first()? & 0x80 != 0;
        rest = rest.get(if long { 2 } else { 1 }..)?;
    }
    if layers {
        let spatial = rest.first()? >> 1 & 0x07;
        if spatial != 0 {
            return None; // starts with the picture's lowest layer only
        }
        rest = rest.get(if flexible { 1 } else { 2 }..)?;
    }
    // Flexible mode's reference indices follow only where a picture is predicted.
    let (announced, frame) = if structure { scalability_structure(rest)? } else { (None, rest) };
    Some(Keyframe { size: announced.or_else(|| frame_size(frame)) })
}

type Size = (u32, u32);

/// The size of the largest layer, if told, and what follows.
fn scalability_structure(rest: &[u8]) -> Option<(Option<Size>, &[u8])> {
    let (&flags, mut rest) = rest.split_first()?;
    let layers = usize::from(flags >> 5) + 1;
    let mut size = None;
    if flags & 0x10 != 0 {
        let sizes = rest.get(..4 * layers)?;
        let field = |at: usize| u32::from(u16::from_be_bytes([sizes[at], sizes[at + 1]]));
        size = Some((field(4 * layers - 4), field(4 * layers - 2)));
        rest = &rest[4 * layers..];
    }
    if flags & 0x08 != 0 {
        let (&pictures, after) = rest.split_first()?;
        rest = after;
        for _ in 0..pictures {
            let references = usize::from(rest.first()? >> 2 & 0x03);
            rest = rest.get(1 + references..)?;
        }
    }
    Some((size, rest))
}

fn frame_size(frame: &[u8]) -> Option<Size> {
    let mut bits = Bits::new(frame);
    if bits.take(2)? != 0b10 {
        return None;
    }
    let profile = u32::from(bits.bit()?) | u32::from(bits.bit()?) << 1;
    if profile == 3 {
        bits.skip(1)?;
    }
    let (shows_existing, inter) = (bits.bit()?, bits.bit()?);
    if shows_existing || inter {
        return None;
    }
    bits.skip(2)?; // show_frame, error_resilient_mode
    if bits.take(24)? != SYNC_CODE {
        return None;
    }
    if profile >= 2 {
        bits.skip(1)?; // bit depth
    }
    let (color_space, subsampling_told) = (bits.take(3)?, profile % 2 == 1);
    if color_space != SRGB {
        bits.skip(if subsampling_told { 4 } else { 1 })?;
    } else if subsampling_told {
        bits.skip(1)?;
    }
    Some((bits.take(16)? + 1, bits.take(16)? + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Profile 0, 640×360: marker, profile, `show_existing` 0, key 0, show 1, resilient 0 · sync · space 1, range 0 · sizes.
    const FRAME: [u8; 9] = [0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70];

    #[test]
    fn the_structure_says_the_largest_layer() {
        // I, L, B, V; 15-bit id; layer byte and TL0PICIDX; two layers with sizes
        let payload = [0xaa, 0x81, 0x00, 0x00, 0x05, 0x30, 1, 64, 0, 180, 2, 128, 1, 104];
        assert_eq!(inspect(&payload), Some(Keyframe { size: Some((640, 360)) }));
    }

    #[test]
    fn without_a_structure_the_frame_is_read() {
        let payload = [&[0x88, 0x12][..], &FRAME].concat(); // I, B; 7-bit id
        assert_eq!(inspect(&payload), Some(Keyframe { size: Some((640, 360)) }));
        // the structure has a picture group, but no sizes
        let payload = [&[0x8a, 0x12, 0x08, 1, 0x04, 0x01][..], &FRAME].concat();
        assert_eq!(inspect(&payload), Some(Keyframe { size: Some((640, 360)) }));
    }

    #[test]
    fn predicted_later_and_upper_layer_packets_are_none() {
        assert_eq!(inspect(&[&[0x48][..], &FRAME].concat()), None);
        assert_eq!(inspect(&[&[0x00][..], &FRAME].concat()), None);
        assert_eq!(inspect(&[&[0x28, 0x02, 0x00][..], &FRAME].concat()), None);
        assert_eq!(inspect(&[]), None);
    }
}
