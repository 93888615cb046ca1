//! Between a peer's offers and str0m: what is legal but not what str0m expects is put into its words, what it would
//! choke on is refused before it may change anything, and its answer is put into the peer's words.
//!
//! str0m gets a description that is written here, with nothing in it that is not understood (`canonical`). A section
//! that was never in use is rejected there and rests here: str0m reads the formats of a section when it first sees it.

mod answer;
mod canonical;
pub mod formats;
mod lines;

use std::fmt;

use str0m::media::Mid;

use crate::extensions::{Known, Table};
use crate::layers::{MAX_LAYERS, MAX_RID, Rid};
use formats::{Format, Taken};
use lines::{attribute, attributes, shown, split};

/// The longest offer that is read.
pub const MAX_BYTES: usize = 1 << 20;
/// The most sections one transport may have.
pub const MAX_SECTIONS: usize = 512;
/// A mid has to fit into a header extension of the short form.
const MAX_MID: usize = 16;

/// What was agreed on, and what must not change from one offer to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    pub sections: Vec<Section>,
    taken: Taken,
    /// Names under which str0m has seen a section.
    mids: Vec<Mid>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// `a=mid`, as the peer writes it.
    pub name: String,
    /// Under which str0m knows it.
    pub mid: Mid,
    pub kind: Kind,
    pub state: State,
    /// What its extensions' numbers mean.
    pub extensions: Table,
    /// In the peer's order.
    pub formats: Vec<Format>,
    /// Whether the peer means to send here.
    pub sends: bool,
    pub receives: bool,
    /// The SSRCs of its layers, where simulcast is offered as it was before there were rids (`a=ssrc-group:SIM`).
    pub group: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Audio,
    Video,
    Data,
    /// Text, images, or media that is not encrypted as WebRTC does.
    Foreign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Answered with port 0; its place may be given to another section (RFC 8829 §5.2.2).
    Rejected,
    /// Nothing was to flow here so far; str0m does not know of it.
    Resting,
    /// It is or was in use.
    Open,
}

impl Section {
    /// The payload type of redundant audio (RFC 2198).
    pub fn redundant(&self) -> Option<u8> {
        self.formats.iter().find_map(|format| format.red)
    }

    /// A section's name where packets carry it, whatever str0m calls it.
    pub fn label(&self) -> Mid {
        let mut padded = [b' '; MAX_MID];
        padded.iter_mut().zip(self.name.bytes()).for_each(|(place, byte)| *place = byte);
        Mid::from_array(padded)
    }
}

impl Outline {
    /// The section of this name, as the peer writes it.
    pub fn named(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    pub fn section(&self, mid: Mid) -> Option<&Section> {
        self.sections.iter().find(|section| section.mid == mid)
    }

    /// The layers of a section that has no rids: they are called "0", "1" and so on.
    pub fn layers(&self, mid: Mid) -> impl Iterator<Item = Rid> {
        self.section(mid).into_iter().flat_map(|section| 0..section.group.len()).map(name)
    }

    /// Which of these layers a stream is.
    pub fn layer_of(&self, mid: Mid, ssrc: u32) -> Option<Rid> {
        self.section(mid)?.group.iter().position(|member| *member == ssrc).map(name)
    }

    /// Sections that str0m knows by another name than the one that packets carry.
    pub fn renamed(&self) -> Vec<(String, Mid)> {
        let other =
            |section: &&Section| section.state == State::Open && section.mid != section.name.as_str().into();
        self.sections.iter().filter(other).map(|section| (section.name.clone(), section.mid)).collect()
    }
}

fn name(layer: usize) -> Rid {
    layer.to_string().as_str().into()
}

/// An offer that may be given to str0m.
#[derive(Debug)]
pub struct Prepared {
    pub outline: Outline,
    /// What str0m gets to see.
    pub canonical: String,
}

/// Why an offer is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    TooLong,
    TooManySections(usize),
    NoSections,
    Missing(&'static str),
    IceLite,
    Unusable(&'static str, String),
    BadMid(String),
    BadRid(String),
    DuplicateMid(String),
    DuplicatePayloadType(u8, String),
    PayloadTypeMeansTwo(u8, String, String),
    Moved(String),
    ChangedKind(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "offer longer than {MAX_BYTES} bytes"),
            Self::TooManySections(count) => {
                write!(f, "offer has {count} sections, the limit is {MAX_SECTIONS}")
            }
            Self::NoSections => f.write_str("offer has no media sections"),
            Self::Missing(what) => write!(f, "offer lacks {what}"),
            Self::IceLite => f.write_str("both sides would be ICE-lite"),
            Self::Unusable(what, value) => write!(f, "unusable a={what}: {}", shown(value)),
            Self::BadMid(mid) => {
                write!(f, "a=mid has to be 1 to {MAX_MID} token characters: {}", shown(mid))
            }
            Self::BadRid(rid) => {
                write!(f, "a=rid has to be 1 to {MAX_RID} letters and digits: {}", shown(rid))
            }
            Self::DuplicateMid(mid) => write!(f, "a=mid used twice: {mid}"),
            Self::DuplicatePayloadType(number, mid) => {
                write!(f, "payload type {number} stands twice in section {mid}")
            }
            Self::PayloadTypeMeansTwo(number, mid, other) => {
                write!(f, "payload type {number} means different things in sections {mid} and {other}")
            }
            Self::Moved(mid) => write!(f, "section {mid} is not where it was"),
            Self::ChangedKind(mid) => write!(f, "section {mid} changed its kind"),
        }
    }
}

/// Check `offer` on its own and against `previous`, the outline of the last accepted offer, and put it into str0m's
/// words.
pub fn prepare(offer: &str, previous: &Outline) -> Result<Prepared, Refusal> {
    if offer.len() > MAX_BYTES {
        return Err(Refusal::TooLong);
    }
    let parts = split(offer);
    let (session, media) = parts.split_first().ok_or(Refusal::NoSections)?;
    match media.len() {
        0 => return Err(Refusal::NoSections),
        count if count > MAX_SECTIONS => return Err(Refusal::TooManySections(count)),
        _ => {}
    }
    if attribute(session, "ice-lite").is_some() {
        return Err(Refusal::IceLite);
    }
    let bundle = bundle(session);
    let sections =
        media.iter().map(|part| section(part, bundle.as_deref())).collect::<Result<Vec<_>, _>>()?;
    let mut outline = Outline { sections, taken: previous.taken.clone(), mids: previous.mids.clone() };
    check_names(&outline.sections)?;
    check_against(&outline.sections, previous)?;
    settle(&mut outline, previous, bundle.is_some());
    check_payload_types(&outline.sections)?;
    let canonical = canonical::write(&parts, &mut outline)?;
    Ok(Prepared { outline, canonical })
}

/// str0m's answer to the canonical offer as an answer to `offer`.
pub fn answer(offer: &str, answer: &str, outline: &Outline) -> String {
    answer::write(&split(offer), &split(answer), outline)
}

/// The ICE user name and password of the peer, which all its sections share.
pub fn credentials(canonical: &str) -> Option<(String, String)> {
    let parts = split(canonical);
    let session = parts.first()?;
    let find = |name| attribute(session, name).map(str::to_owned);
    Some((find("ice-ufrag")?, find("ice-pwd")?))
}

/// The members of the group that shares one transport (RFC 8843), whatever other groups there are.
fn bundle<'a>(session: &[&'a str]) -> Option<Vec<&'a str>> {
    let mut groups = attributes(session, "group").map(str::split_whitespace);
    groups.find_map(|mut words| (words.next() == Some("BUNDLE")).then(|| words.collect()))
}

fn section(lines: &[&str], bundle: Option<&[&str]>) -> Result<Section, Refusal> {
    let name = attribute(lines, "mid").ok_or(Refusal::Missing("mid"))?;
    let token = |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]".contains(&byte);
    if name.is_empty() || name.len() > MAX_MID || !name.bytes().all(token) {
        return Err(Refusal::BadMid(name.to_owned()));
    }
    let mut fields = lines.first().and_then(|line| line.strip_prefix("m=")).unwrap_or("").split_whitespace();
    let (kind, port, protocol) = (fields.next(), fields.next(), fields.next().unwrap_or(""));
    let kind = kind_of(kind.unwrap_or(""), protocol);
    let shares = bundle.is_none_or(|mids| mids.contains(&name));
    let closed = port.is_none_or(|port| port.split('/').next() == Some("0"));
    let rejected =
        kind == Kind::Foreign || !shares || (closed && bundle.is_none_or(|mids| !mids.contains(&name)));
    let rids: Vec<&str> = attributes(lines, "rid").filter_map(|rid| rid.split_whitespace().next()).collect();
    let proper = |rid: &str| rid.len() <= MAX_RID && rid.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if let Some(rid) = rids.iter().find(|rid| !proper(rid)) {
        return Err(Refusal::BadRid((*rid).to_owned()));
    }
    if let Some(number) = repeated(lines) {
        return Err(Refusal::DuplicatePayloadType(number, name.to_owned()));
    }
    let direction = direction(lines);
    Ok(Section {
        name: name.to_owned(),
        mid: name.into(),
        kind,
        state: if rejected { State::Rejected } else { State::Open },
        extensions: extensions(lines, kind == Kind::Audio),
        formats: if rejected || kind == Kind::Data { Vec::new() } else { formats::formats(lines) },
        sends: matches!(direction, "sendonly" | "sendrecv"),
        receives: matches!(direction, "recvonly" | "sendrecv"),
        group: if rids.is_empty() { simulcast_group(lines) } else { Vec::new() },
    })
}

fn kind_of(kind: &str, protocol: &str) -> Kind {
    let encrypted =
        matches!(protocol, "UDP/TLS/RTP/SAVPF" | "TCP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP" | "RTP/SAVPF");
    match kind {
        "audio" if encrypted => Kind::Audio,
        "video" if encrypted => Kind::Video,
        "application" if matches!(protocol, "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP" | "DTLS/SCTP") => Kind::Data,
        _ => Kind::Foreign,
    }
}

fn direction<'a>(lines: &[&'a str]) -> &'a str {
    let words = lines.iter().filter_map(|line| line.strip_prefix("a="));
    let known = |word: &&str| matches!(*word, "sendrecv" | "sendonly" | "recvonly" | "inactive");
    words.clone().find(known).unwrap_or("sendrecv")
}

/// A payload type that is listed or explained twice.
fn repeated(lines: &[&str]) -> Option<u8> {
    let maps = attributes(lines, "rtpmap").filter_map(formats::numbered).map(|(number, _)| number);
    twice(formats::numbers(lines)).or_else(|| twice(maps))
}

fn twice(numbers: impl Iterator<Item = u8>) -> Option<u8> {
    let mut seen = [false; 256];
    numbers.into_iter().find(|number| std::mem::replace(&mut seen[usize::from(*number)], true))
}

/// What the numbers of a section's extensions mean; what is not understood is left out.
fn extensions(lines: &[&str], audio: bool) -> Table {
    let mut table = Table::default();
    for (id, uri) in attributes(lines, "extmap").filter_map(|text| text.split_once(' ')) {
        let id = id.split('/').next().and_then(|id| id.parse().ok());
        let known =
            Known::of(uri.split_whitespace().next().unwrap_or("")).filter(|known| known.is_for(audio));
        if let (Some(id), Some(known)) = (id, known) {
            table.set(id, known);
        }
    }
    table
}

fn simulcast_group(lines: &[&str]) -> Vec<u32> {
    let group = attributes(lines, "ssrc-group").find_map(|group| group.strip_prefix("SIM "));
    let members = group.into_iter().flat_map(str::split_whitespace).take(MAX_LAYERS);
    members.filter_map(|ssrc| ssrc.parse().ok()).collect()
}

fn check_names(sections: &[Section]) -> Result<(), Refusal> {
    let mut seen = std::collections::HashSet::new();
    match sections.iter().find(|section| !seen.insert(&section.name)) {
        Some(twice) => Err(Refusal::DuplicateMid(twice.name.clone())),
        None => Ok(()),
    }
}

/// RFC 3264 §8: sections keep their place and kind; a rejected one may be replaced, none is taken away.
fn check_against(sections: &[Section], previous: &Outline) -> Result<(), Refusal> {
    for (index, old) in previous.sections.iter().enumerate() {
        match sections.get(index) {
            Some(new) if new.name == old.name && new.kind != old.kind => {
                return Err(Refusal::ChangedKind(old.name.clone()));
            }
            Some(new) if new.name == old.name => {}
            Some(new)
                if old.state == State::Rejected
                    && !previous.sections.iter().any(|other| other.name == new.name) => {}
            _ => return Err(Refusal::Moved(old.name.clone())),
        }
    }
    Ok(())
}

/// Which sections are open, and what str0m calls them.
fn settle(outline: &mut Outline, previous: &Outline, bundled: bool) {
    let (mut first, mut data) = (true, None);
    for index in 0..outline.sections.len() {
        let section = &mut outline.sections[index];
        let old = previous.sections.get(index).filter(|old| old.name == section.name);
        if section.kind == Kind::Data && *data.get_or_insert(index) != index {
            section.state = State::Rejected; // one association per transport (RFC 8841 §10)
        }
        if old.is_some_and(|old| old.state == State::Rejected) {
            section.state = State::Rejected; // it is over, until its place is given to another
        }
        if section.state == State::Open && !std::mem::take(&mut first) && !bundled {
            section.state = State::Rejected; // it would need a transport of its own
        }
        let used = old.is_some_and(|old| old.state == State::Open);
        if section.state == State::Open
            && section.kind != Kind::Data
            && !used
            && !section.sends
            && !section.receives
        {
            section.state = State::Resting;
        }
        let begins = section.state == State::Open && !used;
        match old.filter(|_| !begins) {
            Some(old) => section.mid = old.mid,
            None => name_section(section, index, &mut outline.mids),
        }
    }
}

/// A name under which str0m has not seen a section yet: its own if that will do.
fn name_section(section: &mut Section, index: usize, taken: &mut Vec<Mid>) {
    let own: Mid = section.name.as_str().into();
    let open = section.state == State::Open;
    let others = (0..).map(|n| Mid::from(format!("_{index}_{n}").as_str()));
    let free = open.then_some(own).into_iter().chain(others).find(|mid| !taken.contains(mid));
    if let Some(free) = free {
        section.mid = free;
        taken.push(free);
    }
}

/// One number means one thing in all sections that share a transport (RFC 8843 §9.1).
fn check_payload_types(sections: &[Section]) -> Result<(), Refusal> {
    let mut known: Vec<Option<(&Section, &'static str)>> = vec![None; 128];
    for section in sections.iter().filter(|section| section.state == State::Open) {
        for format in &section.formats {
            let roles = [(Some(format.number), format.codec), (format.rtx, "rtx"), (format.red, "red")];
            for (number, role) in roles.into_iter().filter_map(|(number, role)| Some((number?, role))) {
                let (first, meaning) = known[usize::from(number)].get_or_insert((section, role));
                if *meaning != role {
                    let (one, other) = (first.name.clone(), section.name.clone());
                    return Err(Refusal::PayloadTypeMeansTwo(number, one, other));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
