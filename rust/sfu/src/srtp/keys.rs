//! From what DTLS exported to the keys of both directions (RFC 5764 §4.2, RFC 3711 §4.3). Wiped when dropped.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::{Opener, Profile, Sealer};

/// Bytes of an authentication key of HMAC-SHA1.
const MAC_KEY: usize = 20;

/// What session keys are made for (RFC 3711 §4.3.2); SRTCP's follow SRTP's.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Usage {
    Rtp = 0,
    Rtcp = 3,
}

/// Exported keying material: two master keys, then two master salts, the DTLS client's first.
pub struct Keys {
    profile: Profile,
    material: Zeroizing<Vec<u8>>,
    /// We are the DTLS client.
    client: bool,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl Keys {
    /// None if there is too little material.
    pub fn new(profile: Profile, material: &[u8], client: bool) -> Option<Self> {
        let material = material.get(..2 * (profile.key() + profile.salt()))?;
        Some(Self { profile, material: Zeroizing::new(material.to_vec()), client })
    }

    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Seals what we send. Make one only: two would use the same nonces.
    pub fn sealer(&self) -> Option<Sealer> {
        let master = self.master(self.client);
        Some(Sealer::new(self.profile, master.cipher(Usage::Rtp)?, master.cipher(Usage::Rtcp)?))
    }

    /// Opens the SRTCP that we receive.
    pub fn opener(&self) -> Option<Opener> {
        Some(Opener::new(self.profile, self.master(!self.client).cipher(Usage::Rtcp)?))
    }

    fn master(&self, client: bool) -> Master<'_> {
        let (key, salt) = (self.profile.key(), self.profile.salt());
        let (keys, salts) = self.material.split_at(2 * key);
        let (keys, salts) = (keys.split_at(key), salts.split_at(salt));
        let (key, salt) = if client { (keys.0, salts.0) } else { (keys.1, salts.1) };
        Master { profile: self.profile, key, salt }
    }
}

/// The master key and salt of one direction.
pub(super) struct Master<'a> {
    pub profile: Profile,
    pub key: &'a [u8],
    pub salt: &'a [u8],
}

impl Master<'_> {
    pub fn cipher(&self, usage: Usage) -> Option<Cipher> {
        let mut key = Zeroizing::new([0; 32]);
        let key = &mut key[..self.profile.key()];
        self.derive(usage as u8, key)?;
        let mut mac = Zeroizing::new([0; MAC_KEY]);
        if matches!(self.profile, Profile::Aes128CmSha1 | Profile::Aes128CmSha1Short) {
            self.derive(usage as u8 + 1, &mut *mac)?;
        }
        let mut salt = [0; 14];
        self.derive(usage as u8 + 2, &mut salt[..self.profile.salt()])?;
        Cipher::new(self.profile, key, &*mac, salt)
    }

    /// The key stream that begins at the label (RFC 3711 §4.3.1, §4.3.3; RFC 7714 §11 pads the salt with zeros).
    fn derive(&self, label: u8, out: &mut [u8]) -> Option<()> {
        let mut start = [0; 16];
        start[..self.salt.len()].copy_from_slice(self.salt);
        start[7] ^= label;
        let algorithm = if self.key.len() == 32 { &AES_256 } else { &AES_128 };
        let key = EncryptingKey::ctr(UnboundCipherKey::new(algorithm, self.key).ok()?).ok()?;
        out.fill(0);
        key.less_safe_encrypt(out, EncryptionContext::Iv128(FixedLength::from(start))).ok()?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::cipher::tests::hex;
    use super::*;

    #[test]
    fn session_keys_are_those_of_rfc_3711() {
        // RFC 3711 appendix B.3
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
        let master = Master { profile: Profile::Aes128CmSha1, key: &key, salt: &salt };
        let derived = |label, length| {
            let mut out = vec![0; length];
            master.derive(label, &mut out).unwrap();
            out
        };
        assert_eq!(derived(0, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derived(2, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(derived(1, 20), hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }

    #[test]
    fn each_side_seals_with_what_the_other_opens_with() {
        for profile in [Profile::Aes128CmSha1, Profile::Aes128Gcm, Profile::Aes256Gcm] {
            let material: Vec<u8> = (0..2 * (profile.key() + profile.salt())).map(|n| n as u8).collect();
            let [client, server] = [true, false].map(|side| Keys::new(profile, &material, side).unwrap());
            let mut plain = Vec::new();
            crate::rtcp::write::pli(&mut plain, 7, 8);
            for (ours, theirs) in [(&client, &server), (&server, &client)] {
                let mut packet = plain.clone();
                ours.sealer().unwrap().seal_rtcp(&mut packet).unwrap();
                assert_ne!(packet[..plain.len()], plain[..]);
                let mut same_side = packet.clone();
                assert_eq!(ours.opener().unwrap().open(&mut same_side), Err(super::super::Refused::Forged));
                assert_eq!(theirs.opener().unwrap().open(&mut packet), Ok(&plain[..]));
            }
            assert!(Keys::new(profile, &material[1..], true).is_none());
        }
    }
}
