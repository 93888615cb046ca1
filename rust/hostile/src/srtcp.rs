//! SRTCP comes from anyone who can send: what was not made with the key does not open, whatever the profile, and what was
//! opens once. An input is a profile, a plain packet, and what to change in the sealed one.

use palaver_sfu::rtcp::write;
use palaver_sfu::srtp::{Keys, Profile, Refused};

use crate::Target;

pub const TARGET: Target = Target { name: "srtcp", run, seeds, inputs: 20_000 };

const PROFILES: [Profile; 3] = [Profile::Aes128CmSha1, Profile::Aes128Gcm, Profile::Aes256Gcm];

pub fn run(input: &[u8]) -> bool {
    let Some((&[profile, at, change], plain)) = input.split_first_chunk() else { return false };
    let profile = PROFILES[usize::from(profile) % PROFILES.len()];
    let keys = |client| Keys::new(profile, &[7; 88], client).unwrap();
    let mut opener = keys(false).opener().unwrap();
    assert_eq!(opener.open(&mut plain.to_vec()), Err(Refused::Forged), "not sealed at all");
    let mut sealed = plain.to_vec();
    if keys(true).sealer().unwrap().seal_rtcp(&mut sealed).is_none() {
        assert!(plain.len() < 8);
        return false;
    }
    let mut changed = sealed.clone();
    let at = usize::from(at) % changed.len();
    changed[at] ^= change;
    if change != 0 {
        assert_eq!(opener.open(&mut changed), Err(Refused::Forged));
    }
    assert_eq!(opener.open(&mut sealed.clone()), Ok(plain));
    assert_eq!(opener.open(&mut sealed), Err(Refused::Replayed));
    true
}

fn seeds() -> Vec<Vec<u8>> {
    let seed = |profile: u8| {
        let mut input = vec![profile, 9, 0x80];
        write::receiver_report(&mut input, 1);
        write::nack(&mut input, 1, 2, &[5, 6]);
        input
    };
    vec![seed(0), seed(1), seed(2), vec![0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]]
}
