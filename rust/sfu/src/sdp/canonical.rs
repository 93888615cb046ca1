//! The offer as str0m gets to see it: in one form, with nothing in it that is not understood.

use std::fmt::Write as _;

use super::lines::{attribute, attributes};
use super::{Kind, Outline, Refusal, Section, State};
use crate::extensions::{self, Known};

/// What all sections that share a transport agree on.
struct Transport<'a> {
    ufrag: &'a str,
    password: &'a str,
    hash: &'a str,
    fingerprint: String,
    setup: &'a str,
}

pub fn write(parts: &[Vec<&str>], outline: &mut Outline) -> Result<String, Refusal> {
    let transport = transport(parts, outline)?;
    let mut text = head(parts.first().map_or(&[], Vec::as_slice));
    let given = |section: &&Section| section.state == State::Open;
    let Transport { ufrag, password, hash, fingerprint, setup } = &transport;
    let _ = write!(
        text,
        "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\na=fingerprint:{hash} {fingerprint}\r\na=setup:{setup}\r\n"
    );
    text += "a=group:BUNDLE";
    for section in outline.sections.iter().filter(given) {
        let _ = write!(text, " {}", section.mid);
    }
    text += "\r\n";
    for (section, lines) in outline.sections.iter_mut().zip(parts.iter().skip(1)) {
        let _ = match (section.state, section.kind) {
            (State::Open, Kind::Data) => data(&mut text, section, lines),
            (State::Open, _) => {
                let taken = &mut outline.taken;
                let mut parameters = Vec::new();
                section
                    .formats
                    .retain(|format| taken.parameters(format).map(|own| parameters.push(own)).is_some());
                media(&mut text, section, lines, &parameters)
            }
            _ => write!(text, "m={} 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\n", kind(section))
                .and_then(|()| write!(text, "a=mid:{}\r\na=inactive\r\n", section.mid)),
        };
    }
    Ok(text)
}

fn kind(section: &Section) -> &'static str {
    if section.kind == Kind::Video { "video" } else { "audio" }
}

fn head(session: &[&str]) -> String {
    let origin = session.iter().find_map(|line| line.strip_prefix("o="));
    let id = origin.and_then(|origin| origin.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(1);
    format!("v=0\r\no=- {} 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", id >> 1)
}

/// Each value where RFC 8843 §7.1 has it: in the first open section, for the whole session, or in any other section.
fn transport<'a>(parts: &[Vec<&'a str>], outline: &Outline) -> Result<Transport<'a>, Refusal> {
    let open = |section: &Section| section.state != State::Rejected;
    let first = outline.sections.iter().position(open).map_or(0, |index| index + 1);
    let order = [first, 0].into_iter().chain(1..parts.len()).filter_map(|index| parts.get(index));
    let find = |name: &'static str| {
        order.clone().find_map(|part| attribute(part, name)).ok_or(Refusal::Missing(name))
    };
    let (ufrag, password) = (find("ice-ufrag")?, find("ice-pwd")?);
    for (name, value, shortest) in [("ice-ufrag", ufrag, 1), ("ice-pwd", password, 1)] {
        let proper = value.bytes().all(|byte| byte.is_ascii_graphic());
        if !proper || !(shortest..=256).contains(&value.len()) {
            return Err(Refusal::Unusable(name, value.to_owned()));
        }
    }
    find("fingerprint")?;
    // of several the one of the best hash that is known
    let all = order.clone().flat_map(|part| attributes(part, "fingerprint"));
    let usable = all.filter_map(fingerprint);
    let (rank, fingerprint) = usable
        .reduce(|best, other| if other.0 < best.0 { other } else { best })
        .ok_or_else(|| Refusal::Unusable("fingerprint", find("fingerprint").unwrap_or("").to_owned()))?;
    let setup = find("setup").unwrap_or("actpass");
    if !matches!(setup, "actpass" | "active" | "passive") {
        return Err(Refusal::Unusable("setup", setup.to_owned()));
    }
    Ok(Transport { ufrag, password, hash: HASHES[rank], fingerprint, setup })
}

const HASHES: [&str; 4] = ["sha-256", "sha-384", "sha-512", "sha-1"];

fn fingerprint(text: &str) -> Option<(usize, String)> {
    let (hash, digest) = text.split_once(' ')?;
    let rank = HASHES.iter().position(|known| known.eq_ignore_ascii_case(hash))?;
    let digest = digest.trim().to_ascii_uppercase();
    let byte = |pair: &str| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
    digest.split(':').all(byte).then_some((rank, digest))
}

fn common(text: &mut String, section: &Section) -> std::fmt::Result {
    write!(text, "c=IN IP4 0.0.0.0\r\na=mid:{}\r\n", section.mid)
}

fn data(text: &mut String, section: &Section, lines: &[&str]) -> std::fmt::Result {
    text.push_str("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n");
    common(text, section)?;
    let port = attribute(lines, "sctp-port").or_else(|| attribute(lines, "sctpmap")?.split(' ').next());
    let port = port.and_then(|port| port.parse::<u16>().ok()).unwrap_or(5000);
    write!(text, "a=sctp-port:{port}\r\n")?;
    match attribute(lines, "max-message-size").and_then(|size| size.parse::<u32>().ok()) {
        Some(size) => write!(text, "a=max-message-size:{size}\r\n"),
        None => Ok(()),
    }
}

fn media(text: &mut String, section: &Section, lines: &[&str], parameters: &[String]) -> std::fmt::Result {
    write!(text, "m={} 9 UDP/TLS/RTP/SAVPF", kind(section))?;
    for number in section.formats.iter().flat_map(super::Format::numbers) {
        write!(text, " {number}")?;
    }
    if section.formats.is_empty() {
        text.push_str(" 0"); // it has to name one, and this means nothing without a codec of that name
    }
    text.push_str("\r\n");
    common(text, section)?;
    let direction = match (section.sends, section.receives) {
        (true, true) => "sendrecv",
        (true, false) => "sendonly",
        (false, true) => "recvonly",
        (false, false) => "inactive",
    };
    write!(text, "a={direction}\r\na=rtcp-mux\r\n")?;
    if section.extensions.id_of(Known::TransportSeq).is_some() {
        write!(text, "{}\r\n", extensions::transport_seq_line())?;
    }
    for (format, own) in section.formats.iter().zip(parameters) {
        write_format(text, format, own)?;
    }
    layers(text, lines)?;
    streams(text, lines)
}

fn write_format(text: &mut String, format: &super::Format, own: &str) -> std::fmt::Result {
    let number = format.number;
    write!(text, "a=rtpmap:{number} {}\r\n", format.codec)?;
    for kind in &format.feedback {
        write!(text, "a=rtcp-fb:{number} {kind}\r\n")?;
    }
    if !own.is_empty() {
        write!(text, "a=fmtp:{number} {own}\r\n")?;
    }
    let rate = format.codec.split('/').nth(1).unwrap_or("90000");
    if let Some(rtx) = format.rtx {
        write!(text, "a=rtpmap:{rtx} rtx/{rate}\r\na=fmtp:{rtx} apt={number}\r\n")?;
    }
    if let Some(red) = format.red {
        write!(text, "a=rtpmap:{red} red/{rate}/2\r\na=fmtp:{red} {number}/{number}\r\n")?;
    }
    Ok(())
}

/// Layers by rid (RFC 8851, RFC 8853), as far as they are sent.
fn layers(text: &mut String, lines: &[&str]) -> std::fmt::Result {
    let all: Vec<(&str, &str)> = attributes(lines, "rid")
        .filter_map(|rid| {
            let mut words = rid.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .filter(|(_, direction)| matches!(*direction, "send" | "recv"))
        .collect();
    for (rid, direction) in &all {
        write!(text, "a=rid:{rid} {direction}\r\n")?;
    }
    let Some(simulcast) = attribute(lines, "simulcast") else { return Ok(()) };
    let words: Vec<&str> = simulcast.split_whitespace().collect();
    let known = |rid: &str| all.iter().any(|(other, _)| *other == rid.trim_start_matches('~'));
    let proper = |pair: &[&str]| {
        let streams = pair.get(1).map(|list| list.split([';', ',']));
        matches!(pair[0], "send" | "recv") && streams.is_some_and(|mut rids| rids.all(known))
    };
    if !words.is_empty() && words.len() <= 4 && words.chunks(2).all(proper) {
        write!(text, "a=simulcast:{}\r\n", words.join(" "))?;
    }
    Ok(())
}

/// The SSRCs that the peer tells, and which of them repeat another.
fn streams(text: &mut String, lines: &[&str]) -> std::fmt::Result {
    const MAX_STREAMS: usize = 64;
    let mut known: Vec<u32> = Vec::new();
    for ssrc in attributes(lines, "ssrc").filter_map(|ssrc| ssrc.split_whitespace().next()?.parse().ok()) {
        if !known.contains(&ssrc) && known.len() < MAX_STREAMS {
            known.push(ssrc);
        }
    }
    for group in attributes(lines, "ssrc-group") {
        let mut words = group.split_whitespace();
        let members: Option<Vec<u32>> = words.clone().skip(1).map(|word| word.parse().ok()).collect();
        let Some((semantics, members)) = words.next().zip(members) else { continue };
        if matches!(semantics, "FID" | "SIM") && members.iter().all(|ssrc| known.contains(ssrc)) {
            let members: Vec<String> = members.iter().map(u32::to_string).collect();
            write!(text, "a=ssrc-group:{semantics} {}\r\n", members.join(" "))?;
        }
    }
    for ssrc in known {
        write!(text, "a=ssrc:{ssrc} cname:c\r\n")?;
    }
    Ok(())
}
