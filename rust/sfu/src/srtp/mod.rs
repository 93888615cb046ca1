//! SRTP and SRTCP (RFC 3711, RFC 7714): for what we send to clients ourselves, with the keys that str0m's DTLS agreed on,
//! and for both directions of plain RTP, with keys that signalling brought (RFC 4568), or without any.
//!
//! str0m has the same keys. So that no key is ever used twice with one nonce, which would give away the key stream and
//! with GCM the authentication key too, each SSRC is sealed by one of us only: all that carry media are ours, and of
//! SRTCP, whose nonces are built from the sender's SSRC as well, we number ours far from str0m's ([`seal`]).

mod cipher;
mod exporter;
mod keys;
mod open;
mod open_rtp;
mod sdes;
pub mod seal;

pub use exporter::{Exported, crypto_provider, exporting, wrap};
pub use keys::Keys;
pub use open::{Opener, Refused};
pub use open_rtp::{RtpOpener, nearest};
pub use sdes::{KEY as SDES_KEY, Sdes, Suite};
pub use seal::Sealer;

/// The index of SRTCP and its encryption flag, at the end of a packet.
const INDEX: usize = 4;
/// What SRTCP leaves in the clear: the first header and the sender's SSRC.
const CLEAR: usize = 8;

/// How packets are protected; what WebRTC uses (RFC 8827 §6.5, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Aes128CmSha1,
    /// The same with a shorter tag on RTP (RFC 3711 §4.2): only by SDES.
    Aes128CmSha1Short,
    Aes128Gcm,
    Aes256Gcm,
    /// Nothing is protected.
    Plain,
}

impl Profile {
    /// Bytes of a master or session key.
    const fn key(self) -> usize {
        match self {
            Self::Aes128CmSha1 | Self::Aes128CmSha1Short | Self::Aes128Gcm => 16,
            Self::Aes256Gcm => 32,
            Self::Plain => 0,
        }
    }

    /// Bytes of a master or session salt.
    const fn salt(self) -> usize {
        match self {
            Self::Aes128CmSha1 | Self::Aes128CmSha1Short => 14,
            Self::Aes128Gcm | Self::Aes256Gcm => 12,
            Self::Plain => 0,
        }
    }

    /// Bytes that sealing adds to an RTP packet.
    pub const fn tag(self) -> usize {
        match self {
            Self::Aes128CmSha1 => 10,
            Self::Aes128CmSha1Short => 4,
            Self::Aes128Gcm | Self::Aes256Gcm => 16,
            Self::Plain => 0,
        }
    }

    /// The same for RTCP, whose tag is never short (RFC 4568 §6.2.2).
    const fn control_tag(self) -> usize {
        match self {
            Self::Aes128CmSha1Short => 10,
            other => other.tag(),
        }
    }
}
