use super::*;

fn offer(bundle: &str, sections: &[(&str, u16, &str)]) -> String {
    let mut offer = format!("v=0\r\na=group:BUNDLE {bundle}\r\n");
    for (kind, port, mid) in sections {
        offer += &format!(
            "m={kind} {port} UDP/TLS/RTP/SAVPF 96\r\na=mid:{mid}\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n\
             a=fingerprint:sha-256 00\r\na=rtpmap:96 {}\r\n",
            if *kind == "audio" { "opus/48000/2" } else { "VP8/90000" }
        )
        .replace("96", if *kind == "audio" { "111" } else { "96" });
    }
    offer
}

fn prepared(offer: &str, previous: &Outline) -> Prepared {
    prepare(offer, previous).unwrap()
}

fn outline(bundle: &str, sections: &[(&str, u16, &str)]) -> Outline {
    prepared(&offer(bundle, sections), &Outline::default()).outline
}

fn states(outline: &Outline) -> Vec<State> {
    outline.sections.iter().map(|section| section.state).collect()
}

#[test]
fn sections_may_be_added_and_rejected_ones_replaced() {
    let before = outline("0 1", &[("audio", 9, "0"), ("video", 9, "1")]);
    let more = [("audio", 9, "0"), ("video", 9, "1"), ("video", 9, "2")];
    prepared(&offer("0 1 2", &more), &before);
    let stopped = outline("0", &[("audio", 9, "0"), ("video", 0, "1")]);
    prepared(&offer("0 7", &[("audio", 9, "0"), ("audio", 9, "7")]), &stopped);
    let moved = prepare(&offer("0 7", &[("audio", 9, "0"), ("video", 9, "7")]), &before);
    assert_eq!(moved.unwrap_err(), Refusal::Moved("1".into()));
}

#[test]
fn sections_may_not_move_change_or_vanish() {
    let before = outline("0 1", &[("audio", 9, "0"), ("video", 9, "1")]);
    let refused = |bundle, sections: &[_]| prepare(&offer(bundle, sections), &before).unwrap_err();
    assert_eq!(refused("1 0", &[("video", 9, "1"), ("audio", 9, "0")]), Refusal::Moved("0".into()));
    assert_eq!(refused("0 1", &[("audio", 9, "0"), ("audio", 9, "1")]), Refusal::ChangedKind("1".into()));
    assert_eq!(refused("0", &[("audio", 9, "0")]), Refusal::Moved("1".into()));
}

#[test]
fn layers_without_names_are_numbered_in_the_order_of_their_group() {
    let one = offer("0", &[("video", 9, "0")]);
    let group = "a=ssrc-group:FID 10 11\r\na=ssrc-group:SIM 10 20 30\r\n";
    let outline = prepared(&format!("{one}{group}"), &Outline::default()).outline;
    let (mid, other) = ("0".into(), "1".into());
    let names: Vec<String> = outline.layers(mid).map(|rid| rid.to_string()).collect();
    assert_eq!(names, ["0", "1", "2"]);
    assert_eq!(outline.layer_of(mid, 20).map(|rid| rid.to_string()).as_deref(), Some("1"));
    assert_eq!((outline.layer_of(mid, 11), outline.layer_of(other, 10)), (None, None));
    let with_rids = prepared(&format!("{one}{group}a=rid:q send\r\n"), &Outline::default()).outline;
    assert_eq!(with_rids.layers(mid).count(), 0, "str0m knows those");
}

#[test]
fn inconsistent_offers_are_refused() {
    let refused = |offer: &str| prepare(offer, &Outline::default()).unwrap_err();
    assert_eq!(refused(""), Refusal::NoSections);
    assert_eq!(refused(&"x".repeat(MAX_BYTES + 1)), Refusal::TooLong);
    assert_eq!(
        refused(&offer("0 0", &[("audio", 9, "0"), ("audio", 9, "0")])),
        Refusal::DuplicateMid("0".into())
    );
    assert_eq!(refused(&offer("a b", &[("audio", 9, "a b")])), Refusal::BadMid("a b".into()));
    for rid in ["far_off", "ninechars"] {
        let named = format!("{}a=rid:{rid} send\r\n", offer("0", &[("video", 9, "0")]));
        assert_eq!(refused(&named), Refusal::BadRid(rid.into()));
    }
    let many: Vec<String> = (0..=MAX_SECTIONS).map(|mid| mid.to_string()).collect();
    let sections: Vec<_> = many.iter().map(|mid| ("audio", 9, mid.as_str())).collect();
    assert_eq!(refused(&offer(&many.join(" "), &sections)), Refusal::TooManySections(MAX_SECTIONS + 1));
}

#[test]
fn a_payload_type_means_one_thing() {
    let refused = |offer: &str| prepare(offer, &Outline::default()).unwrap_err();
    let one = offer("0", &[("video", 9, "0")]);
    let twice = Refusal::DuplicatePayloadType(96, "0".into());
    assert_eq!(refused(&one.replace("SAVPF 96", "SAVPF 96 96")), twice);
    assert_eq!(refused(&format!("{one}a=rtpmap:96 VP9/90000\r\n")), twice);
    let two = offer("0 1", &[("audio", 9, "0"), ("video", 9, "1")]).replace("111", "96");
    assert_eq!(refused(&two), Refusal::PayloadTypeMeansTwo(96, "0".into(), "1".into()));
    let repeats = one.replace("SAVPF 96", "SAVPF 96 97 98") + "a=rtpmap:98 VP9/90000\r\n";
    let repeats = repeats + "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96;apt=98\r\n";
    let formats = prepared(&repeats, &Outline::default()).outline.sections[0].formats.clone();
    assert_eq!(formats.len(), 2, "{formats:?}");
}

#[test]
fn sections_outside_of_the_bundle_are_rejected_and_the_others_live() {
    use State::{Open, Rejected, Resting};
    let two = [("audio", 9, "0"), ("video", 9, "1")];
    assert_eq!(states(&outline("1 0", &two)), [Open, Open], "in any order");
    assert_eq!(states(&outline("1", &two)), [Rejected, Open]);
    let alone = offer("0", &two).replace("a=group:BUNDLE 0\r\n", "");
    assert_eq!(states(&prepared(&alone, &Outline::default()).outline), [Open, Rejected]);
    let groups = offer("0 1", &two).replace("a=group:BUNDLE", "a=group:LS 0 1\r\na=group:BUNDLE");
    assert_eq!(states(&prepared(&groups, &Outline::default()).outline), [Open, Open]);
    let foreign = outline("0 1 2", &[("text", 9, "0"), ("audio", 9, "1"), ("image", 9, "2")]);
    assert_eq!(states(&foreign), [Rejected, Open, Rejected]);
    let resting = offer("0 1", &two) + "a=inactive\r\n";
    assert_eq!(states(&prepared(&resting, &Outline::default()).outline), [Open, Resting]);
}

#[test]
fn a_rejected_section_stays_rejected_until_its_place_is_given_away() {
    let two = [("audio", 9, "0"), ("video", 9, "1")];
    let before = outline("0", &[("audio", 9, "0"), ("video", 0, "1")]);
    let again = prepared(&offer("0 1", &two), &before).outline;
    assert_eq!(states(&again), [State::Open, State::Rejected]);
    let other = prepared(&offer("0 2", &[("audio", 9, "0"), ("video", 9, "2")]), &again).outline;
    assert_eq!(states(&other), [State::Open, State::Open]);
}

#[test]
fn names_that_look_alike_are_told_from_each_other() {
    let made = outline("a-b a_b", &[("audio", 9, "a-b"), ("audio", 9, "a_b")]);
    let mids: Vec<Mid> = made.sections.iter().map(|section| section.mid).collect();
    assert_ne!(mids[0], mids[1]);
    assert_eq!(made.renamed(), [("a_b".to_owned(), mids[1])]);
    assert_eq!(&*made.sections[0].label(), "a-b", "as packets name it");
}

#[test]
fn whatever_is_not_understood_is_not_shown_to_str0m() {
    let strange = offer("0", &[("video", 9, "0")])
        + "i=a title\r\nb=AS:500\r\nb=TIAS:500000\r\na=candidate:none at all\r\na=simulcast:send x\r\nk=clear\r\n\
           a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=rtcp-fb:* nack\r\na=ssrc:x y\r\na=ssrc-group:FID 1 2\r\n";
    let canonical = prepared(&strange, &Outline::default()).canonical;
    for word in ["title", "b=", "candidate", "simulcast", "k=", "extmap", "ssrc"] {
        assert!(!canonical.contains(word), "{word}: {canonical}");
    }
    assert!(canonical.contains("a=rtcp-fb:96 nack\r\n"));
}

#[test]
fn answers_are_in_the_words_of_the_offer() {
    let offered = "v=0\r\na=group:LS 1\r\na=group:BUNDLE v-1 x\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n\
        a=fingerprint:SHA-256 0a:0b\r\n\
        m=text 9 RTP/AVP 98\r\na=mid:x\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 97 96\r\na=mid:v-1\r\na=sendonly\r\na=rtpmap:96 VP8/90000\r\n\
        a=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=640c1f;x=y\r\n\
        a=extmap:3/sendonly urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:5 urn:unknown\r\n";
    let made = prepared(offered, &Outline::default());
    let theirs = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE v_1\r\n\
        m=audio 0 UDP/TLS/RTP/SAVPF \r\na=mid:_0_0\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:v_1\r\na=ice-ufrag:own\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\n\
        a=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=42001f\r\na=rtpmap:98 rtx/90000\r\na=fmtp:98 apt=96\r\n";
    let answered = answer(offered, theirs, &made.outline);
    assert_eq!(
        answered,
        "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE v-1\r\n\
         m=text 0 RTP/AVP 98\r\nc=IN IP4 0.0.0.0\r\na=mid:x\r\na=ice-ufrag:own\r\na=inactive\r\na=rtcp-mux\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 97 96\r\nc=IN IP4 0.0.0.0\r\na=mid:v-1\r\na=ice-ufrag:own\r\na=recvonly\r\n\
         a=rtpmap:96 VP8/90000\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=640c1f;x=y\r\n\
         a=extmap:3/recvonly urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    );
}

#[test]
fn errors_show_little_of_what_is_wrong() {
    let long = "x".repeat(500);
    let text = Refusal::BadMid(long).to_string();
    assert!(text.len() < 200 && text.ends_with('…'), "{text}");
}
