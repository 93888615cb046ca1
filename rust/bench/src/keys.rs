//! The keys that DTLS agreed on. str0m keeps them to itself, but lets its DTLS be replaced: ours is the same one, and
//! looks at what comes out of it.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial,
    ProtocolVersion, SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider};

/// What both sides know after the handshake (RFC 5764 §4.2).
pub struct Agreed {
    pub profile: SrtpProfile,
    pub material: KeyingMaterial,
    /// Whether this side was the DTLS client.
    pub client: bool,
}

thread_local! {
    static LAST: Cell<Option<Agreed>> = const { Cell::new(None) };
}

/// What the session that was polled last on this thread has agreed on, once.
pub fn take() -> Option<Agreed> {
    LAST.take()
}

/// str0m's cryptography with our look at it.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER
        .get_or_init(|| {
            let mut provider = str0m::crypto::from_feature_flags();
            provider.dtls_provider = Box::leak(Box::new(Watched(provider.dtls_provider)));
            Arc::new(provider)
        })
        .clone()
}

#[derive(Debug)]
struct Watched(&'static dyn DtlsProvider);

impl DtlsProvider for Watched {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.0.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        Ok(Box::new(Session(self.0.new_dtls(certificate, now, version, mtu)?)))
    }
}

#[derive(Debug)]
struct Session(Box<dyn DtlsInstance>);

impl DtlsInstance for Session {
    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let client = self.0.is_active();
        let output = self.0.poll_output(buffer);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            let material = KeyingMaterial::new(material);
            LAST.set(Some(Agreed { profile: *profile, material, client }));
        }
        output
    }

    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}
