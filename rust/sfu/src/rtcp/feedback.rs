//! Feedback about one stream: lost packets, lost pictures (RFC 4585, RFC 5104), and the bitrate that may be sent (REMB).

use super::{FIR, Malformed, NACK, PAYLOAD_FEEDBACK, PLI, Packet, REMB, TRANSPORT_CC, TRANSPORT_FEEDBACK};

/// The body of a feedback packet, behind the two SSRCs.
pub(super) fn read(kind: u8, format: u8, media: u32, body: &[u8]) -> Result<Packet<'_>, Malformed> {
    match (kind, format) {
        (TRANSPORT_FEEDBACK, NACK) if body.len().is_multiple_of(4) => {
            Ok(Packet::Nack { media, lost: Nacks { rest: body, base: 0, mask: 0 } })
        }
        (TRANSPORT_FEEDBACK, TRANSPORT_CC) => Ok(Packet::TransportCc(body)),
        (PAYLOAD_FEEDBACK, PLI) => Ok(Packet::Pli { media }),
        (PAYLOAD_FEEDBACK, FIR) if body.len().is_multiple_of(8) => Ok(Packet::Fir { requests: Firs(body) }),
        (TRANSPORT_FEEDBACK, NACK) | (PAYLOAD_FEEDBACK, FIR) => Err(Malformed),
        (PAYLOAD_FEEDBACK, REMB) => Ok(remb(body).map_or(Packet::Other, |bps| Packet::Remb { bps })),
        _ => Ok(Packet::Other),
    }
}

/// The sequence numbers of lost packets. A word is one number and a mask of the sixteen that follow it.
#[derive(Clone, Debug)]
pub struct Nacks<'a> {
    rest: &'a [u8],
    base: u16,
    mask: u16,
}

impl Iterator for Nacks<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.mask != 0 {
            let bit = self.mask.trailing_zeros() as u16;
            self.mask &= self.mask - 1;
            return Some(self.base.wrapping_add(bit + 1));
        }
        let (&[b0, b1, m0, m1], rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        self.base = u16::from_be_bytes([b0, b1]);
        self.mask = u16::from_be_bytes([m0, m1]);
        Some(self.base)
    }
}

/// Streams of which a key frame is asked, and the number of the request, which stays when it is repeated.
#[derive(Clone, Debug)]
pub struct Firs<'a>(&'a [u8]);

impl Iterator for Firs<'_> {
    type Item = (u32, u8);

    fn next(&mut self) -> Option<(u32, u8)> {
        let (&[s0, s1, s2, s3, request, _, _, _], rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some((u32::from_be_bytes([s0, s1, s2, s3]), request))
    }
}

/// Bits per second: a mantissa of 18 bits and an exponent of 6. None: another application's message.
fn remb(body: &[u8]) -> Option<u64> {
    let &[b'R', b'E', b'M', b'B', _count, high, middle, low, ..] = body else { return None };
    let mantissa = u64::from(high & 3) << 16 | u64::from(middle) << 8 | u64::from(low);
    let exponent = u32::from(high >> 2);
    Some(if exponent > mantissa.leading_zeros() { u64::MAX } else { mantissa << exponent })
}

#[cfg(test)]
mod tests {
    use super::super::{packets, write};
    use super::*;

    fn only(datagram: &[u8]) -> Packet<'_> {
        packets(datagram).unwrap().next().unwrap().unwrap()
    }

    #[test]
    fn lost_packets_are_named_across_the_wrap() {
        let lost = [10, 12, 26, 27, 65_530, 65_535, 0, 9];
        let mut datagram = Vec::new();
        write::nack(&mut datagram, 1, 2, &lost);
        let Packet::Nack { media: 2, lost: read } = only(&datagram) else { panic!("not a NACK") };
        assert_eq!(read.collect::<Vec<_>>(), lost);
        assert_eq!(datagram.len(), 12 + 4 * 3, "one word for seventeen numbers");
    }

    #[test]
    fn key_frames_are_asked_for_by_either_message() {
        let mut datagram = Vec::new();
        write::fir(&mut datagram, 1, 7, 200);
        let Packet::Fir { requests } = only(&datagram) else { panic!("not a FIR") };
        assert_eq!(requests.collect::<Vec<_>>(), [(7, 200)]);
        let mut datagram = Vec::new();
        write::pli(&mut datagram, 1, 7);
        assert!(matches!(only(&datagram), Packet::Pli { media: 7 }));
    }

    #[test]
    fn bitrates_are_read_with_their_exponent_and_never_overflow() {
        for bps in [0, 1, 262_143, 300_000, 5_000_000, 1 << 40] {
            let mut datagram = Vec::new();
            write::remb(&mut datagram, 1, bps, &[2]);
            let Packet::Remb { bps: read } = only(&datagram) else { panic!("not REMB") };
            assert!(read <= bps && bps - read <= bps >> 17, "{bps}: {read}");
        }
        assert_eq!(remb(b"REMB\x01\xff\xff\xff"), Some(u64::MAX));
        assert_eq!(remb(b"REMB\x01\xfc\x00\x00"), Some(0));
        assert_eq!(remb(b"ALFA\x01\x00\x00\x00"), None);
    }

    #[test]
    fn bodies_of_the_wrong_length_are_malformed() {
        assert!(read(TRANSPORT_FEEDBACK, NACK, 1, &[0; 6]).is_err());
        assert!(read(PAYLOAD_FEEDBACK, FIR, 1, &[0; 4]).is_err());
        assert!(matches!(read(PAYLOAD_FEEDBACK, REMB, 1, &[0; 4]), Ok(Packet::Other)));
    }
}
