//! Offers from anybody: what is not refused is written so that the library can read it, and is answered in as many
//! sections as it has.

use palaver_sfu::sdp::{self, Outline};
use str0m::change::SdpOffer;

use crate::Target;

pub const TARGET: Target = Target { name: "offers", run, seeds, inputs: 5_000 };

pub fn run(offers: &[u8]) -> bool {
    let Ok(offers) = std::str::from_utf8(offers) else { return false };
    let mut outline = Outline::default();
    for offer in offers.split('\0').take(3) {
        let Ok(prepared) = sdp::prepare(offer, &outline) else { continue };
        assert!(SdpOffer::from_sdp_string(&prepared.canonical).is_ok(), "{}", prepared.canonical);
        let answer = sdp::answer(offer, &prepared.canonical, &prepared.outline);
        let sections = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
        assert_eq!(sections(&answer), sections(offer));
        outline = prepared.outline;
    }
    !outline.sections.is_empty()
}

fn seeds() -> Vec<Vec<u8>> {
    crate::negotiate::seeds()
}
