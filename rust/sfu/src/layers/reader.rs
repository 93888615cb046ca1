//! Reads the packets of one stream: key frames, spatial and temporal layers, and the numbers of its pictures.

use str0m::format::Codec;

use super::dependency::{self, Structure};
use super::labels::{Extender, Labels, Width};
use super::place::{Place, Target, Targets};
use super::{vp8, vp9};
use crate::keyframe::{self, Keyframe};

/// What a packet tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub key: Option<Keyframe>,
    pub place: Option<Place>,
    pub labels: Option<Labels>,
    /// The stream's decode targets are not what they were.
    pub changed: bool,
}

impl Reading {
    /// Whether a decoder can start with this packet. One that comes from another layer needs its parameter sets too,
    /// which H.264 and H.265 may send once only; they say the size.
    pub fn starts(&self, codec: Codec, simulcast: bool) -> bool {
        let needs_size = simulcast && matches!(codec, Codec::H264 | Codec::H265);
        self.key.is_some_and(|key| !needs_size || key.size.is_some())
    }
}

/// Owned by a layer; begins anew with each SSRC.
#[derive(Debug, Default)]
pub struct Reader {
    pictures: Extender,
    /// Spatial and temporal layers seen so far, of streams that do not announce them.
    seen: Option<(u8, u8)>,
    structure: Option<Structure>,
    active: Targets,
}

impl Reader {
    /// `dependency` is the dependency descriptor, if the packet has one.
    pub fn read(&mut self, codec: Codec, payload: &[u8], dependency: Option<&[u8]>) -> Reading {
        let key = keyframe::inspect(codec, payload);
        let reading = match codec {
            Codec::Vp8 => self.read_vp8(payload, key.is_some()),
            Codec::Vp9 => self.read_vp9(payload, key.is_some()),
            Codec::Av1 => dependency.and_then(|extension| self.read_dependency(extension)),
            _ => None,
        };
        Reading { key, ..reading.unwrap_or_default() }
    }

    /// The stream's decode targets that are produced now, least first. Empty: it has no layers.
    pub fn targets(&self) -> Vec<Target> {
        let mut targets = match (&self.structure, self.seen) {
            (Some(structure), _) => {
                let active = structure.targets.iter().filter(|target| self.active >> target.index & 1 == 1);
                active.copied().collect()
            }
            (None, Some((spatial, temporal))) => {
                (0..=spatial).flat_map(|s| (0..=temporal).map(move |t| Target::grid(s, t))).collect()
            }
            (None, None) => Vec::new(),
        };
        targets.sort_by_key(|target: &Target| (target.spatial, target.temporal));
        targets
    }

    /// Size of the pictures of one spatial layer, if the stream tells.
    pub fn size_of(&self, spatial: u8) -> Option<(u32, u32)> {
        self.structure.as_ref()?.sizes.get(usize::from(spatial)).copied()
    }

    fn read_vp8(&mut self, payload: &[u8], key: bool) -> Option<Reading> {
        let descriptor = vp8::parse(payload)?;
        let (mut place, mut changed) = (None, false);
        if let Some((temporal, syncs)) = descriptor.temporal {
            changed = self.note_layers(0, temporal);
            let mut found = Place::grid(0, temporal, false);
            if key {
                found.entry = Targets::MAX;
            } else if syncs {
                found.entry = 1 << temporal;
            }
            place = Some(found);
        }
        let labels = self.labels(descriptor.picture, descriptor.base_layer);
        let labels = labels.map(|labels| Labels { dense: true, ..labels });
        Some(Reading { place, labels, changed, key: None })
    }

    fn read_vp9(&mut self, payload: &[u8], key: bool) -> Option<Reading> {
        let descriptor = vp9::parse(payload)?;
        let (mut place, mut changed) = (None, false);
        if let Some(layers) = descriptor.layers {
            if let (true, Some(count)) = (key, descriptor.spatial_layers) {
                let temporal = self.seen.map_or(0, |(_, temporal)| temporal);
                changed = self.seen.replace((count - 1, temporal)) != self.seen;
            }
            changed |= self.note_layers(layers.spatial, layers.temporal);
            let mut found = Place::grid(layers.spatial, layers.temporal, descriptor.ends);
            if key {
                found.entry = Targets::MAX;
            } else if layers.switches_up && layers.temporal == 0 && layers.spatial == 0 && descriptor.begins {
                // Higher temporal layers start anew after this picture, which everyone has.
                found.entry = Targets::MAX;
            }
            place = Some(found);
        }
        let labels = self.labels(descriptor.picture, descriptor.base_layer);
        Some(Reading { place, labels, changed, key: None })
    }

    fn read_dependency(&mut self, extension: &[u8]) -> Option<Reading> {
        let descriptor = dependency::parse(extension, self.structure.as_ref())?;
        let mut changed = false;
        if let Some(structure) = descriptor.structure
            && self.structure.as_ref() != Some(&structure)
        {
            self.structure = Some(structure);
            changed = true;
        }
        if let Some(active) = descriptor.active {
            changed |= std::mem::replace(&mut self.active, active) != active;
        }
        let picture = (descriptor.frame_number, Width::Sixteen, dependency::FRAME_NUMBER_AT);
        let labels = self.labels(Some(picture), None);
        Some(Reading { place: Some(descriptor.place), labels, changed, key: None })
    }

    fn note_layers(&mut self, spatial: u8, temporal: u8) -> bool {
        let before = self.seen;
        let (s, t) = before.unwrap_or((0, 0));
        self.seen = Some((s.max(spatial), t.max(temporal)));
        self.seen != before
    }

    fn labels(&mut self, picture: Option<(u16, Width, u8)>, base: Option<(u8, u8)>) -> Option<Labels> {
        let (value, width, picture_at) = picture?;
        Some(Labels {
            picture: self.pictures.extend(value, width),
            width,
            picture_at,
            dense: false,
            base_layer: base.map(|(value, _)| value),
            base_layer_at: base.map_or(0, |(_, at)| at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::dependency::tests::l2t2;

    fn layers(reader: &Reader) -> Vec<(u8, u8)> {
        reader.targets().iter().map(|target| (target.spatial, target.temporal)).collect()
    }

    #[test]
    fn vp8_tells_temporal_layers_and_where_to_go_up() {
        let mut reader = Reader::default();
        let mut read = |temporal: u8, syncs: bool| {
            let byte = temporal << 6 | u8::from(syncs) << 5;
            reader.read(Codec::Vp8, &[0x90, 0xe0, 5, 1, byte, 1], None)
        };
        assert!(read(0, false).changed && !read(0, false).changed);
        let upper = read(1, true);
        assert!(upper.changed);
        assert_eq!(upper.place.map(|place| (place.needed >> 1 & 1, place.needed & 1)), Some((1, 0)));
        assert_eq!(upper.place.map(|place| place.entry), Some(0b10));
        assert_eq!(read(1, false).place.map(|place| place.entry), Some(0));
        assert_eq!(layers(&reader), [(0, 0), (0, 1)]);
    }

    #[test]
    fn vp9_tells_both_and_announces_the_spatial_ones() {
        let mut reader = Reader::default();
        // I, L, B, V; T0, S0; one picture of three spatial layers
        let key = reader.read(Codec::Vp9, &[0xaa, 5, 0x00, 1, 0x40], None);
        assert!(key.key.is_some() && key.changed);
        assert_eq!(layers(&reader), [(0, 0), (1, 0), (2, 0)]);
        let upper = reader.read(Codec::Vp9, &[0xec, 5, 0x24, 1], None); // P, B, E; T1, S2
        assert_eq!(upper.place.map(|place| place.last), Some(0xfe << 16));
        assert_eq!(layers(&reader).len(), 6);
    }

    #[test]
    fn av1_tells_what_is_active() {
        let mut reader = Reader::default();
        let mut read = |extension: &[u8]| reader.read(Codec::Av1, &[0x10, 0x30], Some(extension));
        assert_eq!(read(&[0x0a, 0, 1]), Reading::default(), "not to be read before its structure");
        assert!(read(&l2t2(7)).changed && !read(&l2t2(8)).changed);
        // the lower spatial layer only
        assert!(read(&[0x0a, 0, 9, 0b0100_0110, 0]).changed);
        assert_eq!(layers(&reader), [(0, 0), (0, 1)]);
        assert_eq!(reader.size_of(0), Some((320, 180)));
    }
}
