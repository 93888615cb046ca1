//! What waits for a pipeline that reads slowly: bounded, audio before video, and never half a frame.

use std::collections::{HashSet, VecDeque};

use super::wire::{HEADER, Header};

/// Bytes that may wait.
pub const CAPACITY: usize = 2 << 20;
/// While no more than this waits, a frame of any size is taken: one may be larger than all that should wait.
const NEARLY_EMPTY: usize = 64 << 10;

/// A message as it goes over the socket.
#[derive(Debug)]
struct Item {
    track: u32,
    video: bool,
    bytes: Vec<u8>,
}

/// Owned by a pipeline's link.
#[derive(Debug, Default)]
pub struct Outbox {
    audio: VecDeque<Item>,
    video: VecDeque<Item>,
    /// Partly written: it has to be finished before anything else.
    current: Option<(Vec<u8>, usize)>,
    waiting: usize,
    /// Video tracks that lost frames, and get none before a key frame.
    starving: HashSet<u32>,
    pub dropped: u64,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    Yes,
    /// Dropped, as it cannot be decoded or there is no room: ask for a key frame.
    Starving,
}

impl Outbox {
    /// Queue a message of a track.
    pub fn push(&mut self, mut header: Header, payload: &[u8], video: bool) -> Queued {
        let track = header.track;
        if video && self.starving.contains(&track) {
            if !header.key_frame {
                self.dropped += 1;
                return Queued::Starving;
            }
            header.gap = true;
        }
        let size = HEADER + payload.len();
        if !self.fits(size) && !self.make_room(size, video) {
            self.dropped += 1;
            if video {
                self.starve(track);
            }
            return Queued::Starving;
        }
        self.starving.remove(&track);
        let bytes = [&header.encode(payload.len())[..], payload].concat();
        self.waiting += bytes.len();
        let queue = if video { &mut self.video } else { &mut self.audio };
        queue.push_back(Item { track, video, bytes });
        Queued::Yes
    }

    /// Audio takes the place of its oldest, and of video; video of nothing.
    fn make_room(&mut self, size: usize, video: bool) -> bool {
        while !video && !self.fits(size) {
            let Some(gone) = self.video.pop_back().or_else(|| self.audio.pop_front()) else { return false };
            self.waiting -= gone.bytes.len();
            self.dropped += 1;
            if gone.video {
                self.starve(gone.track);
            }
        }
        self.fits(size)
    }

    fn fits(&self, size: usize) -> bool {
        self.waiting + size <= CAPACITY || self.waiting <= NEARLY_EMPTY
    }

    /// The track lost a frame: what is queued of it after that would be of no use either.
    fn starve(&mut self, track: u32) {
        self.starving.insert(track);
    }

    /// What to write next; [`Self::written`] says how much was taken.
    pub fn front(&mut self) -> Option<&[u8]> {
        if self.current.is_none() {
            let next = self.audio.pop_front().or_else(|| self.video.pop_front())?;
            self.current = Some((next.bytes, 0));
        }
        self.current.as_ref().map(|(bytes, done)| &bytes[*done..])
    }

    pub fn written(&mut self, count: usize) {
        let Some((bytes, done)) = &mut self.current else { return };
        *done += count;
        if *done >= bytes.len() {
            self.waiting -= bytes.len();
            self.current = None;
        }
    }

    /// Forget a track that is gone, and what waits of it.
    pub fn forget(&mut self, track: u32) {
        self.starving.remove(&track);
        for queue in [&mut self.audio, &mut self.video] {
            queue.retain(|item| {
                let stays = item.track != track;
                self.waiting -= if stays { 0 } else { item.bytes.len() };
                stays
            });
        }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::wire::Kind;

    fn header(track: u32, key_frame: bool) -> Header {
        Header { key_frame, ..Header::plain(Kind::Frame, track) }
    }

    /// Tracks and whether after a gap, in the order in which they leave.
    fn drain(outbox: &mut Outbox) -> Vec<(u32, bool)> {
        let mut sent = Vec::new();
        while let Some(bytes) = outbox.front() {
            let length = bytes.len();
            let first: &[u8; HEADER] = bytes.first_chunk().unwrap();
            let (header, _) = Header::decode(first).unwrap();
            sent.push((header.track, header.gap));
            outbox.written(length);
        }
        assert!(outbox.is_empty());
        sent
    }

    #[test]
    fn audio_goes_before_video_but_not_into_the_middle_of_a_frame() {
        let mut outbox = Outbox::default();
        outbox.push(header(1, true), &[0; 1000], true);
        let length = outbox.front().unwrap().len();
        outbox.written(10);
        outbox.push(header(1, false), &[0; 10], true);
        outbox.push(header(9, true), &[0; 10], false);
        assert_eq!(outbox.front().unwrap().len(), length - 10);
        outbox.written(length - 10);
        assert_eq!(drain(&mut outbox), [(9, false), (1, false)]);
    }

    #[test]
    fn a_full_outbox_costs_video_up_to_its_next_key_frame() {
        let mut outbox = Outbox::default();
        let mut queued = 0;
        while outbox.push(header(1, queued == 0), &vec![0; 100_000], true) == Queued::Yes {
            queued += 1;
        }
        assert!((15..25).contains(&queued));
        assert_eq!(
            outbox.push(header(1, false), &[0; 10], true),
            Queued::Starving,
            "it could not be decoded"
        );
        assert_eq!(outbox.push(header(9, true), &[0; 10], false), Queued::Yes);
        assert_eq!(
            outbox.push(header(2, true), &[0; 10], true),
            Queued::Yes,
            "another track has not lost any"
        );
        drain(&mut outbox);
        assert_eq!(outbox.push(header(1, false), &[0; 10], true), Queued::Starving);
        assert_eq!(outbox.push(header(1, true), &[0; 10], true), Queued::Yes);
        assert_eq!(drain(&mut outbox), [(1, true)]);
    }

    #[test]
    fn the_largest_frame_passes_when_little_waits() {
        let mut outbox = Outbox::default();
        let largest = vec![0; crate::frames::wire::MAX_PAYLOAD];
        assert_eq!(outbox.push(header(9, true), &[0; 200], false), Queued::Yes);
        assert_eq!(outbox.push(header(1, true), &largest, true), Queued::Yes);
        assert_eq!(outbox.push(header(2, true), &[0; 10], true), Queued::Starving, "now it is full");
        assert_eq!(drain(&mut outbox), [(9, false), (1, false)]);
    }

    #[test]
    fn of_a_track_that_is_gone_nothing_follows_but_the_rest_of_a_message() {
        let mut outbox = Outbox::default();
        for track in [1, 1, 2] {
            outbox.push(header(track, true), &[0; 1000], true);
        }
        outbox.front();
        outbox.written(10);
        outbox.forget(1);
        let rest = outbox.front().unwrap().len();
        outbox.written(rest);
        assert_eq!(drain(&mut outbox), [(2, false)]);
    }

    #[test]
    fn audio_takes_the_place_of_video_and_then_of_older_audio() {
        let mut outbox = Outbox::default();
        while outbox.push(header(1, true), &vec![0; 100_000], true) == Queued::Yes {}
        for _ in 0..30 {
            assert_eq!(outbox.push(header(9, true), &vec![0; 100_000], false), Queued::Yes);
        }
        assert!(outbox.dropped > 20);
        assert!(drain(&mut outbox).iter().all(|(track, _)| *track == 9));
    }
}
