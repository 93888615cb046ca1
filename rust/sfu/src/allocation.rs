//! Which layer each video of a transport gets, of what the way to it can carry. A pure function.
//!
//! Audio comes first and is never asked about. Then every video gets its lowest layer before any gets a second, and so
//! on upwards; within a step, videos of higher priority come first, then those for which the step costs least, so that
//! as many as possible are seen. What does not fit is skipped; a video whose lowest layer does not fit is paused.
#![allow(clippy::cast_precision_loss, reason = "rates are far below 2^52")]

/// A layer that costs up to this factor more than there is stays, if it is what is sent now: estimates breathe, and an overuse takes
/// 15 % off what got through.
const KEEP: f64 = 1.2;
/// A layer that is not sent now must fit with this factor to spare.
const RAISE: f64 = 1.1;

/// A video consumer that could be sent.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// What each layer takes that its owner allows, in bits per second, lowest first; with the layers it builds on.
    pub ladder: &'a [u64],
    /// Higher comes first.
    pub priority: u8,
    /// What is sent now.
    pub current: Option<usize>,
    /// A layer above the current one may be chosen now.
    pub may_rise: bool,
}

impl Wanted<'_> {
    /// The highest there is.
    pub fn top(&self) -> Option<usize> {
        self.ladder.len().checked_sub(1)
    }

    fn highest(&self) -> Option<usize> {
        let top = self.top()?;
        if self.may_rise { Some(top) } else { self.current.map(|current| current.min(top)) }
    }

    /// What a layer counts for.
    fn cost(&self, rung: usize) -> f64 {
        let factor = if self.current.is_some_and(|current| rung <= current) { 1.0 / KEEP } else { RAISE };
        self.ladder[rung] as f64 * factor
    }

    /// What it costs to go on to `rung` from the one chosen so far.
    fn extra(&self, chosen: Option<usize>, rung: usize) -> f64 {
        (self.cost(rung) - chosen.map_or(0.0, |rung| self.cost(rung))).max(0.0)
    }
}

/// Choose a layer, or None to pause, for each of `videos` from `target_bps`, of which audio takes `audio_bps`.
pub fn allocate(target_bps: u64, audio_bps: u64, videos: &[Wanted]) -> Vec<Option<usize>> {
    let mut left = target_bps.saturating_sub(audio_bps) as f64;
    let mut chosen = vec![None; videos.len()];
    let highest: Vec<Option<usize>> = videos.iter().map(Wanted::highest).collect();
    let steps = highest.iter().flatten().max().map_or(0, |top| top + 1);
    for step in 0..steps {
        let mut candidates: Vec<(usize, f64)> = (0..videos.len())
            .filter(|n| highest[*n].is_some_and(|highest| step <= highest))
            .map(|n| (n, videos[n].extra(chosen[n], step)))
            .collect();
        candidates.sort_by(|a, b| {
            let priority = videos[b.0].priority.cmp(&videos[a.0].priority);
            priority.then(a.1.total_cmp(&b.1)).then(a.0.cmp(&b.0))
        });
        for (n, extra) in candidates {
            if extra <= left {
                left -= extra;
                chosen[n] = Some(step);
            }
        }
    }
    chosen
}

/// Bits per second if every video had the highest layer its owner asks for, with what it takes to raise it there.
pub fn ambition(audio_bps: u64, videos: &[Wanted]) -> u64 {
    let tops = videos.iter().filter_map(|video| Some(*video.ladder.last()? as f64 * RAISE));
    audio_bps + tops.sum::<f64>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIO: u64 = 40_000;
    const LADDER: [u64; 3] = [150_000, 500_000, 1_700_000];

    fn video(ladder: &[u64]) -> Wanted<'_> {
        Wanted { ladder, priority: 0, current: None, may_rise: true }
    }

    fn choose(kbps: u64, videos: &[Wanted]) -> Vec<Option<usize>> {
        allocate(kbps * 1000, AUDIO, videos)
    }

    #[test]
    fn audio_comes_first_and_video_is_paused_before_it_suffers() {
        assert_eq!(choose(30, &[video(&LADDER)]), [None]);
        assert_eq!(choose(200, &[video(&LADDER)]), [None]);
        assert_eq!(choose(206, &[video(&LADDER)]), [Some(0)]);
        assert_eq!(choose(3000, &[video(&LADDER)]), [Some(2)]);
        assert_eq!(choose(3000, &[video(&[])]), [None]);
        assert_eq!(ambition(AUDIO, &[video(&LADDER), video(&[])]), 1_910_000);
    }

    #[test]
    fn all_get_the_lowest_before_one_gets_the_next() {
        let videos = [video(&LADDER), video(&LADDER), video(&LADDER)];
        assert_eq!(choose(400, &videos), [Some(0), Some(0), None]);
        assert_eq!(choose(900, &videos), [Some(0), Some(0), Some(0)]);
        assert_eq!(choose(1000, &videos), [Some(1), Some(0), Some(0)]);
        assert_eq!(choose(1700, &videos), [Some(1), Some(1), Some(1)]);
        assert_eq!(choose(10_000, &videos), [Some(2), Some(2), Some(2)]);
    }

    #[test]
    fn priority_chooses_within_a_step() {
        let videos = [video(&LADDER), Wanted { priority: 1, ..video(&LADDER) }];
        assert_eq!(choose(250, &videos), [None, Some(0)]);
        assert_eq!(choose(800, &videos), [Some(0), Some(1)]);
    }

    #[test]
    fn a_target_that_breathes_changes_nothing() {
        let mut current = choose(600, &[video(&LADDER)])[0];
        assert_eq!(current, Some(1));
        for n in 0..100 {
            let kbps = 540 + (n * 37) % 120 - 60;
            current = choose(kbps, &[Wanted { current, ..video(&LADDER) }])[0];
            assert_eq!(current, Some(1), "at {kbps}");
        }
        assert_eq!(choose(450, &[Wanted { current, ..video(&LADDER) }]), [Some(0)]);
    }

    #[test]
    fn one_that_may_not_rise_stays_or_falls() {
        let held = |current| Wanted { current, may_rise: false, ..video(&LADDER) };
        assert_eq!(choose(9000, &[held(Some(0)), held(None)]), [Some(0), None]);
        assert_eq!(choose(100, &[held(Some(2))]), [None]);
    }

    /// Deterministic numbers below `bound`.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }

        fn ladder(&mut self) -> Vec<u64> {
            let mut bps = 0;
            let rungs = 1..=self.roll(5);
            rungs
                .map(|_| {
                    bps += 20_000 + self.roll(800_000);
                    bps
                })
                .collect()
        }

        fn videos<'a>(&mut self, ladders: &'a [Vec<u64>]) -> Vec<Wanted<'a>> {
            let one = |ladder: &'a Vec<u64>, dice: &mut Self| Wanted {
                ladder,
                priority: dice.roll(3) as u8,
                current: (!ladder.is_empty() && dice.roll(2) == 0)
                    .then(|| dice.roll(ladder.len() as u64) as usize),
                may_rise: dice.roll(4) > 0,
            };
            ladders.iter().map(|ladder| one(ladder, self)).collect()
        }
    }

    fn sum(videos: &[Wanted], chosen: &[Option<usize>]) -> f64 {
        videos.iter().zip(chosen).filter_map(|(v, rung)| Some(v.ladder[(*rung)?] as f64)).sum()
    }

    #[test]
    fn whatever_is_asked_the_sum_fits_and_limits_hold() {
        let mut dice = Dice(1);
        for _ in 0..20_000 {
            let ladders: Vec<_> = (0..dice.roll(8)).map(|_| dice.ladder()).collect();
            let videos = dice.videos(&ladders);
            let (target, audio) = (dice.roll(6_000_000), dice.roll(100_000));
            let chosen = allocate(target, audio, &videos);
            let left = target.saturating_sub(audio) as f64;
            assert!(sum(&videos, &chosen) <= left * KEEP + 1.0);
            for (video, rung) in videos.iter().zip(&chosen) {
                assert!(video.may_rise || *rung <= video.current);
            }
            let fresh: Vec<_> =
                videos.iter().map(|v| Wanted { current: None, may_rise: true, ..v.clone() }).collect();
            assert!(sum(&fresh, &allocate(target, audio, &fresh)) <= left / RAISE + 1.0);
        }
    }

    #[test]
    fn the_same_target_gives_the_same_choice_again() {
        let mut dice = Dice(2);
        for _ in 0..20_000 {
            let ladders: Vec<_> = (0..dice.roll(6)).map(|_| dice.ladder()).collect();
            let mut videos = dice.videos(&ladders);
            for video in &mut videos {
                video.may_rise = true;
            }
            let target = dice.roll(6_000_000);
            let mut before = None;
            for _ in 0..12 {
                let chosen = allocate(target, 0, &videos);
                for (video, rung) in videos.iter_mut().zip(&chosen) {
                    video.current = *rung;
                }
                if before.as_ref() == Some(&chosen) {
                    break;
                }
                before = Some(chosen);
            }
            assert_eq!(before, Some(allocate(target, 0, &videos)), "it settles");
        }
    }

    #[test]
    fn more_bandwidth_never_shows_fewer_videos_of_equal_priority() {
        let mut dice = Dice(3);
        for _ in 0..20_000 {
            let ladders: Vec<_> = (0..dice.roll(6)).map(|_| dice.ladder()).collect();
            let videos: Vec<_> = ladders.iter().map(|ladder| video(ladder)).collect();
            let target = dice.roll(3_000_000);
            let shown = |target| allocate(target, 0, &videos).iter().flatten().count();
            assert!(shown(target) <= shown(target + dice.roll(1_000_000)));
        }
    }
}
