//! Looks through an offer before str0m may change anything because of it, so that a refused one leaves no trace.
//!
//! str0m checks most of this too, but part of it only after it has changed the session.

use std::fmt;

use crate::layers::{MAX_LAYERS, MAX_RID, Rid};

/// The longest offer that is read.
pub const MAX_BYTES: usize = 1 << 20;
/// The most sections one transport may have.
pub const MAX_SECTIONS: usize = 512;
/// str0m keeps this much of a mid, and only letters, digits and the underscore.
const MAX_MID: usize = 16;

/// What must not change from one offer to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    pub sections: Vec<Section>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub mid: String,
    pub kind: String,
    /// Port 0 and not bundled: its place may be given to another section (RFC 8829 §5.2.2).
    pub rejected: bool,
    /// The SSRCs of its layers, where simulcast is offered as it was before there were rids (`a=ssrc-group:SIM`).
    pub group: Vec<u32>,
    /// The payload type of redundant audio (RFC 2198).
    pub redundant: Option<u8>,
}

impl Outline {
    /// The layers of a section that has no rids: they are called "0", "1" and so on.
    pub fn layers(&self, mid: &str) -> impl Iterator<Item = Rid> {
        let section = self.sections.iter().find(|section| section.mid == mid);
        section.into_iter().flat_map(|section| 0..section.group.len()).map(name)
    }

    pub fn redundant(&self, mid: &str) -> Option<u8> {
        self.sections.iter().find(|section| section.mid == mid)?.redundant
    }

    /// Which of these layers a stream is.
    pub fn layer_of(&self, mid: &str, ssrc: u32) -> Option<Rid> {
        let section = self.sections.iter().find(|section| section.mid == mid)?;
        section.group.iter().position(|member| *member == ssrc).map(name)
    }
}

fn name(layer: usize) -> Rid {
    layer.to_string().as_str().into()
}

/// Why an offer is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    TooLong,
    TooManySections(usize),
    NoSections,
    Missing(&'static str),
    IceLite,
    UnknownKind(String),
    BadMid(String),
    BadRid(String),
    DuplicateMid(String),
    Bundle,
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
            Self::UnknownKind(kind) => write!(f, "unknown kind of section: {kind}"),
            Self::BadMid(mid) => {
                write!(f, "a=mid has to be 1 to {MAX_MID} letters, digits or underscores: {mid:?}")
            }
            Self::BadRid(rid) => write!(f, "a=rid has to be 1 to {MAX_RID} letters and digits: {rid:?}"),
            Self::DuplicateMid(mid) => write!(f, "a=mid used twice: {mid}"),
            Self::Bundle => f.write_str("a=group:BUNDLE does not name the sections in their order"),
            Self::Moved(mid) => write!(f, "section {mid} is not where it was"),
            Self::ChangedKind(mid) => write!(f, "section {mid} changed its kind"),
        }
    }
}

/// Check `offer` on its own and against `previous`, the outline of the last accepted offer.
pub fn inspect(offer: &str, previous: &Outline) -> Result<Outline, Refusal> {
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
    for required in ["ice-ufrag", "ice-pwd", "fingerprint"] {
        if !parts.iter().any(|part| attribute(part, required).is_some()) {
            return Err(Refusal::Missing(required));
        }
    }
    let bundle: Vec<&str> = attribute(session, "group")
        .and_then(|group| group.strip_prefix("BUNDLE"))
        .ok_or(Refusal::Missing("group:BUNDLE"))?
        .split_whitespace()
        .collect();
    let sections = media.iter().map(|part| section(part, &bundle)).collect::<Result<Vec<_>, _>>()?;
    check_order(&sections, &bundle)?;
    check_against(&sections, previous)?;
    Ok(Outline { sections })
}

/// The ICE user name and password of the peer: those of the first section, whose transport all share.
pub fn credentials(offer: &str) -> Option<(String, String)> {
    let parts = split(offer);
    let (session, media) = parts.split_first()?;
    let find =
        |name| media.first().and_then(|part| attribute(part, name)).or_else(|| attribute(session, name));
    Some((find("ice-ufrag")?.trim().to_owned(), find("ice-pwd")?.trim().to_owned()))
}

/// The session's lines, then those of each section.
fn split(offer: &str) -> Vec<Vec<&str>> {
    let mut parts = vec![Vec::new()];
    for line in offer.lines().map(str::trim_end) {
        if line.starts_with("m=") {
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(line);
        }
    }
    parts
}

/// Value of the first `a=name:value` or `a=name`.
fn attribute<'a>(part: &[&'a str], name: &str) -> Option<&'a str> {
    attributes(part, name).next()
}

fn attributes<'a>(part: &[&'a str], name: &str) -> impl Iterator<Item = &'a str> {
    part.iter().filter_map(move |line| {
        let rest = line.strip_prefix("a=")?.strip_prefix(name)?;
        if rest.is_empty() { Some("") } else { rest.strip_prefix(':').map(str::trim) }
    })
}

fn section(lines: &[&str], bundle: &[&str]) -> Result<Section, Refusal> {
    let mut fields = lines.first().and_then(|line| line.strip_prefix("m=")).unwrap_or("").split_whitespace();
    let (kind, port) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
    if !matches!(kind, "audio" | "video" | "application") {
        return Err(Refusal::UnknownKind(kind.to_owned()));
    }
    let mid = attribute(lines, "mid").ok_or(Refusal::Missing("mid"))?;
    if mid.is_empty()
        || mid.len() > MAX_MID
        || !mid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        return Err(Refusal::BadMid(mid.to_owned()));
    }
    let rejected = port == "0" && !bundle.contains(&mid);
    let rids: Vec<&str> = attributes(lines, "rid").filter_map(|rid| rid.split_whitespace().next()).collect();
    let proper = |rid: &str| rid.len() <= MAX_RID && rid.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if let Some(rid) = rids.iter().find(|rid| !proper(rid)) {
        return Err(Refusal::BadRid((*rid).to_owned()));
    }
    let group = if rids.is_empty() { simulcast_group(lines) } else { Vec::new() };
    let redundant = attributes(lines, "rtpmap").find_map(|map| map.split_once(" red/")?.0.parse().ok());
    Ok(Section { mid: mid.to_owned(), kind: kind.to_owned(), rejected, group, redundant })
}

/// `answer` with the payload types of each section in the order of the offer (RFC 3264 §6.1): by it a browser knows that
/// the peer prefers redundant audio.
pub fn in_order_of(offer: &str, answer: &str) -> String {
    let types = |line: &str| line.split_whitespace().skip(3).map(str::to_owned).collect::<Vec<_>>();
    let mut offered = offer.lines().filter(|line| line.starts_with("m=")).map(types);
    let mut ordered = String::with_capacity(answer.len());
    for line in answer.lines() {
        let wanted = if line.starts_with("m=") { offered.next() } else { None };
        match wanted {
            Some(wanted) if !line.starts_with("m=application") => {
                let mut own = types(line);
                own.sort_by_key(|number| {
                    wanted.iter().position(|other| other == number).unwrap_or(wanted.len())
                });
                ordered += &line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
                for number in &own {
                    ordered.extend([" ", number]);
                }
            }
            _ => ordered += line,
        }
        ordered += "\r\n";
    }
    ordered
}

fn simulcast_group(lines: &[&str]) -> Vec<u32> {
    let group = attributes(lines, "ssrc-group").find_map(|group| group.strip_prefix("SIM "));
    let members = group.into_iter().flat_map(str::split_whitespace).take(MAX_LAYERS);
    members.filter_map(|ssrc| ssrc.parse().ok()).collect()
}

fn check_order(sections: &[Section], bundle: &[&str]) -> Result<(), Refusal> {
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = sections.iter().find(|section| !seen.insert(&section.mid)) {
        return Err(Refusal::DuplicateMid(twice.mid.clone()));
    }
    let bundled = sections.iter().filter(|section| !section.rejected).map(|section| section.mid.as_str());
    if bundled.eq(bundle.iter().copied()) { Ok(()) } else { Err(Refusal::Bundle) }
}

/// RFC 3264 §8: sections keep their place and kind; a rejected one may be replaced, none is taken away.
fn check_against(sections: &[Section], previous: &Outline) -> Result<(), Refusal> {
    for (index, old) in previous.sections.iter().enumerate() {
        match sections.get(index) {
            Some(new) if new.mid == old.mid && new.kind != old.kind => {
                return Err(Refusal::ChangedKind(old.mid.clone()));
            }
            Some(new) if new.mid == old.mid => {}
            Some(new) if old.rejected && !previous.sections.iter().any(|other| other.mid == new.mid) => {}
            _ => return Err(Refusal::Moved(old.mid.clone())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(bundle: &str, sections: &[(&str, u16, &str)]) -> String {
        let mut offer = format!("v=0\r\na=group:BUNDLE {bundle}\r\n");
        for (kind, port, mid) in sections {
            offer += &format!(
                "m={kind} {port} UDP/TLS/RTP/SAVPF 96\r\na=mid:{mid}\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n\
                 a=fingerprint:sha-256 00\r\n"
            );
        }
        offer
    }

    fn outline(bundle: &str, sections: &[(&str, u16, &str)]) -> Outline {
        inspect(&offer(bundle, sections), &Outline::default()).unwrap()
    }

    #[test]
    fn sections_may_be_added_and_rejected_ones_replaced() {
        let before = outline("0 1", &[("audio", 9, "0"), ("video", 9, "1")]);
        inspect(&offer("0 1 2", &[("audio", 9, "0"), ("video", 9, "1"), ("video", 9, "2")]), &before)
            .unwrap();
        let stopped = outline("0", &[("audio", 9, "0"), ("video", 0, "1")]);
        inspect(&offer("0 7", &[("audio", 9, "0"), ("audio", 9, "7")]), &stopped).unwrap();
        assert_eq!(
            inspect(&offer("0 7", &[("audio", 9, "0"), ("video", 9, "7")]), &before),
            Err(Refusal::Moved("1".into()))
        );
    }

    #[test]
    fn sections_may_not_move_change_or_vanish() {
        let before = outline("0 1", &[("audio", 9, "0"), ("video", 9, "1")]);
        let refused = |bundle, sections: &[_]| inspect(&offer(bundle, sections), &before).unwrap_err();
        assert_eq!(refused("1 0", &[("video", 9, "1"), ("audio", 9, "0")]), Refusal::Moved("0".into()));
        assert_eq!(refused("0 1", &[("audio", 9, "0"), ("audio", 9, "1")]), Refusal::ChangedKind("1".into()));
        assert_eq!(refused("0", &[("audio", 9, "0")]), Refusal::Moved("1".into()));
    }

    #[test]
    fn layers_without_names_are_numbered_in_the_order_of_their_group() {
        let one = offer("0", &[("video", 9, "0")]);
        let group = "a=ssrc-group:FID 10 11\r\na=ssrc-group:SIM 10 20 30\r\n";
        let outline = inspect(&format!("{one}{group}"), &Outline::default()).unwrap();
        let names: Vec<String> = outline.layers("0").map(|rid| rid.to_string()).collect();
        assert_eq!(names, ["0", "1", "2"]);
        assert_eq!(outline.layer_of("0", 20).map(|rid| rid.to_string()).as_deref(), Some("1"));
        assert_eq!((outline.layer_of("0", 11), outline.layer_of("1", 10)), (None, None));
        let with_rids = inspect(&format!("{one}{group}a=rid:q send\r\n"), &Outline::default()).unwrap();
        assert_eq!(with_rids.layers("0").count(), 0, "str0m knows those");
    }

    #[test]
    fn answers_list_payload_types_as_they_were_offered() {
        let offer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 63 111 0\r\na=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n\
            m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
        let answer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0 63\r\na=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n\
            m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
        assert_eq!(in_order_of(offer, answer), offer);
        assert_eq!(in_order_of("", answer), answer);
    }

    #[test]
    fn inconsistent_offers_are_refused() {
        let refused = |offer: &str| inspect(offer, &Outline::default()).unwrap_err();
        assert_eq!(refused(""), Refusal::NoSections);
        assert_eq!(refused(&"x".repeat(MAX_BYTES + 1)), Refusal::TooLong);
        assert_eq!(
            refused(&offer("0 0", &[("audio", 9, "0"), ("audio", 9, "0")])),
            Refusal::DuplicateMid("0".into())
        );
        assert_eq!(refused(&offer("1", &[("audio", 9, "0")])), Refusal::Bundle);
        assert_eq!(refused(&offer("0", &[("text", 9, "0")])), Refusal::UnknownKind("text".into()));
        assert_eq!(refused(&offer("a-b", &[("audio", 9, "a-b")])), Refusal::BadMid("a-b".into()));
        for rid in ["far_off", "ninechars"] {
            let named = format!("{}a=rid:{rid} send\r\n", offer("0", &[("video", 9, "0")]));
            assert_eq!(refused(&named), Refusal::BadRid(rid.into()));
        }
        let many: Vec<String> = (0..=MAX_SECTIONS).map(|mid| mid.to_string()).collect();
        let sections: Vec<_> = many.iter().map(|mid| ("audio", 9, mid.as_str())).collect();
        assert_eq!(refused(&offer(&many.join(" "), &sections)), Refusal::TooManySections(MAX_SECTIONS + 1));
    }
}
