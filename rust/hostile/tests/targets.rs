//! Every target, with the same mutated inputs each time.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use palaver_hostile::{TARGETS, mutate};

fn attempt(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = (target.seeds)();
    for seed in &seeds {
        assert!((target.run)(seed), "{name}: a seed is not taken: {}", String::from_utf8_lossy(seed));
    }
    let mut random = mutate::Random::new(0x5eed);
    let taken = (0..target.inputs).filter(|_| (target.run)(&mutate::input(&mut random, &seeds))).count();
    // Inputs that are all turned away, or all taken, would try nothing.
    assert!(
        (target.inputs / 100..target.inputs).contains(&taken),
        "{name}: {taken} of {} taken",
        target.inputs
    );
}

macro_rules! attempts {
    ($($name:ident)+) => {
        $(#[test] fn $name() { attempt(stringify!($name)); })+
        const ATTEMPTED: &[&str] = &[$(stringify!($name)),+];
    };
}

attempts!(annexb demux extensions framing keyframe layers leb128 negotiate offers phones redundancy rtcp srtcp unpack wire);

#[test]
fn every_target_is_attempted_here_and_fuzzed_at_length() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, ATTEMPTED);
    let manifest = include_str!("../../fuzz/Cargo.toml");
    let fuzzed: Vec<&str> =
        manifest.split("[[bin]]").skip(1).map(|bin| bin.split('"').nth(1).unwrap()).collect();
    assert_eq!(fuzzed, names);
}
