//! RFC 4571: datagrams on a stream, each behind its length in two bytes.

use std::fmt;

/// The longest frame taken: a longer one is no packet of WebRTC, and its sender is not worth the memory.
pub const MAX_FRAME: usize = crate::io::DATAGRAM;
pub const HEADER: usize = 2;

/// A frame longer than [`MAX_FRAME`]. Where the next one begins is of no interest any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(pub usize);

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a frame of {} bytes, the limit is {MAX_FRAME}", self.0)
    }
}

impl std::error::Error for TooLong {}

/// Takes a stream apart; keeps one unfinished frame at most.
#[derive(Debug, Default)]
pub struct Deframer {
    partial: Vec<u8>,
}

impl Deframer {
    /// Take in what came; `frame` gets every frame that is whole now. Empty ones, which keep a NAT open, are skipped.
    pub fn feed(&mut self, mut bytes: &[u8], mut frame: impl FnMut(&[u8])) -> Result<(), TooLong> {
        while !bytes.is_empty() {
            if self.partial.is_empty()
                && let Some(length) = length_of(bytes)?
                && let Some(whole) = bytes.get(HEADER..HEADER + length)
            {
                bytes = &bytes[HEADER + length..];
                if length > 0 {
                    frame(whole);
                }
                continue;
            }
            let wanted = length_of(&self.partial)?.map_or(HEADER, |length| HEADER + length);
            let (taken, rest) = bytes.split_at(bytes.len().min(wanted - self.partial.len()));
            self.partial.extend_from_slice(taken);
            bytes = rest;
            if let Some(length) = length_of(&self.partial)?
                && self.partial.len() == HEADER + length
            {
                if length > 0 {
                    frame(&self.partial[HEADER..]);
                }
                self.partial = Vec::new(); // most frames come whole: nothing is kept between them
            }
        }
        Ok(())
    }

    /// Bytes kept of an unfinished frame.
    pub fn kept(&self) -> usize {
        self.partial.len()
    }
}

/// What the header says, if there is one.
fn length_of(bytes: &[u8]) -> Result<Option<usize>, TooLong> {
    let [high, low, ..] = bytes else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length > MAX_FRAME { Err(TooLong(length)) } else { Ok(Some(length)) }
}

/// Frames that wait to be written; whole ones are refused when there are too many bytes, none is ever cut.
#[derive(Debug)]
pub struct Outbox {
    bytes: Vec<u8>,
    written: usize,
    capacity: usize,
}

/// Memory that an emptied outbox keeps for the next burst.
const KEPT: usize = 16 << 10;

impl Outbox {
    pub fn new(capacity: usize) -> Self {
        Self { bytes: Vec::new(), written: 0, capacity }
    }

    pub fn has_room(&self, length: usize) -> bool {
        self.waiting().len() + HEADER + length <= self.capacity
    }

    /// Add a frame that `write` fills in place; it returns false to add none. False: there is no room.
    pub fn push(&mut self, length: usize, write: &mut dyn FnMut(&mut [u8]) -> bool) -> bool {
        let Some(header) = u16::try_from(length).ok().filter(|_| self.has_room(length)) else { return false };
        if self.bytes.len() + HEADER + length > self.capacity {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        let start = self.bytes.len();
        self.bytes.extend(header.to_be_bytes());
        self.bytes.resize(start + HEADER + length, 0);
        if !write(&mut self.bytes[start + HEADER..]) {
            self.bytes.truncate(start);
        }
        true
    }

    /// What is still to be written.
    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// The first `count` bytes of it have been written.
    pub fn advance(&mut self, count: usize) {
        self.written += count;
        if self.written >= self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.written = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(parts: &[&[u8]]) -> Result<Vec<Vec<u8>>, TooLong> {
        let (mut deframer, mut frames) = (Deframer::default(), Vec::new());
        for part in parts {
            deframer.feed(part, |frame| frames.push(frame.to_vec()))?;
        }
        Ok(frames)
    }

    #[test]
    fn a_stream_may_be_cut_anywhere() {
        let stream = [&[0, 3][..], b"abc", &[0, 0], &[0, 1], b"d", &[1, 0], &[7; 256]].concat();
        let expected = [b"abc".to_vec(), b"d".to_vec(), vec![7; 256]];
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let parts = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(frames(&parts).unwrap(), expected, "cut at {first} and {second}");
            }
        }
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(frames(&single).unwrap(), expected);
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_it_is_kept() {
        let header = ((MAX_FRAME + 1) as u16).to_be_bytes();
        assert_eq!(frames(&[&header]), Err(TooLong(MAX_FRAME + 1)));
        assert_eq!(frames(&[&header[..1], &header[1..]]), Err(TooLong(MAX_FRAME + 1)));
    }

    #[test]
    fn a_full_outbox_refuses_whole_frames_and_never_cuts_one() {
        let mut outbox = Outbox::new(100);
        let push = |fill: u8, outbox: &mut Outbox| {
            outbox.push(28, &mut |space| {
                space.fill(fill);
                true
            })
        };
        assert_eq!([1, 2, 3, 4].map(|fill| push(fill, &mut outbox)), [true, true, true, false]);
        let mut written = outbox.waiting()[..45].to_vec(); // one frame and a half
        outbox.advance(45);
        assert!(push(5, &mut outbox));
        assert!(outbox.push(8, &mut |_| false), "what is withdrawn leaves no trace");
        written.extend(outbox.waiting());
        outbox.advance(outbox.waiting().len());
        let fills: Vec<u8> = frames(&[&written]).unwrap().iter().map(|frame| frame[0]).collect();
        assert_eq!((fills, outbox.waiting().len()), (vec![1, 2, 3, 5], 0));
    }
}
