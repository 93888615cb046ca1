//! Writes RTCP packets, one behind the other.

use super::transport_cc::TransportFeedback;
use super::{
    FIR, GOODBYE, NACK, PAYLOAD_FEEDBACK, PLI, RECEIVER_REPORT, REMB, Reception, SENDER_REPORT,
    SOURCE_DESCRIPTION, SenderInfo, TRANSPORT_CC, TRANSPORT_FEEDBACK, VERSION,
};

const CNAME: u8 = 1;
/// RFC 3550 §6.5: an item's length is one byte.
const MAX_TEXT: usize = 255;
/// What the count field of a header can hold.
const MAX_COUNT: usize = 31;

/// RFC 3550 §6.4.1, without reception blocks.
pub fn sender_report(out: &mut Vec<u8>, sender: u32, info: &SenderInfo) {
    packet(out, SENDER_REPORT, 0, |out| {
        out.extend(sender.to_be_bytes());
        out.extend(info.ntp.to_be_bytes());
        for word in [info.rtp, info.packets, info.octets] {
            out.extend(word.to_be_bytes());
        }
    });
}

/// RFC 3550 §6.4.2, without reception blocks: what has to stand before feedback.
pub fn receiver_report(out: &mut Vec<u8>, sender: u32) {
    packet(out, RECEIVER_REPORT, 0, |out| out.extend(sender.to_be_bytes()));
}

/// RFC 3550 §6.4.2, with one reception block.
pub fn reception_report(out: &mut Vec<u8>, sender: u32, reception: &Reception) {
    packet(out, RECEIVER_REPORT, 1, |out| {
        out.extend(sender.to_be_bytes());
        out.extend(reception.ssrc.to_be_bytes());
        let lost = reception.lost.cast_unsigned() & 0xff_ffff;
        out.extend((u32::from(reception.fraction_lost) << 24 | lost).to_be_bytes());
        for word in [reception.highest, reception.jitter, reception.last_report, reception.delay] {
            out.extend(word.to_be_bytes());
        }
    });
}

/// RFC 3550 §6.5: the name that tells which streams belong together. Cut where an item ends.
pub fn cname(out: &mut Vec<u8>, source: u32, name: &str) {
    let name = &name.as_bytes()[..name.len().min(MAX_TEXT)];
    packet(out, SOURCE_DESCRIPTION, 1, |out| {
        out.extend(source.to_be_bytes());
        out.extend([CNAME, name.len() as u8]);
        out.extend(name);
        out.push(0); // at least one, then as many as it takes to fill the word
    });
}

/// RFC 3550 §6.6; streams beyond the first 31 are left out.
pub fn goodbye(out: &mut Vec<u8>, sources: &[u32]) {
    let sources = &sources[..sources.len().min(MAX_COUNT)];
    packet(out, GOODBYE, sources.len() as u8, |out| {
        out.extend(sources.iter().flat_map(|source| source.to_be_bytes()));
    });
}

/// RFC 4585 §6.2.1: packets in ascending order.
pub fn nack(out: &mut Vec<u8>, sender: u32, media: u32, lost: &[u16]) {
    feedback(out, TRANSPORT_FEEDBACK, NACK, sender, media, |out| {
        let mut lost = lost.iter().copied().peekable();
        while let Some(base) = lost.next() {
            let mut mask = 0_u16;
            while let Some(next) = lost.next_if(|next| (1..=16).contains(&next.wrapping_sub(base))) {
                mask |= 1 << (next.wrapping_sub(base) - 1);
            }
            out.extend(base.to_be_bytes());
            out.extend(mask.to_be_bytes());
        }
    });
}

/// RFC 4585 §6.3.1.
pub fn pli(out: &mut Vec<u8>, sender: u32, media: u32) {
    feedback(out, PAYLOAD_FEEDBACK, PLI, sender, media, |_| {});
}

/// RFC 5104 §4.3.1.
pub fn fir(out: &mut Vec<u8>, sender: u32, media: u32, request: u8) {
    feedback(out, PAYLOAD_FEEDBACK, FIR, sender, 0, |out| {
        out.extend(media.to_be_bytes());
        out.extend([request, 0, 0, 0]);
    });
}

/// draft-alvestrand-rmcat-remb-03 §2.2; rounded down.
pub fn remb(out: &mut Vec<u8>, sender: u32, bps: u64, media: &[u32]) {
    let media = &media[..media.len().min(255)];
    let exponent = 46_u32.saturating_sub(bps.leading_zeros());
    let mantissa = (bps >> exponent) as u32;
    feedback(out, PAYLOAD_FEEDBACK, REMB, sender, 0, |out| {
        out.extend(b"REMB");
        out.extend((((media.len() as u32) << 24) | exponent << 18 | mantissa).to_be_bytes());
        out.extend(media.iter().flat_map(|ssrc| ssrc.to_be_bytes()));
    });
}

/// draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1. Times are rounded down to its quarter milliseconds; a step
/// that does not fit is cut.
pub fn transport_cc(out: &mut Vec<u8>, sender: u32, media: u32, message: &TransportFeedback) {
    let first = message.arrivals.iter().flatten().next().copied().unwrap_or(0);
    let reference = first.div_euclid(64_000);
    let mut time = reference * 256;
    let (mut symbols, mut deltas) = (Vec::new(), Vec::new());
    for arrival in &message.arrivals {
        let Some(arrival) = arrival else {
            symbols.push(0_u16);
            continue;
        };
        let step = (arrival.div_euclid(250) - time).clamp(i64::from(i16::MIN), i64::from(i16::MAX));
        time += step;
        if let Ok(small) = u8::try_from(step) {
            symbols.push(1);
            deltas.push(small);
        } else {
            symbols.push(2);
            deltas.extend((step as i16).to_be_bytes());
        }
    }
    feedback(out, TRANSPORT_FEEDBACK, TRANSPORT_CC, sender, media, |out| {
        out.extend(message.base.to_be_bytes());
        out.extend((symbols.len() as u16).to_be_bytes());
        out.extend(&(reference as i32).to_be_bytes()[1..]);
        out.push(message.count);
        let mut rest = symbols.as_slice();
        while let Some(&symbol) = rest.first() {
            let run = rest.iter().take_while(|next| **next == symbol).take(0x1fff).count();
            let (word, taken) = if run >= 7 {
                (symbol << 13 | run as u16, run)
            } else {
                let pairs = rest.iter().take(7).enumerate();
                let word = pairs.fold(0xc000, |word, (index, symbol)| word | symbol << (12 - 2 * index));
                (word, rest.len().min(7))
            };
            out.extend(word.to_be_bytes());
            rest = &rest[taken..];
        }
        out.extend(&deltas);
    });
}

fn feedback(
    out: &mut Vec<u8>,
    kind: u8,
    format: u8,
    sender: u32,
    media: u32,
    body: impl FnOnce(&mut Vec<u8>),
) {
    packet(out, kind, format, |out| {
        out.extend(sender.to_be_bytes());
        out.extend(media.to_be_bytes());
        body(out);
    });
}

/// Header, body, zeros up to the next word.
fn packet(out: &mut Vec<u8>, kind: u8, count: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([VERSION << 6 | count, kind, 0, 0]);
    body(out);
    out.resize(start + (out.len() - start).next_multiple_of(4), 0);
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_closed_and_filled_up_to_the_word() {
        for length in 0..9 {
            let mut out = Vec::new();
            cname(&mut out, 1, &"n".repeat(length));
            assert_eq!(out.len() % 4, 0);
            assert_eq!(out[10 + length], 0, "closed");
        }
        let mut out = Vec::new();
        cname(&mut out, 1, &"n".repeat(300));
        assert_eq!(out[9], 255);
    }

    #[test]
    fn goodbyes_name_no_more_than_fits() {
        let mut out = Vec::new();
        goodbye(&mut out, &[7; 40]);
        assert_eq!((out[0] & 0x1f, out.len()), (31, 4 + 31 * 4));
    }
}
