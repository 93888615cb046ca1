//! What a packet carries to be recognised by: the last bytes of its payload, which no server rewrites.

use std::time::Instant;

const MAGIC: [u8; 4] = *b"PLVR";
pub const SIZE: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Audio,
    Video,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub stream: u16,
    pub kind: Kind,
    /// Counts the packets of this kind and stream.
    pub number: u64,
    pub sent_ns: u64,
}

impl Stamp {
    /// Write over the end of `payload`, which must be long enough.
    pub fn put(&self, payload: &mut [u8]) {
        let at = payload.len() - SIZE;
        let out = &mut payload[at..];
        out[..4].copy_from_slice(&MAGIC);
        out[4..6].copy_from_slice(&self.stream.to_be_bytes());
        out[6] = u8::from(self.kind == Kind::Video);
        out[7] = 0;
        out[8..16].copy_from_slice(&self.number.to_be_bytes());
        out[16..24].copy_from_slice(&self.sent_ns.to_be_bytes());
    }

    /// The stamp at the end of `payload`, if there is one.
    pub fn find(payload: &[u8]) -> Option<Self> {
        let (stamp, _) = payload.split_last_chunk::<SIZE>().map(|(_, stamp)| stamp.split_at(SIZE))?;
        (stamp[..4] == MAGIC).then(|| Self {
            stream: u16::from_be_bytes([stamp[4], stamp[5]]),
            kind: if stamp[6] == 1 { Kind::Video } else { Kind::Audio },
            number: be64(&stamp[8..16]),
            sent_ns: be64(&stamp[16..24]),
        })
    }
}

fn be64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// One clock for all stamps.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn ns(self, at: Instant) -> u64 {
        at.duration_since(self.0).as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_whatever_comes_before_it() {
        let stamp = Stamp { stream: 7, kind: Kind::Video, number: 1 << 40, sent_ns: 12_345_678_901 };
        for length in [SIZE, SIZE + 1, 1100] {
            let mut payload = vec![0x5a; length];
            assert_eq!(Stamp::find(&payload), None);
            stamp.put(&mut payload);
            assert_eq!(Stamp::find(&payload), Some(stamp));
        }
        assert_eq!(Stamp::find(&[0; SIZE - 1]), None);
    }
}
