//! Takes a copy of the keys when DTLS hands them to str0m.
//!
//! str0m does not tell its keys. But it takes a provider of DTLS sessions, and this one wraps str0m's own: a session
//! passes everything through and puts what it exports into an [`Exported`] as well.
//!
//! This is the one place that reaches into str0m. It would end with an event, or a method of `Rtc`, that gives the
//! exported keying material and the SRTP profile; `str0m` 0.25 has neither.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
    SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider};

use super::{Keys, Profile};

/// Where one session's keys are put. Taken out once.
#[derive(Clone, Debug, Default)]
pub struct Exported(Arc<Mutex<Option<Keys>>>);

impl Exported {
    pub fn take(&self) -> Option<Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, keys: Option<Keys>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

thread_local! {
    /// For the session that is being made on this thread.
    static NEXT: RefCell<Option<Exported>> = const { RefCell::new(None) };
}

/// Run `make`, which makes one str0m session with [`crypto_provider`]: its keys will be in what is returned beside it.
pub fn exporting<T>(make: impl FnOnce() -> T) -> (T, Exported) {
    let exported = Exported::default();
    NEXT.set(Some(exported.clone()));
    let session = make();
    NEXT.take();
    (session, exported)
}

/// What str0m is to use for cryptography.
pub fn crypto_provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| wrap(str0m::crypto::from_feature_flags()));
    PROVIDER.clone()
}

/// The same, but for DTLS. To be called once or twice: str0m wants a reference for ever, and gets one.
pub fn wrap(mut provider: CryptoProvider) -> Arc<CryptoProvider> {
    provider.dtls_provider = Box::leak(Box::new(Wrapper(provider.dtls_provider)));
    Arc::new(provider)
}

#[derive(Debug)]
struct Wrapper(&'static dyn DtlsProvider);

impl DtlsProvider for Wrapper {
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
        let exported = NEXT.take().unwrap_or_default();
        Ok(Box::new(Session { inner: self.0.new_dtls(certificate, now, version, mtu)?, exported }))
    }

    fn is_test(&self) -> bool {
        self.0.is_test()
    }
}

#[derive(Debug)]
struct Session {
    inner: Box<dyn DtlsInstance>,
    exported: Exported,
}

impl DtlsInstance for Session {
    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let client = self.inner.is_active();
        let output = self.inner.poll_output(buffer);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            self.exported.put(profile_of(*profile).and_then(|profile| Keys::new(profile, material, client)));
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}

fn profile_of(profile: SrtpProfile) -> Option<Profile> {
    match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Some(Profile::Aes128CmSha1),
        SrtpProfile::AEAD_AES_128_GCM => Some(Profile::Aes128Gcm),
        SrtpProfile::AEAD_AES_256_GCM => Some(Profile::Aes256Gcm),
        _ => None,
    }
}
