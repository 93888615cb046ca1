//! Who wants to be woken, and when. One entry per owner at most, so nothing stale can pile up.
//!
//! An entry may be earlier than its owner's deadline: deadlines move with every packet, mostly away, and moving the
//! entry each time would cost more than one early wake-up, after which the owner says the right time again.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

#[derive(Debug)]
pub struct Timers<K> {
    queue: BTreeSet<(Instant, K)>,
    armed: HashMap<K, Instant>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { queue: BTreeSet::new(), armed: HashMap::new() }
    }
}

impl<K: Copy + Ord + Hash> Timers<K> {
    /// Wake `owner` at `deadline` or earlier.
    pub fn set(&mut self, owner: K, deadline: Instant) {
        match self.armed.get_mut(&owner) {
            Some(armed) if *armed <= deadline => return,
            Some(armed) => {
                self.queue.remove(&(*armed, owner));
                *armed = deadline;
            }
            None => {
                self.armed.insert(owner, deadline);
            }
        }
        self.queue.insert((deadline, owner));
    }

    pub fn cancel(&mut self, owner: K) {
        if let Some(armed) = self.armed.remove(&owner) {
            self.queue.remove(&(armed, owner));
        }
    }

    /// One owner whose time has come; it has to call [`Self::set`] again.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        let &(deadline, owner) = self.queue.first()?;
        if deadline > now {
            return None;
        }
        self.queue.pop_first();
        self.armed.remove(&owner);
        Some(owner)
    }

    pub fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(deadline, _)| *deadline)
    }

    pub fn len(&self) -> usize {
        self.queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_owner_has_one_entry_and_it_only_moves_closer() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut timers = Timers::default();
        for s in [5, 9, 3, 4] {
            timers.set('a', at(s));
        }
        timers.set('b', at(4));
        assert_eq!((timers.len(), timers.next()), (2, Some(at(3))));
        assert_eq!(
            (timers.pop(at(2)), timers.pop(at(4)), timers.pop(at(4)), timers.pop(at(4))),
            (None, Some('a'), Some('b'), None)
        );
        assert!(timers.is_empty());
    }

    #[test]
    fn a_cancelled_owner_leaves_nothing() {
        let mut timers = Timers::default();
        timers.set(1, Instant::now());
        timers.cancel(1);
        timers.cancel(2);
        assert!(timers.is_empty() && timers.armed.is_empty());
    }
}
