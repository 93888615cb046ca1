//! What a subscriber is sent follows what its path carries: layers fall and rise, video is paused before audio suffers,
//! and nobody gets padding for nothing.

use std::time::Duration;

use palaver_sfu::layers::Wish;
use palaver_sfu::message::Command;

use crate::common::call::Call;
use crate::common::camera::Camera;
use crate::common::client::Media;
use crate::common::link::Conditions;

const WIDE: u64 = 3_000_000;
const NARROW: u64 = 300_000;
/// Two frames of the highest layer take that long over a narrow path: audio waits behind them, and some is lost, before
/// anybody can know.
const FIRST_BURSTS: Duration = Duration::from_millis(500);
/// q, h and f.
const RATES: [u64; 3] = [150, 500, 1700];

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn simulcast() -> Camera {
    Camera::simulcast(Media::Vp8).with_rates(&RATES)
}

fn single(kbps: u64) -> Camera {
    Camera::new(Media::Vp8, &[None]).with_rates(&[kbps])
}

#[test]
fn the_layer_follows_a_path_that_narrows_and_widens() {
    for phase in 0..8 {
        let mut call = Call::new(simulcast(), 1);
        call.path(1, Conditions::rate(WIDE));
        call.run(seconds(10) + millis(15 * phase));
        assert_eq!(call.layer(1), Some(2));
        let from = call.world.now;
        call.path(1, Conditions::rate(NARROW));
        call.until(seconds(4), "the lowest layer", |call| call.layer(1) == Some(0));
        call.run(seconds(20));
        assert_eq!(call.layer(1), Some(0));
        assert!(call.video_gap(1, from) < seconds(1));
        call.path(1, Conditions::rate(WIDE));
        call.until(seconds(10), "the highest layer", |call| call.layer(1) == Some(2));
        call.run(seconds(20));
        assert_eq!(call.layer(1), Some(2));
        let (gap, lost) = call.audio_gap(1, from);
        assert!(gap < FIRST_BURSTS && lost <= 5, "{gap:?}, {lost} lost");
    }
}

#[test]
fn a_path_that_narrows_is_given_room_for_audio() {
    for phase in 0..16 {
        let mut call = Call::new(simulcast(), 1);
        let short = |bps: u64| Conditions {
            delay: millis(1),
            queue_bytes: (bps / 8) as usize * 3 / 10, // 300 ms
            ..Conditions::rate(bps)
        };
        call.path(1, short(WIDE));
        call.run(seconds(10) + millis(15 * phase));
        call.path(1, short(NARROW));
        call.until(FIRST_BURSTS, "the lowest layer", |call| call.announced(0).as_deref() == Some("q"));
        call.run(FIRST_BURSTS);
        let from = call.world.now;
        call.run(seconds(1));
        assert!(call.world.queueing(1) < millis(100), "{:?}", call.world.queueing(1));
        call.run(seconds(2));
        let (gap, lost) = call.audio_gap(1, from);
        assert!(gap < millis(150) && lost == 0, "{gap:?}, {lost} lost");
    }
}

#[test]
fn a_wide_path_carries_everything_at_once() {
    let mut call = Call::new(simulcast(), 1);
    call.until(millis(100), "the highest layer", |call| call.layer(1) == Some(2));
    let headers = call.world.clients[1].headers.len();
    call.told(call.videos[0]);
    call.run(seconds(60));
    assert_eq!(call.spare(1, headers), 0, "no padding where nothing is withheld");
    assert_eq!(call.told(call.videos[0]), []);
}

#[test]
fn each_subscriber_gets_what_its_own_path_carries() {
    let rates = [100_000, 400_000, 850_000, 1_200_000, 2_500_000, 20_000_000];
    let expected = [None, Some(0), Some(1), Some(1), Some(2), Some(2)];
    let mut call = Call::new(simulcast(), rates.len());
    for (client, rate) in (1..).zip(rates) {
        call.path(client, Conditions::rate(rate));
    }
    call.run(seconds(20));
    for second in 0..30 {
        call.run(seconds(1));
        let layers: Vec<_> = (1..=rates.len()).map(|client| call.layer(client)).collect();
        assert_eq!(layers, expected, "after {second} s");
    }
}

#[test]
fn a_video_that_does_not_fit_is_paused_and_comes_back() {
    let mut call = Call::new(single(1000), 1);
    call.path(1, Conditions::rate(WIDE));
    call.run(seconds(5));
    assert_eq!(call.layer(1), Some(0));
    let from = call.world.now;
    call.path(1, Conditions::rate(NARROW));
    call.until(seconds(4), "paused", |call| call.layer(1).is_none());
    assert_eq!(call.told(call.videos[0]).last(), Some(&None));
    assert_eq!(call.world.stats[0].videos_paused.get(), 1);
    call.run(seconds(30));
    assert_eq!(call.layer(1), None);
    let (gap, lost) = call.audio_gap(1, from);
    call.path(1, Conditions::rate(WIDE));
    call.until(seconds(10), "back", |call| call.layer(1).is_some());
    assert_eq!(call.told(call.videos[0]), [Some(String::new())]);
    assert_eq!(call.world.stats[0].videos_paused.get(), 0);
    assert!(gap < FIRST_BURSTS && lost <= 5, "{gap:?}, {lost} lost");
}

#[test]
fn a_lone_video_is_not_paused_by_a_hiccup() {
    let mut call = Call::new(single(1700), 1);
    call.path(1, Conditions::rate(WIDE));
    call.run(seconds(10));
    for _ in 0..5 {
        call.path(1, Conditions::rate(NARROW));
        call.run(millis(150));
        call.path(1, Conditions::rate(WIDE));
        call.run(seconds(8));
        assert_eq!(call.layer(1), Some(0));
    }
    assert_eq!(call.told(call.videos[0]), [Some(String::new())]);
}

#[test]
fn loss_without_congestion_does_not_take_the_picture() {
    let mut call = Call::new(simulcast(), 1);
    call.path(1, Conditions { loss: 0.05, ..Conditions::rate(WIDE) });
    call.run(seconds(10));
    for _ in 0..50 {
        call.run(seconds(1));
        assert_eq!(call.layer(1), Some(2));
    }
}

#[test]
fn jitter_and_reordering_do_not_take_the_picture() {
    let mut call = Call::new(simulcast(), 1);
    let conditions =
        Conditions { delay: millis(80), jitter: millis(30), reordering: 0.01, ..Conditions::rate(WIDE) };
    call.path(1, conditions);
    call.run(seconds(10));
    for _ in 0..50 {
        call.run(seconds(1));
        assert_eq!(call.layer(1), Some(2));
    }
}

#[test]
fn nobody_who_is_paused_or_idle_gets_padding() {
    let mut call = Call::new(simulcast(), 2);
    call.path(1, Conditions::rate(700_000));
    call.path(2, Conditions::rate(700_000));
    call.run(seconds(10));
    let headers = call.world.clients[2].headers.len();
    call.run(seconds(20));
    assert!(call.spare(2, headers) > 0, "more is sought while something is withheld");
    let consumer = call.videos[1];
    call.world.command(0, Command::SetConsumerActive { consumer, active: false });
    call.run(seconds(1));
    let headers = call.world.clients[2].headers.len();
    call.run(seconds(30));
    assert_eq!(call.spare(2, headers), 0);
    let consumer = call.videos[0];
    call.world.command(0, Command::Unsubscribe { consumer });
    call.run(seconds(1)); // a probe may be under way
    let probes = call.world.stats[0].probes.get();
    let headers = call.world.clients[1].headers.len();
    call.run(seconds(30));
    assert_eq!((call.spare(1, headers), call.world.stats[0].probes.get()), (0, probes));
}

#[test]
fn a_peer_with_its_own_estimate_is_followed_on_one_thread_and_across_two() {
    for thread in [0, 1] {
        let mut call = Call::prepared(simulcast(), 1, thread, |world| world.clients[1].old = true);
        call.run(seconds(5));
        assert_eq!(call.layer(1), Some(2), "nothing speaks against it");
        for (bps, layer) in [(230_000, Some(0)), (60_000, None), (2_500_000, Some(2))] {
            for _ in 0..6 {
                call.say_remb(1, bps);
                call.run(seconds(1));
            }
            assert_eq!(call.layer(1), layer);
        }
        let told = ["f", "q", "", "f"].map(|rid| (!rid.is_empty()).then(|| rid.to_owned()));
        assert_eq!(call.told(call.videos[0]), told);
        assert_eq!(call.spare(1, 0), 0, "no padding without feedback");
    }
}

#[test]
fn an_estimate_made_of_a_still_picture_is_no_limit() {
    let mut call = Call::prepared(single(30), 1, 0, |world| world.clients[1].old = true);
    for _ in 0..10 {
        call.say_remb(1, 130_000); // about one and a half times what it gets
        call.run(seconds(1));
    }
    call.camera.layers[0].bps = Some(1_500_000);
    for said in [130_000, 1_000_000, 2_400_000, 2_400_000] {
        call.say_remb(1, said);
        call.run(seconds(1));
        assert_eq!(call.layer(1), Some(0));
    }
    assert_eq!(call.told(call.videos[0]), [Some(String::new())], "never paused");
}

#[test]
fn the_wish_of_the_owner_is_the_limit() {
    let mut call = Call::new(simulcast(), 1);
    call.path(1, Conditions::rate(WIDE));
    call.run(seconds(5));
    let wish = Wish { max_height: 180, ..Wish::default() };
    let consumer = call.videos[0];
    call.world.command(0, Command::SetLayer { consumer, wish });
    call.run(seconds(2));
    assert_eq!(call.layer(1), Some(1));
    let headers = call.world.clients[1].headers.len();
    call.run(seconds(30));
    assert_eq!(call.spare(1, headers), 0, "and nothing beyond it is sought");
    call.path(1, Conditions::rate(NARROW));
    call.until(seconds(4), "less", |call| call.layer(1) == Some(0));
    call.world.command(0, Command::SetLayer { consumer, wish: Wish::default() });
    call.run(seconds(10));
    assert_eq!(call.layer(1), Some(0));
}
