//! What was sent on one send stream, by its sequence numbers, so that it can be sent again.
//!
//! A packet is looked up where its producer's ring has it and rewritten as it was. The table grows with the bitrate:
//! it holds what was sent within about a second.

use std::time::{Duration, Instant};

use super::header::Stamp;
use crate::forward::Rewritten;

const LEAST: usize = 64;
const MOST: usize = 1024;
/// How long packets are worth remembering.
const MEMORY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Of the packet, in its producer.
    pub index: u64,
    pub rewritten: Rewritten,
    pub stamp: Stamp,
    pub at: Instant,
    /// When it was last sent again.
    pub resent: Option<Instant>,
    /// The transport-wide number that carried it last.
    pub latest: u16,
}

/// Empty until something is noted.
#[derive(Debug, Default)]
pub struct History {
    /// Slot `seq mod length`. The length is a power of two.
    slots: Vec<Option<Sent>>,
    newest: Option<u64>,
    /// What was sent before is not worth sending again.
    least: u64,
}

impl History {
    pub fn note(&mut self, sent: Sent) {
        if self.slots.is_empty() {
            self.slots.resize(LEAST, None);
        }
        let seq = sent.rewritten.seq;
        let mut slot = self.slot(seq);
        if self.slots.len() < MOST
            && self.slots[slot].is_some_and(|old| old.at + MEMORY > sent.at && old.rewritten.seq < seq)
        {
            self.grow();
            slot = self.slot(seq);
        }
        self.slots[slot] = Some(sent);
        self.newest = self.newest.max(Some(seq));
    }

    /// What was sent as `seq`, of which only the low bits are known.
    pub fn find(&mut self, seq: u16) -> Option<&mut Sent> {
        let newest = self.newest?;
        let behind = u64::from((newest as u16).wrapping_sub(seq));
        let slot = self.slot(newest.checked_sub(behind).filter(|seq| *seq >= self.least)?);
        self.slots.get_mut(slot)?.as_mut().filter(|sent| sent.rewritten.seq as u16 == seq)
    }

    /// The last packets, newest first.
    pub fn recent(&self) -> impl Iterator<Item = &Sent> {
        let newest = self.newest.unwrap_or(0);
        let count = if self.newest.is_some() { self.slots.len() as u64 } else { 0 };
        (0..count).filter_map(move |behind| {
            let seq = newest.checked_sub(behind)?;
            self.slots[self.slot(seq)].as_ref().filter(|sent| sent.rewritten.seq == seq)
        })
    }

    /// What was sent before `seq` need not be sent again: nothing builds on it any more.
    pub fn forget_before(&mut self, seq: u64) {
        self.least = seq;
    }

    /// Packets will come from another producer: places mean nothing any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn slot(&self, seq: u64) -> usize {
        seq as usize & (self.slots.len() - 1)
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots.resize(old.len() * 2, None);
        for sent in old.into_iter().flatten() {
            let slot = self.slot(sent.rewritten.seq);
            self.slots[slot] = Some(sent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(seq: u64, at: Instant) -> Sent {
        Sent {
            index: seq * 10,
            rewritten: Rewritten::plain(seq, 0, false),
            stamp: Stamp::default(),
            at,
            resent: None,
            latest: 0,
        }
    }

    #[test]
    fn packets_are_found_by_their_low_bits_across_the_wrap() {
        let (mut history, now) = (History::default(), Instant::now());
        assert!(history.find(5).is_none());
        for seq in 65_500..65_560 {
            history.note(sent(seq, now));
        }
        assert_eq!(history.find(65_535).map(|sent| sent.index), Some(655_350));
        assert_eq!(history.find(20).map(|sent| sent.index), Some(655_560));
        assert!(history.find(24).is_none() && history.find(65_499).is_none(), "neither sent nor remembered");
        assert_eq!(history.recent().map(|sent| sent.rewritten.seq).next(), Some(65_559));
        assert_eq!(history.recent().count(), 60);
    }

    #[test]
    fn what_nothing_builds_on_is_forgotten() {
        let (mut history, now) = (History::default(), Instant::now());
        (100..110).for_each(|seq| history.note(sent(seq, now)));
        history.forget_before(105);
        assert!(history.find(104).is_none());
        assert_eq!(history.find(105).map(|sent| sent.index), Some(1050));
    }

    #[test]
    fn the_table_grows_with_the_rate_and_no_further_than_it_must() {
        let now = Instant::now();
        let remembered = |packets_per_second: u32| {
            let mut history = History::default();
            for n in 0..packets_per_second * 3 {
                history.note(sent(u64::from(n), now + Duration::from_secs(1) * n / packets_per_second));
            }
            history.slots.len()
        };
        assert_eq!([10, 60, 300, 100_000].map(remembered), [64, 64, 512, 1024]);
    }

    #[test]
    fn a_gap_leaves_older_packets_unknown_not_wrong() {
        let (mut history, now) = (History::default(), Instant::now());
        history.note(sent(100, now));
        history.note(sent(100 + 64 * 3, now + Duration::from_secs(9)));
        assert!(history.find(100).is_none());
        assert_eq!(history.recent().count(), 1);
    }
}
