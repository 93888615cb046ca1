//! Keys that we press (RFC 4733 §2.5.1): a packet each 20 ms while one is down, and the last of it three times.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::section::EventFormat;
use super::telephone::code_of;
use crate::egress::Route;
use crate::egress::header::Extensions;

const STEP: Duration = Duration::from_millis(20);
/// Packets of one key: for 100 ms, then the end twice more.
const DOWN: u32 = 5;
const REPEATS: u32 = 2;
/// Between two keys.
const PAUSE: Duration = Duration::from_millis(60);
/// Keys that may wait.
const MOST: usize = 64;
/// RFC 4733 §2.3.2: in dBm0 below the loudest.
const VOLUME: u8 = 10;

#[derive(Debug, Default)]
pub struct Keypad {
    /// Their events.
    waiting: VecDeque<u8>,
    /// Packets of the first that were sent.
    sent: u32,
    due: Option<Instant>,
}

/// One packet to send.
#[derive(Debug)]
pub struct Part {
    pub payload: [u8; 4],
    pub route: Route,
    pub clock_rate: u32,
    pub marker: bool,
    /// It is the first of its key.
    pub begins: bool,
}

impl Keypad {
    /// Keys beyond what may wait, and what is no key, are left out.
    pub fn press(&mut self, digits: &str, now: Instant) {
        let room = MOST.saturating_sub(self.waiting.len());
        self.waiting.extend(digits.chars().filter_map(code_of).take(room));
        if !self.waiting.is_empty() {
            self.due.get_or_insert(now);
        }
    }

    pub fn drop_all(&mut self) {
        *self = Self::default();
    }

    /// When to call [`Self::next`].
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    pub fn next(&mut self, format: EventFormat, now: Instant) -> Option<Part> {
        let due = self.due.filter(|due| *due <= now)?;
        let code = *self.waiting.front()?;
        let number = self.sent;
        self.sent += 1;
        let ends = self.sent >= DOWN;
        let duration = self.sent.min(DOWN) * format.clock_rate / 1000 * STEP.as_millis() as u32;
        let [high, low] = (duration.min(u32::from(u16::MAX)) as u16).to_be_bytes();
        if self.sent == DOWN + REPEATS {
            self.waiting.pop_front();
            self.sent = 0;
            self.due = (!self.waiting.is_empty()).then_some(now + PAUSE);
        } else {
            self.due = Some(if ends { due } else { due + STEP });
        }
        Some(Part {
            payload: [code, if ends { 0x80 | VOLUME } else { VOLUME }, high, low],
            route: Route {
                payload_type: format.payload_type,
                redundant: None,
                rtx: None,
                nack: false,
                clock_rate: format.clock_rate,
                extensions: Extensions::default(),
            },
            clock_rate: format.clock_rate,
            marker: number == 0,
            begins: number == 0,
        })
    }
}
