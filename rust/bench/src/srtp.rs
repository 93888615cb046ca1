//! SRTP with AES-GCM (RFC 7714): opens what arrives, seals our reports.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use str0m::crypto::dtls::SrtpProfile;

use crate::keys::Agreed;

const SALT: usize = 12;
const TAG: usize = 16;

/// Labels of the key derivation, RFC 3711 §4.3.
const RTP_KEY: u8 = 0;
const RTP_SALT: u8 = 2;
const RTCP_KEY: u8 = 3;
const RTCP_SALT: u8 = 5;

struct Key {
    key: LessSafeKey,
    salt: [u8; SALT],
}

/// Both directions of one connection.
pub struct Session {
    remote_rtp: Key,
    local_rtcp: Key,
    srtcp_index: u32,
}

impl Session {
    /// None for a profile that is not AES-GCM, or keys of a wrong length.
    pub fn new(agreed: &Agreed) -> Option<Self> {
        let length = match agreed.profile {
            SrtpProfile::AEAD_AES_128_GCM => 16,
            SrtpProfile::AEAD_AES_256_GCM => 32,
            _ => return None,
        };
        // RFC 5764 §4.2: client's key, server's key, client's salt, server's salt.
        let material: &[u8] = &agreed.material;
        if material.len() != 2 * (length + SALT) {
            return None;
        }
        let (keys, salts) = material.split_at(2 * length);
        let half = |client: bool| {
            let at = usize::from(!client);
            (&keys[at * length..][..length], &salts[at * SALT..][..SALT])
        };
        let (local, remote) = (half(agreed.client), half(!agreed.client));
        Some(Self {
            remote_rtp: Key::derived(remote, RTP_KEY, RTP_SALT)?,
            local_rtcp: Key::derived(local, RTCP_KEY, RTCP_SALT)?,
            srtcp_index: 0,
        })
    }

    /// Decrypt a packet's payload, which starts at `header`, into `payload`; its length.
    pub fn open_rtp(
        &self,
        packet: &[u8],
        header: usize,
        rollovers: u32,
        payload: &mut [u8],
    ) -> Option<usize> {
        let end = packet.len().checked_sub(TAG).filter(|end| *end >= header)?;
        let (aad, sealed, tag) = (&packet[..header], &packet[header..end], &packet[end..]);
        let mut iv = self.remote_rtp.salt; // RFC 7714 §8.1: zero, SSRC, roll-over counter, sequence number
        xor(&mut iv[2..6], &packet[8..12]);
        xor(&mut iv[6..10], &rollovers.to_be_bytes());
        xor(&mut iv[10..12], &packet[2..4]);
        let out = payload.get_mut(..sealed.len())?;
        self.remote_rtp
            .key
            .open_separate_gather(Nonce::assume_unique_for_key(iv), Aad::from(aad), sealed, tag, out)
            .ok()?;
        Some(sealed.len())
    }

    /// Encrypt a compound RTCP packet.
    pub fn seal_rtcp(&mut self, mut packet: Vec<u8>) -> Option<Vec<u8>> {
        let index = self.srtcp_index;
        self.srtcp_index += 1;
        let trailer = (0x8000_0000 | index).to_be_bytes(); // the high bit says that it is encrypted
        let mut iv = self.local_rtcp.salt; // RFC 7714 §9.1: zero, SSRC, zero, index
        xor(&mut iv[2..6], &packet[4..8]);
        xor(&mut iv[8..12], &index.to_be_bytes());
        let mut aad = [0; 12];
        aad[..8].copy_from_slice(&packet[..8]);
        aad[8..].copy_from_slice(&trailer);
        let tag = self
            .local_rtcp
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::from(aad), &mut packet[8..])
            .ok()?;
        packet.extend_from_slice(tag.as_ref());
        packet.extend_from_slice(&trailer);
        Some(packet)
    }
}

impl Key {
    fn derived((master, salt): (&[u8], &[u8]), key_label: u8, salt_label: u8) -> Option<Self> {
        let mut session_salt = [0; SALT];
        session_salt.copy_from_slice(&derive(master, salt, salt_label)[..SALT]);
        let algorithm = if master.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = UnboundKey::new(algorithm, &derive(master, salt, key_label)[..master.len()]).ok()?;
        Some(Self { key: LessSafeKey::new(key), salt: session_salt })
    }
}

/// 32 bytes of the key stream of a label, RFC 3711 §4.3.1 and §4.3.3.
fn derive(master: &[u8], salt: &[u8], label: u8) -> [u8; 32] {
    let provider = str0m::crypto::from_feature_flags().srtp_provider;
    let mut derived = [0; 32];
    for (round, out) in derived.chunks_exact_mut(16).enumerate() {
        let mut input = [0; 16];
        input[..SALT].copy_from_slice(salt);
        input[7] ^= label;
        input[15] = round as u8;
        let mut block = [0; 32];
        if master.len() == 16 {
            provider.srtp_aes_128_ecb_round(master, &input, &mut block);
        } else {
            provider.srtp_aes_256_ecb_round(master, &input, &mut block);
        }
        out.copy_from_slice(&block[..16]);
    }
    derived
}

fn xor(to: &mut [u8], with: &[u8]) {
    to.iter_mut().zip(with).for_each(|(byte, other)| *byte ^= other);
}
