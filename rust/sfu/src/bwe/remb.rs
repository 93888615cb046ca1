//! The estimate of a peer that makes its own (draft-alvestrand-rmcat-remb-03).
//!
//! Such a peer grows its estimate only to about one and a half times what it receives. If we send what it says, and
//! layers come in larger steps, neither side would ever find out that there is room. So an estimate well above what is
//! sent counts as "no limit seen", and what we assume grows by a factor per second.

/// An estimate older than this says nothing.
const VALID_US: i64 = 15_000_000;
/// So far above what we send, the peer has seen no limit.
const HEADROOM: f64 = 1.25;
/// Growth per second then, and how far above the peer's word it may lead.
const GROWTH: f64 = 1.4;
const MAX_LEAD: f64 = 4.0;

#[derive(Debug, Default)]
pub struct Remb {
    said: Option<Said>,
    limited_us: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    assumed_bps: f64,
    at_us: i64,
}

impl Remb {
    /// The peer estimates `bps` while it is sent `sent_bps`.
    pub fn said(&mut self, now_us: i64, bps: f64, sent_bps: Option<f64>) {
        let free = sent_bps.is_none_or(|sent| bps > sent * HEADROOM);
        let assumed_bps = match self.said {
            Some(before) if free => {
                let elapsed_s = ((now_us - before.at_us) as f64 / 1e6).clamp(0.0, 2.0);
                bps.max((before.assumed_bps * GROWTH.powf(elapsed_s)).min(bps * MAX_LEAD))
            }
            _ => bps,
        };
        self.said = Some(Said { assumed_bps, at_us: now_us });
        if !free {
            self.limited_us = Some(now_us);
        }
    }

    /// When the peer last said that there was hardly room for what it was sent.
    pub fn limited_us(&self) -> Option<i64> {
        self.limited_us
    }

    pub fn bps(&self, now_us: i64) -> Option<f64> {
        let said = self.said.filter(|said| now_us - said.at_us < VALID_US)?;
        Some(said.assumed_bps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_taken_at_its_word() {
        let mut remb = Remb::default();
        for second in 0..20 {
            remb.said(second * 1_000_000, 300_000.0, Some(290_000.0));
        }
        assert_eq!(remb.bps(20_000_000), Some(300_000.0));
        assert_eq!(remb.bps(60_000_000), None, "forgotten");
    }

    #[test]
    fn where_no_limit_is_seen_more_is_tried() {
        let mut remb = Remb::default();
        for second in 0..20 {
            remb.said(second * 1_000_000, 300_000.0, Some(200_000.0));
        }
        assert_eq!(remb.bps(20_000_000), Some(1_200_000.0));
        remb.said(20_000_000, 350_000.0, Some(600_000.0));
        assert_eq!(remb.bps(20_000_000), Some(350_000.0));
    }
}
