//! H.265: RFC 7798 (payload), ITU-T H.265 §7.3.2.2 (sequence parameter set).

use super::Keyframe;
use super::bits::{Bits, unescape};

const SPS: u8 = 33;
const AGGREGATION: u8 = 48;
const FRAGMENT: u8 = 49;

/// Pictures at which decoding may start (16 to 21), and the parameter sets sent before them (32, 33).
fn starts_sequence(kind: u8) -> bool {
    matches!(kind, 16..=21 | 32 | SPS)
}

fn kind(nal: &[u8]) -> Option<u8> {
    nal.first().map(|header| header >> 1 & 0x3f)
}

pub fn inspect(payload: &[u8]) -> Option<Keyframe> {
    match kind(payload)? {
        AGGREGATION => aggregated(payload.get(2..)?),
        FRAGMENT => {
            let header = payload.get(2)?;
            (header & 0x80 != 0 && starts_sequence(header & 0x3f)).then(Keyframe::default)
        }
        SPS => Some(Keyframe { size: picture_size(payload) }),
        single => starts_sequence(single).then(Keyframe::default),
    }
}

fn aggregated(mut rest: &[u8]) -> Option<Keyframe> {
    let mut found = None;
    while let [high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let nal = after.get(..length)?;
        match kind(nal) {
            Some(SPS) => return Some(Keyframe { size: picture_size(nal) }),
            Some(other) if starts_sequence(other) => found = Some(Keyframe::default()),
            _ => {}
        }
        rest = &after[length..];
    }
    found
}

fn picture_size(sps: &[u8]) -> Option<(u32, u32)> {
    let bytes = unescape(sps.get(2..)?);
    let mut bits = Bits::new(&bytes);
    bits.skip(4)?;
    let sub_layers = bits.take(3)?;
    bits.skip(1)?;
    skip_profile_tier_level(&mut bits, sub_layers)?;
    bits.unsigned()?; // its id
    let chroma = bits.unsigned()?;
    if chroma == 3 {
        bits.skip(1)?;
    }
    let (width, height) = (bits.unsigned()?, bits.unsigned()?);
    let mut window = [0; 4];
    if bits.bit()? {
        for edge in &mut window {
            *edge = bits.unsigned()?;
        }
    }
    let [left, right, top, bottom] = window;
    let (unit_x, unit_y) = (if matches!(chroma, 1 | 2) { 2 } else { 1 }, if chroma == 1 { 2 } else { 1 });
    let cropped =
        |length: u32, unit, near: u32, far| length.checked_sub(near.checked_add(far)?.checked_mul(unit)?);
    Some((cropped(width, unit_x, left, right)?, cropped(height, unit_y, top, bottom)?))
}

/// §7.3.3
fn skip_profile_tier_level(bits: &mut Bits, sub_layers: u32) -> Option<()> {
    const PROFILE: usize = 88;
    const LEVEL: usize = 8;
    bits.skip(PROFILE + LEVEL)?;
    let mut present = 0;
    if sub_layers > 0 {
        for layer in 0..8 {
            let (profile, level) = (bits.bit()?, bits.bit()?);
            if layer < sub_layers {
                present += usize::from(profile) * PROFILE + usize::from(level) * LEVEL;
            }
        }
    }
    bits.skip(present)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Main profile, 1920×1080 (cropped from 1088), as x265 writes it.
    const MAIN: [u8; 22] = [
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
        0x78, 0xa0, 0x03, 0xc0, 0x80,
    ];
    const TAIL: [u8; 4] = [0x10, 0xe5, 0x96, 0x56];

    #[test]
    fn a_parameter_set_says_the_cropped_size() {
        let sps = [&MAIN[..], &TAIL].concat();
        assert_eq!(inspect(&sps), Some(Keyframe { size: Some((1920, 1080)) }));
        let mut payload = vec![AGGREGATION << 1, 1];
        for nal in [&[0x40, 0x01, 0x0c][..], &sps, &[0x44, 0x01, 0xc1]] {
            payload.extend((nal.len() as u16).to_be_bytes());
            payload.extend(nal);
        }
        assert_eq!(inspect(&payload), Some(Keyframe { size: Some((1920, 1080)) }));
        for end in 0..payload.len() {
            inspect(&payload[..end]);
        }
    }

    #[test]
    fn random_access_points_start_and_trailing_pictures_do_not() {
        assert_eq!(inspect(&[19 << 1, 1, 0]), Some(Keyframe::default()));
        assert_eq!(inspect(&[FRAGMENT << 1, 1, 0x80 | 0x13]), Some(Keyframe::default()));
        assert_eq!(inspect(&[FRAGMENT << 1, 1, 19]), None);
        assert_eq!(inspect(&[1 << 1, 1, 0]), None);
        assert_eq!(inspect(&[]), None);
    }
}
