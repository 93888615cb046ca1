//! Which payload types and header extensions a description names.

const VP8: u8 = 96;
const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// What a description says about RTP.
#[derive(Default)]
pub struct Formats {
    pub video: u8,
    pub retransmissions: Vec<u8>,
    transport_cc: Option<u8>,
}

impl Formats {
    pub fn parse(sdp: &str) -> Self {
        let mut formats = Self { video: VP8, ..Self::default() };
        for line in sdp.lines() {
            if let Some((payload_type, name)) =
                line.strip_prefix("a=rtpmap:").and_then(|rest| rest.split_once(' '))
            {
                let Ok(payload_type) = payload_type.parse() else { continue };
                match name.split('/').next() {
                    Some("VP8") => formats.video = payload_type,
                    Some("rtx") => formats.retransmissions.push(payload_type),
                    _ => {}
                }
            } else if let Some((id, uri)) =
                line.strip_prefix("a=extmap:").and_then(|rest| rest.split_once(' '))
                && uri.trim() == TRANSPORT_CC
            {
                formats.transport_cc = id.split('/').next().and_then(|id| id.parse().ok());
            }
        }
        formats
    }

    /// The transport-wide number in a packet's header extensions (RFC 8285 §4.2).
    pub fn transport_number(&self, packet: &[u8]) -> Option<u16> {
        let wanted = self.transport_cc?;
        let at = 12 + 4 * usize::from(packet[0] & 0x0f);
        if packet[0] & 0x10 == 0 || packet.get(at..at + 2)? != [0xbe, 0xde] {
            return None;
        }
        let words = usize::from(u16::from_be_bytes([*packet.get(at + 2)?, *packet.get(at + 3)?]));
        let mut rest = packet.get(at + 4..at + 4 + 4 * words)?;
        while let [first, after @ ..] = rest {
            let (id, length) = (first >> 4, usize::from(first & 0x0f) + 1);
            if *first == 0 {
                rest = after;
                continue;
            }
            let (value, following) = after.split_at_checked(length)?;
            if id == wanted {
                return Some(u16::from_be_bytes([value[0], *value.get(1)?]));
            }
            rest = following;
        }
        None
    }
}
