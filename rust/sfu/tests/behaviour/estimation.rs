//! The estimator finds what a path can carry, follows its changes, and keeps its queue short.

use std::time::Duration;

use crate::common::flow::{Flow, GREEDY, LAYERS, Supply};
use crate::common::link::Conditions;

const WIDE: u64 = 3_000_000;
const NARROW: u64 = 300_000;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Lowest and highest target and the mean queueing since a time.
fn summary(flow: &Flow, from: f64) -> (u64, u64, Duration) {
    let samples: Vec<_> = flow.since(from).collect();
    let targets = samples.iter().map(|sample| sample.1);
    let queueing: Duration = samples.iter().map(|sample| sample.2).sum();
    (targets.clone().min().unwrap(), targets.max().unwrap(), queueing / samples.len() as u32)
}

#[test]
fn a_path_is_found_within_two_seconds() {
    for supply in [GREEDY, LAYERS] {
        let mut flow = Flow::new(Conditions::rate(WIDE), supply);
        assert_eq!(flow.estimator.target_bps(flow.now), None, "nothing is known before the first report");
        flow.until(seconds(2), |flow| flow.target() > 2_000_000);
        assert!(flow.padding_bytes < 30_000, "{}", flow.padding_bytes);
    }
}

#[test]
fn a_path_that_narrows_is_followed_within_three_seconds_and_back_within_ten() {
    for supply in [GREEDY, LAYERS] {
        let mut flow = Flow::new(Conditions::rate(WIDE), supply);
        flow.run(seconds(10));
        flow.link.set(Conditions::rate(NARROW), flow.now);
        let down = flow.until(seconds(1), |flow| flow.target() < NARROW);
        let drained = flow.until(seconds(4), |flow| flow.link.queueing() < millis(100));
        assert!(down + drained < seconds(4), "{down:?} {drained:?}");
        flow.run(seconds(15));
        let (low, high, queueing) = summary(&flow, flow.time() - 10.0);
        assert!(low > NARROW * 6 / 10 && high < NARROW * 5 / 4, "{low} to {high}");
        assert!(queueing < millis(80), "{queueing:?}");
        flow.link.set(Conditions::rate(WIDE), flow.now);
        let _up = flow.until(seconds(8), |flow| flow.target() > 2_000_000);
    }
}

#[test]
fn a_full_path_is_used_well_and_its_queue_stays_short() {
    for bps in [200_000, 500_000, 1_000_000, 4_000_000] {
        let mut flow = Flow::new(Conditions::rate(bps), GREEDY);
        flow.wanted_bps = 8_000_000;
        flow.run(seconds(60));
        let (low, high, queueing) = summary(&flow, 15.0);
        assert!(low > bps * 65 / 100 && high < bps * 12 / 10, "{low} to {high} of {bps}");
        assert!(queueing < millis(80), "{queueing:?} at {bps}");
    }
}

#[test]
fn layers_below_the_capacity_are_left_in_peace() {
    for bps in [300_000, 700_000, 2_400_000] {
        let mut flow = Flow::new(Conditions::rate(bps), LAYERS);
        flow.run(seconds(90));
        let sent = |target: u64| LAYERS(target);
        let changes = flow
            .since(20.0)
            .collect::<Vec<_>>()
            .windows(2)
            .filter(|pair| {
                sent(pair[0].1 * 6 / 5) < sent(pair[1].1) || sent(pair[1].1 * 6 / 5) < sent(pair[0].1)
            })
            .count();
        let (_low, _high, queueing) = summary(&flow, 20.0);
        assert_eq!(changes, 0, "at {bps}");
        assert!(queueing < millis(40), "{queueing:?} at {bps}");
        assert!(flow.padding_bytes * 8 / 90 < bps / 20, "{} bytes of padding", flow.padding_bytes);
    }
}

/// The lowest and highest target of the second half of a minute.
fn bear(conditions: Conditions, supply: Supply, prepare: impl Fn(&mut Flow)) -> (u64, u64) {
    let mut flow = Flow::new(conditions, supply);
    prepare(&mut flow);
    flow.run(seconds(60));
    let (low, high, _queueing) = summary(&flow, 30.0);
    (low, high)
}

#[test]
fn jitter_and_reordering_are_no_congestion() {
    for (jitter, reordering) in [(15, 0.0), (40, 0.0), (0, 0.02), (20, 0.01)] {
        let conditions = Conditions { jitter: millis(jitter), reordering, ..Conditions::rate(WIDE) };
        let (low, _) = bear(conditions, LAYERS, |_| {});
        assert!(low > 1_460_000, "{low} with {jitter} ms and {reordering}: the upper layer stops");
    }
}

#[test]
fn random_loss_is_borne() {
    for (loss, bearable) in [(0.01, 2_000_000), (0.05, 2_000_000), (0.2, 300_000)] {
        let (low, _) = bear(Conditions { loss, ..Conditions::rate(WIDE) }, LAYERS, |_| {});
        assert!(low > bearable, "{low} at {loss}");
    }
}

#[test]
fn a_short_queue_that_drops_instead_of_delaying_is_noticed() {
    let short = |bps| Conditions { queue_bytes: 6_000, ..Conditions::rate(bps) };
    let mut flow = Flow::new(short(WIDE), LAYERS);
    flow.run(seconds(10));
    flow.link.set(short(NARROW), flow.now);
    flow.until(seconds(3), |flow| flow.target() < NARROW * 12 / 10);
    let dropped = flow.link.dropped;
    flow.run(seconds(30));
    assert!(flow.link.dropped < dropped + 150, "{}", flow.link.dropped - dropped);
}

#[test]
fn others_on_the_path_get_their_part() {
    let mut flow = Flow::new(Conditions::rate(WIDE), GREEDY);
    flow.run(seconds(10));
    flow.cross_bps = 2_000_000;
    flow.until(seconds(4), |flow| flow.target() < 1_100_000);
    flow.run(seconds(20));
    let (_, _, queueing) = summary(&flow, flow.time() - 15.0);
    let targets: Vec<_> = flow.since(flow.time() - 15.0).map(|sample| sample.1).collect();
    let mean = targets.iter().sum::<u64>() / targets.len() as u64;
    assert!((700_000..1_150_000).contains(&mean), "{mean}");
    assert!(queueing < millis(100), "{queueing:?}");
    flow.cross_bps = 0;
    flow.until(seconds(10), |flow| flow.target() > 2_000_000);
}

#[test]
fn lost_reports_do_not_matter_and_none_at_all_do() {
    let bad = Conditions { loss: 0.3, jitter: millis(30), reordering: 0.05, ..Conditions::default() };
    let replace = |flow: &mut Flow| flow.reports.set(bad, flow.now);
    let (low, _) = bear(Conditions::rate(WIDE), LAYERS, replace);
    assert!(low > 1_800_000, "{low}");

    let mut flow = Flow::new(Conditions::rate(WIDE), LAYERS);
    flow.run(seconds(10));
    flow.mute = true;
    flow.until(seconds(9), |flow| flow.target() < 200_000);
    let padding = flow.padding_bytes;
    flow.run(seconds(30));
    assert_eq!(flow.padding_bytes, padding, "no probes into the dark");
    flow.mute = false;
    flow.until(seconds(8), |flow| flow.target() > 2_000_000);
}

#[test]
fn who_wants_nothing_gets_no_padding_and_wakes_nobody() {
    let mut flow = Flow::new(Conditions::rate(WIDE), |_| 0);
    flow.wanted_bps = 0;
    flow.run(seconds(30));
    assert_eq!((flow.padding_bytes, flow.estimator.probes()), (0, 0));
    assert!(flow.target() >= 400_000);
    let next = flow.estimator.deadline().unwrap();
    assert!(next > flow.now + millis(1500), "only silence is watched for");
}

#[test]
fn a_wide_path_is_not_probed_once_there_is_enough() {
    let mut flow = Flow::new(Conditions::default(), LAYERS);
    flow.run(seconds(5));
    let padding = flow.padding_bytes;
    flow.run(seconds(60));
    assert_eq!(flow.padding_bytes, padding);
}

#[test]
fn what_arrives_in_the_beginning_is_taken_to_fit() {
    let mut flow = Flow::new(Conditions::rate(WIDE), |_| 1_700_000);
    flow.wanted_bps = 1_800_000;
    flow.until(seconds(1), |flow| flow.target() > 1_700_000);
    assert!(!flow.estimator.is_confined(flow.now));

    let mut flow = Flow::new(Conditions::rate(NARROW), |_| 1_700_000);
    flow.until(seconds(1), |flow| flow.estimator.is_confined(flow.now));
    assert!(!flow.estimator.is_ramping(flow.now));
    flow.until(seconds(1), |flow| flow.target() < NARROW);
}

#[test]
fn without_padding_the_estimate_grows_by_itself() {
    let mut flow = Flow::new(Conditions::rate(WIDE), LAYERS);
    flow.estimator.set_blind(true);
    flow.until(seconds(12), |flow| flow.target() > 1_750_000);
    assert_eq!(flow.padding_bytes, 0);
    flow.link.set(Conditions::rate(NARROW), flow.now);
    flow.until(seconds(1), |flow| flow.target() < NARROW);
    flow.run(seconds(30));
    let (low, high, queueing) = summary(&flow, flow.time() - 20.0);
    assert!(low > 130_000 && queueing < millis(100), "{low} to {high}, {queueing:?}");
}

#[test]
fn a_machine_that_stalls_is_no_full_path() {
    for stall in [200, 400, 700] {
        for supply in [GREEDY, LAYERS] {
            let mut flow = Flow::new(Conditions::rate(WIDE), supply);
            flow.run(seconds(10));
            for n in 0..20 {
                if n % 2 == 0 {
                    flow.stalled_until = flow.now + millis(stall);
                } else {
                    flow.oversleep(millis(stall));
                }
                flow.run(seconds(3) + millis(37 * n));
                let below = flow.since(flow.time() - 3.0).filter(|sample| sample.1 < 1_750_000);
                assert!(below.count() < 10, "half a second without the upper layer, stalled for {stall} ms");
            }
        }
    }
}
