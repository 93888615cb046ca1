//! Where a packet belongs among the spatial and temporal layers of its stream.

/// A set of decode targets, one bit each. A decode target is what a receiver of some spatial and temporal layers gets.
/// Streams with a dependency descriptor number theirs; for the others it is `8 × spatial + temporal`.
pub type Targets = u64;

/// Of one packet. A stream without layers has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The decode targets that need it.
    pub needed: Targets,
    /// Those that a receiver of a lower one can go up to with this packet.
    pub entry: Targets,
    /// Those whose picture ends with this packet.
    pub last: Targets,
}

/// One decode target of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub index: u8,
    pub spatial: u8,
    pub temporal: u8,
    /// The decode targets to which a receiver of this one can go down at any picture, itself among them.
    pub contains: Targets,
}

/// Temporal layers of streams that do not number their decode targets.
const TEMPORAL: u8 = 8;
/// The same temporal layer in each spatial layer.
const EACH_SPATIAL: Targets = 0x0101_0101_0101_0101;

impl Target {
    /// The decode target of all layers up to these two, each below 8.
    pub fn grid(spatial: u8, temporal: u8) -> Self {
        let temporals = 0xff >> (TEMPORAL - 1 - temporal);
        let spatials = Targets::MAX >> (64 - u32::from(TEMPORAL) * (u32::from(spatial) + 1));
        Self {
            index: spatial * TEMPORAL + temporal,
            spatial,
            temporal,
            contains: (temporals * EACH_SPATIAL) & spatials,
        }
    }
}

impl Place {
    /// Of a frame of these layers, each below 8, that lower layers do not need and higher ones do.
    pub fn grid(spatial: u8, temporal: u8, ends: bool) -> Self {
        let temporals = 0xff << temporal & 0xff;
        let row = temporals << (TEMPORAL * spatial);
        let needed = (temporals * EACH_SPATIAL) << (TEMPORAL * spatial);
        Self { needed, entry: 0, last: if ends { row } else { 0 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(bits: Targets) -> Vec<(u32, u32)> {
        (0..64).filter(|bit| bits >> bit & 1 == 1).map(|bit| (bit / 8, bit % 8)).collect()
    }

    #[test]
    fn higher_targets_need_the_frames_of_lower_layers() {
        let place = Place::grid(6, 6, true);
        assert_eq!(set(place.needed), [(6, 6), (6, 7), (7, 6), (7, 7)]);
        assert_eq!(set(place.last), [(6, 6), (6, 7)]);
        assert_eq!(Place::grid(0, 0, false), Place { needed: Targets::MAX, entry: 0, last: 0 });
    }

    #[test]
    fn a_target_contains_those_below() {
        assert_eq!(set(Target::grid(1, 1).contains), [(0, 0), (0, 1), (1, 0), (1, 1)]);
        assert_eq!(Target::grid(7, 7).contains, Targets::MAX);
        for (spatial, temporal) in [(0, 0), (2, 1), (7, 7)] {
            let target = Target::grid(spatial, temporal);
            assert!(Place::grid(spatial, temporal, false).needed >> target.index & 1 == 1);
        }
    }
}
