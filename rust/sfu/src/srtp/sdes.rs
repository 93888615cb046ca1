//! Keys that signalling brings (RFC 4568): a suite, and one master key with its salt for each direction.

use zeroize::Zeroizing;

use super::keys::{Master, Usage};
use super::{Opener, Profile, RtpOpener, Sealer};

/// Bytes of a master key with its salt, as both suites have them.
pub const KEY: usize = 30;
const MASTER: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    AesCm128HmacSha1Tag80,
    AesCm128HmacSha1Tag32,
}

impl Suite {
    /// By its name in `a=crypto` (RFC 4568 §6.2).
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "AES_CM_128_HMAC_SHA1_80" => Some(Self::AesCm128HmacSha1Tag80),
            "AES_CM_128_HMAC_SHA1_32" => Some(Self::AesCm128HmacSha1Tag32),
            _ => None,
        }
    }

    const fn profile(self) -> Profile {
        match self {
            Self::AesCm128HmacSha1Tag80 => Profile::Aes128CmSha1,
            Self::AesCm128HmacSha1Tag32 => Profile::Aes128CmSha1Short,
        }
    }
}

/// The key of one direction. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Sdes {
    suite: Suite,
    key: Zeroizing<[u8; KEY]>,
}

impl std::fmt::Debug for Sdes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sdes").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl Sdes {
    pub fn new(suite: Suite, key: [u8; KEY]) -> Self {
        Self { suite, key: Zeroizing::new(key) }
    }

    /// Seals what is sent with it.
    pub fn sealer(&self) -> Option<Sealer> {
        let master = self.master();
        Some(Sealer::new(self.suite.profile(), master.cipher(Usage::Rtp)?, master.cipher(Usage::Rtcp)?))
    }

    /// Opens RTP that was sent with it.
    pub fn opener(&self) -> Option<RtpOpener> {
        Some(RtpOpener::new(self.suite.profile(), self.master().cipher(Usage::Rtp)?))
    }

    /// Opens RTCP that was sent with it.
    pub fn control_opener(&self) -> Option<Opener> {
        Some(Opener::new(self.suite.profile(), self.master().cipher(Usage::Rtcp)?))
    }

    fn master(&self) -> Master<'_> {
        let (key, salt) = self.key.split_at(MASTER);
        Master { profile: self.suite.profile(), key, salt }
    }
}
