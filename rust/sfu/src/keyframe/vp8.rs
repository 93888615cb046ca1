//! VP8: RFC 7741 (payload), RFC 6386 §9.1 (frame header).

use super::Keyframe;

const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

pub fn inspect(payload: &[u8]) -> Option<Keyframe> {
    let [required, rest @ ..] = payload else { return None };
    let starts_frame = required & 0x10 != 0 && required & 0x07 == 0;
    if !starts_frame {
        return None;
    }
    let frame = if required & 0x80 == 0 { rest } else { skip_extension(rest)? };
    let [tag, _, _, header @ ..] = frame else { return None };
    if tag & 1 != 0 {
        return None; // an inter frame
    }
    let size = match header {
        [a, b, c, w0, w1, h0, h1, ..] if [*a, *b, *c] == START_CODE => {
            let field = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff); // above: scaling
            Some((field(*w0, *w1), field(*h0, *h1)))
        }
        _ => None,
    };
    Some(Keyframe { size })
}

/// The optional fields that X, I, L, T and K announce.
fn skip_extension(rest: &[u8]) -> Option<&[u8]> {
    let (flags, mut rest) = rest.split_first()?;
    if flags & 0x80 != 0 {
        let long = rest.first()? & 0x80 != 0;
        rest = rest.get(if long { 2 } else { 1 }..)?;
    }
    let has_layer = flags & 0x40 != 0;
    let has_tid_or_key = flags & 0x30 != 0;
    rest.get(usize::from(has_layer) + usize::from(has_tid_or_key)..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_640X360: [u8; 10] = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];

    #[test]
    fn a_key_frame_says_its_size() {
        let bare = [&[0x10][..], &KEY_640X360].concat();
        assert_eq!(inspect(&bare), Some(Keyframe { size: Some((640, 360)) }));
        // X; I, L, T and K; a picture id of 15 bits
        let extended = [&[0x90, 0xf0, 0x81, 0x23, 0x45, 0x20][..], &KEY_640X360].concat();
        assert_eq!(inspect(&extended), Some(Keyframe { size: Some((640, 360)) }));
    }

    #[test]
    fn later_packets_and_inter_frames_are_none() {
        assert_eq!(inspect(&[&[0x00][..], &KEY_640X360].concat()), None);
        assert_eq!(inspect(&[&[0x11][..], &KEY_640X360].concat()), None);
        assert_eq!(inspect(&[0x10, 0x01, 0, 0, 0]), None);
        assert_eq!(inspect(&[]), None);
    }

    #[test]
    fn a_cut_packet_is_harmless() {
        let whole = [&[0x90, 0xf0, 0x81, 0x23, 0x45, 0x20][..], &KEY_640X360].concat();
        for end in 0..whole.len() {
            assert_eq!(inspect(&whole[..end]).and_then(|key| key.size), None);
        }
    }
}
