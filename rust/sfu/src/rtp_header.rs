//! RTP headers as they arrive (RFC 3550 §5.1). No length is believed.

const FIXED: usize = 12;
const VERSION: u8 = 2;

/// What is read of a header; `length` is that of all of it, with contributing sources and extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    pub payload_type: u8,
    pub marker: bool,
    pub seq: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub length: usize,
    padded: bool,
}

impl RtpHeader {
    /// None if it is no RTP, or not as long as it says.
    pub fn read(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; FIXED] = packet.first_chunk()?;
        if fixed[0] >> 6 != VERSION {
            return None;
        }
        let mut length = FIXED + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let words: &[u8; 2] = packet.get(length + 2..)?.first_chunk()?;
            length += 4 + 4 * usize::from(u16::from_be_bytes(*words));
        }
        let word = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        (length <= packet.len()).then_some(Self {
            payload_type: fixed[1] & 0x7f,
            marker: fixed[1] & 0x80 != 0,
            seq: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: word(4),
            ssrc: word(8),
            length,
            padded: fixed[0] & 0x20 != 0,
        })
    }

    /// The payload of an opened packet, without padding; None if the padding is longer than all there is.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let payload = packet.get(self.length..)?;
        if !self.padded {
            return Some(payload);
        }
        let padding = usize::from(*payload.last()?);
        payload.get(..payload.len().checked_sub(padding).filter(|_| padding > 0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 14] = [0x80, 0x88, 0x12, 0x34, 0, 0, 0, 160, 0, 0, 0, 7, 0xd5, 0xd5];

    #[test]
    fn a_header_is_read_with_all_that_belongs_to_it() {
        let header = RtpHeader::read(&PLAIN).unwrap();
        let expected = RtpHeader {
            payload_type: 8,
            marker: true,
            seq: 0x1234,
            timestamp: 160,
            ssrc: 7,
            length: 12,
            padded: false,
        };
        assert_eq!((header, header.payload(&PLAIN)), (expected, Some(&[0xd5, 0xd5][..])));
        let mut long = vec![0xb1];
        long.extend(&PLAIN[1..12]);
        long.extend([0, 0, 0, 9, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 0xaa, 0, 2]);
        let header = RtpHeader::read(&long).unwrap();
        assert_eq!((header.length, header.payload(&long)), (24, Some(&[0xaa][..])));
    }

    #[test]
    fn what_is_shorter_than_it_says_is_refused() {
        assert!((0..12).all(|end| RtpHeader::read(&PLAIN[..end]).is_none()));
        let other_version = [&[0x40], &PLAIN[1..]].concat();
        assert_eq!(RtpHeader::read(&other_version), None);
        let sources = [&[0x8f], &PLAIN[1..]].concat();
        assert_eq!(RtpHeader::read(&sources), None);
        let extension = [&[0x90], &PLAIN[1..], &[0xff, 0xff]].concat();
        assert_eq!(RtpHeader::read(&extension), None);
        for padding in [0, 3, 255] {
            let padded = [&[0xa0], &PLAIN[1..13], &[padding]].concat();
            assert_eq!(RtpHeader::read(&padded).unwrap().payload(&padded), None, "{padding}");
        }
    }
}
