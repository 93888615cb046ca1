//! What we send with: in the answers that str0m writes, but not in its hands.

use std::collections::HashMap;

use str0m::Rtc;
use str0m::media::Mid;
use str0m::rtp::Ssrc;

use crate::sdp::Outline;

/// Of each section the stream's, and its retransmissions'.
pub(super) type Ssrcs = HashMap<Mid, (Ssrc, Option<Ssrc>)>;

/// Let str0m have our streams while it writes an answer.
pub(super) fn lend(rtc: &mut Rtc, ssrcs: &Ssrcs) {
    for (mid, (ssrc, rtx)) in ssrcs {
        if rtc.media(*mid).is_some() {
            rtc.direct_api().declare_stream_tx(*ssrc, *rtx, *mid, None);
        }
    }
}

/// Take all streams away from it, new ones too: it would report on them, and say goodbye for them.
pub(super) fn take_back(rtc: &mut Rtc, outline: &Outline, ssrcs: &mut Ssrcs) {
    for section in &outline.sections {
        let mid = section.mid;
        let mut api = rtc.direct_api();
        let Some((ssrc, rtx)) = api.stream_tx_by_mid(mid, None).map(|stream| (stream.ssrc(), stream.rtx()))
        else {
            continue;
        };
        api.remove_stream_tx(ssrc);
        ssrcs.entry(mid).or_insert((ssrc, rtx));
    }
}
