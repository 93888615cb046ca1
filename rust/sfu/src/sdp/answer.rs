//! str0m's answer in the peer's words: its names, numbers, parameters and order.

use super::lines::{attribute, attributes};
use super::{Kind, Outline, Section, State};
use crate::extensions::Known;

/// What str0m says of the transport, in each of its sections.
const TRANSPORT: [&str; 6] =
    ["candidate", "end-of-candidates", "ice-ufrag", "ice-pwd", "fingerprint", "setup"];

pub fn write(offer: &[Vec<&str>], answer: &[Vec<&str>], outline: &Outline) -> String {
    let (session, parts) =
        answer.split_first().map_or((&[][..], &[][..]), |(head, rest)| (head.as_slice(), rest));
    let mut lines: Vec<String> = session
        .iter()
        .filter(|line| !line.is_empty() && !line.starts_with("a=group:"))
        .map(|line| (*line).to_owned())
        .collect();
    let offered = offer.first().map_or(&[][..], Vec::as_slice);
    if super::bundle(offered).is_some() {
        let mids = outline.sections.iter().filter(|section| section.state != State::Rejected);
        let mids: Vec<&str> = mids.map(|section| section.name.as_str()).collect();
        lines.push(format!("a=group:BUNDLE {}", mids.join(" ")).trim_end().to_owned());
    }
    for (section, offered) in outline.sections.iter().zip(offer.iter().skip(1)) {
        let own = parts.iter().find(|part| attribute(part, "mid") == Some(&*section.mid));
        match (section.state, own) {
            (State::Open, Some(own)) if section.kind == Kind::Data => data(&mut lines, section, offered, own),
            (State::Open, Some(own)) => media(&mut lines, section, offered, own, parts),
            (State::Resting, _) => resting(&mut lines, section, offered, parts),
            _ => rejected(&mut lines, section, offered, parts),
        }
    }
    lines.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect()
}

/// The `m=` line as it was offered, with another port, and with other formats if there are any.
fn media_line(offered: &[&str], port: u16, formats: &[String]) -> String {
    let mut words: Vec<String> =
        offered.first().copied().unwrap_or("").split_whitespace().map(str::to_owned).collect();
    if let Some(place) = words.get_mut(1) {
        *place = port.to_string();
    }
    if !formats.is_empty() {
        words.truncate(3);
        words.extend_from_slice(formats);
    }
    words.join(" ")
}

fn name(section: &Section) -> String {
    format!("a=mid:{}", section.name)
}

/// RFC 3264 §6: it names what was offered. Some clients look for the transport here too.
fn rejected(lines: &mut Vec<String>, section: &Section, offered: &[&str], parts: &[Vec<&str>]) {
    lines.extend([media_line(offered, 0, &[]), "c=IN IP4 0.0.0.0".to_owned(), name(section)]);
    lines.extend(transport(parts, &TRANSPORT[2..]));
    lines.extend(attributes(offered, "rtpmap").map(|map| format!("a=rtpmap:{map}")));
    lines.extend(["a=inactive".to_owned(), "a=rtcp-mux".to_owned()]);
}

fn resting(lines: &mut Vec<String>, section: &Section, offered: &[&str], parts: &[Vec<&str>]) {
    lines.extend([media_line(offered, 9, &[]), "c=IN IP4 0.0.0.0".to_owned(), name(section)]);
    lines.extend(transport(parts, &TRANSPORT));
    lines.extend(["a=inactive".to_owned(), "a=rtcp-mux".to_owned()]);
    for head in ["rtpmap", "fmtp"] {
        lines.extend(attributes(offered, head).map(|text| format!("a={head}:{text}")));
    }
}

/// The lines of these names, from a section that has them.
fn transport(parts: &[Vec<&str>], names: &[&str]) -> Vec<String> {
    let found = parts.iter().find(|part| attribute(part, "ice-ufrag").is_some());
    found.into_iter().flatten().filter(|line| is(line, names)).map(|line| (*line).to_owned()).collect()
}

fn data(lines: &mut Vec<String>, section: &Section, offered: &[&str], own: &[&str]) {
    lines.extend([media_line(offered, 9, &[]), "c=IN IP4 0.0.0.0".to_owned(), name(section)]);
    let rest = own.iter().filter(|line| line.starts_with("a=") && !is(line, &["mid"]));
    let former = attribute(offered, "sctpmap"); // as it was before RFC 8841
    lines.extend(
        rest.filter(|line| former.is_none() || !is(line, &["sctp-port"])).map(|line| (*line).to_owned()),
    );
    lines.extend(former.map(|map| format!("a=sctpmap:{map}")));
}

fn media(lines: &mut Vec<String>, section: &Section, offered: &[&str], own: &[&str], parts: &[Vec<&str>]) {
    let answered: Vec<u8> = super::formats::numbers(own).collect();
    let order: Vec<String> = super::formats::numbers(offered)
        .filter(|number| answered.contains(number))
        .map(|n| n.to_string())
        .collect();
    if order.is_empty() && (section.sends || section.receives) {
        return rejected(lines, section, offered, parts);
    } else if order.is_empty() {
        return resting(lines, section, offered, parts);
    }
    lines.extend([media_line(offered, 9, &order), "c=IN IP4 0.0.0.0".to_owned(), name(section)]);
    let video = section.kind == Kind::Video;
    let replaced: &[&str] = if video { &["mid", "extmap", "fmtp"] } else { &["mid", "extmap"] };
    // str0m also tells what other sections have of the same codec
    let foreign = |line: &&&str| is(line, &["rtpmap", "fmtp", "rtcp-fb"]) && !concerns(line, &order);
    let rest = own.iter().filter(|line| line.starts_with("a=") && !is(line, replaced) && !foreign(line));
    lines.extend(rest.map(|line| (*line).to_owned()));
    if video {
        let about = |text: &&str| concerns(text, &order);
        lines.extend(attributes(offered, "fmtp").filter(about).map(|text| format!("a=fmtp:{text}")));
    }
    lines.extend(attributes(offered, "extmap").filter_map(|text| extension(section, text)));
}

/// Whether a line, or its value, is about one of these payload types.
fn concerns(line: &str, numbers: &[String]) -> bool {
    let value =
        line.strip_prefix("a=").and_then(|line| line.split_once(':')).map_or(line, |(_, value)| value);
    value.split(' ').next().is_some_and(|number| numbers.iter().any(|own| own == number))
}

/// An extension's number as it was offered, if it is understood.
fn extension(section: &Section, text: &str) -> Option<String> {
    let (id, uri) = text.split_once(' ')?;
    let uri = uri.split_whitespace().next()?;
    let (id, direction) = id.split_once('/').unwrap_or((id, ""));
    let known = Known::of(uri).filter(|known| section.extensions.id_of(*known) == id.parse().ok());
    let direction = match direction {
        "sendonly" => "/recvonly",
        "recvonly" => "/sendonly",
        "sendrecv" => "/sendrecv",
        "inactive" => "/inactive",
        _ => "",
    };
    known.map(|_| format!("a=extmap:{id}{direction} {uri}"))
}

fn is(line: &str, names: &[&str]) -> bool {
    let name = line.strip_prefix("a=").unwrap_or("").split(':').next().unwrap_or("");
    names.contains(&name)
}
