//! Why a transport ends, or an offer is not accepted.

use std::any::Any;

use str0m::RtcError;

/// Why a transport cannot go on.
#[derive(Debug)]
pub enum Fault {
    Closed,
    Panic(String),
    Dtls(String),
    Other(String),
    IceTimeout,
    NeverConnected,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by peer"),
            Self::Panic(message) => write!(f, "panic: {message}"),
            Self::Dtls(message) => write!(f, "dtls failed: {message}"),
            Self::Other(message) => write!(f, "failed: {message}"),
            Self::IceTimeout => f.write_str("ice timeout"),
            Self::NeverConnected => f.write_str("never connected"),
        }
    }
}

impl From<RtcError> for Fault {
    fn from(error: RtcError) -> Self {
        match error {
            // The only SDP that is looked at while running is its fingerprint, against the certificate.
            RtcError::Dtls(_) | RtcError::RemoteSdp(_) => Self::Dtls(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

/// Why an offer was not accepted.
#[derive(Debug)]
pub enum NegotiationError {
    /// Nothing has changed.
    Refused(String),
    /// It went wrong half-way; the transport is of no more use.
    Broken(Fault),
}

/// What a panic said.
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("unknown cause")
}
