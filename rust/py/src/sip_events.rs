//! What SIP signalling tells, as the name of an event and its fields in order; `palaver/sip/events.py` gives them types.

use palaver_sip::Event;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

pub fn to_python(py: Python<'_>, event: Event) -> PyResult<(&'static str, Py<PyAny>)> {
    Ok(match event {
        Event::Registered { account, expires_s } => {
            ("AccountRegistered", (account, expires_s).into_py_any(py)?)
        }
        Event::RegistrationFailed { account, status, reason, retry_s } => {
            ("AccountFailed", (account, status, reason, retry_s).into_py_any(py)?)
        }
        Event::Unregistered { account } => ("AccountLeft", (account,).into_py_any(py)?),
        Event::Incoming { call, account, from, name, source, offer } => {
            ("CallIncoming", (call, account, from, name, source, offer).into_py_any(py)?)
        }
        Event::Progress { call, status, answer } => ("CallProgress", (call, status, answer).into_py_any(py)?),
        Event::Answered { call, answer } => ("CallAnswered", (call, answer).into_py_any(py)?),
        Event::Confirmed { call, answer } => ("CallConfirmed", (call, answer).into_py_any(py)?),
        Event::Offered { call, request, offer } => ("CallOffered", (call, request, offer).into_py_any(py)?),
        Event::Updated { call, status, reason, answer } => {
            ("CallUpdated", (call, status, reason, answer).into_py_any(py)?)
        }
        Event::Info { call, kind, body } => ("CallInfo", (call, kind, body).into_py_any(py)?),
        Event::Ended { call, status, reason } => ("CallEnded", (call, status, reason).into_py_any(py)?),
        Event::Refused { status, source, reason } => {
            ("CallRefused", (status, source, reason).into_py_any(py)?)
        }
    })
}
