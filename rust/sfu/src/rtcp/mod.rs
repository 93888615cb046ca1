//! RTCP: what is read from subscribers, and what is written to them.
//!
//! A datagram is a row of packets (RFC 3550 §6.1), of which feedback may come alone (RFC 5506). Reading allocates
//! nothing, except for transport-wide feedback, and believes no length: what does not add up is [`Malformed`].

mod feedback;
mod report;
mod transport_cc;
pub mod write;

pub use feedback::{Firs, Nacks};
pub use report::{Reception, Receptions, SenderInfo};
pub use transport_cc::TransportFeedback;

const VERSION: u8 = 2;
const HEADER: usize = 4;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

/// Formats of transport feedback: RFC 4585 §6.2.1, draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.
const NACK: u8 = 1;
const TRANSPORT_CC: u8 = 15;
/// Formats of payload-specific feedback: RFC 4585 §6.3.1, RFC 5104 §4.3.1, draft-alvestrand-rmcat-remb-03 §2.2.
const PLI: u8 = 1;
const FIR: u8 = 4;
const REMB: u8 = 15;

/// One packet of a datagram. `sender` and `media` are SSRCs.
#[derive(Clone, Debug)]
pub enum Packet<'a> {
    SenderReport {
        sender: u32,
        info: SenderInfo,
        receptions: Receptions<'a>,
    },
    ReceiverReport {
        sender: u32,
        receptions: Receptions<'a>,
    },
    /// Packets of `media` that did not arrive.
    Nack {
        media: u32,
        lost: Nacks<'a>,
    },
    /// A decoder has lost the picture.
    Pli {
        media: u32,
    },
    /// Decoders that need a key frame.
    Fir {
        requests: Firs<'a>,
    },
    /// What the receiver believes it can receive, in bits per second.
    Remb {
        bps: u64,
    },
    /// To be read by [`TransportFeedback::read`].
    TransportCc(&'a [u8]),
    SourceDescription,
    Goodbye,
    /// Anything else; of no concern to a sender.
    Other,
}

/// What cannot be RTCP, or not what it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The packets of a datagram. Whether their lengths add up is known before the first is read.
pub fn packets(datagram: &[u8]) -> Result<impl Iterator<Item = Result<Packet<'_>, Malformed>>, Malformed> {
    let mut rest = datagram;
    while !rest.is_empty() {
        let (packet, next) = split(rest)?;
        // Only the last packet may be padded (RFC 3550 §6.4.1).
        if is_padded(packet) && !next.is_empty() {
            return Err(Malformed);
        }
        rest = next;
    }
    let mut rest = if datagram.is_empty() { return Err(Malformed) } else { datagram };
    Ok(std::iter::from_fn(move || {
        let (packet, next) = split(rest).ok()?;
        rest = next;
        Some(read(packet))
    }))
}

/// The first packet of `bytes`, and what follows.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let &[first, _, high, low, ..] = bytes else { return Err(Malformed) };
    let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
    if first >> 6 != VERSION {
        return Err(Malformed);
    }
    bytes.split_at_checked(length).ok_or(Malformed)
}

fn is_padded(packet: &[u8]) -> bool {
    packet[0] & 0x20 != 0
}

fn read(packet: &[u8]) -> Result<Packet<'_>, Malformed> {
    let (count, kind) = (packet[0] & 0x1f, packet[1]);
    let mut body = &packet[HEADER..];
    if is_padded(packet) {
        let padding = usize::from(*body.last().ok_or(Malformed)?);
        // Words of it by RFC 3550 §6.4.1, but transport-wide feedback fills up its last word with it.
        if padding == 0 {
            return Err(Malformed);
        }
        body = body.get(..body.len().checked_sub(padding).ok_or(Malformed)?).ok_or(Malformed)?;
    }
    match (kind, count) {
        (SENDER_REPORT, _) => {
            let (sender, body) = take_u32(body)?;
            let (info, body) = SenderInfo::read(body)?;
            Ok(Packet::SenderReport { sender, info, receptions: Receptions::read(body, count)? })
        }
        (RECEIVER_REPORT, _) => {
            let (sender, body) = take_u32(body)?;
            Ok(Packet::ReceiverReport { sender, receptions: Receptions::read(body, count)? })
        }
        (SOURCE_DESCRIPTION, _) => Ok(Packet::SourceDescription),
        (GOODBYE, _) => Ok(Packet::Goodbye),
        (TRANSPORT_FEEDBACK | PAYLOAD_FEEDBACK, _) => {
            let (_sender, body) = take_u32(body)?;
            let (media, body) = take_u32(body)?;
            feedback::read(kind, count, media, body)
        }
        _ => Ok(Packet::Other),
    }
}

fn take_u32(bytes: &[u8]) -> Result<(u32, &[u8]), Malformed> {
    let (first, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    Ok((u32::from_be_bytes(*first), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(datagram: &[u8]) -> Result<Vec<String>, Malformed> {
        let name = |packet| format!("{packet:?}").split([' ', '(']).next().unwrap_or("").to_owned();
        packets(datagram)?.map(|packet| packet.map(name)).collect()
    }

    #[test]
    fn a_row_of_packets_is_read_one_by_one() {
        let mut datagram = Vec::new();
        write::receiver_report(&mut datagram, 1);
        write::cname(&mut datagram, 1, "somebody");
        write::pli(&mut datagram, 1, 2);
        write::goodbye(&mut datagram, &[1]);
        datagram.extend([0x80, 207, 0, 0]);
        assert_eq!(
            kinds(&datagram),
            Ok(["ReceiverReport", "SourceDescription", "Pli", "Goodbye", "Other"]
                .map(str::to_owned)
                .to_vec())
        );
    }

    #[test]
    fn a_row_cut_anywhere_is_malformed() {
        let mut datagram = Vec::new();
        write::receiver_report(&mut datagram, 1);
        write::nack(&mut datagram, 1, 2, &[5]);
        let boundary = 8;
        for end in (0..datagram.len()).filter(|end| *end != boundary) {
            assert_eq!(kinds(&datagram[..end]), Err(Malformed), "{end}");
        }
    }

    #[test]
    fn versions_and_paddings_that_cannot_be_are_malformed() {
        let mut good = Vec::new();
        write::pli(&mut good, 1, 2);
        let mut other_version = good.clone();
        other_version[0] = 0x41;
        assert_eq!(kinds(&other_version), Err(Malformed));
        let padded =
            |padding: u8| [&[0xa1, 206, 0, 3][..], &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, padding]].concat();
        for padding in [1, 2, 4] {
            assert_eq!(kinds(&padded(padding)), Ok(vec!["Pli".to_owned()]));
        }
        for padding in [0, 5, 13, 16, 255] {
            assert_eq!(kinds(&padded(padding)), Err(Malformed), "{padding}");
        }
        assert_eq!(kinds(&[padded(4), good].concat()), Err(Malformed), "padding in the middle");
    }
}
