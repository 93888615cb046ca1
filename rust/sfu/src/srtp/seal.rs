//! Seals what we send, in place.

use super::cipher::{self, Cipher};
use super::{CLEAR, INDEX, Profile};
use crate::io::prefetch;

/// Our SRTCP is numbered from here. str0m numbers its own from zero under the same key, with SSRCs that it does not tell:
/// should one ever be the same as one of ours, the numbers keep the nonces apart for a billion packets.
const FIRST_INDEX: u32 = 1 << 30;
/// RFC 3711 §3.4: 31 bits.
const LAST_INDEX: u32 = (1 << 31) - 1;

#[derive(Debug)]
pub struct Sealer {
    profile: Profile,
    /// For RTP, and for RTCP.
    media: Cipher,
    control: Cipher,
    index: u32,
    /// Rollovers of sequence numbers before the key came: with a new key the counter begins anew.
    rollovers: u64,
}

impl Sealer {
    pub(super) fn new(profile: Profile, media: Cipher, control: Cipher) -> Self {
        Self { profile, media, control, index: FIRST_INDEX, rollovers: 0 }
    }

    /// One that protects nothing.
    pub fn plain() -> Self {
        Self::new(Profile::Plain, Cipher::Plain, Cipher::Plain)
    }

    /// The key is used from `seq` on, an extended sequence number: to the peer its rollover counter is zero.
    #[must_use]
    pub fn beginning_at(self, seq: u64) -> Self {
        Self { rollovers: seq >> 16, ..self }
    }

    /// It will seal RTP in a moment.
    pub fn fetch(&self) {
        match &self.media {
            Cipher::Gcm { key, .. } => prefetch(&**key),
            Cipher::Cm { key, mac, .. } => {
                prefetch(&**key);
                prefetch(&**mac);
            }
            Cipher::Plain => {}
        }
    }

    /// Bytes that are added to an RTP packet.
    pub fn overhead(&self) -> usize {
        self.profile.tag()
    }

    /// Seal an RTP packet that fills `packet` up to the space for its tag. `header` bytes, extensions included, stay
    /// readable; `seq` is the extended sequence number. False: it could not be sealed and must not be sent.
    #[must_use]
    pub fn seal_rtp(&self, packet: &mut [u8], header: usize, seq: u64) -> bool {
        self.try_seal_rtp(packet, header, seq).is_some()
    }

    fn try_seal_rtp(&self, packet: &mut [u8], header: usize, seq: u64) -> Option<()> {
        let ssrc: [u8; 4] = packet.get(8..12)?.try_into().ok()?;
        let seq = seq.wrapping_sub(self.rollovers << 16);
        let end = packet.len().checked_sub(self.profile.tag())?;
        let (sealed, tag) = packet.split_at_mut(end);
        match &self.media {
            Cipher::Gcm { key, salt } => {
                let (clear, text) = sealed.split_at_mut_checked(header)?;
                tag.copy_from_slice(&cipher::seal_gcm(key, cipher::gcm_nonce(salt, ssrc, seq), clear, text)?);
            }
            Cipher::Cm { key, mac, salt } => {
                let text = sealed.get_mut(header..)?;
                key.less_safe_encrypt(text, cipher::cm_start(salt, ssrc, seq)).ok()?;
                let roll_over = ((seq >> 16) as u32).to_be_bytes();
                let computed = cipher::tag(mac, [sealed, &roll_over]);
                tag.copy_from_slice(computed.get(..tag.len())?);
            }
            Cipher::Plain => {}
        }
        Some(())
    }

    /// Seal RTCP, which grows. None: nothing may be sent any more with this key.
    pub fn seal_rtcp(&mut self, packet: &mut Vec<u8>) -> Option<()> {
        if matches!(self.control, Cipher::Plain) {
            return Some(());
        }
        if self.index > LAST_INDEX {
            return None;
        }
        let ssrc: [u8; 4] = packet.get(4..CLEAR)?.try_into().ok()?;
        let index = self.index;
        self.index += 1;
        let trailer = (index | 1 << 31).to_be_bytes(); // encrypted
        match &self.control {
            Cipher::Gcm { key, salt } => {
                let mut clear = [0; CLEAR + INDEX];
                clear[..CLEAR].copy_from_slice(&packet[..CLEAR]);
                clear[CLEAR..].copy_from_slice(&trailer);
                let nonce = cipher::gcm_nonce(salt, ssrc, u64::from(index));
                let tag = cipher::seal_gcm(key, nonce, &clear, &mut packet[CLEAR..])?;
                packet.extend(tag);
                packet.extend(trailer);
            }
            Cipher::Cm { key, mac, salt } => {
                let start = cipher::cm_start(salt, ssrc, u64::from(index));
                key.less_safe_encrypt(&mut packet[CLEAR..], start).ok()?;
                packet.extend(trailer);
                let tag = cipher::tag(mac, [packet, &[]]);
                packet.extend(tag);
            }
            Cipher::Plain => {}
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::cipher::tests::{hex, session};
    use super::*;

    /// RFC 7714 §16.1.1 and §16.2.1: "Gallia est omnis divisa in partes tres".
    const RTP: &str =
        "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070
        61727465 73207472 6573";
    const RTP_128: &str =
        "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a
        51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce";
    const RTP_256: &str =
        "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02
        76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13";
    /// RFC 7714 §17.1 and §17.3.
    const RTCP: &str =
        "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef
        deadbeef deadbeef deadbeef";
    const RTCP_128: &str =
        "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda
        4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4";
    const RTCP_256: &str =
        "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be
        8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4";
    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const SALT: &str = "517569642070726f2071756f";

    fn gcm(profile: Profile) -> Sealer {
        let cipher = || session(profile, &KEY[..2 * profile.key()], "", SALT);
        Sealer::new(profile, cipher(), cipher())
    }

    #[test]
    fn gcm_is_that_of_rfc_7714() {
        let vectors = [(Profile::Aes128Gcm, RTP_128, RTCP_128), (Profile::Aes256Gcm, RTP_256, RTCP_256)];
        for (profile, rtp, rtcp) in vectors {
            let mut sealer = gcm(profile);
            let mut packet = hex(RTP);
            packet.extend([0; 16]);
            assert!(sealer.seal_rtp(&mut packet, 12, 0xf17b));
            assert_eq!(packet, hex(rtp));
            sealer.index = 0x5d4;
            let mut packet = hex(RTCP);
            sealer.seal_rtcp(&mut packet).unwrap();
            assert_eq!(packet, hex(rtcp));
        }
    }

    #[test]
    fn counter_mode_is_what_others_send() {
        // Master key and salt of RFC 3711 appendix B.3; the packet is the one that libsrtp validates itself with.
        let cipher = || {
            session(
                Profile::Aes128CmSha1,
                "C61E7A93744F39EE10734AFE3FF7A087",
                "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
                "30CBBC08863D8C85D49DB34A9AE1",
            )
        };
        let sealer = Sealer::new(Profile::Aes128CmSha1, cipher(), cipher());
        let mut packet = hex("800f1234 decafbad cafebabe abababab abababab abababab abababab");
        packet.extend([0; 10]);
        assert!(sealer.seal_rtp(&mut packet, 12, 0x1234));
        let expected =
            "800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb";
        assert_eq!(packet, hex(expected));
    }

    #[test]
    fn what_is_too_short_is_not_sealed() {
        let sealer = gcm(Profile::Aes128Gcm);
        for length in [0, 11, 12, 27] {
            assert!(!sealer.seal_rtp(&mut vec![0; length], 12, 1));
        }
        assert!(sealer.seal_rtp(&mut [0; 28], 12, 1), "an empty payload");
    }

    #[test]
    fn no_index_of_srtcp_is_used_twice() {
        let mut sealer = gcm(Profile::Aes128Gcm);
        let mut indices = std::collections::HashSet::new();
        for _ in 0..100 {
            let mut packet = hex(RTCP);
            sealer.seal_rtcp(&mut packet).unwrap();
            assert!(indices.insert(packet[packet.len() - 4..].to_vec()));
        }
        sealer.index = LAST_INDEX;
        assert!(sealer.seal_rtcp(&mut hex(RTCP)).is_some());
        assert!(sealer.seal_rtcp(&mut hex(RTCP)).is_none());
    }
}
