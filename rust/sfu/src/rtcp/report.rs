//! Sender and receiver reports (RFC 3550 §6.4).

use super::{Malformed, take_u32};

const INFO: usize = 20;
const BLOCK: usize = 24;

/// What a sender says about its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall clock, in NTP format: seconds since 1900 and their fraction.
    pub ntp: u64,
    /// The same moment on the stream's clock.
    pub rtp: u32,
    pub packets: u32,
    /// Bytes of payload.
    pub octets: u32,
}

impl SenderInfo {
    pub(super) fn read(body: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (info, rest) = body.split_first_chunk::<INFO>().ok_or(Malformed)?;
        let word = |at: usize| u32::from_be_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
        let ntp = u64::from(word(0)) << 32 | u64::from(word(4));
        Ok((Self { ntp, rtp: word(8), packets: word(12), octets: word(16) }, rest))
    }
}

/// How a receiver fares with one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reception {
    pub ssrc: u32,
    /// Of the packets since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Since the beginning; duplicates count against it.
    pub lost: i32,
    /// Extended highest sequence number received.
    pub highest: u32,
    /// In ticks of the stream's clock.
    pub jitter: u32,
    /// The middle 32 bits of the last sender report's NTP time, 0 if there was none.
    pub last_report: u32,
    /// Since that report arrived, in 65536ths of a second.
    pub delay: u32,
}

/// The reception blocks of a report.
#[derive(Clone, Debug)]
pub struct Receptions<'a>(&'a [u8]);

impl<'a> Receptions<'a> {
    pub(super) fn read(body: &'a [u8], count: u8) -> Result<Self, Malformed> {
        // What follows the blocks is a profile's extension and is passed over.
        body.get(..usize::from(count) * BLOCK).map(Self).ok_or(Malformed)
    }
}

impl Iterator for Receptions<'_> {
    type Item = Reception;

    fn next(&mut self) -> Option<Reception> {
        let (block, rest) = self.0.split_at_checked(BLOCK)?;
        self.0 = rest;
        let (ssrc, block) = take_u32(block).ok()?;
        let (losses, block) = take_u32(block).ok()?;
        let (highest, block) = take_u32(block).ok()?;
        let (jitter, block) = take_u32(block).ok()?;
        let (last_report, block) = take_u32(block).ok()?;
        let (delay, _) = take_u32(block).ok()?;
        let lost = (losses << 8).cast_signed() >> 8; // 24 bits with a sign
        Some(Reception {
            ssrc,
            fraction_lost: (losses >> 24) as u8,
            lost,
            highest,
            jitter,
            last_report,
            delay,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Packet, packets, write};
    use super::*;

    #[test]
    fn a_sender_report_comes_back_as_it_was_written() {
        let info = SenderInfo { ntp: 0x0123_4567_89ab_cdef, rtp: 7, packets: 8, octets: 9 };
        let mut datagram = Vec::new();
        write::sender_report(&mut datagram, 42, &info);
        let all: Vec<_> = packets(&datagram).unwrap().collect();
        assert!(matches!(all[..], [Ok(Packet::SenderReport { sender: 42, info: got, .. })] if got == info));
    }

    #[test]
    fn reception_blocks_are_read_and_their_number_is_checked() {
        let block = [0, 0, 0, 9, 0x40, 0xff, 0xff, 0xfe, 0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5];
        let report = |count: u8| [&[0x80 | count, 201, 0, 7, 0, 0, 0, 1][..], &block].concat();
        let datagram = report(1);
        let Some(Ok(Packet::ReceiverReport { sender: 1, mut receptions })) =
            packets(&datagram).unwrap().next()
        else {
            panic!("not a receiver report");
        };
        let expected = Reception {
            ssrc: 9,
            fraction_lost: 64,
            lost: -2,
            highest: 0x1_0002,
            jitter: 3,
            last_report: 4,
            delay: 5,
        };
        assert_eq!((receptions.next(), receptions.next()), (Some(expected), None));
        assert!(matches!(packets(&report(2)).unwrap().next(), Some(Err(Malformed))));
    }
}
