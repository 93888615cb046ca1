//! The keys of SRTP or SRTCP in one direction, ready to use.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::Profile;

/// Bytes of an HMAC that are sent (RFC 3711 §4.2).
const MAC: usize = 10;

#[derive(Debug)]
pub(super) enum Cipher {
    Gcm {
        key: Box<LessSafeKey>,
        salt: [u8; NONCE_LEN],
    },
    /// Counter mode, then HMAC-SHA1 over what was encrypted.
    Cm {
        key: Box<EncryptingKey>,
        mac: Box<hmac::Key>,
        salt: [u8; 14],
    },
    Plain,
}

impl Cipher {
    pub(super) fn new(profile: Profile, key: &[u8], mac: &[u8], salt: [u8; 14]) -> Option<Self> {
        let gcm = |algorithm| -> Option<Self> {
            let key = Box::new(LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?));
            Some(Self::Gcm { key, salt: *salt.first_chunk()? })
        };
        match profile {
            Profile::Aes128Gcm => gcm(&AES_128_GCM),
            Profile::Aes256Gcm => gcm(&AES_256_GCM),
            Profile::Plain => Some(Self::Plain),
            Profile::Aes128CmSha1 | Profile::Aes128CmSha1Short => Some(Self::Cm {
                key: Box::new(EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, key).ok()?).ok()?),
                mac: Box::new(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, mac)),
                salt,
            }),
        }
    }
}

/// RFC 7714 §8.1 and §9.1: two zeros, the SSRC, then ROC and sequence number or the index.
pub(super) fn gcm_nonce(salt: &[u8; NONCE_LEN], ssrc: [u8; 4], index: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[2..6].copy_from_slice(&ssrc);
    nonce[6..].copy_from_slice(&index.to_be_bytes()[2..]);
    for (byte, salt) in nonce.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 3711 §4.1.1: salt, SSRC and index, 16 bits above the block counter.
pub(super) fn cm_start(salt: &[u8; 14], ssrc: [u8; 4], index: u64) -> EncryptionContext {
    let mut start = [0; 16];
    start[..14].copy_from_slice(salt);
    for (byte, ssrc) in start[4..8].iter_mut().zip(ssrc) {
        *byte ^= ssrc;
    }
    for (byte, index) in start[8..14].iter_mut().zip(&index.to_be_bytes()[2..]) {
        *byte ^= index;
    }
    EncryptionContext::Iv128(FixedLength::from(start))
}

/// The tag of `parts`, one after the other.
pub(super) fn tag(mac: &hmac::Key, parts: [&[u8]; 2]) -> [u8; MAC] {
    let mut context = hmac::Context::with_key(mac);
    for part in parts {
        context.update(part);
    }
    let mut tag = [0; MAC];
    tag.copy_from_slice(&context.sign().as_ref()[..MAC]);
    tag
}

pub(super) fn is_tag_of(mac: &hmac::Key, parts: [&[u8]; 2], claimed: &[u8]) -> bool {
    let tag = tag(mac, parts);
    tag.get(..claimed.len()).is_some_and(|tag| verify_slices_are_equal(tag, claimed).is_ok())
}

/// Encrypt `text` in place and return its tag, or None if it is too long.
pub(super) fn seal_gcm(key: &LessSafeKey, nonce: Nonce, clear: &[u8], text: &mut [u8]) -> Option<[u8; 16]> {
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(clear), text).ok()?;
    tag.as_ref().try_into().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
            .collect()
    }

    /// A cipher with these as its session keys.
    pub fn session(profile: Profile, key: &str, mac: &str, salt: &str) -> Cipher {
        let mut padded = [0; 14];
        padded[..profile.salt()].copy_from_slice(&hex(salt));
        Cipher::new(profile, &hex(key), &hex(mac), padded).unwrap()
    }

    #[test]
    fn counter_mode_is_that_of_rfc_3711() {
        // RFC 3711 appendix B.2
        let cipher = session(
            Profile::Aes128CmSha1,
            "2B7E151628AED2A6ABF7158809CF4F3C",
            "",
            "F0F1F2F3F4F5F6F7F8F9FAFBFCFD",
        );
        let Cipher::Cm { key, salt, .. } = &cipher else { panic!("another cipher") };
        let mut stream = [0; 32];
        key.less_safe_encrypt(&mut stream, cm_start(salt, [0; 4], 0)).unwrap();
        assert_eq!(stream[..], hex("E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB"));
    }
}
