//! Opens the SRTCP that we receive, in place.

use aws_lc_rs::aead::Aad;

use super::cipher::{self, Cipher};
use super::{CLEAR, INDEX, Profile};

/// Senders whose indices are remembered. A browser has one per section; the one heard of longest ago is forgotten.
const SENDERS: usize = 64;

#[derive(Debug)]
pub struct Opener {
    profile: Profile,
    cipher: Cipher,
    senders: Vec<Sender>,
}

/// Why a packet is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not made with the key, or not encrypted, which WebRTC does not allow.
    Forged,
    /// Seen before, or too old to tell.
    Replayed,
}

/// Which of the last 64 indices of one sender were seen (RFC 3711 §3.3.2).
#[derive(Clone, Copy, Debug)]
struct Sender {
    ssrc: [u8; 4],
    newest: u32,
    /// Bit n: `newest - n` was seen.
    seen: u64,
}

impl Opener {
    pub(super) fn new(profile: Profile, cipher: Cipher) -> Self {
        Self { profile, cipher, senders: Vec::new() }
    }

    /// The RTCP in `packet`, which is overwritten.
    pub fn open<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a [u8], Refused> {
        if matches!(self.cipher, Cipher::Plain) {
            return Ok(packet);
        }
        let ssrc: [u8; 4] =
            packet.get(4..CLEAR).and_then(|ssrc| ssrc.try_into().ok()).ok_or(Refused::Forged)?;
        let index = self.authenticate(ssrc, packet)?;
        self.note(ssrc, index)?;
        let end = packet.len() - INDEX - self.profile.control_tag();
        Ok(&packet[..end])
    }

    /// Check and decrypt; returns the packet's index.
    fn authenticate(&self, ssrc: [u8; 4], packet: &mut [u8]) -> Result<u32, Refused> {
        let tag = self.profile.control_tag();
        let end = packet.len().checked_sub(INDEX + tag).filter(|end| *end >= CLEAR).ok_or(Refused::Forged)?;
        let (text, rest) = packet.split_at_mut(end);
        let trailer = match &self.cipher {
            Cipher::Gcm { .. } => rest[tag..].first_chunk::<INDEX>(),
            Cipher::Cm { .. } | Cipher::Plain => rest.first_chunk::<INDEX>(),
        };
        let trailer = *trailer.ok_or(Refused::Forged)?;
        let word = u32::from_be_bytes(trailer);
        if word >> 31 == 0 {
            return Err(Refused::Forged);
        }
        let index = word & !(1 << 31);
        match &self.cipher {
            Cipher::Gcm { key, salt } => {
                let mut clear = [0; CLEAR + INDEX];
                clear[..CLEAR].copy_from_slice(&text[..CLEAR]);
                clear[CLEAR..].copy_from_slice(&trailer);
                let nonce = cipher::gcm_nonce(salt, ssrc, u64::from(index));
                key.open_in_place_separate_tag(nonce, Aad::from(&clear), &rest[..tag], &mut text[CLEAR..])
                    .map_err(|_| Refused::Forged)?;
            }
            Cipher::Cm { key, mac, salt } => {
                if !cipher::is_tag_of(mac, [&*text, &trailer], &rest[INDEX..]) {
                    return Err(Refused::Forged);
                }
                key.less_safe_encrypt(&mut text[CLEAR..], cipher::cm_start(salt, ssrc, u64::from(index)))
                    .map_err(|_| Refused::Forged)?;
            }
            Cipher::Plain => {}
        }
        Ok(index)
    }

    /// Remember an authentic index, if it is new.
    fn note(&mut self, ssrc: [u8; 4], index: u32) -> Result<(), Refused> {
        let Some(at) = self.senders.iter().position(|sender| sender.ssrc == ssrc) else {
            if self.senders.len() == SENDERS {
                self.senders.remove(0);
            }
            self.senders.push(Sender { ssrc, newest: index, seen: 1 });
            return Ok(());
        };
        self.senders[at].note(index)?;
        self.senders[at..].rotate_left(1);
        Ok(())
    }
}

impl Sender {
    fn note(&mut self, index: u32) -> Result<(), Refused> {
        if index > self.newest {
            self.seen = self.seen.checked_shl(index - self.newest).unwrap_or(0) | 1;
            self.newest = index;
            return Ok(());
        }
        let bit = 1_u64.checked_shl(self.newest - index).ok_or(Refused::Replayed)?;
        if self.seen & bit != 0 {
            return Err(Refused::Replayed);
        }
        self.seen |= bit;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Keys, Sealer};
    use super::*;

    const PROFILES: [Profile; 3] = [Profile::Aes128CmSha1, Profile::Aes128Gcm, Profile::Aes256Gcm];

    fn pair(profile: Profile) -> (Sealer, Opener) {
        let keys = |client| Keys::new(profile, &[7; 88], client).unwrap();
        (keys(true).sealer().unwrap(), keys(false).opener().unwrap())
    }

    fn report(sealer: &mut Sealer, ssrc: u32) -> Vec<u8> {
        let mut packet = Vec::new();
        crate::rtcp::write::receiver_report(&mut packet, ssrc);
        crate::rtcp::write::pli(&mut packet, ssrc, 9);
        sealer.seal_rtcp(&mut packet).unwrap();
        packet
    }

    #[test]
    fn a_packet_opens_once() {
        for profile in PROFILES {
            let (mut sealer, mut opener) = pair(profile);
            let packets: Vec<Vec<u8>> = (0..80).map(|_| report(&mut sealer, 5)).collect();
            let mut open = |n: usize| opener.open(&mut packets[n].clone()).map(<[u8]>::len);
            assert_eq!(open(10), Ok(20));
            assert_eq!(open(10), Err(Refused::Replayed));
            assert_eq!(open(9), Ok(20), "late");
            assert_eq!(open(9), Err(Refused::Replayed));
            assert_eq!(open(79), Ok(20));
            assert_eq!(open(14), Err(Refused::Replayed), "too old to tell");
            assert_eq!(open(16), Ok(20));
        }
    }

    #[test]
    fn a_packet_changed_anywhere_does_not_open() {
        for profile in PROFILES {
            let (mut sealer, mut opener) = pair(profile);
            let packet = report(&mut sealer, 5);
            for at in 0..packet.len() {
                let mut changed = packet.clone();
                changed[at] ^= 0x80;
                assert_eq!(opener.open(&mut changed), Err(Refused::Forged), "{profile:?} at {at}");
            }
            for length in 0..packet.len() {
                assert_eq!(opener.open(&mut packet[..length].to_vec()), Err(Refused::Forged));
            }
            assert!(opener.open(&mut packet.clone()).is_ok());
        }
    }

    #[test]
    fn senders_are_told_apart_and_forgotten() {
        let (mut sealer, mut opener) = pair(Profile::Aes128Gcm);
        let first = report(&mut sealer, 0);
        assert!(opener.open(&mut first.clone()).is_ok());
        for ssrc in 1..=SENDERS as u32 {
            assert!(opener.open(&mut report(&mut sealer, ssrc)).is_ok());
        }
        assert_eq!(opener.senders.len(), SENDERS);
        assert!(opener.open(&mut report(&mut sealer, 1)).is_ok());
    }
}
