//! Sender reports: what receivers need to play audio and video together, and what we learn from their answers.

use std::time::{Duration, Instant};

use crate::common::client::Media;
use crate::common::{World, router_address};
use palaver_sfu::rtcp::write;
use str0m::media::Direction;
use str0m::rtp::rtcp::{Rtcp, SenderInfo};

/// One client that sends audio and video, one that receives both, on the given threads.
fn couple(threads: [usize; 2]) -> World {
    let mut world = World::new(2);
    let (publisher, subscriber) = (world.client(threads[0]), world.client(threads[1]));
    for media in [Media::Opus, Media::Vp8] {
        world.clients[publisher].add(media, Direction::SendOnly);
        world.clients[subscriber].add(media, Direction::RecvOnly);
    }
    world.negotiate(publisher);
    world.negotiate(subscriber);
    for section in [0, 1] {
        let (from, to) = (world.clients[publisher].mid(section), world.clients[subscriber].mid(section));
        let producer = world.publish(publisher, &from);
        world.subscribe(producer, subscriber, &to);
    }
    world.connect();
    world
}

const AUDIO_START: u32 = 5_000;
const VIDEO_START: u32 = 777_000;

/// Audio and video of the same moment every 20 ms.
fn play(world: &mut World, frames: u32) {
    for n in 0..frames {
        let payload = if n == 0 { Media::Vp8.key() } else { Media::Vp8.delta() };
        world.clients[0].send(0, Media::Opus, &[1, 2, 3], AUDIO_START + n * 960);
        world.clients[0].send(1, Media::Vp8, &payload, VIDEO_START + n * 1800);
        world.run(Duration::from_millis(20));
    }
}

fn sender_infos(world: &World, ssrc: u32) -> Vec<(Instant, SenderInfo)> {
    let reports = world.clients[1].reports.iter();
    reports
        .filter_map(|(at, report)| match report {
            Rtcp::SenderReport(report) if *report.sender_info.ssrc == ssrc => Some((*at, report.sender_info)),
            _ => None,
        })
        .collect()
}

/// SSRCs of the audio and the video that the subscriber got.
fn streams(world: &World) -> [u32; 2] {
    [0, 1].map(|section| {
        let mid = world.clients[1].mid(section);
        let found = world.clients[1].received.iter().find(|(received, _)| *received == mid);
        *found.unwrap().1.header.ssrc
    })
}

#[test]
fn reports_say_how_much_was_sent_and_come_every_second() {
    let mut world = couple([0, 0]);
    play(&mut world, 250);
    for ssrc in streams(&world) {
        let infos = sender_infos(&world, ssrc);
        assert!((5..=6).contains(&infos.len()), "{}", infos.len());
        let (packets, octets): (Vec<u32>, Vec<u32>) =
            infos.iter().map(|(_, info)| (info.sender_packet_count, info.sender_octet_count)).unzip();
        assert!(packets.windows(2).all(|pair| (45..=55).contains(&(pair[1] - pair[0]))), "{packets:?}");
        assert!(octets.last().unwrap() / packets.last().unwrap() < 10, "payloads only");
    }
    let reports = world.clients[1].reports.len();
    world.run(Duration::from_secs(10));
    assert!(world.clients[1].reports.len() - reports <= 4, "nothing to report on any more");
}

/// What was recorded together is played together: the same moment by the reports of both streams.
#[test]
fn audio_and_video_keep_their_relation() {
    for threads in [[0, 0], [0, 1]] {
        let mut world = couple(threads);
        play(&mut world, 400);
        let [audio, video] = streams(&world).map(|ssrc| sender_infos(&world, ssrc).last().unwrap().1);
        // When frame zero was recorded, by each.
        let since_start = |info: &SenderInfo, start: u32, rate: f64| {
            let elapsed = f64::from((info.rtp_time.numer() as u32).wrapping_sub(start)) / rate;
            let at = info.ntp_time.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
            at.as_secs_f64() - elapsed
        };
        let skew = since_start(&audio, AUDIO_START, 48_000.0) - since_start(&video, VIDEO_START, 90_000.0);
        assert!(skew.abs() < 0.001, "{threads:?}: {skew} s apart");
    }
}

#[test]
fn streams_of_one_publisher_have_one_name() {
    let mut world = couple([0, 1]);
    play(&mut world, 100);
    let mut names = std::collections::HashSet::new();
    for (_, report) in &world.clients[1].reports {
        if let Rtcp::SourceDescription(descriptions) = report {
            let text = format!("{descriptions:?}");
            let name = text.split("CNAME").nth(1).unwrap().to_owned();
            names.insert(name);
        }
    }
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn only_streams_that_were_answered_are_reported_on() {
    let mut world = couple([0, 0]);
    play(&mut world, 200);
    let ours = streams(&world);
    for (_, report) in &world.clients[1].reports {
        if let Rtcp::SenderReport(report) = report {
            assert!(ours.contains(&*report.sender_info.ssrc), "str0m reports on a stream of its own");
        }
    }
}

#[test]
fn a_closed_transport_says_goodbye_for_its_streams() {
    let mut world = couple([0, 0]);
    play(&mut world, 20);
    let ours = streams(&world);
    let transport = world.clients[1].transport;
    world.command(0, palaver_sfu::message::Command::CloseTransport { transport });
    world.step();
    let goodbyes: Vec<u32> = world.clients[1]
        .reports
        .iter()
        .filter_map(|(_, report)| match report {
            Rtcp::Goodbye(goodbye) => Some(goodbye.reports.iter().map(|ssrc| **ssrc).collect::<Vec<u32>>()),
            _ => None,
        })
        .flatten()
        .collect();
    assert!(ours.iter().all(|ssrc| goodbyes.contains(ssrc)), "{goodbyes:?}");
}

#[test]
fn reports_of_others_about_us_are_for_the_consumers_they_name() {
    let mut world = couple([0, 0]);
    play(&mut world, 100);
    // About a stream that does not exist: of no consequence.
    let datagram = world.clients[1].send_rtcp(router_address(0), |out| write::pli(out, 1, 0xdead));
    let before = world.clients[0].keyframe_requests.len();
    world.deliver(vec![datagram]);
    world.run(Duration::from_millis(500));
    assert_eq!(world.clients[0].keyframe_requests.len(), before);
}
