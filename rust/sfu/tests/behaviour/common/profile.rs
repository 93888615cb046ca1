//! DTLS as it is, but with a choice of how SRTP is protected: whatever was agreed on, both sides take it for `profile` and
//! as much of the exported keys as that needs.

use std::sync::Arc;
use std::time::Instant;

use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial,
    ProtocolVersion, SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider};

pub const ALL: [SrtpProfile; 3] =
    [SrtpProfile::AES128_CM_SHA1_80, SrtpProfile::AEAD_AES_128_GCM, SrtpProfile::AEAD_AES_256_GCM];

pub fn crypto(profile: SrtpProfile) -> Arc<CryptoProvider> {
    let mut provider = str0m::crypto::from_feature_flags();
    provider.dtls_provider = Box::leak(Box::new(Provider(provider.dtls_provider, profile)));
    palaver_sfu::srtp::wrap(provider)
}

#[derive(Debug)]
struct Provider(&'static dyn DtlsProvider, SrtpProfile);

impl DtlsProvider for Provider {
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
        Ok(Box::new(Session(self.0.new_dtls(certificate, now, version, mtu)?, self.1)))
    }
}

#[derive(Debug)]
struct Session(Box<dyn DtlsInstance>, SrtpProfile);

impl DtlsInstance for Session {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        match self.0.poll_output(buffer) {
            DtlsOutput::KeyingMaterial(material, agreed) => {
                assert_eq!(agreed, SrtpProfile::AEAD_AES_256_GCM, "the longest keys");
                let length = match self.1 {
                    SrtpProfile::AES128_CM_SHA1_80 => 2 * (16 + 14),
                    SrtpProfile::AEAD_AES_128_GCM => 2 * (16 + 12),
                    _ => material.len(),
                };
                DtlsOutput::KeyingMaterial(KeyingMaterial::new(&material[..length]), self.1)
            }
            other => other,
        }
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
