//! What was agreed on for each section, and with which SSRCs we send there.

use str0m::format::{CodecSpec, PayloadParams};
use str0m::media::{Media, Mid, Rid, Rids};
use str0m::rtp::Ssrc;

use super::WebRtc;
use crate::codec;
use crate::egress::Route;
use crate::egress::header::Extensions;
use crate::producer::Incoming;
use crate::sdp;

impl WebRtc {
    /// The format the peer sends on section `mid`: the first it named.
    pub fn incoming(&self, mid: Mid) -> Option<Incoming> {
        let media = self.rtc.media(mid)?;
        let params = self.rtc.codec_config().params();
        let found = media.remote_pts().iter().find_map(|pt| params.iter().find(|p| p.pt() == *pt))?;
        Some(Incoming {
            payload_type: *found.pt(),
            redundant: self.redundant(mid, found),
            format: found.spec(),
            repairable: found.fb_nack() && found.resend().is_some(),
        })
    }

    /// The payload type of redundant packets of a codec on one section.
    fn redundant(&self, mid: Mid, params: &PayloadParams) -> Option<u8> {
        params
            .red()
            .map(|pt| *pt)
            .filter(|pt| self.outline.section(mid).and_then(sdp::Section::redundant) == Some(*pt))
    }

    /// The names of the layers that arrive on section `mid`, in the order of the offer; none without simulcast.
    pub fn layers(&self, mid: Mid) -> Vec<Rid> {
        match self.rtc.media(mid).map(Media::rids_rx) {
            Some(Rids::Specific(rids)) => rids.clone(),
            _ => self.outline.layers(mid).collect(),
        }
    }

    pub fn has_section(&self, mid: Mid) -> bool {
        self.rtc.media(mid).is_some()
    }

    /// Whether we send on section `mid`, by the last negotiation.
    pub fn sends(&self, mid: Mid) -> bool {
        self.rtc.media(mid).is_some_and(|media| media.direction().is_sending())
    }

    /// How `format` is sent on section `mid`; None if it is not.
    pub fn outgoing(&self, mid: Mid, format: &CodecSpec) -> Option<Route> {
        let media = self.rtc.media(mid).filter(|_| self.ssrcs.contains_key(&mid))?;
        let params = self.rtc.codec_config().params();
        let mut negotiated = media.remote_pts().iter().filter_map(|pt| params.iter().find(|p| p.pt() == *pt));
        let found = negotiated.find(|p| codec::same_format(&p.spec(), format))?;
        Some(Route {
            payload_type: *found.pt(),
            redundant: self.redundant(mid, found),
            rtx: found.resend().map(|pt| *pt),
            nack: found.fb_nack(),
            clock_rate: codec::rtp_clock_rate(format),
            extensions: Extensions::of(self.outline.section(mid)?, found.fb_transport_cc()),
        })
    }

    /// The section that sends with an SSRC.
    pub fn sender_of(&self, ssrc: u32) -> Option<Mid> {
        let is = |known: Ssrc| *known == ssrc;
        let found = self.ssrcs.iter().find(|(_, (main, rtx))| is(*main) || rtx.is_some_and(is));
        found.map(|(mid, _)| *mid)
    }

    /// All SSRCs that we send with.
    pub fn own_ssrcs(&self) -> Vec<u32> {
        self.ssrcs.values().flat_map(|(main, rtx)| [Some(**main), rtx.map(|rtx| *rtx)]).flatten().collect()
    }
}
