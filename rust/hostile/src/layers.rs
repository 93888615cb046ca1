//! Payloads and dependency descriptors come from publishers: their layers are read, and their numbers rewritten, without
//! harm.

use palaver_sfu::layers::labels::Patch;
use palaver_sfu::layers::reader::Reader;
use str0m::format::Codec;

use crate::Target;

pub const TARGET: Target = Target { name: "layers", run, seeds, inputs: 100_000 };

const CODECS: [Codec; 4] = [Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H264];

/// The codec, then packets of one stream: each the lengths of its extension and its payload, and these.
pub fn run(input: &[u8]) -> bool {
    let Some((codec, mut rest)) = input.split_first() else { return false };
    let codec = CODECS[usize::from(*codec) % CODECS.len()];
    let (mut reader, mut taken) = (Reader::default(), false);
    while let [extension, payload, after @ ..] = rest {
        let (extension, after) = after.split_at(usize::from(*extension).min(after.len()));
        let (payload, after) = after.split_at(usize::from(*payload).min(after.len()));
        rest = after;
        let reading = reader.read(codec, payload, Some(extension).filter(|bytes| !bytes.is_empty()));
        taken |= reading.place.is_some() && reading.labels.is_some();
        if let Some(labels) = reading.labels {
            let patch = Patch::new(labels, labels.picture, labels.base_layer.unwrap_or(0));
            let (mut same, mut dependency) = (payload.to_vec(), extension.to_vec());
            patch.apply(&mut same);
            patch.apply_dependency(&mut dependency);
            assert_eq!((same.as_slice(), dependency.as_slice()), (payload, extension), "the same numbers");
        }
        for target in reader.targets() {
            assert!(target.contains >> target.index & 1 == 1);
        }
    }
    taken
}

fn seeds() -> Vec<Vec<u8>> {
    let stream = |codec: u8, packets: &[(&[u8], &[u8])]| {
        let mut input = vec![codec];
        for (extension, payload) in packets {
            input.extend([extension.len() as u8, payload.len() as u8]);
            input.extend(*extension);
            input.extend(*payload);
        }
        input
    };
    let structure = DEPENDENCY_STRUCTURE;
    vec![
        stream(0, &[(&[], &[0x90, 0xe0, 0x81, 5, 1, 0x20, 0x10, 0, 0]), (&[], &[0x80, 0xe0, 6, 1, 0x60, 1])]),
        stream(1, &[(&[], &[0xaa, 0x81, 5, 0, 1, 0x40]), (&[], &[0xec, 5, 0x34, 1, 0])]),
        stream(2, &[(&structure, &[0x18, 0x10]), (&[0x4f, 0, 8], &[0x10])]),
    ]
}

/// Two spatial and two temporal layers.
const DEPENDENCY_STRUCTURE: [u8; 29] = [
    0xca, 0x00, 0x07, 0x81, 0x43, 0x18, 0x7a, 0xaf, 0xf4, 0x4a, 0x0f, 0x04, 0x09, 0xa6, 0x9a, 0x69, 0xa6,
    0x48, 0x88, 0x88, 0xa0, 0x27, 0xe0, 0x16, 0x60, 0x4f, 0xe0, 0x2c, 0xe0,
];
