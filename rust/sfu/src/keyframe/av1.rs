//! AV1: the RTP payload format (AOM, §4.4) and the bitstream specification (§5.3, §5.5).

use super::Keyframe;
use super::bits::Bits;

const SEQUENCE_HEADER: u8 = 1;

pub fn inspect(payload: &[u8]) -> Option<Keyframe> {
    let (&aggregation, rest) = payload.split_first()?;
    let (continues, elements, new_sequence) =
        (aggregation & 0x80 != 0, aggregation >> 4 & 0x03, aggregation & 0x08 != 0);
    if continues || !new_sequence {
        return None;
    }
    Some(Keyframe { size: sequence_size(rest, elements) })
}

/// Walk the OBU elements up to the sequence header. `count` 0: every element says its length; else the last does not.
fn sequence_size(mut rest: &[u8], count: u8) -> Option<(u32, u32)> {
    for index in 1_usize.. {
        let obu;
        if index == usize::from(count) {
            (obu, rest) = (rest, &[]);
        } else {
            let (length, after) = leb128(rest)?;
            obu = after.get(..length)?;
            rest = &after[length..];
        }
        let (&header, mut body) = obu.split_first()?;
        if header & 0x04 != 0 {
            body = body.get(1..)?; // extension
        }
        if header & 0x02 != 0 {
            body = leb128(body)?.1;
        }
        if header >> 3 & 0x0f == SEQUENCE_HEADER {
            return max_frame_size(body);
        }
    }
    None
}

fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_usize;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

/// `sequence_header_obu()` up to `max_frame_height_minus_1`.
fn max_frame_size(sequence: &[u8]) -> Option<(u32, u32)> {
    let mut bits = Bits::new(sequence);
    bits.skip(4)?; // seq_profile, still_picture
    let reduced = bits.bit()?;
    if reduced {
        bits.skip(5)?;
    } else {
        operating_points(&mut bits)?;
    }
    let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
    Some((bits.take(width_bits)? + 1, bits.take(height_bits)? + 1))
}

fn operating_points(bits: &mut Bits) -> Option<()> {
    let mut delay_bits = None;
    if bits.bit()? {
        bits.skip(64)?; // num_units_in_display_tick, time_scale
        if bits.bit()? {
            bits.unsigned()?; // num_ticks_per_picture_minus_1
        }
        if bits.bit()? {
            delay_bits = Some(bits.take(5)? as usize + 1);
            bits.skip(42)?; // num_units_in_decoding_tick and two lengths
        }
    }
    let has_display_delay = bits.bit()?;
    for _ in 0..=bits.take(5)? {
        bits.skip(12)?;
        if bits.take(5)? > 7 {
            bits.skip(1)?; // seq_tier
        }
        if let Some(delay_bits) = delay_bits
            && bits.bit()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if has_display_delay && bits.bit()? {
            bits.skip(4)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Profile 0, one operating point, 10 bits of width and 9 of height: 640×360.
    fn sequence_header() -> Vec<u8> {
        let fields: [(u32, u32); 14] = [
            (3, 0),
            (1, 0),
            (1, 0),
            (1, 0),
            (1, 0),
            (5, 0),
            (12, 0),
            (5, 8),
            (1, 0),
            (4, 9),
            (4, 8),
            (10, 639),
            (9, 359),
            (7, 0),
        ];
        let bits: Vec<u8> = fields
            .iter()
            .flat_map(|(width, value)| (0..*width).rev().map(move |bit| (value >> bit & 1) as u8))
            .collect();
        bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit)).collect()
    }

    #[test]
    fn a_new_sequence_says_its_size() {
        let sequence = sequence_header();
        let last = [&[0x18, SEQUENCE_HEADER << 3][..], &sequence].concat(); // W = 1, N
        assert_eq!(inspect(&last), Some(Keyframe { size: Some((640, 360)) }));
        // W = 0; a padding OBU first; the header says its own size too
        let mut payload = vec![0x08, 2, 15 << 3, 0, sequence.len() as u8 + 2, SEQUENCE_HEADER << 3 | 2];
        payload.push(sequence.len() as u8);
        payload.extend(&sequence);
        assert_eq!(inspect(&payload), Some(Keyframe { size: Some((640, 360)) }));
        for end in 0..payload.len() {
            inspect(&payload[..end]);
        }
    }

    #[test]
    fn other_packets_are_none() {
        assert_eq!(inspect(&[0x10, 0x30]), None);
        assert_eq!(inspect(&[0x98, 0x0a]), None);
        assert_eq!(inspect(&[]), None);
    }
}
