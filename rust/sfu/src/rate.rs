//! How the estimate for one transport steers its videos: patience and memory around [`crate::allocation`].
//!
//! Estimates breathe, and a wrong choice is seen: a layer that was raised too soon stalls, and a video that is paused is
//! gone. So layers fall at once and rise after a while, longer after each rise that had to be taken back. A video is
//! begun while nothing is known to speak against it, and paused only when what is sent really is too much.

use std::time::{Duration, Instant};

use crate::allocation::{Wanted, allocate};

/// Between two looks at one transport.
pub const INTERVAL: Duration = Duration::from_millis(100);
/// Layers do not rise for so long after a fall; longer if the rise before it did not last.
const REST: Duration = Duration::from_secs(1);
const MAX_REST: Duration = Duration::from_secs(60);
const LASTING: Duration = Duration::from_secs(10);
/// A video is paused after not fitting for this long, or for a moment if there is not half of what it takes or audio suffers.
const PATIENCE: Duration = Duration::from_secs(2);
const LITTLE_PATIENCE: Duration = Duration::from_millis(300);
/// A path that choked so long ago is not choking.
const CHOKE_MEMORY: Duration = Duration::from_millis(150);
/// Audio is measured over this time, and taken to be at least this much.
const AUDIO_WINDOW: Duration = Duration::from_secs(1);
const LEAST_AUDIO_BPS: u64 = 32_000;

/// What the estimator says.
#[expect(clippy::struct_excessive_bools, reason = "signs, of which any may be there")]
#[derive(Clone, Copy, Debug)]
pub struct Outlook {
    pub target_bps: u64,
    /// The path has been full lately.
    pub confined: bool,
    /// It shows signs of being full.
    pub congested: bool,
    /// It cannot take what is sent.
    pub choking: bool,
    /// So much of it waits that audio suffers.
    pub drowned: bool,
}

/// Owned by its transport.
#[derive(Debug)]
pub struct Rate {
    pub next_review: Instant,
    rises_at: Instant,
    rest: Duration,
    raised: Option<Instant>,
    /// Since when a video that is sent has not fitted.
    tight_since: Option<Instant>,
    choked: Option<Instant>,
    pub audio: Audio,
    /// Videos that are paused for want of bandwidth.
    pub paused: usize,
}

/// How much audio is sent.
#[derive(Debug)]
pub struct Audio {
    total: u32,
    since: Instant,
    bps: u64,
}

impl Rate {
    pub fn new(now: Instant) -> Self {
        Self {
            next_review: now,
            rises_at: now,
            rest: REST,
            raised: None,
            tight_since: None,
            choked: None,
            audio: Audio { total: 0, since: now, bps: 0 },
            paused: 0,
        }
    }

    /// Choose a layer, or None to pause, for each of `videos`, of which [`Wanted::may_rise`] is filled in here.
    pub fn choose(&mut self, now: Instant, outlook: Outlook, videos: &mut [Wanted]) -> Vec<Option<usize>> {
        if outlook.choking {
            self.choked = Some(now);
        }
        let may_rise = !outlook.congested && now >= self.rises_at;
        for video in videos.iter_mut() {
            video.may_rise = may_rise;
        }
        let mut chosen = allocate(outlook.target_bps, self.audio.bps(), videos);
        let patient = self.is_patient(now, outlook, videos, &chosen);
        for (video, rung) in videos.iter().zip(&mut chosen) {
            let begins = video.current.is_none() && !outlook.confined && may_rise;
            let stays = video.current.is_some() && patient;
            if !video.ladder.is_empty() && (begins || stays) {
                rung.get_or_insert(0);
            }
        }
        self.remember(now, videos, &chosen);
        chosen
    }

    /// Whether videos that do not fit are sent all the same.
    fn is_patient(
        &mut self,
        now: Instant,
        outlook: Outlook,
        videos: &[Wanted],
        chosen: &[Option<usize>],
    ) -> bool {
        let tight = videos.iter().zip(chosen).any(|(video, rung)| video.current.is_some() && rung.is_none());
        if !tight {
            self.tight_since = None;
            return true;
        }
        let since = *self.tight_since.get_or_insert(now);
        let sent = videos.iter().filter(|video| video.current.is_some());
        let least = self.audio.bps() + sent.filter_map(|video| video.ladder.first()).sum::<u64>();
        let urgent = outlook.drowned || least > 2 * outlook.target_bps;
        let patience = if urgent { LITTLE_PATIENCE } else { PATIENCE };
        let choked = self.choked.is_some_and(|at| now < at + CHOKE_MEMORY);
        !choked || now < since + patience
    }

    fn remember(&mut self, now: Instant, videos: &[Wanted], chosen: &[Option<usize>]) {
        let mut pairs = videos.iter().map(|video| video.current).zip(chosen);
        if pairs.clone().any(|(current, rung)| *rung < current) {
            let hasty = self.raised.take().is_some_and(|at| now < at + LASTING);
            self.rest = if hasty { (self.rest * 2).min(MAX_REST) } else { REST };
            self.rises_at = now + self.rest;
        } else if pairs.any(|(current, rung)| *rung > current) {
            self.raised = Some(now);
        }
    }
}

impl Audio {
    /// `total` bytes have been sent so far, modulo 2^32, on `streams` streams that are on.
    pub fn sent(&mut self, now: Instant, total: u32, streams: usize) {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= AUDIO_WINDOW {
            let bytes = u64::from(total.wrapping_sub(self.total));
            let bps = bytes * 8_000 / elapsed.as_millis().max(1) as u64;
            // Other streams than before have other totals.
            let most = streams as u64 * MOST_AUDIO_BPS;
            (self.total, self.since, self.bps) = (total, now, bps.min(most));
        }
        if streams > 0 {
            self.bps = self.bps.max(LEAST_AUDIO_BPS);
        }
    }

    pub fn bps(&self) -> u64 {
        self.bps
    }
}

/// The most that one audio stream is taken to need.
const MOST_AUDIO_BPS: u64 = 150_000;

#[cfg(test)]
mod tests {
    use super::*;

    const LADDER: [u64; 3] = [150_000, 500_000, 1_700_000];
    const LONE: [u64; 1] = [1_000_000];

    struct Scene {
        rate: Rate,
        start: Instant,
        ms: u64,
        current: Option<usize>,
    }

    impl Scene {
        fn new(current: Option<usize>) -> Self {
            let start = Instant::now();
            Self { rate: Rate::new(start), start, ms: 0, current }
        }

        /// What is chosen after looking for so long.
        fn look(
            &mut self,
            ms: u64,
            ladder: &[u64],
            kbps: u64,
            confined: bool,
            choking: bool,
        ) -> Option<usize> {
            let outlook =
                Outlook { target_bps: kbps * 1000, confined, congested: choking, choking, drowned: false };
            for _ in 0..ms / 100 {
                self.ms += 100;
                let now = self.start + Duration::from_millis(self.ms);
                let mut videos = [Wanted { ladder, priority: 0, current: self.current, may_rise: false }];
                self.current = self.rate.choose(now, outlook, &mut videos)[0];
            }
            self.current
        }
    }

    #[test]
    fn a_video_begins_unless_something_speaks_against_it() {
        assert_eq!(Scene::new(None).look(100, &LONE, 500, false, false), Some(0));
        assert_eq!(Scene::new(None).look(9000, &LONE, 500, true, false), None);
        assert_eq!(Scene::new(None).look(9000, &LONE, 500, false, true), None);
        assert_eq!(Scene::new(None).look(100, &LONE, 1200, true, false), Some(0));
    }

    #[test]
    fn a_lone_video_is_paused_only_if_it_really_is_too_much() {
        let mut scene = Scene::new(Some(0));
        assert_eq!(scene.look(60_000, &LONE, 600, true, false), Some(0), "it gets through");
        assert_eq!(scene.look(1000, &LONE, 600, true, true), None, "it has not fitted for long");
        let mut scene = Scene::new(Some(0));
        assert_eq!(scene.look(2000, &LONE, 600, true, true), Some(0));
        assert_eq!(scene.look(200, &LONE, 600, true, true), None);
        assert_eq!(scene.look(9000, &LONE, 1000, true, false), None, "not with too little to spare");
        assert_eq!(scene.look(100, &LONE, 1200, true, false), Some(0));
        let mut scene = Scene::new(Some(0));
        assert_eq!(scene.look(400, &LONE, 300, true, true), None, "far too much");
    }

    #[test]
    fn a_fall_is_immediate_and_a_rise_that_does_not_last_is_not_repeated_soon() {
        let mut scene = Scene::new(Some(2));
        assert_eq!(scene.look(100, &LADDER, 700, true, true), Some(1));
        let mut waits = Vec::new();
        for _ in 0..8 {
            let from = scene.ms;
            while scene.look(100, &LADDER, 2500, true, false) != Some(2) {}
            waits.push((scene.ms - from) / 1000);
            scene.look(3000, &LADDER, 2500, true, false);
            assert_eq!(scene.look(100, &LADDER, 700, true, true), Some(1));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn audio_is_measured() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut rate = Rate::new(start);
        rate.audio.sent(at(10), 0, 0);
        assert_eq!(rate.audio.bps(), 0);
        rate.audio.sent(at(20), 0, 2);
        assert_eq!(rate.audio.bps(), 32_000);
        rate.audio.sent(at(1000), 12_500, 2);
        assert_eq!(rate.audio.bps(), 100_000);
        rate.audio.sent(at(2000), 4_000_000, 2);
        assert_eq!(rate.audio.bps(), 300_000, "another stream");
    }
}
