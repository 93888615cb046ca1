//! The dependency descriptor: the header extension with which AV1 tells its layers (AV1 RTP specification, appendix A).

use std::sync::Arc;

use str0m::rtp::{ExtensionSerializer, ExtensionValues};

use crate::keyframe::bits::Bits;

use super::place::{Place, Target, Targets};

pub const URI: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
/// Where the frame number is.
pub const FRAME_NUMBER_AT: u8 = 1;
/// Their ids have six bits.
const MAX_TEMPLATES: usize = 64;

/// As it came, carried through str0m.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension(pub Arc<[u8]>);

/// Lets str0m negotiate, read and write the extension.
#[derive(Debug)]
pub struct Serializer;

impl ExtensionSerializer for Serializer {
    fn write_to(&self, buffer: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(Extension(bytes)) = values.user_values.get() else { return 0 };
        let Some(place) = buffer.get_mut(..bytes.len()) else { return 0 };
        place.copy_from_slice(bytes);
        bytes.len()
    }

    fn parse_value(&self, bytes: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(Extension(bytes.into()));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    /// Key frames carry a structure of more than 16 bytes (RFC 8285, section 4.2).
    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        values.user_values.get().is_some_and(|Extension(bytes)| bytes.len() > 16)
    }
}

/// What one packet says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub frame_number: u16,
    pub place: Place,
    /// Sent with key frames; later packets are read by it.
    pub structure: Option<Structure>,
    /// The decode targets that are produced from here on, if that changes.
    pub active: Option<Targets>,
}

/// How frames of a stream depend on each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    first_template: u8,
    templates: Vec<Template>,
    pub targets: Vec<Target>,
    /// Width and height of each spatial layer, if told.
    pub sizes: Vec<(u32, u32)>,
}

/// One kind of frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Template {
    spatial: u8,
    temporal: u8,
    uses: Uses,
}

/// What a frame is to the decode targets (DTI).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Uses {
    needed: Targets,
    entry: Targets,
}

/// Read an extension; `known` is the structure that was sent last. None: it is broken or its structure is not known.
pub fn parse(extension: &[u8], known: Option<&Structure>) -> Option<Descriptor> {
    let mut bits = Bits::new(extension);
    let (_begins, ends) = (bits.bit()?, bits.bit()?);
    let template = bits.take(6)? as u8;
    let frame_number = bits.take(16)? as u16;
    let (mut has_structure, mut has_active, mut has_uses) = (false, false, false);
    if extension.len() > 3 {
        (has_structure, has_active, has_uses) = (bits.bit()?, bits.bit()?, bits.bit()?);
        bits.skip(2)?; // custom frame differences and chains, which nothing here needs
    }
    let structure = if has_structure { Some(Structure::parse(&mut bits)?) } else { None };
    let current = structure.as_ref().or(known)?;
    let count = current.targets.len();
    let active = if has_active {
        Some(Targets::from(bits.take(count as u32)?))
    } else {
        has_structure.then(|| all(count))
    };
    let index = usize::from(template.wrapping_sub(current.first_template) % MAX_TEMPLATES as u8);
    let mut frame = *current.templates.get(index)?;
    if has_uses {
        frame.uses = Uses::parse(&mut bits, count)?;
    }
    let ended = current.targets.iter().filter(|target| ends && target.spatial == frame.spatial);
    let last = ended.fold(0, |set, target| set | 1 << target.index);
    let place = Place { needed: frame.uses.needed, entry: frame.uses.entry, last };
    Some(Descriptor { frame_number, place, structure, active })
}

fn all(targets: usize) -> Targets {
    (1 << targets) - 1
}

impl Structure {
    fn parse(bits: &mut Bits) -> Option<Self> {
        let first_template = bits.take(6)? as u8;
        let count = bits.take(5)? as usize + 1;
        let mut templates = template_layers(bits)?;
        for template in &mut templates {
            template.uses = Uses::parse(bits, count)?;
        }
        for _ in &templates {
            while bits.bit()? {
                bits.skip(4)?; // frame difference
            }
        }
        skip_chains(bits, count, templates.len())?;
        let spatial_layers = templates.last()?.spatial + 1;
        let mut sizes = Vec::new();
        if bits.bit()? {
            for _ in 0..spatial_layers {
                sizes.push((bits.take(16)? + 1, bits.take(16)? + 1));
            }
        }
        let targets = decode_targets(&templates, count);
        Some(Self { first_template, templates, targets, sizes })
    }
}

impl Uses {
    fn parse(bits: &mut Bits, count: usize) -> Option<Self> {
        const ABSENT: u32 = 0;
        const SWITCH: u32 = 2;
        let mut uses = Self::default();
        for target in 0..count {
            match bits.take(2)? {
                ABSENT => {}
                SWITCH => {
                    uses.needed |= 1 << target;
                    uses.entry |= 1 << target;
                }
                _ => uses.needed |= 1 << target,
            }
        }
        Some(uses)
    }
}

fn template_layers(bits: &mut Bits) -> Option<Vec<Template>> {
    let (mut templates, mut next) = (Vec::new(), Template::default());
    while templates.len() < MAX_TEMPLATES {
        templates.push(next);
        match bits.take(2)? {
            0 => {}
            1 => next.temporal += 1,
            2 => (next.spatial, next.temporal) = (next.spatial + 1, 0),
            _ => return Some(templates),
        }
    }
    None
}

fn skip_chains(bits: &mut Bits, targets: usize, templates: usize) -> Option<()> {
    let chains = non_symmetric(bits, targets as u32 + 1)?;
    if chains > 0 {
        for _ in 0..targets {
            non_symmetric(bits, chains)?;
        }
        bits.skip(4 * templates * chains as usize)?;
    }
    Some(())
}

/// `ns(n)`: a number below `n`.
fn non_symmetric(bits: &mut Bits, n: u32) -> Option<u32> {
    let width = n.ilog2() + 1;
    let short = (1 << width) - n;
    let value = bits.take(width - 1)?;
    if value < short { Some(value) } else { Some((value << 1) - short + bits.take(1)?) }
}

/// The layers of a decode target are those of the frames it needs. One contains another if it needs the same and more.
fn decode_targets(templates: &[Template], count: usize) -> Vec<Target> {
    let needs = |target: usize| {
        templates
            .iter()
            .enumerate()
            .filter(move |(_, template)| template.uses.needed >> target & 1 == 1)
            .fold((0_u64, 0, 0), |(set, spatial, temporal), (index, template)| {
                (set | 1 << index, template.spatial.max(spatial), template.temporal.max(temporal))
            })
    };
    (0..count)
        .map(|target| {
            let (frames, spatial, temporal) = needs(target);
            let inner = (0..count).filter(|other| needs(*other).0 & !frames == 0);
            let contains = inner.fold(0, |set, other| set | 1 << other);
            Target { index: target as u8, spatial, temporal, contains }
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes bits, most significant first.
    #[derive(Default)]
    pub struct Writer(Vec<bool>);

    impl Writer {
        pub fn put(&mut self, width: u32, value: u32) -> &mut Self {
            self.0.extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
            self
        }

        pub fn bytes(&self) -> Vec<u8> {
            self.0
                .chunks(8)
                .map(|byte| byte.iter().enumerate().fold(0, |sum, (i, bit)| sum | u8::from(*bit) << (7 - i)))
                .collect()
        }
    }

    /// Two spatial and two temporal layers: a key frame's packet with the structure. Templates in the order key 0, delta
    /// 0, upper 0, then the same for spatial layer 1; decode targets (1,1), (1,0), (0,1), (0,0).
    pub fn l2t2(frame_number: u32) -> Vec<u8> {
        const KINDS: [[u32; 4]; 6] =
            [[2, 2, 2, 2], [3, 3, 3, 3], [1, 0, 1, 0], [2, 2, 0, 0], [3, 3, 0, 0], [1, 0, 0, 0]];
        let mut writer = Writer::default();
        writer.put(2, 0b11).put(6, 10).put(16, frame_number).put(5, 0b10000); // ends too; a structure
        writer.put(6, 10).put(5, 3);
        for next in [0, 1, 2, 0, 1, 3] {
            writer.put(2, next);
        }
        for kind in KINDS.iter().flatten() {
            writer.put(2, *kind);
        }
        for _ in 0..6 {
            writer.put(1, 1).put(4, 3).put(1, 0); // one difference each
        }
        writer.put(2, 1); // ns(5): one chain, and every target is protected by it, in no bits
        for _ in 0..6 {
            writer.put(4, 2);
        }
        writer.put(1, 1);
        for size in [319, 179, 639, 359] {
            writer.put(16, size);
        }
        writer.bytes()
    }

    #[test]
    fn a_structure_is_read() {
        let descriptor = parse(&l2t2(0x1234), None).unwrap();
        assert_eq!((descriptor.frame_number, descriptor.active), (0x1234, Some(0b1111)));
        assert_eq!(descriptor.place, Place { needed: 0b1111, entry: 0b1111, last: 0b1100 });
        let structure = descriptor.structure.unwrap();
        let layers: Vec<_> = structure.targets.iter().map(|t| (t.spatial, t.temporal, t.contains)).collect();
        assert_eq!(layers, [(1, 1, 0b1111), (1, 0, 0b1010), (0, 1, 0b1100), (0, 0, 0b1000)]);
        assert_eq!(structure.sizes, [(320, 180), (640, 360)]);
    }

    #[test]
    fn later_packets_are_read_by_it() {
        let structure = parse(&l2t2(0), None).unwrap().structure;
        let read = |extension: &[u8]| parse(extension, structure.as_ref());
        let upper = read(&[0b0100_1111, 0, 9]).unwrap(); // ends; template 15: spatial 1, temporal 1
        assert_eq!(upper.place, Place { needed: 0b0001, entry: 0, last: 0b0011 });
        assert_eq!((upper.frame_number, upper.active, upper.structure), (9, None, None));
        // two targets are active; other uses than the template's: not present, discardable, switch, required
        let custom = read(&[0b0000_1010, 0, 9, 0b0110_0110, 0b0000_1101, 0b1000_0000]).unwrap();
        assert_eq!(custom.active, Some(0b1100));
        assert_eq!(custom.place, Place { needed: 0b1110, entry: 0b0100, last: 0 });
        assert_eq!(read(&[0b0000_1001, 0, 9]), None, "a template that does not exist");
        assert_eq!(parse(&[0b0000_1010, 0, 9], None), None, "no structure");
    }

    #[test]
    fn a_cut_descriptor_is_harmless() {
        let whole = l2t2(0);
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end], None), None, "{end}");
        }
    }

    #[test]
    fn non_symmetric_numbers_are_read() {
        // n = 5: 0 to 2 in two bits, 3 and 4 in three
        let mut bits = Bits::new(&[0b0001_1011, 0b0111_0000]);
        assert_eq!([(); 5].map(|()| non_symmetric(&mut bits, 5).unwrap()), [0, 1, 2, 3, 4]);
        assert_eq!(non_symmetric(&mut bits, 1), Some(0));
    }
}
