//! Numbers of a source, counted anew for a receiver to whom some of them are not sent: no gap where one was left out.

use std::collections::VecDeque;

/// Places where numbers were left out that are remembered, for packets that come late. A temporal layer left out of 60
/// pictures a second makes 30 of them.
const MAX_RANGES: usize = 64;

/// Numbers from `from` on are shifted by `shift`, modulo 2^64.
#[derive(Clone, Copy, Debug)]
struct Range {
    from: u64,
    shift: u64,
}

#[derive(Clone, Debug)]
pub struct Count {
    range: Range,
    /// Older ranges, oldest first; the oldest is forgotten. Empty while nothing is left out.
    earlier: VecDeque<Range>,
    newest: u64,
}

impl Count {
    /// `first` becomes `start`.
    pub fn new(first: u64, start: u64) -> Self {
        let range = Range { from: first, shift: start.wrapping_sub(first) };
        Self { range, earlier: VecDeque::new(), newest: first.wrapping_sub(1) }
    }

    /// What `number` is counted as. None: it was left out, or is too old to tell.
    pub fn map(&self, number: u64) -> Option<u64> {
        let mut after = self.range;
        if number >= after.from {
            return Some(number.wrapping_add(after.shift));
        }
        for range in self.earlier.iter().rev() {
            let left_out = range.shift.wrapping_sub(after.shift);
            if number.wrapping_add(left_out) >= after.from {
                return None;
            }
            if number >= range.from {
                return Some(number.wrapping_add(range.shift));
            }
            after = *range;
        }
        None
    }

    /// Whether `number` comes after all that were seen.
    pub fn is_new(&self, number: u64) -> bool {
        self.newest.wrapping_add(1) <= number
    }

    /// `number` is sent.
    pub fn keep(&mut self, number: u64) {
        if self.is_new(number) {
            self.newest = number;
        }
    }

    /// Something else is sent after all that were seen: what follows is counted one higher.
    pub fn make_room(&mut self) {
        if self.earlier.len() == MAX_RANGES {
            self.earlier.pop_front();
        }
        self.earlier.push_back(self.range);
        self.range = Range { from: self.newest.wrapping_add(1), shift: self.range.shift.wrapping_add(1) };
    }

    /// `number` is not sent, and those after it take its place. If a later one was seen already, a gap stays.
    pub fn leave_out(&mut self, number: u64) {
        if !self.is_new(number) {
            return;
        }
        self.newest = number;
        if number != self.range.from {
            if self.earlier.len() == MAX_RANGES {
                self.earlier.pop_front();
            }
            self.earlier.push_back(self.range);
        }
        self.range = Range { from: number + 1, shift: self.range.shift.wrapping_sub(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_leaves_no_gap() {
        let mut count = Count::new(10, 100);
        let mut sent = Vec::new();
        for number in 10..40 {
            if number % 3 == 0 || number == 10 {
                count.leave_out(number);
            } else {
                count.keep(number);
                sent.push(count.map(number).unwrap());
            }
        }
        assert_eq!(sent, (100..100 + sent.len() as u64).collect::<Vec<_>>());
        assert_eq!(count.map(9), None);
        assert_eq!(count.map(30), None, "left out");
    }

    #[test]
    fn a_number_that_is_missing_keeps_its_place() {
        let mut count = Count::new(10, 10);
        for number in [10, 14, 17] {
            count.keep(number);
        }
        count.leave_out(12); // too late to close its gap
        for number in [18, 21, 22] {
            count.leave_out(number);
        }
        count.keep(23);
        let all: Vec<_> = (10..25).map(|number| count.map(number)).collect();
        let expected: Vec<_> =
            (10..18).map(Some).chain([None, Some(18), Some(19), None, None, Some(20), Some(21)]).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn only_so_much_is_remembered() {
        let mut count = Count::new(0, 0);
        for number in 0..10_000 {
            if number % 2 == 0 { count.keep(number) } else { count.leave_out(number) }
        }
        assert_eq!(count.earlier.len(), MAX_RANGES);
        assert_eq!((count.map(9998), count.map(9900), count.map(2)), (Some(4999), Some(4950), None));
    }

    #[test]
    fn a_count_may_go_down_below_zero() {
        let mut count = Count::new(5, 2);
        for number in 5..20 {
            count.leave_out(number);
        }
        count.keep(20);
        assert_eq!(count.map(20), Some(2));
        assert_eq!(Count::new(0, u64::MAX).map(1), Some(0));
    }
}
