//! Which section an RTP packet is of (RFC 8843 §9.2), where str0m does not know: by the name it carries, or by a
//! payload type that only one section has.

use std::collections::HashMap;
use std::sync::Arc;

use str0m::Rtc;
use str0m::media::{Mid, Rid, Rids};

use crate::extensions::{Current, Known, Table};
use crate::sdp::{Outline, Section, State};

/// Senders that are remembered, and those that may be told by their payload type from one negotiation to the next.
const MAX_SENDERS: usize = 4096;
const MAX_GUESSES: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Routing {
    pub current: Arc<Current>,
    /// The sections on which the peer sends.
    sections: Vec<Section>,
    /// The same numbers mean different things in them: the table is chosen for each packet.
    mixed: bool,
    known: HashMap<u32, Mid>,
    guesses: usize,
    /// Whether it was said that packets are of no section.
    pub told: bool,
}

/// A packet's sender that is not known yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unknown {
    pub ssrc: u32,
    pub payload_type: u8,
    /// Its section, and whether it repeats another sender's packets.
    section: Option<(Mid, bool)>,
}

impl Routing {
    /// What has been negotiated.
    pub fn update(&mut self, outline: &Outline) {
        let sends = |section: &&Section| section.sends && section.state == State::Open;
        self.sections = outline.sections.iter().filter(sends).cloned().collect();
        let mut tables = self.sections.iter().map(|section| section.extensions);
        let merged = tables.try_fold(Table::default(), Table::merged);
        self.mixed = merged.is_none();
        self.current.set(merged.unwrap_or_default());
        self.current.rename(outline.renamed());
        self.known.clear();
        self.guesses = 0;
    }

    /// A packet is about to be read: let its extensions be read as its section has them. Some: its sender is new.
    pub fn look(&mut self, packet: &[u8]) -> Option<Unknown> {
        let (second, ssrc) = (packet.get(1)?, packet.get(8..12)?);
        let ssrc = u32::from_be_bytes(ssrc.try_into().ok()?);
        let payload_type = second & 0x7f;
        let known = self.known.get(&ssrc);
        if !self.mixed && (known.is_some() || ssrc == 0) {
            return None; // 0: probes of bandwidth, of no section
        }
        let section = match known {
            Some(mid) => self.sections.iter().find(|section| section.mid == *mid),
            None => self.section_of(packet, payload_type),
        };
        if self.mixed {
            self.current.set(section.map(|section| section.extensions).unwrap_or_default());
        }
        if known.is_some() || ssrc == 0 {
            return None;
        }
        let repeats =
            |section: &Section| section.formats.iter().any(|format| format.rtx == Some(payload_type));
        Some(Unknown { ssrc, payload_type, section: section.map(|section| (section.mid, repeats(section))) })
    }

    fn section_of(&self, packet: &[u8], payload_type: u8) -> Option<&Section> {
        let named =
            |section: &&Section| section.extensions.find(packet, Known::Mid) == Some(section.name.as_bytes());
        if let Some(section) = self.sections.iter().find(named) {
            return Some(section);
        }
        let carries = |section: &&Section| {
            section.formats.iter().any(|format| format.numbers().any(|number| number == payload_type))
        };
        let mut carrying = self.sections.iter().filter(carries);
        let only = carrying.next();
        only.filter(|_| carrying.next().is_none())
    }

    /// Before str0m reads the packet: tell it the section of a sender that does not name it.
    pub fn introduce(&mut self, rtc: &mut Rtc, packet: &[u8], unknown: Unknown) {
        let Some((mid, repeats)) = unknown.section.filter(|_| self.guesses < MAX_GUESSES) else { return };
        let Some(section) = self.sections.iter().find(|section| section.mid == mid) else { return };
        let text = |known| {
            let value = section.extensions.find(packet, known)?;
            std::str::from_utf8(value).ok().filter(|text| !text.is_empty()).map(Rid::from)
        };
        let named = section.extensions.find(packet, Known::Mid).is_some();
        if named || rtc.media(mid).is_none() || self.mapped(rtc, unknown.ssrc).is_some() {
            return;
        }
        let layers = rtc.media(mid).is_some_and(|media| matches!(media.rids_rx(), Rids::Specific(_)));
        let rid = text(if repeats { Known::RepairedRid } else { Known::Rid });
        if layers != rid.is_some() || !section.group.is_empty() {
            return;
        }
        let mut api = rtc.direct_api();
        if !repeats {
            api.expect_stream_rx(unknown.ssrc.into(), None, mid, rid);
        } else if let Some(main) = api.stream_rx_by_mid(mid, rid).map(|stream| stream.ssrc()) {
            api.expect_stream_rx(main, Some(unknown.ssrc.into()), mid, rid);
        }
        self.guesses += 1;
    }

    /// After str0m has read it; false: it is of no section.
    pub fn settle(&mut self, rtc: &mut Rtc, unknown: Unknown) -> bool {
        let mapped = self.mapped(rtc, unknown.ssrc);
        if let Some(mid) = mapped
            && self.known.len() < MAX_SENDERS
        {
            self.known.insert(unknown.ssrc, mid);
        }
        // repeats may come before what they repeat: padding, to see how much gets through
        mapped.is_some() || unknown.section.is_some_and(|(_, repeats)| repeats)
    }

    /// The section by which str0m knows a sender, of packets or of their repeats.
    fn mapped(&self, rtc: &mut Rtc, ssrc: u32) -> Option<Mid> {
        if let Some(stream) = rtc.direct_api().stream_rx(&ssrc.into()) {
            return Some(stream.mid());
        }
        let repeats = |rtx: Option<str0m::rtp::Ssrc>| rtx.is_some_and(|rtx| *rtx == ssrc);
        for section in &self.sections {
            let Some(media) = rtc.media(section.mid) else { continue };
            let rids: Vec<Option<Rid>> = match media.rids_rx() {
                Rids::Specific(rids) => rids.iter().copied().map(Some).collect(),
                _ => vec![None],
            };
            let mut api = rtc.direct_api();
            let by_rid = rids.iter().any(|rid| {
                api.stream_rx_by_mid(section.mid, *rid).is_some_and(|stream| repeats(stream.rtx()))
            });
            let by_group = section
                .group
                .iter()
                .any(|main| api.stream_rx(&(*main).into()).is_some_and(|stream| repeats(stream.rtx())));
            if by_rid || by_group {
                return Some(section.mid);
            }
        }
        None
    }
}
