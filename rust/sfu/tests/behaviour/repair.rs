//! Lost packets are sent again to those who ask, and only to them, and not without end.

use std::time::Duration;

use crate::common::call::Call;
use crate::common::camera::Camera;
use crate::common::client::Media;
use crate::common::link::Conditions;
use crate::common::{World, router_address};
use palaver_sfu::message::Command;
use palaver_sfu::rtcp::{TransportFeedback, write};

const FRAME: Duration = Duration::from_millis(10);

/// Send a key frame and what follows it, `size` bytes each.
fn play(world: &mut World, frames: u32, size: usize) {
    for n in 0..frames {
        let mut payload = if n == 0 { Media::Vp8.key() } else { Media::Vp8.delta() };
        payload.resize(size, 7);
        world.clients[0].send(0, Media::Vp8, &payload, n * 900);
        world.run(FRAME);
    }
}

/// Let the subscriber ask for packets, whether it lost them or not.
fn ask(world: &mut World, thread: usize, ssrc: u32, lost: &[u16]) {
    let datagram = world.clients[1].send_rtcp(router_address(thread), |out| {
        write::receiver_report(out, 0xfeed);
        write::nack(out, 0xfeed, ssrc, lost);
    });
    world.deliver(vec![datagram]);
    world.run(FRAME);
}

/// SSRC and sequence numbers of what the subscriber got first.
fn first_stream(world: &World) -> (u32, Vec<u16>) {
    let headers = &world.clients[1].headers;
    let ssrc = headers[0].ssrc;
    (
        *ssrc,
        headers.iter().filter(|header| header.ssrc == ssrc).map(|header| header.sequence_number).collect(),
    )
}

#[test]
fn a_retransmission_has_a_stream_of_its_own() {
    for threads in [[0, 0], [0, 1]] {
        let (mut world, ..) = World::pair(Media::Vp8, threads);
        play(&mut world, 20, 100);
        let (ssrc, seqs) = first_stream(&world);
        world.clients[1].headers.clear();
        ask(&mut world, threads[1], ssrc, &seqs[3..6]);
        let repeated = &world.clients[1].headers;
        assert_eq!(repeated.len(), 3);
        assert!(repeated.iter().all(|header| *header.ssrc != ssrc && *header.payload_type == 97));
        assert!(repeated.windows(2).all(|pair| pair[1].sequence_number == pair[0].sequence_number + 1));
        assert_eq!(world.stats[threads[1]].packets_retransmitted.get(), 3);
    }
}

#[test]
fn what_is_asked_for_at_once_again_is_not_sent_again() {
    let (mut world, ..) = World::pair(Media::Vp8, [0, 0]);
    play(&mut world, 20, 100);
    let (ssrc, seqs) = first_stream(&world);
    ask(&mut world, 0, ssrc, &seqs[3..5]);
    ask(&mut world, 0, ssrc, &seqs[3..5]);
    assert_eq!(world.stats[0].packets_retransmitted.get(), 2);
    world.run(Duration::from_millis(600));
    ask(&mut world, 0, ssrc, &seqs[3..5]);
    assert_eq!(world.stats[0].packets_retransmitted.get(), 4, "it was lost again, it seems");
}

#[test]
fn a_storm_of_requests_is_bounded() {
    let (mut world, ..) = World::pair(Media::Vp8, [0, 0]);
    play(&mut world, 100, 1000);
    let (ssrc, seqs) = first_stream(&world);
    let before = world.stats[0].bytes_sent.get() + sent_bytes(&world);
    for _ in 0..20 {
        ask(&mut world, 0, ssrc, &seqs);
        world.run(Duration::from_millis(50));
    }
    let repeated = sent_bytes(&world) - before;
    assert!(world.stats[0].repairs_refused.get() > 500);
    // What was saved up, and what 1.2 seconds allow.
    assert!((100_000..230_000).contains(&repeated), "{repeated} bytes");
}

fn sent_bytes(world: &World) -> u64 {
    world.registry.get(world.clients[1].transport).unwrap().bytes_sent.get()
}

#[test]
fn what_is_long_gone_or_another_producers_is_missed() {
    let (mut world, producer, consumer) = World::pair(Media::Vp8, [0, 0]);
    play(&mut world, 20, 100);
    let (ssrc, seqs) = first_stream(&world);
    ask(&mut world, 0, ssrc, &[seqs[0].wrapping_sub(9), seqs[19].wrapping_add(9)]);
    assert_eq!((world.stats[0].repairs_missed.get(), world.stats[0].packets_retransmitted.get()), (2, 0));
    world.command(0, Command::Unsubscribe { consumer });
    let to = world.clients[1].mid(0);
    world.subscribe(producer, 1, &to);
    play(&mut world, 5, 100);
    ask(&mut world, 0, ssrc, &seqs[3..5]);
    assert_eq!((world.stats[0].repairs_missed.get(), world.stats[0].packets_retransmitted.get()), (4, 0));
    ask(&mut world, 0, ssrc ^ 1, &seqs[3..5]); // nobody's stream
    assert_eq!(world.stats[0].repairs_missed.get(), 4);
}

#[test]
fn a_replayed_or_forged_request_is_refused() {
    let (mut world, ..) = World::pair(Media::Vp8, [0, 0]);
    play(&mut world, 20, 100);
    let (ssrc, seqs) = first_stream(&world);
    let datagram =
        world.clients[1].send_rtcp(router_address(0), |out| write::nack(out, 0xfeed, ssrc, &seqs[3..4]));
    let copies = [0, 0x80, 0].map(|change| {
        let mut contents = datagram.contents.clone();
        contents[9] ^= change;
        crate::common::Datagram { contents, ..datagram }
    });
    world.deliver(copies.into());
    assert_eq!((world.stats[0].rtcp_refused.get(), world.stats[0].packets_retransmitted.get()), (2, 1));
}

/// Let the subscriber report on transport-wide numbers from `base` on: which have arrived.
fn report(world: &mut World, base: u16, arrived: &[bool]) {
    let arrivals = arrived.iter().map(|arrived| arrived.then_some(0)).collect();
    let feedback = TransportFeedback { base, arrivals, ..TransportFeedback::default() };
    let datagram = world.clients[1].send_rtcp(router_address(0), |out| {
        write::transport_cc(out, 0xfeed, 0, &feedback);
    });
    world.deliver(vec![datagram]);
    world.run(FRAME);
}

#[test]
fn what_a_report_calls_missing_is_sent_without_being_asked_for() {
    let (mut world, ..) = World::pair(Media::Vp8, [0, 0]);
    play(&mut world, 20, 100);
    let next = world.clients[1].headers.last().unwrap().ext_vals.transport_cc.unwrap() + 1;
    world.clients[1].unplugged = true; // so that it cannot ask
    for n in 20..30 {
        world.clients[0].send(0, Media::Vp8, &[&Media::Vp8.delta()[..], &[7; 90]].concat(), n * 900);
        world.run(FRAME);
    }
    let mut arrived = [true; 10];
    arrived[2..5].fill(false);
    report(&mut world, next, &arrived);
    assert_eq!(world.stats[0].packets_retransmitted.get(), 3);
    report(&mut world, next, &arrived);
    assert_eq!(world.stats[0].packets_retransmitted.get(), 3, "no news");
    report(&mut world, next + 10, &[true, false, true]);
    assert_eq!(world.stats[0].packets_retransmitted.get(), 4, "a repair that was lost, too");
    assert_eq!(world.stats[0].repairs_missed.get(), 0);
}

#[test]
fn where_packets_are_lost_the_picture_goes_on() {
    for delay in [25, 50] {
        let mut call = Call::new(Camera::new(Media::Vp8, &[None]).with_rates(&[700]), 1);
        let conditions =
            Conditions { loss: 0.05, delay: Duration::from_millis(delay), ..Conditions::default() };
        call.world.condition(1, conditions, conditions);
        call.run(Duration::from_secs(120));
        call.path(1, Conditions { delay: conditions.delay, ..Conditions::default() });
        call.run(Duration::from_secs(1));
        let frozen = call.frozen(1, call.start);
        assert!(frozen < 0.02, "{frozen} with {delay} ms each way");
        let (repairs, sent) = (call.world.stats[0].packets_retransmitted.get(), call.spare(1, 0) as u64);
        assert!(sent * 10 > repairs * 15, "{repairs} repairs go twice: {sent}");
        let media = call.world.stats[0].packets_forwarded.get();
        assert!(repairs * 100 < media * 8, "{repairs} repairs of {media} packets");
    }
}

#[test]
fn what_the_publishers_network_loses_is_repaired_soon() {
    let mut call = Call::new(Camera::new(Media::Vp8, &[None]).with_rates(&[700]), 1);
    let conditions = Conditions { loss: 0.05, delay: Duration::from_millis(50), ..Conditions::default() };
    call.world.condition(0, conditions, conditions);
    call.run(Duration::from_secs(120));
    call.world.condition(0, Conditions::default(), Conditions::default());
    call.run(Duration::from_secs(1));
    let frozen = call.frozen(1, call.start);
    assert!(frozen < 0.06, "{frozen}");
    let (requested, media) =
        (call.world.stats[0].repairs_requested.get(), call.world.stats[0].packets_forwarded.get());
    assert!(requested * 100 < media * 8, "{requested} of {media} packets were asked for");
}

#[test]
fn repairs_do_not_wait_where_a_fifth_is_lost_and_nothing_is_full() {
    let mut call = Call::new(Camera::new(Media::Vp8, &[None]).with_rates(&[700]), 1);
    let conditions = Conditions { loss: 0.2, delay: Duration::from_millis(25), ..Conditions::default() };
    call.world.condition(1, conditions, conditions);
    call.run(Duration::from_secs(60));
    call.path(1, Conditions { delay: conditions.delay, ..Conditions::default() });
    call.run(Duration::from_secs(1));
    let frozen = call.frozen(1, call.start);
    assert!(frozen < 0.5, "{frozen}");
    assert_eq!(call.world.stats[0].repairs_missed.get(), 0, "none came too late to be known");
}
