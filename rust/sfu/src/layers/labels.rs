//! The numbers with which a payload descriptor or header extension counts pictures, and how they are written anew.

/// Of one packet; `at` is an offset in bytes into the payload or the extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labels {
    /// Extended: it does not wrap around.
    pub picture: u64,
    pub width: Width,
    pub picture_at: u8,
    /// The receiver takes a gap in these numbers for a loss (VP8). With others pictures name those they depend on.
    pub dense: bool,
    /// TL0PICIDX, the count of pictures of the lowest temporal layer.
    pub base_layer: Option<u8>,
    pub base_layer_at: u8,
}

/// How a picture's number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// VP8 and VP9, after a bit that is 0.
    Seven,
    /// VP8 and VP9, after a bit that is 1.
    Fifteen,
    /// AV1's frame number, in the dependency descriptor.
    Sixteen,
}

impl Width {
    pub fn mask(self) -> u16 {
        match self {
            Self::Seven => 0x7f,
            Self::Fifteen => 0x7fff,
            Self::Sixteen => 0xffff,
        }
    }
}

/// Bytes to overwrite in a subscriber's copy of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patch {
    labels: Labels,
}

impl Patch {
    /// Count the picture as `picture` and `base_layer`, cut to what can be written.
    pub fn new(labels: Labels, picture: u64, base_layer: u8) -> Self {
        Self { labels: Labels { picture, base_layer: labels.base_layer.map(|_| base_layer), ..labels } }
    }

    /// Overwrite the payload descriptor of VP8 and VP9.
    pub fn apply(&self, payload: &mut [u8]) {
        let (picture, at) = (self.labels.picture as u16 & self.labels.width.mask(), self.at());
        match (self.labels.width, payload.get_mut(at..)) {
            (Width::Seven, Some([byte, ..])) => *byte = picture as u8,
            (Width::Fifteen, Some([high, low, ..])) => {
                [*high, *low] = (picture | 0x8000).to_be_bytes();
            }
            _ => {}
        }
        if let Some(value) = self.labels.base_layer
            && let Some(byte) = payload.get_mut(usize::from(self.labels.base_layer_at))
        {
            *byte = value;
        }
    }

    /// Overwrite a dependency descriptor, the header extension of AV1.
    pub fn apply_dependency(&self, extension: &mut [u8]) {
        let at = self.at();
        if self.labels.width == Width::Sixteen
            && let Some([high, low, ..]) = extension.get_mut(at..)
        {
            [*high, *low] = (self.labels.picture as u16).to_be_bytes();
        }
    }

    fn at(&self) -> usize {
        usize::from(self.labels.picture_at)
    }
}

/// Counts on where a number wraps around. A change of width begins anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extender {
    newest: Option<(u64, Width)>,
}

impl Extender {
    pub fn extend(&mut self, value: u16, width: Width) -> u64 {
        let modulus = u64::from(width.mask()) + 1;
        let value = u64::from(value & width.mask());
        let Some((newest, _)) = self.newest.filter(|(_, before)| *before == width) else {
            // far enough from zero that what was sent before the first does not become negative
            let first = value + modulus;
            self.newest = Some((first, width));
            return first;
        };
        let ahead = value.wrapping_sub(newest) % modulus;
        let extended = if ahead < modulus / 2 {
            newest + ahead
        } else {
            (newest + ahead).checked_sub(modulus).unwrap_or(newest + ahead)
        };
        if extended > newest {
            self.newest = Some((extended, width));
        }
        extended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_extended_around_the_newest() {
        for (width, modulus) in [(Width::Seven, 128), (Width::Fifteen, 0x8000), (Width::Sixteen, 0x1_0000)] {
            let mut extender = Extender::default();
            let last = (modulus - 1) as u16;
            let start = extender.extend(last, width);
            assert_eq!(extender.extend(1, width), start + 2);
            assert_eq!(extender.extend(0, width), start + 1, "one that is late");
            assert_eq!(extender.extend(last - 1, width), start - 1);
            assert_eq!(extender.extend(2, width), start + 3);
            assert_eq!(start % modulus, u64::from(last));
        }
    }

    #[test]
    fn only_the_numbers_are_overwritten() {
        let mut labels = Labels {
            picture: 0,
            width: Width::Fifteen,
            picture_at: 1,
            dense: false,
            base_layer: Some(0),
            base_layer_at: 4,
        };
        let patched = |labels, mut bytes: [u8; 6]| {
            Patch::new(labels, 0x1_ff01, 7).apply(&mut bytes);
            bytes
        };
        assert_eq!(patched(labels, [9, 0x80, 0, 9, 0, 9]), [9, 0xff, 0x01, 9, 7, 9]);
        labels.width = Width::Seven;
        labels.base_layer = None;
        assert_eq!(patched(labels, [9, 5, 9, 9, 9, 9]), [9, 1, 9, 9, 9, 9]);
        labels.width = Width::Sixteen;
        assert_eq!(patched(labels, [9; 6]), [9; 6]);
        let mut extension = [0xc0, 0, 0, 1];
        Patch::new(labels, 0x1_ff01, 7).apply_dependency(&mut extension);
        assert_eq!(extension, [0xc0, 0xff, 0x01, 1]);
        Patch::new(labels, 0, 0).apply(&mut []);
        Patch::new(labels, 0, 0).apply_dependency(&mut [0xc0]);
    }
}
