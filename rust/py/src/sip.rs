//! SIP signalling as a Python class.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use palaver_sip::{Inviting, Limits, Options, Refusal, Registering, Stack, Tls};
use pyo3::exceptions::{PyLookupError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::sip_events::to_python;

#[pyclass(frozen, module = "palaver.media._core")]
pub struct SipStack {
    stack: Mutex<Option<Stack>>,
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn refused(refusal: Refusal) -> PyErr {
    match refusal {
        Refusal::Unknown(_) => PyLookupError::new_err(refusal.to_string()),
        Refusal::Bad(_) => PyValueError::new_err(refusal.to_string()),
        Refusal::Full => PyRuntimeError::new_err(refusal.to_string()),
    }
}

fn address(name: &str, text: &str) -> PyResult<SocketAddr> {
    text.parse().map_err(|_| PyValueError::new_err(format!("{name}: {text:?} is no address with a port")))
}

fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .ok()
        .filter(|limit| (0.01..=86_400.0).contains(&limit.as_secs_f64()))
        .ok_or_else(|| PyValueError::new_err(format!("{name} has to be more than 0 and at most a day")))
}

impl SipStack {
    fn held(&self) -> MutexGuard<'_, Option<Stack>> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, act: impl FnOnce(&Stack) -> Result<T, Refusal>) -> PyResult<T> {
        let held = self.held();
        let stack = held.as_ref().ok_or_else(|| PyRuntimeError::new_err("the SIP stack is closed"))?;
        act(stack).map_err(refused)
    }
}

#[pymethods]
impl SipStack {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are keywords")]
    #[pyo3(signature = (
        bind, on_event, *, public=None, tcp=true, agent="Palaver", max_calls=500, max_calls_per_source=100,
        tries_per_source=100, tls_roots=None, tls_certificate=None, tls_key=None, tls_bind=None,
    ))]
    fn new(
        py: Python<'_>,
        bind: &str,
        on_event: Py<PyAny>,
        public: Option<&str>,
        tcp: bool,
        agent: &str,
        max_calls: usize,
        max_calls_per_source: usize,
        tries_per_source: u32,
        tls_roots: Option<Vec<u8>>,
        tls_certificate: Option<Vec<u8>>,
        tls_key: Option<Vec<u8>>,
        tls_bind: Option<&str>,
    ) -> PyResult<Self> {
        let listen = tls_bind.map(|text| address("tls_bind", text)).transpose()?;
        let tls = (tls_roots.is_some() || listen.is_some()).then_some(Tls {
            roots: tls_roots,
            certificate: tls_certificate,
            key: tls_key,
            listen,
        });
        let options = Options {
            bind: address("bind", bind)?,
            public: public.map(|text| address("public", text)).transpose()?,
            tcp,
            tls,
            limits: Limits {
                calls: max_calls,
                calls_per_source: max_calls_per_source,
                tries: tries_per_source,
            },
            agent: agent.to_owned(),
        };
        let (sender, events) = mpsc::channel();
        let stack = py.detach(|| Stack::start(&options, sender)).map_err(PyOSError::new_err)?;
        std::thread::Builder::new().name("sip events".into()).spawn(move || {
            while let Ok(event) = events.recv() {
                let told = Python::try_attach(|py| {
                    let outcome =
                        to_python(py, event).and_then(|(name, fields)| on_event.call1(py, (name, fields)));
                    if let Err(problem) = outcome {
                        problem.write_unraisable(py, None);
                    }
                });
                if told.is_none() {
                    std::mem::forget(on_event); // the interpreter is gone
                    return;
                }
            }
        })?;
        Ok(Self { stack: Mutex::new(Some(stack)) })
    }

    #[getter]
    fn address(&self) -> PyResult<String> {
        self.with(|stack| Ok(stack.address().to_string()))
    }

    #[pyo3(signature = (server, user, password, *, expires_s=300, limit_s=8.0))]
    fn register(
        &self,
        server: String,
        user: String,
        password: String,
        expires_s: u32,
        limit_s: f64,
    ) -> PyResult<u64> {
        let limit = seconds("limit_s", limit_s)?;
        self.with(|stack| stack.register(Registering { server, user, password, expires_s, limit }))
    }

    fn unregister(&self, account: u64) -> PyResult<()> {
        self.with(|stack| stack.unregister(account))
    }

    #[pyo3(signature = (account, peer, offer, *, name="", limit_s=45.0, first_limit_s=8.0))]
    fn invite(
        &self,
        account: u64,
        peer: String,
        offer: String,
        name: &str,
        limit_s: f64,
        first_limit_s: f64,
    ) -> PyResult<u64> {
        let (limit, first_limit) = (seconds("limit_s", limit_s)?, seconds("first_limit_s", first_limit_s)?);
        let name = name.to_owned();
        self.with(|stack| stack.invite(Inviting { account, peer, name, offer, limit, first_limit }))
    }

    fn ring(&self, call: u64) -> PyResult<()> {
        self.with(|stack| stack.ring(call))
    }

    fn answer(&self, call: u64, description: &str) -> PyResult<()> {
        self.with(|stack| stack.answer(call, description))
    }

    fn reject(&self, call: u64, status: u16) -> PyResult<()> {
        self.with(|stack| stack.reject(call, status))
    }

    fn hang_up(&self, call: u64) -> PyResult<()> {
        self.with(|stack| stack.hang_up(call))
    }

    fn update(&self, call: u64, description: &str) -> PyResult<()> {
        self.with(|stack| stack.update(call, description))
    }

    #[pyo3(signature = (call, request, status, description=""))]
    fn respond(&self, call: u64, request: u64, status: u16, description: &str) -> PyResult<()> {
        self.with(|stack| stack.respond(call, request, status, description))
    }

    fn info(&self, call: u64, kind: &str, body: &str) -> PyResult<()> {
        self.with(|stack| stack.info(call, kind, body))
    }

    fn stats(&self) -> PyResult<HashMap<&'static str, usize>> {
        let stats = self.with(|stack| Ok(stack.stats()))?;
        Ok(HashMap::from([
            ("accounts", stats.accounts),
            ("calls", stats.calls),
            ("dialogs", stats.dialogs),
            ("transactions", stats.transactions),
        ]))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| {
            let stack = self.held().take();
            drop(stack);
        });
    }
}
