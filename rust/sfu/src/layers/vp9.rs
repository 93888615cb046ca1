//! VP9: the payload descriptor (RFC 9628, section 4.2).

use super::labels::Width;
use super::vp8::picture_id;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    pub picture: Option<(u16, Width, u8)>,
    /// TL0PICIDX, and where. Flexible mode has none.
    pub base_layer: Option<(u8, u8)>,
    pub layers: Option<Layers>,
    /// Does not depend on earlier pictures.
    pub starts: bool,
    /// First and last packet of a frame of one spatial layer.
    pub begins: bool,
    pub ends: bool,
    /// How many spatial layers the scalability structure announces.
    pub spatial_layers: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    pub spatial: u8,
    pub temporal: u8,
    /// Later pictures of higher temporal layers do not depend on earlier ones of them (U).
    pub switches_up: bool,
}

pub fn parse(payload: &[u8]) -> Option<Descriptor> {
    let flags = *payload.first()?;
    let has = |bit: u8| flags & bit != 0;
    let (predicted, layered, flexible) = (has(0x40), has(0x20), has(0x10));
    let mut descriptor =
        Descriptor { starts: !predicted, begins: has(0x08), ends: has(0x04), ..Descriptor::default() };
    let mut at = 1;
    if has(0x80) {
        let (picture, length) = picture_id(payload, at)?;
        descriptor.picture = Some(picture);
        at += length;
    }
    if layered {
        let byte = *payload.get(at)?;
        let (temporal, spatial) = (byte >> 5, byte >> 1 & 7);
        descriptor.layers = Some(Layers { spatial, temporal, switches_up: byte & 0x10 != 0 });
        at += 1;
        if !flexible {
            descriptor.base_layer = Some((*payload.get(at)?, at as u8));
            at += 1;
        }
    }
    if flexible && predicted {
        for _ in 0..3 {
            let more = payload.get(at)? & 1 != 0;
            at += 1;
            if !more {
                break;
            }
        }
    }
    if has(0x02) {
        descriptor.spatial_layers = Some((payload.get(at)? >> 5) + 1);
    }
    Some(descriptor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found() {
        // I, L, B, E, V; temporal 2, U, spatial 1, D; TL0PICIDX; three spatial layers
        let all = parse(&[0xae, 0x81, 0x23, 0x53, 9, 0x40]).unwrap();
        assert_eq!(all.picture, Some((0x123, Width::Fifteen, 1)));
        assert_eq!(all.layers, Some(Layers { spatial: 1, temporal: 2, switches_up: true }));
        assert_eq!((all.base_layer, all.spatial_layers), (Some((9, 4)), Some(3)));
        assert!(all.starts && all.begins && all.ends);
    }

    #[test]
    fn flexible_mode_has_references_instead_of_a_base_layer_count() {
        // I, P, L, F, V; two references
        let flexible = parse(&[0xf2, 0x12, 0x20, 0x03, 0x04, 0x20]).unwrap();
        assert_eq!((flexible.base_layer, flexible.spatial_layers), (None, Some(2)));
        assert_eq!(flexible.layers, Some(Layers { spatial: 0, temporal: 1, switches_up: false }));
        assert!(!flexible.starts);
        assert_eq!(
            parse(&[0xf2, 0x12, 0x20, 0x03, 0x05, 0x01]),
            None,
            "a fourth reference is not looked for"
        );
    }

    #[test]
    fn what_is_cut_is_not_read() {
        let whole = [0xae, 0x81, 0x23, 0x53, 9, 0x40];
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), None);
        }
    }
}
