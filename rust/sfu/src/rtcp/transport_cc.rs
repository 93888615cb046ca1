//! Transport-wide feedback: when each packet of a transport arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use super::Malformed;

const FIXED: usize = 8;
/// Statuses read from one message. More than any history holds; a few bytes can claim 65,535.
const MAX_STATUSES: usize = 8192;
/// Units of the two clocks, in microseconds.
const REFERENCE: i64 = 64_000;
const DELTA: i64 = 250;

/// One message, read. Kept and read into again, so that its list is allocated once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportFeedback {
    /// Transport-wide sequence number of the first packet in `arrivals`; the others follow without a gap.
    pub base: u16,
    /// Counts messages, to see that some were lost.
    pub count: u8,
    /// When each packet arrived, in microseconds of the receiver's clock, which begins anywhere and comes back to its
    /// beginning after 12 days; None: not until this message was sent.
    pub arrivals: Vec<Option<i64>>,
}

impl TransportFeedback {
    /// Read the body of a [`super::Packet::TransportCc`].
    pub fn read(&mut self, body: &[u8]) -> Result<(), Malformed> {
        self.arrivals.clear();
        let (&[b0, b1, s0, s1, r0, r1, r2, count], mut rest) =
            body.split_first_chunk::<FIXED>().ok_or(Malformed)?;
        let statuses = usize::from(u16::from_be_bytes([s0, s1]));
        if statuses == 0 || statuses > MAX_STATUSES {
            return Err(Malformed);
        }
        (self.base, self.count) = (u16::from_be_bytes([b0, b1]), count);
        let chunks = rest;
        let mut covered = 0;
        while covered < statuses {
            let (chunk, after) = rest.split_first_chunk().ok_or(Malformed)?;
            covered += Chunk::read(*chunk).length();
            rest = after;
        }
        let mut deltas = rest;
        let mut time = i64::from(i32::from_be_bytes([r0, r1, r2, 0]) >> 8) * REFERENCE;
        let chunks = chunks.as_chunks().0.iter().map(|chunk| Chunk::read(*chunk));
        for symbol in chunks.flat_map(Chunk::symbols).take(statuses) {
            let delta = match symbol {
                0 => None,
                1 => {
                    let (&[small], after) = deltas.split_first_chunk().ok_or(Malformed)?;
                    deltas = after;
                    Some(i64::from(small))
                }
                2 => {
                    let (large, after) = deltas.split_first_chunk().ok_or(Malformed)?;
                    deltas = after;
                    Some(i64::from(i16::from_be_bytes(*large)))
                }
                _ => return Err(Malformed),
            };
            self.arrivals.push(delta.map(|delta| {
                time += delta * DELTA;
                time
            }));
        }
        Ok(())
    }

    /// Sequence numbers and arrivals.
    pub fn iter(&self) -> impl Iterator<Item = (u16, Option<i64>)> + '_ {
        (0..).map(|offset| self.base.wrapping_add(offset)).zip(self.arrivals.iter().copied())
    }
}

/// A run of equal statuses, or a few single ones.
#[derive(Clone, Copy)]
enum Chunk {
    Run {
        symbol: u8,
        length: usize,
    },
    /// Fourteen symbols of one bit.
    Bits(u16),
    /// Seven symbols of two bits.
    Pairs(u16),
}

impl Chunk {
    fn read(bytes: [u8; 2]) -> Self {
        let word = u16::from_be_bytes(bytes);
        match word >> 14 {
            0 | 1 => Self::Run { symbol: (word >> 13) as u8 & 3, length: usize::from(word & 0x1fff) },
            2 => Self::Bits(word & 0x3fff),
            _ => Self::Pairs(word & 0x3fff),
        }
    }

    fn length(self) -> usize {
        match self {
            Self::Run { length, .. } => length,
            Self::Bits(_) => 14,
            Self::Pairs(_) => 7,
        }
    }

    fn symbols(self) -> impl Iterator<Item = u8> {
        (0..self.length()).map(move |index| match self {
            Self::Run { symbol, .. } => symbol,
            Self::Bits(bits) => (bits >> (13 - index)) as u8 & 1,
            Self::Pairs(pairs) => (pairs >> (12 - 2 * index)) as u8 & 3,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Packet, packets, write};
    use super::*;

    fn read(body: &[u8]) -> Result<TransportFeedback, Malformed> {
        let mut feedback = TransportFeedback::default();
        feedback.read(body).map(|()| feedback)
    }

    #[test]
    fn runs_and_vectors_are_read_with_their_times() {
        // base 5, 7 + 3 statuses, reference 2, count 9; two lost, three small, then pairs; three more by bits
        let pairs = 0xc158_u16.to_be_bytes();
        let bits = 0xa800_u16.to_be_bytes();
        let body = [&[0, 5, 0, 10, 0, 0, 2, 9][..], &pairs, &bits, &[4, 8, 0, 0xff, 0xfc, 1, 2]].concat();
        let feedback = read(&body).unwrap();
        assert_eq!((feedback.base, feedback.count), (5, 9));
        let at = |quarters: i64| Some(128_000 + quarters * 250);
        let expected = [None, None, at(4), at(12), at(12), at(8), None, at(9), None, at(11)];
        assert_eq!(feedback.arrivals, expected);
        assert_eq!(feedback.iter().nth(2), Some((7, at(4))));
    }

    #[test]
    fn what_was_written_is_read_again() {
        let arrivals: Vec<Option<i64>> = (0..300)
            .map(|n| (n % 7 != 3 && !(100..180).contains(&n)).then_some(64_000 * 50 + n * 1000))
            .chain([Some(64_000 * 50 + 900_000), Some(64_000 * 50 + 700_000)])
            .collect();
        let feedback = TransportFeedback { base: 65_500, count: 3, arrivals };
        let mut datagram = Vec::new();
        write::transport_cc(&mut datagram, 1, 2, &feedback);
        let Some(Ok(Packet::TransportCc(body))) = packets(&datagram).unwrap().next() else {
            panic!("not transport-wide feedback");
        };
        assert_eq!(read(body), Ok(feedback));
    }

    #[test]
    fn claims_without_proof_are_malformed() {
        let run = |symbol: u16, length: u16| (symbol << 13 | length).to_be_bytes();
        let body = |count: u16, rest: &[u8]| [&[0, 0][..], &count.to_be_bytes(), &[0; 4], rest].concat();
        assert!(read(&body(8191, &run(0, 8191))).is_ok());
        assert_eq!(read(&body(0, &run(0, 1))), Err(Malformed), "no statuses");
        assert_eq!(read(&body(65_535, &[run(0, 8191); 8].concat())), Err(Malformed), "too many");
        assert_eq!(read(&body(20, &run(0, 10))), Err(Malformed), "chunks missing");
        assert_eq!(read(&body(20, &[0; 2])), Err(Malformed), "empty runs");
        assert_eq!(read(&body(2, &run(1, 2))), Err(Malformed), "deltas missing");
        assert_eq!(read(&body(2, &[&run(2, 2)[..], &[0; 3]].concat())), Err(Malformed), "half a delta");
        assert_eq!(read(&body(1, &[&run(3, 1)[..], &[0; 2]].concat())), Err(Malformed), "reserved symbol");
        assert_eq!(read(&[0; 7]), Err(Malformed));
    }

    #[test]
    fn the_receivers_clock_may_be_before_its_beginning() {
        let body = [&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0][..], &[0x20, 1, 4, 0]].concat();
        assert_eq!(read(&body).unwrap().arrivals, [Some(-63_000)]);
    }
}
