//! Keys that the peer presses (RFC 4733). A key is told by its event and timestamp: it is one, however many packets say
//! so, whatever their durations, and whether or not the one with the marker was lost.

const KEYS: &[u8; 16] = b"0123456789*#ABCD";
/// Keys that are remembered, for packets that come late.
const REMEMBERED: usize = 8;
/// RFC 4733 §2.5.1.3: an event that lasts longer than a duration can say goes on under another timestamp.
const NEARLY_LONGEST: u16 = 0xff00;

#[derive(Debug, Default)]
pub struct Keys {
    /// Events with their timestamps, the latest at the end.
    known: Vec<(u8, u32)>,
    /// Of the latest.
    duration: u16,
    ended: bool,
}

/// What was read of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    code: u8,
    ended: bool,
    duration: u16,
}

impl Event {
    /// None if it is too short. Further events in one packet (RFC 4733 §2.5.1.2) nobody sends.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let &[code, flags, high, low, ..] = payload else { return None };
        Some(Self { code, ended: flags & 0x80 != 0, duration: u16::from_be_bytes([high, low]) })
    }
}

impl Keys {
    /// A packet of an event has come; Some: that is a key that was not known to be pressed.
    pub fn note(&mut self, event: Event, timestamp: u32) -> Option<char> {
        let key = char::from(*KEYS.get(usize::from(event.code))?);
        if let Some(at) = self.known.iter().position(|known| *known == (event.code, timestamp)) {
            if at + 1 == self.known.len() {
                self.duration = self.duration.max(event.duration);
                self.ended |= event.ended;
            }
            return None;
        }
        let goes_on = self.known.last().is_some_and(|(code, since)| {
            *code == event.code
                && !self.ended
                && self.duration >= NEARLY_LONGEST
                && timestamp.wrapping_sub(*since) == u32::from(self.duration)
        });
        if self.known.len() == REMEMBERED {
            self.known.remove(0);
        }
        self.known.push((event.code, timestamp));
        (self.duration, self.ended) = (event.duration, event.ended);
        (!goes_on).then_some(key)
    }

    /// Another sender: its timestamps mean something else.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

/// The event of a key; None if it is none.
pub fn code_of(key: char) -> Option<u8> {
    KEYS.iter().position(|known| char::from(*known) == key.to_ascii_uppercase()).map(|at| at as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(keys: &mut Keys, code: u8, timestamp: u32, durations: &[u16]) -> String {
        let events = durations.iter().map(|duration| Event { code, ended: false, duration: *duration });
        let last = durations.iter().map(|_| Event { code, ended: true, duration: 800 }).take(3);
        events.chain(last).filter_map(|event| keys.note(event, timestamp)).collect()
    }

    #[test]
    fn a_key_is_one_whatever_its_durations() {
        let mut keys = Keys::default();
        assert_eq!(press(&mut keys, 1, 1000, &[160, 320, 480]), "1");
        assert_eq!(press(&mut keys, 1, 3000, &[0, 0, 0]), "1");
        assert_eq!(press(&mut keys, 11, 5000, &[480, 320, 160, 60_000]), "#");
        assert_eq!(press(&mut keys, 2, 5000, &[160]), "2", "another key at the same time");
        assert_eq!(press(&mut keys, 1, 3000, &[160]), "", "a late packet");
        assert_eq!(press(&mut keys, 16, 9000, &[160]), "", "a hook flash");
    }

    #[test]
    fn a_key_that_is_held_for_long_is_one() {
        let mut keys = Keys::default();
        let held = |duration| Event { code: 5, ended: false, duration };
        assert_eq!(keys.note(held(0xffff), 0), Some('5'));
        assert_eq!(keys.note(held(960), 0xffff), None);
        assert_eq!(keys.note(held(0xffff), 0xffff), None);
        assert_eq!(keys.note(held(960), 0x1_fffe), None);
        assert_eq!(keys.note(held(960), 0x3_0000), Some('5'), "pressed again");
    }

    #[test]
    fn what_is_too_short_is_no_event() {
        assert_eq!(Event::read(&[1, 0x80, 0]), None);
        assert_eq!(Event::read(&[1, 0x8a, 1, 2]), Some(Event { code: 1, ended: true, duration: 258 }));
    }
}
