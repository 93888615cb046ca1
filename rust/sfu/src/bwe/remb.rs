//! The estimate of a peer that makes its own (draft-alvestrand-rmcat-remb-03).
//!
//! It judges only by packets that tell when they were sent (abs-send-time), so those are what its word is compared with.
//! And it grows its estimate only to about one and a half times what it receives: of a still picture that is little, and
//! it says nothing about the path. So its word is a limit once it is less than what we send, for more than a burst.
//! From then on what we assume grows by a factor per second where it leaves headroom; if we sent what it says, and layers
//! come in larger steps, neither side would ever find out that there is room. After a while it is no limit any more.

/// An estimate that was a limit so long ago says nothing.
const VALID_US: i64 = 15_000_000;
/// So far above what we send, the peer has seen no limit.
const HEADROOM: f64 = 1.25;
/// What is sent has to be near the estimate for this long: a key frame alone is not.
const PERSISTENCE_US: i64 = 1_200_000;
/// Less than this says more of the stream than of the path: loss tells of paths so narrow.
const LEAST_BPS: f64 = 40_000.0;
/// Growth per second without a limit in sight, and how far above the peer's word it may lead.
const GROWTH: f64 = 1.4;
const MAX_LEAD: f64 = 4.0;

#[derive(Debug, Default)]
pub struct Remb {
    said_us: Option<i64>,
    assumed_bps: f64,
    /// Since when there has been no headroom.
    tight_us: Option<i64>,
    limited_us: Option<i64>,
}

impl Remb {
    /// The peer estimates `bps` while it is sent `sent_bps` by which it can judge.
    pub fn said(&mut self, now_us: i64, bps: f64, sent_bps: Option<f64>) {
        let elapsed_us = now_us - self.said_us.replace(now_us).unwrap_or(now_us);
        let bps = bps.max(LEAST_BPS);
        let headroom = if self.bps(now_us).is_some() { HEADROOM } else { 1.0 };
        if sent_bps.is_none_or(|sent| bps > sent * headroom) {
            self.tight_us = None;
            let grown = self.assumed_bps * GROWTH.powf((elapsed_us as f64 / 1e6).clamp(0.0, 2.0));
            self.assumed_bps = bps.max(grown.min(bps * MAX_LEAD));
        } else if now_us - *self.tight_us.get_or_insert(now_us) >= PERSISTENCE_US {
            self.limited_us = Some(now_us);
            self.assumed_bps = bps;
        }
    }

    /// When the peer last said that there was hardly room for what it was sent.
    pub fn limited_us(&self) -> Option<i64> {
        self.limited_us
    }

    /// The limit, if it is one.
    pub fn bps(&self, now_us: i64) -> Option<f64> {
        self.limited_us.filter(|at| now_us - at < VALID_US).map(|_| self.assumed_bps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Let the peer say the same each second; what is assumed after the last.
    fn play(remb: &mut Remb, seconds: std::ops::Range<i64>, bps: f64, sent_bps: f64) -> Option<f64> {
        let end = seconds.end;
        seconds.for_each(|second| remb.said(second * 1_000_000, bps, Some(sent_bps)));
        remb.bps(end * 1_000_000)
    }

    #[test]
    fn a_limit_is_taken_at_its_word() {
        let mut remb = Remb::default();
        assert_eq!(play(&mut remb, 0..4, 300_000.0, 290_000.0), None, "it is not in the way");
        assert_eq!(play(&mut remb, 4..7, 300_000.0, 400_000.0), Some(300_000.0));
        assert_eq!(play(&mut remb, 7..30, 300_000.0, 290_000.0), Some(300_000.0));
        assert_eq!(remb.bps(60_000_000), None, "forgotten");
    }

    #[test]
    fn an_estimate_of_a_stream_that_is_small_itself_is_no_limit() {
        let mut remb = Remb::default();
        assert_eq!(play(&mut remb, 0..20, 50_000.0, 30_000.0), None);
        assert_eq!(play(&mut remb, 20..21, 60_000.0, 1_500_000.0), None, "nor with a burst in it");
        assert_eq!(play(&mut remb, 21..40, 60_000.0, 30_000.0), None);
        assert_eq!(play(&mut remb, 40..60, 9_000.0, 20_000.0), None, "no path is so narrow");
    }

    #[test]
    fn after_a_limit_more_is_tried() {
        let mut remb = Remb::default();
        assert_eq!(play(&mut remb, 0..4, 300_000.0, 600_000.0), Some(300_000.0));
        let grown = play(&mut remb, 4..7, 300_000.0, 200_000.0).unwrap();
        assert!((750_000.0..900_000.0).contains(&grown), "{grown}");
        assert_eq!(play(&mut remb, 7..12, 300_000.0, 200_000.0), Some(1_200_000.0), "not too far");
        assert_eq!(play(&mut remb, 12..15, 350_000.0, 600_000.0), Some(350_000.0));
        assert_eq!(play(&mut remb, 15..31, 350_000.0, 200_000.0), None);
    }
}
