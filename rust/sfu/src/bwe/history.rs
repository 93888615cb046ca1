//! What was sent and may still be reported on, by transport-wide sequence number.

use std::collections::VecDeque;

/// Packets remembered; older ones count as never reported. At 3 Mbit/s this is more than ten seconds.
pub const CAPACITY: usize = 4096;
/// Packets older than this are forgotten.
const KEEP_US: i64 = 10_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    pub sent_us: i64,
    pub bytes: u16,
    /// Number of the probe it belongs to; 0 for none.
    pub cluster: u8,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unknown,
    Missing,
    Arrived,
}

/// What a report changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// It has arrived. `was_missing`: an earlier report said otherwise.
    Arrived {
        packet: SentPacket,
        was_missing: bool,
    },
    Missing,
}

/// Sequence numbers follow one another, so a packet's place says its number.
#[derive(Debug, Default)]
pub struct History {
    packets: VecDeque<SentPacket>,
    /// Extended number of the first packet that is kept.
    first: u64,
}

impl History {
    /// Note a packet. A number that does not follow the last one begins the history anew.
    pub fn sent(&mut self, seq: u16, sent_us: i64, bytes: u16, cluster: u8) {
        let next = self.first + self.packets.len() as u64;
        if self.packets.is_empty() || next as u16 != seq {
            self.packets.clear();
            self.first = u64::from(seq);
        }
        let stale = |packet: &SentPacket| packet.sent_us + KEEP_US < sent_us;
        while self.packets.len() >= CAPACITY || self.packets.front().is_some_and(stale) {
            self.packets.pop_front();
            self.first += 1;
        }
        self.packets.push_back(SentPacket { sent_us, bytes, cluster, fate: Fate::Unknown });
    }

    /// Take in what was reported of one packet; None if it is unknown or this is no news.
    pub fn report(&mut self, seq: u16, arrived: bool) -> Option<Report> {
        let offset = seq.wrapping_sub(self.first as u16);
        let packet = self.packets.get_mut(usize::from(offset))?;
        let before = packet.fate;
        match (before, arrived) {
            (Fate::Unknown | Fate::Missing, true) => {
                packet.fate = Fate::Arrived;
                Some(Report::Arrived { packet: *packet, was_missing: before == Fate::Missing })
            }
            (Fate::Unknown, false) => {
                packet.fate = Fate::Missing;
                Some(Report::Missing)
            }
            (Fate::Arrived, _) | (Fate::Missing, false) => None,
        }
    }

    pub fn len(&self) -> usize {
        self.packets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(report: Option<Report>) -> Option<(i64, bool)> {
        match report {
            Some(Report::Arrived { packet, was_missing }) => Some((packet.sent_us, was_missing)),
            _ => None,
        }
    }

    #[test]
    fn each_packet_is_news_once_and_across_the_wrap() {
        let mut history = History::default();
        for n in 0..20_u16 {
            history.sent(65_530_u16.wrapping_add(n), i64::from(n), 100, 0);
        }
        assert_eq!(arrived(history.report(65_535, true)), Some((5, false)));
        assert_eq!(arrived(history.report(0, true)), Some((6, false)));
        assert_eq!(history.report(0, true), None);
        assert_eq!(history.report(0, false), None, "it has arrived, whatever is said later");
        assert_eq!(history.report(1, false), Some(Report::Missing));
        assert_eq!(history.report(1, false), None);
        assert_eq!(arrived(history.report(1, true)), Some((7, true)));
        assert_eq!(history.report(65_529, true), None, "never sent");
        assert_eq!(history.report(14, true), None, "not sent yet");
    }

    #[test]
    fn it_is_bounded_in_number_and_in_time() {
        let mut history = History::default();
        for n in 0..100_000_u32 {
            history.sent(n as u16, i64::from(n), 1, 0);
        }
        assert_eq!(history.len(), CAPACITY);
        assert_eq!(arrived(history.report(99_999_u32 as u16, true)), Some((99_999, false)));
        history.sent(100_000_u32 as u16, 20_000_000, 1, 0);
        assert_eq!(history.len(), 1);
    }

    #[test]
    fn a_leap_begins_anew() {
        let mut history = History::default();
        history.sent(7, 0, 1, 0);
        history.sent(9, 1, 1, 0);
        assert_eq!((history.report(7, true), arrived(history.report(9, true))), (None, Some((1, false))));
    }
}
