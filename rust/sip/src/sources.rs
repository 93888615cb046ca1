//! How many calls an address may try, and how many it may have.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How many addresses are remembered; beyond that the one heard of longest ago is forgotten.
const REMEMBERED: usize = 10_000;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls of the whole stack.
    pub calls: usize,
    /// Calls that one address has at a time.
    pub calls_per_source: usize,
    /// Calls that one address may try at once, and each ten seconds.
    pub tries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls: 500, calls_per_source: 100, tries: 100 }
    }
}

const REFILL: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Source {
    left: f64,
    at: Instant,
}

/// A bucket for each address.
#[derive(Debug, Default)]
pub struct Sources {
    known: HashMap<IpAddr, Source>,
}

impl Sources {
    /// Whether `source` may try now; counts the try.
    pub fn allow(&mut self, source: IpAddr, tries: u32, now: Instant) -> bool {
        if self.known.len() >= REMEMBERED && !self.known.contains_key(&source) {
            let full = |one: &Source| now.duration_since(one.at) >= REFILL;
            self.known.retain(|_, one| !full(one));
            if self.known.len() >= REMEMBERED {
                return false;
            }
        }
        let tries = f64::from(tries);
        let one = self.known.entry(source).or_insert(Source { left: tries, at: now });
        let refilled = tries * now.duration_since(one.at).as_secs_f64() / REFILL.as_secs_f64();
        one.left = (one.left + refilled).min(tries);
        one.at = now;
        if one.left < 1.0 {
            return false;
        }
        one.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_source_may_try_so_often_and_then_waits() {
        let (mut sources, start) = (Sources::default(), Instant::now());
        let (one, other) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::BROADCAST));
        assert!((0..5).all(|_| sources.allow(one, 5, start)));
        assert!(!sources.allow(one, 5, start));
        assert!(sources.allow(other, 5, start), "others are not affected");
        assert!(sources.allow(one, 5, start + REFILL / 5));
        assert!(!sources.allow(one, 5, start + REFILL / 5));
    }

    #[test]
    fn addresses_are_forgotten_once_they_are_quiet_and_bounded_before() {
        let (mut sources, start) = (Sources::default(), Instant::now());
        for number in 0..REMEMBERED as u32 {
            assert!(sources.allow(IpAddr::V4(Ipv4Addr::from(number)), 5, start));
        }
        let new = IpAddr::V4(Ipv4Addr::BROADCAST);
        assert!(!sources.allow(new, 5, start), "no room for another");
        assert!(sources.allow(new, 5, start + REFILL));
        assert_eq!(sources.known.len(), 1);
    }
}
