//! The events as Python classes: frozen, comparable by `match`.

use palaver_sfu::Event;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

macro_rules! events {
    ($($name:ident { $($field:ident: $type:ty,)+ })+) => {
        $(
            #[pyclass(frozen, get_all, module = "palaver.media._core")]
            #[derive(Clone, Debug)]
            pub struct $name { $($field: $type,)+ }

            #[pymethods]
            impl $name {
                #[classattr]
                fn __match_args__(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
                    PyTuple::new(py, [$(stringify!($field)),+])
                }

                fn __repr__(&self) -> String {
                    let fields = [$(format!("{}={:?}", stringify!($field), self.$field)),+];
                    format!("{}({})", stringify!($name), fields.join(", "))
                }
            }
        )+

        pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_class::<$name>()?;)+
            Ok(())
        }
    };
}

events! {
    Negotiated { request: u64, transport: u64, answer: String, }
    Refused { request: u64, subject: u64, reason: String, }
    Connected { transport: u64, }
    Lost { transport: u64, reason: String, }
    Unroutable { transport: u64, ssrc: u32, payload_type: u8, }
    Resolution { producer: u64, rid: Option<String>, width: u32, height: u32, }
    Layer { consumer: u64, rid: Option<String>, }
    AudioLevel { producer: u64, level_dbov: i8, voice: bool, }
    Stalled { producer: u64, stalled: bool, }
    PipelineLost { pipeline: u64, reason: String, }
    Latched { transport: u64, address: String, port: u16, }
    Digit { transport: u64, digit: String, }
    Silent { transport: u64, silent: bool, }
    PictureWanted { producer: u64, }
}

pub fn to_python(py: Python<'_>, event: Event) -> PyResult<Py<PyAny>> {
    match event {
        Event::Negotiated { request, transport, answer } => {
            Negotiated { request, transport: transport.0, answer }.into_py_any(py)
        }
        Event::Refused { request, subject, reason } => Refused { request, subject, reason }.into_py_any(py),
        Event::PipelineLost { pipeline, reason } => {
            PipelineLost { pipeline: pipeline.0, reason }.into_py_any(py)
        }
        Event::Latched { transport, source } => {
            Latched { transport: transport.0, address: source.ip().to_string(), port: source.port() }
                .into_py_any(py)
        }
        Event::Digit { transport, digit } => {
            Digit { transport: transport.0, digit: digit.to_string() }.into_py_any(py)
        }
        Event::Silent { transport, silent } => Silent { transport: transport.0, silent }.into_py_any(py),
        Event::PictureWanted { producer } => PictureWanted { producer: producer.0 }.into_py_any(py),
        Event::Connected { transport } => Connected { transport: transport.0 }.into_py_any(py),
        Event::Lost { transport, reason } => Lost { transport: transport.0, reason }.into_py_any(py),
        Event::Unroutable { transport, ssrc, payload_type } => {
            Unroutable { transport: transport.0, ssrc, payload_type }.into_py_any(py)
        }
        Event::Resolution { producer, rid, width, height } => {
            let rid = rid.map(|rid| rid.to_string());
            Resolution { producer: producer.0, rid, width, height }.into_py_any(py)
        }
        Event::Layer { consumer, rid } => {
            Layer { consumer: consumer.0, rid: rid.map(|rid| rid.to_string()) }.into_py_any(py)
        }
        Event::AudioLevel { producer, level_dbov, voice } => {
            AudioLevel { producer: producer.0, level_dbov, voice }.into_py_any(py)
        }
        Event::Stalled { producer, stalled } => Stalled { producer: producer.0, stalled }.into_py_any(py),
    }
}
