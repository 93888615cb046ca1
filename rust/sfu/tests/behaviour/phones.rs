//! Peers of plain RTP: what comes of them is forwarded, what is sent to them goes on whatever changes, and nobody else is
//! taken for one of them.

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::World;
use crate::common::client::Media;
use crate::common::phone::{self, event, rtp, rtp_of, section};
use palaver_sfu::event::Event;
use palaver_sfu::message::Command;
use palaver_sfu::rtcp::{self, Packet};
use palaver_sfu::transport::rtp::{Direction, EventFormat, Feedback};
use str0m::media::Direction as Way;

const FRAME: Duration = Duration::from_millis(20);
const PCMA: u8 = 8;
const STRANGER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9)), 666);

/// A phone, and a client that gets what it sends.
fn heard(codec: &str, payload_type: u8, media: Media) -> (World, usize) {
    let mut world = World::new(1);
    let (phone, producer) = world.calling(0, codec, payload_type);
    let client = world.client(0);
    world.clients[client].add(media, Way::RecvOnly);
    world.negotiate(client);
    let mid = world.clients[client].mid(0);
    world.subscribe(producer, client, &mid);
    world.connect();
    (world, phone)
}

/// Sequence numbers and timestamps that the client has got, from the first on.
fn got(world: &World) -> Vec<(u16, u32)> {
    let headers = || world.clients[0].received.iter().map(|(_, packet)| &packet.header);
    let first = headers().next().map(|header| (header.sequence_number, header.timestamp));
    let Some((seq, timestamp)) = first else { return Vec::new() };
    headers()
        .map(|header| (header.sequence_number.wrapping_sub(seq), header.timestamp.wrapping_sub(timestamp)))
        .collect()
}

fn digits(world: &mut World) -> String {
    let events = world.events().into_iter();
    events
        .filter_map(|event| if let Event::Digit { digit, .. } = event { Some(digit) } else { None })
        .collect()
}

/// Two phones that hear each other, after `packets` packets of the first.
fn conversation(packets: u16) -> (World, usize, usize) {
    let mut world = World::new(1);
    let (speaker, producer) = world.calling(0, "pcma", PCMA);
    let (listener, _) = world.calling(0, "pcma", PCMA);
    world.send_to_phone(producer, listener);
    world.speak(listener, &rtp(PCMA, false, 0, 0, &[0; 160]));
    talk(&mut world, speaker, 0..packets);
    (world, speaker, listener)
}

fn talk(world: &mut World, speaker: usize, numbers: std::ops::Range<u16>) {
    for n in numbers {
        world.speak(speaker, &rtp(PCMA, false, n, u32::from(n) * 160, &[n as u8; 160]));
        world.run(FRAME);
    }
}

#[test]
fn every_codec_of_phones_reaches_browsers_and_back() {
    let codecs = [
        ("opus", 111, Media::Opus),
        ("pcmu", 0, Media::Pcmu),
        ("pcma", 8, Media::Pcma),
        ("g722", 9, Media::G722),
        ("vp8", 96, Media::Vp8),
        ("h264", 97, Media::H264),
    ];
    for (codec, payload_type, media) in codecs {
        let (mut world, phone) = heard(codec, payload_type, media);
        for n in 0..5_u16 {
            let payload = if n == 0 { media.key() } else { media.delta() };
            world.speak(
                phone,
                &rtp(payload_type, true, 65_533_u16.wrapping_add(n), u32::from(n) * 160, &payload),
            );
            world.run(FRAME);
        }
        let expected: Vec<_> = (0..5).map(|n| (n, u32::from(n) * 160)).collect();
        assert_eq!(got(&world), expected, "{codec}");
        let client = world.client(0);
        world.clients[client].add(media, Way::SendOnly);
        world.negotiate(client);
        world.connect_only(client);
        let mid = world.clients[client].mid(0);
        let producer = world.publish(client, &mid);
        world.send_to_phone(producer, phone);
        for n in 0..5 {
            world.clients[client].send(0, media, &if n == 0 { media.key() } else { media.delta() }, n * 160);
            world.run(FRAME);
        }
        let payloads: Vec<_> =
            world.phones[phone].packets().into_iter().map(|(_, payload)| payload).collect();
        let expected: Vec<_> = (0..5).map(|n| if n == 0 { media.key() } else { media.delta() }).collect();
        assert_eq!(payloads, expected, "{codec}");
        assert!(world.phones[phone].packets().iter().all(|(header, _)| header.payload_type == payload_type));
    }
}

#[test]
fn what_was_overtaken_is_put_in_order_and_only_losses_leave_gaps() {
    let (mut world, phone) = heard("pcma", PCMA, Media::Pcma);
    for n in [0, 1, 3, 2, 4, 6, 5, 8, 9, 10, 11, 12, 2] {
        world.speak(phone, &rtp(PCMA, false, n, u32::from(n) * 160, &[n as u8; 160]));
        world.run(FRAME);
    }
    world.run(Duration::from_millis(100));
    let expected: Vec<_> = (0..13).filter(|n| *n != 7).map(|n| (n, u32::from(n) * 160)).collect();
    assert_eq!(got(&world), expected);
    let stats = world.registry.get(world.phones[phone].transport).unwrap();
    assert_eq!(stats.packets_late.get(), 1);
}

#[test]
fn noise_and_silence_are_placed_by_their_timestamps_and_leave_no_gap() {
    let (mut world, phone) = heard("pcma", PCMA, Media::Pcma);
    let audio = |n: u16, timestamp| rtp(PCMA, false, n, timestamp, &[1; 160]);
    world.speak(phone, &audio(10, 0));
    world.speak(phone, &rtp(13, false, 11, 160, &[60]));
    world.run(FRAME * 50);
    world.speak(phone, &rtp(13, false, 12, 4000, &[60]));
    world.speak(phone, &rtp(PCMA, true, 13, 8000, &[1; 160]));
    world.speak(phone, &audio(14, 8160));
    world.run(FRAME);
    assert_eq!(got(&world), [(0, 0), (1, 8000), (2, 8160)]);
}

#[test]
fn a_key_is_told_once_at_either_clock_rate_whatever_is_lost_of_it() {
    for (payload_type, step) in [(101, 160), (110, 960)] {
        let (mut world, phone) = heard("opus", 111, Media::Opus);
        let mut agreed = section("opus", 111, world.phones[phone].address);
        agreed.events.push(EventFormat { payload_type: 110, clock_rate: 48_000 });
        world.agree(phone, agreed);
        let mut seq = 0;
        let mut say = |world: &mut World, payload_type, marker, timestamp, payload: &[u8]| {
            world.speak(phone, &rtp(payload_type, marker, seq, timestamp, payload));
            seq += 1;
        };
        say(&mut world, 111, false, 0, &[1, 2, 3]);
        for (key, timestamp) in [(1, 10_000), (1, 30_000), (11, 50_000)] {
            for n in 1..6 {
                // the marker of all of them was lost, and durations are not what they should be
                let duration = [0, step, 9, 3 * step, 0, 60_000][n];
                say(&mut world, payload_type, false, timestamp, &event(key, false, duration));
            }
            for _ in 0..3 {
                say(&mut world, payload_type, false, timestamp, &event(key, true, 5 * step));
            }
        }
        say(&mut world, 111, false, 20 * 960, &[4, 5, 6]);
        world.run(FRAME);
        assert_eq!(digits(&mut world), "11#", "{payload_type}");
        assert_eq!(got(&world), [(0, 0), (1, 20 * 960)], "keys leave no gap");
    }
}

#[test]
fn another_answer_by_the_same_phone_is_one_codec_and_counts_by_its_clock() {
    // agreed on: PCMU; sent: G722 as well
    let (mut world, phone) = heard("pcmu", 0, Media::Pcmu);
    for n in 0..4_u16 {
        world.speak(phone, &rtp(if n == 2 { 9 } else { 0 }, false, n, u32::from(n) * 160, &[7; 160]));
    }
    world.run(Duration::from_millis(100));
    let numbers: Vec<u32> = got(&world).into_iter().map(|(_, timestamp)| timestamp).collect();
    assert_eq!(numbers, [0, 160, 480]);
    let pipeline = world.pipeline(0);
    let (wide, producer) = world.calling(0, "g722", 9);
    world.tap(producer, pipeline, 1);
    world.speak(wide, &rtp(9, false, 1, 160, &[7; 160]));
    let frames = world.read_frames(pipeline);
    assert_eq!(frames.iter().map(|(header, _)| header.clock_rate).collect::<Vec<_>>(), [8000]);
}

#[test]
fn only_the_peer_is_taken_for_the_peer() {
    let (mut world, speaker, listener) = conversation(3);
    let before = world.phones[listener].packets().len();
    assert_eq!(before, 3);
    // somebody else, in its numbers, with its SSRC: neither heard nor sent to
    for n in 3..20 {
        world.speak_from(speaker, STRANGER, &rtp(PCMA, false, n, u32::from(n) * 160, &[9; 160]));
        world.speak_from(listener, STRANGER, &rtp(PCMA, false, n, u32::from(n) * 160, &[9; 160]));
    }
    world.phones[listener].elsewhere.push(STRANGER);
    talk(&mut world, speaker, 3..6);
    let to = |received: &phone::Received| received.remote;
    assert!(world.phones[listener].received.iter().map(to).all(|remote| remote != STRANGER));
    let packets = world.phones[listener].packets();
    assert_eq!(packets.iter().map(|(_, payload)| payload[0]).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    let stats = world.registry.get(world.phones[speaker].transport).unwrap();
    assert_eq!(stats.packets_refused.get(), 17);
}

#[test]
fn a_peer_behind_a_nat_is_found_once_by_what_was_agreed_on() {
    let mut world = World::new(1);
    let (phone, _) = world.calling(0, "pcma", PCMA);
    let outside = SocketAddr::from(([198, 51, 100, 1], 40_000));
    let latched = |world: &mut World| {
        let events = world.events().into_iter();
        events.filter(|event| matches!(event, Event::Latched { .. })).count()
    };
    for n in 0..10 {
        world.speak_from(phone, STRANGER, &rtp(0, false, n, 160, &[1; 160])); // of no agreed payload type
        world.speak_from(phone, STRANGER, &[0x80; 11]);
    }
    assert_eq!(latched(&mut world), 0);
    for n in 0..3 {
        world.speak_from(phone, outside, &rtp(PCMA, false, n, 160, &[1; 160]));
    }
    assert_eq!(latched(&mut world), 1);
    let (speaker, producer) = world.calling(0, "pcma", PCMA);
    world.send_to_phone(producer, phone);
    world.phones[phone].elsewhere.push(outside);
    talk(&mut world, speaker, 0..3);
    assert_eq!(world.phones[phone].packets().len(), 3);
    assert!(world.phones[phone].received.iter().all(|received| received.remote.ip() == outside.ip()));
    // and a stranger who comes too late finds nobody waiting
    let (late, _) = world.calling(0, "pcma", PCMA);
    world.run(Duration::from_secs(11));
    latched(&mut world);
    (0..9).for_each(|n| world.speak_from(late, STRANGER, &rtp(PCMA, false, n, 160, &[1; 160])));
    assert_eq!(latched(&mut world), 0);
    world.speak(late, &rtp(PCMA, false, 5, 160, &[1; 160]));
    assert_eq!(latched(&mut world), 1);
}

#[test]
fn an_injected_packet_does_not_make_another_stream_of_it() {
    let (mut world, speaker, listener) = conversation(3);
    world.speak(speaker, &rtp_of(666, PCMA, false, 9000, 5, &[9; 160]));
    world.speak(speaker, &rtp(PCMA, false, 40_000, 5, &[9; 160]));
    talk(&mut world, speaker, 3..6);
    let packets = world.phones[listener].packets();
    assert_eq!(packets.iter().map(|(_, payload)| payload[0]).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    // a peer that really begins anew is followed
    for n in 0..4_u16 {
        world.speak(
            speaker,
            &rtp_of(78, PCMA, false, 50_000 + n, 77 + u32::from(n) * 160, &[100 + n as u8; 160]),
        );
        world.run(FRAME);
    }
    let packets = world.phones[listener].packets();
    let last: Vec<_> = packets.iter().map(|(_, payload)| payload[0]).skip(6).collect();
    assert_eq!(last, [101, 102, 103], "the first shows that it does");
    let numbers: Vec<u16> = packets.iter().map(|(header, _)| header.seq).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn numbers_go_on_over_hold_and_other_sources() {
    let (mut world, speaker, listener) = conversation(5);
    let address = world.phones[listener].address;
    let hold = Direction { sends: false, receives: false };
    let agreed = section("pcma", PCMA, address);
    world.agree(
        listener,
        palaver_sfu::transport::rtp::Section { direction: hold, remote: None, ..agreed.clone() },
    );
    talk(&mut world, speaker, 5..15);
    assert_eq!(world.phones[listener].packets().len(), 5, "held");
    world.run(Duration::from_secs(660)); // of it
    world.agree(listener, agreed);
    talk(&mut world, speaker, 15..20);
    let (other, producer) = world.calling(0, "pcma", PCMA);
    let transport = world.phones[listener].transport;
    world.command(0, Command::Unpublish { producer: palaver_sfu::id::ProducerId(0) });
    let consumers = world.census()[0].consumers;
    assert_eq!(consumers, 1);
    let former = world.phone_consumer(listener);
    world.command(0, Command::Unsubscribe { consumer: former });
    world.send_to_phone(producer, listener);
    talk(&mut world, other, 40_000..40_005);
    let packets = world.phones[listener].packets();
    assert_eq!(packets.len(), 15);
    let ssrcs: std::collections::HashSet<u32> = packets.iter().map(|(header, _)| header.ssrc).collect();
    assert_eq!(ssrcs.len(), 1);
    assert!(packets.windows(2).all(|pair| pair[1].0.seq == pair[0].0.seq.wrapping_add(1)));
    assert!(packets.windows(2).all(|pair| {
        let step = pair[1].0.timestamp.wrapping_sub(pair[0].0.timestamp);
        (1..0x8000_0000).contains(&step)
    }));
    let paused = packets[5].0.timestamp.wrapping_sub(packets[4].0.timestamp);
    assert!((660 * 8000..662 * 8000).contains(&paused), "{paused} ticks of hold");
    assert!(world.registry.get(transport).is_some());
}

#[test]
fn silence_is_told_unless_on_hold() {
    let mut world = World::new(1);
    let (phone, _) = world.calling(0, "pcma", PCMA);
    let mut agreed = section("pcma", PCMA, world.phones[phone].address);
    agreed.timeout = Duration::from_secs(20);
    world.agree(phone, agreed.clone());
    let told = |world: &mut World| -> Vec<bool> {
        let events = world.events().into_iter();
        events
            .filter_map(|event| if let Event::Silent { silent, .. } = event { Some(silent) } else { None })
            .collect()
    };
    world.speak(phone, &rtp(PCMA, false, 0, 0, &[1; 160]));
    world.run(Duration::from_secs(19));
    assert_eq!(told(&mut world), []);
    world.run(Duration::from_secs(40));
    assert_eq!(told(&mut world), [true], "once");
    world.speak(phone, &rtp(PCMA, false, 1, 160, &[1; 160]));
    assert_eq!(told(&mut world), [false]);
    agreed.direction = Direction { sends: true, receives: false };
    world.agree(phone, agreed);
    world.run(Duration::from_secs(60));
    assert_eq!(told(&mut world), [], "on hold");
}

#[test]
fn a_key_frame_is_asked_for_as_was_agreed_on() {
    let ways = [
        Feedback { pli: true, fir: true, nack: false },
        Feedback { pli: false, fir: true, nack: false },
        Feedback::default(),
    ];
    for feedback in ways {
        let (mut world, phone) = heard("vp8", 96, Media::Vp8);
        let mut agreed = section("vp8", 96, world.phones[phone].address);
        agreed.feedback = feedback;
        world.agree(phone, agreed);
        world.events();
        world.speak(phone, &rtp(96, true, 0, 0, &Media::Vp8.delta()));
        world.run(Duration::from_secs(3));
        let asked = |wanted: fn(&Packet<'_>) -> bool| {
            let reports = world.phones[phone].reports().into_iter();
            let packets = reports.map(|report| rtcp::packets(&report.contents).unwrap().flatten());
            packets.map(|packets| packets.filter(wanted).count()).sum::<usize>()
        };
        let plis = asked(|packet| matches!(packet, Packet::Pli { media: phone::SSRC }));
        let firs = asked(|packet| matches!(packet, Packet::Fir { .. }));
        let told = world.events().iter().filter(|event| matches!(event, Event::PictureWanted { .. })).count();
        assert_eq!(
            (plis > 0, firs > 0, told > 0),
            (feedback.pli, feedback.fir && !feedback.pli, feedback == Feedback::default())
        );
    }
}

#[test]
fn lost_video_is_asked_for_where_that_was_agreed_on() {
    let (mut world, phone) = heard("vp8", 96, Media::Vp8);
    let mut agreed = section("vp8", 96, world.phones[phone].address);
    agreed.feedback.nack = true;
    world.agree(phone, agreed);
    let former = world.events();
    drop(former);
    let producer = world.republish_phone(phone);
    let mid = world.clients[0].mid(0);
    world.subscribe(producer, 0, &mid);
    for n in [65_534, 65_535, 2, 3] {
        let payload = if n == 65_534 { Media::Vp8.key() } else { Media::Vp8.delta() };
        world.speak(phone, &rtp(96, true, n, u32::from(n.wrapping_sub(65_534)) * 3000, &payload));
        world.run(FRAME);
    }
    world.run(Duration::from_millis(300));
    let mut lost = Vec::new();
    for report in world.phones[phone].reports() {
        for packet in rtcp::packets(&report.contents).unwrap().flatten() {
            if let Packet::Nack { media, lost: numbers } = packet {
                assert_eq!(media, phone::SSRC);
                lost = numbers.collect();
            }
        }
    }
    assert_eq!(lost, [0, 1]);
}

#[test]
fn both_sides_report_on_what_they_receive() {
    let (mut world, speaker, listener) = conversation(100);
    world.speak(speaker, &rtp(PCMA, false, 110, 110 * 160, &[1; 160]));
    let control = world.phones[speaker].control;
    world.speak_by(speaker, control, true, &phone::sender_report(phone::SSRC, 5 << 32, 0));
    world.run(Duration::from_secs(6));
    let reports = world.phones[speaker].reports();
    let report = reports.last().unwrap();
    assert_eq!((report.local, report.remote), (world.phones[speaker].local.control, control));
    let mut packets = rtcp::packets(&report.contents).unwrap();
    let Some(Ok(Packet::ReceiverReport { mut receptions, .. })) = packets.next() else { panic!("no report") };
    let reception = receptions.next().unwrap();
    assert_eq!((reception.ssrc, reception.highest & 0xffff, reception.lost), (phone::SSRC, 110, 10));
    assert!(reception.fraction_lost > 0 && reception.last_report == 5 << 16 && reception.delay > 0);
    assert!(matches!(packets.next(), Some(Ok(Packet::SourceDescription))));
    let sent = world.phones[listener].reports();
    let senders = sent.iter().filter(|report| report.contents[1] == 200).count();
    assert!(senders >= 2, "sender reports to whom we send");
}

#[test]
fn keys_are_pressed_between_the_audio_under_its_numbers() {
    let (mut world, speaker, listener) = conversation(5);
    let transport = world.phones[listener].transport;
    world.command(0, Command::SendDigits { transport, digits: "4#".into() });
    talk(&mut world, speaker, 5..40);
    let packets = world.phones[listener].packets();
    let numbers: Vec<u16> = packets.iter().map(|(header, _)| header.seq).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    let events: Vec<_> = packets.iter().filter(|(header, _)| header.payload_type == 101).collect();
    let pressed: Vec<(u8, bool, bool)> =
        events.iter().map(|(header, payload)| (payload[0], header.marker, payload[1] & 0x80 != 0)).collect();
    let one = |key| {
        let parts = [(true, false), (false, false), (false, false), (false, false)];
        let ends = [(false, true); 3];
        parts.into_iter().chain(ends).map(move |(marker, ended)| (key, marker, ended))
    };
    assert_eq!(pressed, one(4).chain(one(11)).collect::<Vec<_>>());
    let timestamps: std::collections::BTreeSet<u32> =
        events.iter().map(|(header, _)| header.timestamp).collect();
    assert_eq!(timestamps.len(), 2, "one for each key");
    let audio = packets.iter().filter(|(header, _)| header.payload_type == PCMA).count();
    assert_eq!(audio, 40);
}

#[test]
fn nothing_is_left_of_a_phone_that_is_gone() {
    let (mut world, speaker, listener) = conversation(3);
    for phone in [speaker, listener] {
        let transport = world.phones[phone].transport;
        world.command(0, Command::CloseTransport { transport });
        world.speak(phone, &rtp(PCMA, false, 9, 0, &[1; 160]));
    }
    world.run(Duration::from_secs(10));
    assert_eq!(world.census()[0], palaver_sfu::router::Census::default());
    assert!(world.phones[listener].reports().iter().any(|report| {
        rtcp::packets(&report.contents).into_iter().flatten().flatten().any(|p| matches!(p, Packet::Goodbye))
    }));
}
