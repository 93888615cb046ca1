//! Changes well-formed inputs a little, by a seed: the same seed gives the same inputs on every machine.

/// A small generator of numbers (xorshift64*); its quality is enough to pick places and values.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// Below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.draw() as usize % bound.max(1)
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.draw() as u8).collect()
    }
}

/// Values at which parsers go wrong: lengths and counts near their limits.
const TELLING: [u8; 10] = [0, 1, 2, 3, 0x7f, 0x80, 0x81, 0xc0, 0xfe, 0xff];
const MAX_RANDOM: usize = 1500;

/// One input: a seed with a few changes, sometimes none, sometimes nothing but noise.
pub fn input(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    if random.below(20) == 0 {
        let length = random.below(MAX_RANDOM);
        return random.bytes(length);
    }
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..random.below(6) {
        change(random, &mut input, seeds);
    }
    input
}

fn change(random: &mut Random, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = random.below(input.len());
    match random.below(8) {
        0 if !input.is_empty() => input[at] ^= 1 << random.below(8),
        1 if !input.is_empty() => input[at] = TELLING[random.below(TELLING.len())],
        2 => input.truncate(at),
        3 => {
            let end = (at + 1 + random.below(8)).min(input.len());
            input.drain(at..end);
        }
        4 => {
            let length = 1 + random.below(8);
            let bytes = random.bytes(length);
            input.splice(at..at, bytes);
        }
        5 => {
            let end = (at + random.below(64)).min(input.len());
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        6 => {
            let other = &seeds[random.below(seeds.len())];
            input.truncate(at);
            input.extend(&other[random.below(other.len())..]);
        }
        _ if !input.is_empty() => input[at] = random.draw() as u8,
        _ => input.push(random.draw() as u8),
    }
}
