//! VP8: the payload descriptor (RFC 7741, section 4.2).

use super::labels::Width;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// A picture id, how it is written, and where.
    pub picture: Option<(u16, Width, u8)>,
    /// TL0PICIDX, and where.
    pub base_layer: Option<(u8, u8)>,
    /// Temporal layer, and whether the frame depends on the lowest one only (Y).
    pub temporal: Option<(u8, bool)>,
}

/// Whatever is cut off or unknown is left out.
pub fn parse(payload: &[u8]) -> Option<Descriptor> {
    let mut descriptor = Descriptor::default();
    if payload.first()? & 0x80 == 0 {
        return Some(descriptor);
    }
    let flags = *payload.get(1)?;
    let mut at = 2;
    if flags & 0x80 != 0 {
        let (picture, length) = picture_id(payload, at)?;
        descriptor.picture = Some(picture);
        at += length;
    }
    if flags & 0x40 != 0 {
        descriptor.base_layer = Some((*payload.get(at)?, at as u8));
        at += 1;
    }
    if flags & 0x20 != 0 {
        let byte = payload.get(at)?;
        descriptor.temporal = Some((byte >> 6, byte & 0x20 != 0));
    }
    Some(descriptor)
}

/// Seven or fifteen bits, as VP8 and VP9 write it. Returns its length as well.
pub(super) fn picture_id(payload: &[u8], at: usize) -> Option<((u16, Width, u8), usize)> {
    let high = *payload.get(at)?;
    if high & 0x80 == 0 {
        return Some(((u16::from(high), Width::Seven, at as u8), 1));
    }
    let low = *payload.get(at + 1)?;
    Some(((u16::from_be_bytes([high & 0x7f, low]), Width::Fifteen, at as u8), 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found() {
        let all = parse(&[0x90, 0xf0, 0x81, 0x23, 0x45, 0xa3]).unwrap();
        assert_eq!(all.picture, Some((0x123, Width::Fifteen, 2)));
        assert_eq!((all.base_layer, all.temporal), (Some((0x45, 4)), Some((2, true))));
        let short = parse(&[0x80, 0xe0, 0x7f, 9, 0x40]).unwrap();
        assert_eq!(short.picture, Some((0x7f, Width::Seven, 2)));
        assert_eq!((short.base_layer, short.temporal), (Some((9, 3)), Some((1, false))));
        assert_eq!(parse(&[0x80, 0x40, 9]).unwrap().base_layer, Some((9, 2)));
        assert_eq!(parse(&[0x10, 0xff]), Some(Descriptor::default()));
    }

    #[test]
    fn what_is_cut_is_not_read() {
        let whole = [0x90, 0xf0, 0x81, 0x23, 0x45, 0xa3];
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), None);
        }
    }
}
