//! What is missing of a stream that a peer sends, and when to ask for it again.
//!
//! str0m asks once when it notices, and again after a tenth of a second or more, as it does not know the round-trip time
//! where we send nothing. A picture that is late by so much stands still. So we ask as well, each time when a repair
//! would have come by now. Sooner only where a lost request is sure to be seen, far away: some peers send a packet once
//! for each request.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets that are remembered; of a longer gap nothing is asked for, as a key frame repairs more.
const MOST: usize = 64;
/// How long a repair is taken to take before one has come.
const DEFAULT_REPAIR: Duration = Duration::from_millis(80);
/// Where it takes this long, a second request follows the first at once, except for what only came out of order.
const FAR: Duration = Duration::from_millis(75);
const HESITATION: Duration = Duration::from_millis(15);
const LEAST_PATIENCE: Duration = Duration::from_millis(30);
const MOST_PATIENCE: Duration = Duration::from_millis(300);
/// Beyond what a repair usually takes.
const MARGIN: Duration = Duration::from_millis(10);
/// What has not come by then is of no use to anybody.
const GIVE_UP: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Gaps {
    newest: Option<u64>,
    /// In the order of their numbers.
    missing: VecDeque<Missing>,
    /// From noticing to repair, smoothed, where no second request was made.
    repair: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    seq: u64,
    since: Instant,
    due: Instant,
    /// Asked for before a repair can have come.
    early: bool,
    asked: bool,
}

impl Gaps {
    /// A packet has come.
    pub fn note(&mut self, seq: u64, now: Instant) {
        let newest = *self.newest.get_or_insert(seq);
        if seq <= newest {
            self.found(seq, now);
            return;
        }
        self.newest = Some(seq);
        let skipped = newest + 1..seq;
        if seq - newest > MOST as u64 {
            self.missing.clear();
        } else {
            let early = self.repair.is_some_and(|repair| repair > FAR);
            let due = now + if early { HESITATION } else { self.patience() };
            self.missing.extend(skipped.map(|seq| Missing { seq, since: now, due, early, asked: false }));
            let excess = self.missing.len().saturating_sub(MOST);
            self.missing.drain(..excess);
        }
    }

    /// Numbers to ask for now, in order.
    pub fn due(&mut self, now: Instant) -> Vec<u16> {
        let patience = self.patience();
        self.missing.retain(|missing| now < missing.since + GIVE_UP);
        let due = self.missing.iter_mut().filter(|missing| missing.due <= now);
        due.map(|missing| {
            if std::mem::take(&mut missing.early) {
                missing.due = missing.since + patience;
            } else {
                missing.due = now + patience;
                missing.asked = true;
            }
            missing.seq as u16
        })
        .collect()
    }

    /// When to call [`Self::due`].
    pub fn deadline(&self) -> Option<Instant> {
        self.missing.iter().map(|missing| missing.due).min()
    }

    fn found(&mut self, seq: u64, now: Instant) {
        let Ok(place) = self.missing.binary_search_by_key(&seq, |missing| missing.seq) else { return };
        let Some(missing) = self.missing.remove(place) else { return };
        if !missing.asked {
            let took = now.saturating_duration_since(missing.since);
            self.repair = Some(self.repair.map_or(took, |repair| (repair * 7 + took) / 8));
        }
    }

    fn patience(&self) -> Duration {
        let repair = self.repair.unwrap_or(DEFAULT_REPAIR);
        (repair + repair / 8 + MARGIN).clamp(LEAST_PATIENCE, MOST_PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_asked_for_until_it_comes_or_is_of_no_use() {
        let (mut gaps, start) = (Gaps::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        for seq in [70_000, 70_001, 70_004] {
            gaps.note(seq, at(0));
        }
        assert_eq!((gaps.due(at(99)), gaps.deadline()), (vec![], Some(at(100))));
        assert_eq!(gaps.due(at(100)), [4466, 4467]);
        gaps.note(70_002, at(150));
        let asked: Vec<u64> = (150..1200).filter(|ms| !gaps.due(at(*ms)).is_empty()).collect();
        assert_eq!(asked, [200, 300, 400, 500, 600, 700, 800, 900]);
        assert_eq!(gaps.deadline(), None);
    }

    #[test]
    fn it_learns_how_long_repairs_take_and_asks_early_if_that_is_long() {
        for (takes, due) in [(40, [55, 110, 165]), (120, [15, 145, 290])] {
            let (mut gaps, start) = (Gaps::default(), Instant::now());
            gaps.note(0, start);
            for n in 0..50 {
                let noticed = start + Duration::from_millis(1000 * n);
                gaps.note(2 * n + 2, noticed);
                gaps.due(noticed + Duration::from_millis(20));
                gaps.note(2 * n + 1, noticed + Duration::from_millis(takes));
            }
            gaps.note(102, start);
            let asked = (0..300).filter(|ms| !gaps.due(start + Duration::from_millis(*ms)).is_empty());
            assert_eq!(asked.collect::<Vec<_>>()[..3], due, "{takes} ms");
        }
    }

    #[test]
    fn little_is_remembered() {
        let (mut gaps, start) = (Gaps::default(), Instant::now());
        gaps.note(0, start);
        gaps.note(10_000, start);
        assert_eq!(gaps.deadline(), None, "a key frame is needed anyway");
        (0..500).for_each(|n| gaps.note(10_000 + 2 * n, start));
        assert_eq!(gaps.missing.len(), MOST);
    }
}
