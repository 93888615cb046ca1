//! Which packet of which send stream each transport-wide number carried, so that a report of what is missing says what to
//! repair.

/// Numbers that are remembered. At 3 Mbit/s this is more than a second; reports come several times in that.
const CAPACITY: usize = 512;

/// A packet by the send stream's SSRC and its sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub ssrc: u32,
    pub seq: u16,
}

/// Empty until something is noted.
#[derive(Debug, Default)]
pub struct Carried {
    /// Slot `number mod length`: the number, and what it carried.
    slots: Vec<Option<(u16, Load)>>,
}

impl Carried {
    pub fn note(&mut self, number: u16, load: Load) {
        if self.slots.is_empty() {
            self.slots.resize(CAPACITY, None);
        }
        self.slots[usize::from(number) % CAPACITY] = Some((number, load));
    }

    pub fn find(&self, number: u16) -> Option<Load> {
        let (known, load) = (*self.slots.get(usize::from(number) % CAPACITY)?)?;
        (known == number).then_some(load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_numbers_are_known_across_the_wrap_and_no_others() {
        let mut carried = Carried::default();
        assert_eq!(carried.find(7), None);
        let load = |n: u32| Load { ssrc: n % 3, seq: n as u16 };
        (65_000..66_000).for_each(|n| carried.note(n as u16, load(n)));
        assert_eq!(carried.find(65_999_u32 as u16), Some(load(65_999)));
        assert_eq!(carried.find(65_500), Some(load(65_500)));
        assert_eq!((carried.find(65_100), carried.find(66_000_u32 as u16)), (None, None));
    }
}
