//! H.264: RFC 6184 (payload), ITU-T H.264 §7.3.2.1 (sequence parameter set).

use super::Keyframe;
use super::bits::{Bits, unescape};

const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

pub fn inspect(payload: &[u8]) -> Option<Keyframe> {
    let kind = payload.first()? & 0x1f;
    match kind {
        SPS => Some(Keyframe { size: picture_size(payload) }),
        IDR => Some(Keyframe::default()),
        STAP_A => aggregated(&payload[1..]),
        FU_A => {
            let header = payload.get(1)?;
            let starts = header & 0x80 != 0;
            (starts && matches!(header & 0x1f, IDR | SPS)).then(Keyframe::default)
        }
        _ => None,
    }
}

/// A key frame comes with its parameter sets, usually in one packet.
fn aggregated(mut rest: &[u8]) -> Option<Keyframe> {
    let mut found = None;
    while let [high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let nal = after.get(..length)?;
        match nal.first().map(|header| header & 0x1f) {
            Some(SPS) => return Some(Keyframe { size: picture_size(nal) }),
            Some(IDR) => found = Some(Keyframe::default()),
            _ => {}
        }
        rest = &after[length..];
    }
    found
}

fn picture_size(sps: &[u8]) -> Option<(u32, u32)> {
    let bytes = unescape(sps.get(1..)?);
    let mut bits = Bits::new(&bytes);
    let profile = bits.take(8)?;
    bits.skip(16)?; // constraints, level
    bits.unsigned()?; // its id
    let chroma = if has_chroma_fields(profile) { chroma_format(&mut bits)? } else { 1 };
    bits.unsigned()?; // log2_max_frame_num
    picture_order(&mut bits)?;
    bits.unsigned()?; // max_num_ref_frames
    bits.skip(1)?;
    let (columns, rows) = (bits.unsigned()?, bits.unsigned()?);
    let fields = u32::from(!bits.bit()?); // frame_mbs_only_flag
    if fields == 1 {
        bits.skip(1)?;
    }
    bits.skip(1)?; // direct_8x8_inference
    let mut crop = [0; 4];
    if bits.bit()? {
        for edge in &mut crop {
            *edge = bits.unsigned()?;
        }
    }
    let [left, right, top, bottom] = crop;
    let (unit_x, unit_y) = (if matches!(chroma, 1 | 2) { 2 } else { 1 }, if chroma == 1 { 2 } else { 1 });
    let pixels = |blocks: u32, unit: u32, near: u32, far: u32| {
        blocks.checked_add(1)?.checked_mul(16)?.checked_sub(near.checked_add(far)?.checked_mul(unit)?)
    };
    let width = pixels(columns, unit_x, left, right)?;
    let height =
        pixels(rows.checked_add(1)?.checked_mul(1 + fields)? - 1, unit_y * (1 + fields), top, bottom)?;
    Some((width, height))
}

fn has_chroma_fields(profile: u32) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

fn chroma_format(bits: &mut Bits) -> Option<u32> {
    let chroma = bits.unsigned()?;
    let separate_planes = chroma == 3 && bits.bit()?;
    bits.unsigned()?;
    bits.unsigned()?;
    bits.skip(1)?;
    if bits.bit()? {
        for list in 0..if chroma == 3 { 12 } else { 8 } {
            if bits.bit()? {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(if separate_planes { 0 } else { chroma })
}

/// §7.3.2.1.1.1
fn skip_scaling_list(bits: &mut Bits, size: u32) -> Option<()> {
    let (mut last, mut next) = (8_i32, 8_i32);
    for _ in 0..size {
        if next != 0 {
            next = last.wrapping_add(bits.signed()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

fn picture_order(bits: &mut Bits) -> Option<()> {
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.skip(1)?;
            bits.signed()?;
            bits.signed()?;
            for _ in 0..bits.unsigned()?.min(255) {
                bits.signed()?;
            }
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Constrained baseline, 640×360 (360 is cropped from 368), as x264 writes it.
    const BASELINE: [u8; 24] = [
        0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
        0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e,
    ];

    #[test]
    fn a_parameter_set_says_the_cropped_size() {
        assert_eq!(inspect(&BASELINE), Some(Keyframe { size: Some((640, 360)) }));
    }

    #[test]
    fn parameter_sets_are_found_among_others() {
        let mut payload = vec![STAP_A];
        for nal in [&[0x06, 1, 2][..], &BASELINE, &[0x68, 1], &[0x65, 1, 2, 3]] {
            payload.extend((nal.len() as u16).to_be_bytes());
            payload.extend(nal);
        }
        assert_eq!(inspect(&payload), Some(Keyframe { size: Some((640, 360)) }));
        for end in 0..payload.len() {
            inspect(&payload[..end]);
        }
    }

    #[test]
    fn only_the_first_fragment_of_an_idr_picture_starts_a_key_frame() {
        assert_eq!(inspect(&[0x7c, 0x85, 1]), Some(Keyframe::default()));
        assert_eq!(inspect(&[0x7c, 0x05, 1]), None);
        assert_eq!(inspect(&[0x5c, 0x81, 1]), None);
        assert_eq!(inspect(&[0x41, 1]), None);
        assert_eq!(inspect(&[]), None);
    }
}
