//! How long packets would wait if the path carried exactly what is estimated: the part of the queue that a burst explains.

/// The longest wait of so long ago still counts: reports come late.
const MEMORY_US: i64 = 1_000_000;

#[derive(Debug, Default)]
pub struct Backlog {
    bytes: f64,
    at_us: i64,
    longest_us: i64,
    longest_at_us: i64,
}

impl Backlog {
    pub fn sent(&mut self, now_us: i64, bytes: u32, bps: f64) {
        let gone = (now_us - self.at_us).max(0) as f64 * bps / 8e6;
        self.bytes = (self.bytes - gone).max(0.0) + f64::from(bytes);
        self.at_us = self.at_us.max(now_us);
        let wait_us = (self.bytes * 8e6 / bps.max(1.0)) as i64;
        if wait_us >= self.longest_us || now_us - self.longest_at_us > MEMORY_US {
            (self.longest_us, self.longest_at_us) = (wait_us, now_us);
        }
    }

    /// The longest wait lately.
    pub fn longest_us(&self) -> i64 {
        self.longest_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_explains_its_wait_and_is_forgotten() {
        let mut backlog = Backlog::default();
        (0..50).for_each(|_| backlog.sent(0, 1000, 1_000_000.0));
        assert_eq!(backlog.longest_us(), 400_000);
        backlog.sent(300_000, 1000, 1_000_000.0);
        assert_eq!(backlog.longest_us(), 400_000);
        backlog.sent(1_100_000, 1000, 1_000_000.0);
        assert_eq!(backlog.longest_us(), 8_000);
    }
}
