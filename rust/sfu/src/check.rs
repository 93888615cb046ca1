//! Connectivity checks of our own (RFC 8445 §7.2): whether a peer is where its STUN requests say that they come from.
//!
//! An ICE-lite agent need not make any. We do, because the sender of a datagram can write any address into it, and media
//! that follows such a nomination would hit somebody who never asked for it.

use str0m::crypto::Sha1HmacProvider;
use str0m::ice::{IceCreds, StunMessage, TransId};

use crate::demux;

/// The longest request that is made: user names have up to 256 characters each (RFC 8839 §5.4).
const MAX_REQUEST: usize = 768;
/// A peer-reflexive candidate's, of component 1 (RFC 8445 §5.1.2).
const PRIORITY: u32 = 110 << 24 | 0xffff << 8 | 0xff;

/// The number that the answer has to repeat. It is the only secret: whoever is asked knows the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction([u8; 12]);

impl Transaction {
    /// None if there are no random numbers.
    pub fn random() -> Option<Self> {
        let mut bytes = [0; 12];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The library's form of it, which cannot be made from bytes but read from a message.
    fn id(self) -> Option<TransId> {
        let mut indication = [0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        indication[8..].copy_from_slice(&self.0);
        Some(StunMessage::parse(&indication).ok()?.trans_id())
    }
}

/// A request from `local` to `remote`, signed with the password of `remote`. None if it cannot be written.
pub fn request(
    local: &IceCreds,
    remote: &IceCreds,
    transaction: Transaction,
    hmac: &dyn Sha1HmacProvider,
) -> Option<Vec<u8>> {
    let user = format!("{}:{}", remote.ufrag, local.ufrag);
    let message = StunMessage::binding_request(&user, transaction.id()?, false, 0, PRIORITY, false);
    let mut buffer = vec![0; MAX_REQUEST];
    let password = remote.pass.as_bytes();
    let length =
        message.to_bytes(Some(password), &mut buffer, |key, parts| hmac.sha1_hmac(key, parts)).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

/// Whether `datagram` is the answer of `remote` to the request `transaction`.
pub fn answers(
    datagram: &[u8],
    remote: &IceCreds,
    transaction: Transaction,
    hmac: &dyn Sha1HmacProvider,
) -> bool {
    demux::is_success(datagram)
        && datagram[8..20] == transaction.0
        && StunMessage::parse(datagram).is_ok_and(|message| {
            message.verify(remote.pass.as_bytes(), |key, parts| hmac.sha1_hmac(key, parts))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn creds(name: &str) -> IceCreds {
        IceCreds { ufrag: name.to_owned(), pass: format!("the password of {name}") }
    }

    fn answer(to: &[u8], password: &str) -> Vec<u8> {
        let provider = str0m::crypto::from_feature_flags().sha1_hmac_provider;
        let request = StunMessage::parse(to).unwrap();
        let reply = StunMessage::binding_reply(request.trans_id(), "192.0.2.1:5000".parse().unwrap());
        let mut buffer = vec![0; 256];
        let length = reply
            .to_bytes(Some(password.as_bytes()), &mut buffer, |key, parts| provider.sha1_hmac(key, parts))
            .unwrap();
        buffer.truncate(length);
        buffer
    }

    #[test]
    fn a_request_is_one_that_the_peer_can_verify() {
        let hmac = str0m::crypto::from_feature_flags().sha1_hmac_provider;
        let (local, remote) = (creds("local"), creds("remote"));
        let bytes = request(&local, &remote, Transaction::random().unwrap(), hmac).unwrap();
        let read = StunMessage::parse(&bytes).unwrap();
        assert!(read.is_binding_request());
        assert_eq!(read.split_username(), Some(("remote", "local")));
        assert!(read.verify(remote.pass.as_bytes(), |key, parts| hmac.sha1_hmac(key, parts)));
        assert!(read.ice_controlled().is_some() && !read.use_candidate());
    }

    #[test]
    fn only_the_signed_answer_to_this_very_request_counts() {
        let hmac = str0m::crypto::from_feature_flags().sha1_hmac_provider;
        let (local, remote) = (creds("local"), creds("remote"));
        let [one, other] = [0; 2].map(|_| Transaction::random().unwrap());
        assert_ne!(one, other);
        let bytes = request(&local, &remote, one, hmac).unwrap();
        let reply = answer(&bytes, &remote.pass);
        assert!(answers(&reply, &remote, one, hmac));
        assert!(!answers(&reply, &remote, other, hmac));
        assert!(!answers(&answer(&bytes, "another password"), &remote, one, hmac));
        assert!(!answers(&bytes, &remote, one, hmac));
        for end in 0..reply.len() {
            assert!(!answers(&reply[..end], &remote, one, hmac));
        }
    }

    #[test]
    fn names_that_are_too_long_are_not_asked() {
        let hmac = str0m::crypto::from_feature_flags().sha1_hmac_provider;
        let long = creds(&"x".repeat(2000));
        assert_eq!(request(&creds("local"), &long, Transaction::random().unwrap(), hmac), None);
    }
}
