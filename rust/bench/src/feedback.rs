//! Receiver reports and requests of a subscriber, as RTCP (RFC 3550 §6.4.2, RFC 4585 §6.2.1, transport-wide feedback).

/// Our own SSRC in reports; nothing is sent with it.
const REPORTER: u32 = 1;
/// Units of times in transport-wide feedback.
const REFERENCE_NS: u64 = 64_000_000;
const DELTA_NS: u64 = 250_000;

/// A receiver report about each (SSRC, highest extended number).
pub fn receiver_report(about: &[(u32, u32)]) -> Vec<u8> {
    let mut packet = header(about.len() as u8, 201);
    for (ssrc, highest) in about {
        packet.extend_from_slice(&ssrc.to_be_bytes());
        packet.extend_from_slice(&[0; 4]);
        packet.extend_from_slice(&highest.to_be_bytes());
        packet.extend_from_slice(&[0; 12]);
    }
    finish(packet)
}

/// A request for missing numbers, which are in order.
pub fn nack(media: u32, missing: &[u16]) -> Vec<u8> {
    let mut packet = header(1, 205);
    packet.extend_from_slice(&media.to_be_bytes());
    let mut rest = missing.iter().copied().peekable();
    while let Some(first) = rest.next() {
        let mut following = 0_u16; // bit i: first + 1 + i is missing as well
        while let Some(next) = rest.next_if(|next| (1..=16).contains(&next.wrapping_sub(first))) {
            following |= 1 << (next.wrapping_sub(first) - 1);
        }
        packet.extend_from_slice(&first.to_be_bytes());
        packet.extend_from_slice(&following.to_be_bytes());
    }
    finish(packet)
}

/// What has arrived since the last report of this kind: (transport-wide number, time), numbers rising.
#[derive(Default)]
pub struct Arrivals {
    arrived: Vec<(u64, u64)>,
    next: Option<u64>,
    count: u8,
}

impl Arrivals {
    pub fn note(&mut self, number: u16, at_ns: u64) {
        let last = self.arrived.last().map(|(number, _)| *number).or(self.next);
        let extended = last.map_or(1 << 16 | u64::from(number), |last| {
            last.wrapping_add_signed(i64::from(number.wrapping_sub(last as u16) as i16))
        });
        let at = self.arrived.partition_point(|(other, _)| *other < extended);
        if self.next.is_none_or(|next| extended >= next) {
            self.arrived.insert(at, (extended, at_ns));
        }
    }

    /// Transport-wide feedback about all of it (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    pub fn report(&mut self, media: u32) -> Option<Vec<u8>> {
        let (first, _) = *self.arrived.first()?;
        let (last, _) = *self.arrived.last()?;
        let base = self.next.unwrap_or(first);
        let arrived = std::mem::take(&mut self.arrived);
        self.next = Some(last + 1);
        let start = arrived[0].1 / REFERENCE_NS;
        let mut symbols = Vec::with_capacity((last - base + 1) as usize);
        let mut deltas = Vec::with_capacity(arrived.len());
        let (mut rest, mut time) = (arrived.iter().peekable(), start * REFERENCE_NS);
        for number in base..=last {
            let Some((_, at)) = rest.next_if(|(arrived, _)| *arrived == number) else {
                symbols.push(0_u16);
                continue;
            };
            let steps = ((*at as i64 - time as i64) / DELTA_NS as i64)
                .clamp(i64::from(i16::MIN), i64::from(i16::MAX));
            time = time.wrapping_add_signed(steps * DELTA_NS as i64);
            if let Ok(small) = u8::try_from(steps) {
                symbols.push(1);
                deltas.push(small);
            } else {
                symbols.push(2);
                deltas.extend_from_slice(&(steps as i16).to_be_bytes());
            }
        }
        let mut packet = header(15, 205);
        packet.extend_from_slice(&media.to_be_bytes());
        packet.extend_from_slice(&(base as u16).to_be_bytes());
        packet.extend_from_slice(&(symbols.len() as u16).to_be_bytes());
        packet.extend_from_slice(&(start as u32).to_be_bytes()[1..]);
        packet.push(self.count);
        self.count = self.count.wrapping_add(1);
        for seven in symbols.chunks(7) {
            // A status vector of two-bit symbols.
            let chunk =
                seven.iter().enumerate().fold(0xc000, |chunk, (i, symbol)| chunk | symbol << (12 - 2 * i));
            packet.extend_from_slice(&chunk.to_be_bytes());
        }
        packet.extend_from_slice(&deltas);
        Some(finish(packet))
    }
}

fn header(count: u8, kind: u8) -> Vec<u8> {
    let mut packet = vec![0x80 | count, kind, 0, 0];
    packet.extend_from_slice(&REPORTER.to_be_bytes());
    packet
}

/// Pad to whole words and write the length.
fn finish(mut packet: Vec<u8>) -> Vec<u8> {
    packet.resize(packet.len().next_multiple_of(4), 0);
    let words = (packet.len() / 4 - 1) as u16;
    packet[2..4].copy_from_slice(&words.to_be_bytes());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nack_packs_what_follows_into_bits() {
        let packet = nack(0xaabb_ccdd, &[65_534, 65_535, 14, 15]);
        assert_eq!(packet[..4], [0x81, 205, 0, 4]);
        assert_eq!(packet[8..], [0xaa, 0xbb, 0xcc, 0xdd, 0xff, 0xfe, 0x80, 0x01, 0, 15, 0, 0]);
    }

    #[test]
    fn feedback_tells_what_came_when_and_what_did_not() {
        let mut arrivals = Arrivals::default();
        arrivals.note(5, 64_000_000);
        arrivals.note(8, 164_000_000); // 400 steps later
        arrivals.note(6, 64_250_000);
        let packet = arrivals.report(9).unwrap();
        let words = [0, 0, 0, 9, 0, 5, 0, 4, 0, 0, 1, 0, 0b1101_0100, 0b1000_0000, 0, 1, 0x01, 0x8f];
        assert_eq!(packet[8..26], words);
        assert_eq!(packet.len() % 4, 0);
        assert_eq!(arrivals.report(9), None);
        arrivals.note(10, 170_000_000);
        assert_eq!(arrivals.report(9).unwrap()[12..16], [0, 9, 0, 2]); // 9 is missing, 10 is there
    }
}
