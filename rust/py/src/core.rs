//! The handle as a Python class.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use palaver_sfu::core::{Busy, MAX_THREADS};
use palaver_sfu::layers::{MAX_RID, Rid, Wish};
use palaver_sfu::tcp::Limits;
use palaver_sfu::{ConsumerId, Core as Sfu, GroupId, Options, PipelineId, ProducerId, TransportId};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::events::to_python;
use crate::rtp::RtpSection;

pyo3::create_exception!(
    palaver.media._core,
    CoreBusy,
    PyRuntimeError,
    "The command queue of a thread is full: nothing was queued."
);

fn busy(_: Busy) -> PyErr {
    CoreBusy::new_err("the command queue is full")
}

/// All media transports of a node.
#[pyclass(frozen, module = "palaver.media._core")]
pub struct Core {
    sfu: Sfu,
    closed: AtomicBool,
}

impl Core {
    fn open(&self) -> PyResult<&Sfu> {
        if self.closed.load(Relaxed) {
            return Err(PyRuntimeError::new_err("the core is closed"));
        }
        Ok(&self.sfu)
    }
}

#[pymethods]
impl Core {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "arguments are converted, hence owned")]
    #[pyo3(signature = (addresses, port, threads=1, *, tcp=true, connect_timeout_s=30.0))]
    fn new(
        py: Python<'_>,
        addresses: Vec<String>,
        port: u16,
        threads: usize,
        tcp: bool,
        connect_timeout_s: f64,
    ) -> PyResult<Self> {
        let addresses = addresses.iter().map(|text| parse_address(text)).collect::<PyResult<Vec<_>>>()?;
        if addresses.is_empty() {
            return Err(PyValueError::new_err("no address to listen on"));
        }
        if threads == 0 || threads > MAX_THREADS {
            return Err(PyValueError::new_err(format!("threads has to be 1 to {MAX_THREADS}")));
        }
        if port != 0 && usize::from(port) + threads - 1 > usize::from(u16::MAX) {
            return Err(PyValueError::new_err("not enough ports above the first"));
        }
        let connect_timeout = Duration::try_from_secs_f64(connect_timeout_s)
            .ok()
            .filter(|timeout| (1e-3..=86_400.0).contains(&timeout.as_secs_f64()))
            .ok_or_else(|| {
                PyValueError::new_err("connect_timeout_s has to be more than 0 and at most a day")
            })?;
        let tcp = tcp.then(Limits::default);
        let options = Options { addresses, port, threads, tcp, connect_timeout };
        let sfu = py.detach(|| Sfu::start(&options)).map_err(|error| match error.source.raw_os_error() {
            Some(errno) => PyOSError::new_err((errno, error.to_string())),
            None => PyOSError::new_err(error.to_string()),
        })?;
        Ok(Self { sfu, closed: AtomicBool::new(false) })
    }

    #[getter]
    fn ports(&self) -> Vec<u16> {
        self.sfu.ports().to_vec()
    }

    fn fileno(&self) -> PyResult<RawFd> {
        Ok(self.open()?.event_fd())
    }

    fn events(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        self.open()?.events().map(|event| to_python(py, event)).collect()
    }

    #[pyo3(signature = (thread, group=0))]
    fn create_transport(&self, thread: usize, group: u64) -> PyResult<u64> {
        let transport = self.open()?.create_transport(thread, GroupId(group));
        transport.map(|id| id.0).ok_or_else(|| PyValueError::new_err(format!("no thread {thread}")))
    }

    fn negotiate(&self, transport: u64, request: u64, offer: String) -> PyResult<()> {
        self.open()?.negotiate(TransportId(transport), request, offer).map_err(busy)
    }

    fn add_candidate(&self, transport: u64, candidate: String) -> PyResult<()> {
        self.open()?.add_candidate(TransportId(transport), candidate).map_err(busy)
    }

    #[pyo3(signature = (thread, address, first_port, last_port, beside=0))]
    fn open_rtp(
        &self,
        thread: usize,
        address: &str,
        first_port: u16,
        last_port: u16,
        beside: u64,
    ) -> PyResult<(u64, u16)> {
        let core = self.open()?;
        if thread >= core.ports().len() {
            return Err(PyValueError::new_err(format!("no thread {thread}")));
        }
        let address: IpAddr = address
            .parse()
            .map_err(|_| PyValueError::new_err(format!("address is no IP address: {address:?}")))?;
        let beside = (beside != 0).then_some(TransportId(beside));
        let opened = core.open_rtp(thread, address, (first_port, last_port), beside)?;
        opened.map(|(transport, port)| (transport.0, port)).map_err(busy)
    }

    fn set_rtp(&self, transport: u64, section: &RtpSection) -> PyResult<()> {
        self.open()?.set_rtp(TransportId(transport), section.0.clone()).map_err(busy)
    }

    fn send_digits(&self, transport: u64, digits: String) -> PyResult<()> {
        if let Some(other) =
            digits.chars().find(|digit| palaver_sfu::transport::rtp::telephone::code_of(*digit).is_none())
        {
            return Err(PyValueError::new_err(format!("digits has what is no key: {other:?}")));
        }
        self.open()?.send_digits(TransportId(transport), digits).map_err(busy)
    }

    fn refresh(&self, consumer: u64) -> PyResult<()> {
        self.open()?.refresh(ConsumerId(consumer)).map_err(busy)
    }

    fn publish(&self, transport: u64, mid: String) -> PyResult<u64> {
        Ok(self.open()?.publish(TransportId(transport), mid).map_err(busy)?.0)
    }

    fn unpublish(&self, producer: u64) -> PyResult<()> {
        self.open()?.unpublish(ProducerId(producer)).map_err(busy)
    }

    fn subscribe(&self, producer: u64, transport: u64, mid: String) -> PyResult<u64> {
        let consumer = self.open()?.subscribe(ProducerId(producer), TransportId(transport), mid);
        Ok(consumer.map_err(busy)?.0)
    }

    fn open_pipeline(&self, thread: usize, fd: RawFd) -> PyResult<u64> {
        let core = self.open()?;
        if thread >= core.ports().len() {
            return Err(PyValueError::new_err("no such thread"));
        }
        let stream = palaver_sfu::io::adopt(fd)?;
        Ok(core.open_pipeline(thread, stream).map_err(busy)?.0)
    }

    fn close_pipeline(&self, pipeline: u64) -> PyResult<()> {
        self.open()?.close_pipeline(PipelineId(pipeline)).map_err(busy)
    }

    #[pyo3(signature = (thread, codec, *, fragments=true))]
    fn create_output(&self, thread: usize, codec: &str, fragments: bool) -> PyResult<u64> {
        let format = palaver_sfu::codec::produced(codec, fragments)
            .ok_or_else(|| PyValueError::new_err(format!("{codec} cannot be sent")))?;
        Ok(self.open()?.create_output(thread, format).map_err(busy)?.0)
    }

    fn connect_output(&self, producer: u64, pipeline: u64, track: u32) -> PyResult<()> {
        let core = self.open()?;
        core.connect_output(ProducerId(producer), PipelineId(pipeline), track).map_err(busy)
    }

    fn tap(&self, producer: u64, pipeline: u64, track: u32) -> PyResult<u64> {
        let core = self.open()?;
        let consumer = core.tap(ProducerId(producer), PipelineId(pipeline), track);
        Ok(consumer.map_err(busy)?.0)
    }

    fn unsubscribe(&self, consumer: u64) -> PyResult<()> {
        self.open()?.unsubscribe(ConsumerId(consumer)).map_err(busy)
    }

    fn set_producer_active(&self, producer: u64, active: bool) -> PyResult<()> {
        self.open()?.set_producer_active(ProducerId(producer), active).map_err(busy)
    }

    fn set_consumer_active(&self, consumer: u64, active: bool) -> PyResult<()> {
        self.open()?.set_consumer_active(ConsumerId(consumer), active).map_err(busy)
    }

    #[pyo3(signature = (consumer, rid, max_width=0, max_height=0, max_framerate=0.0))]
    fn set_layer(
        &self,
        consumer: u64,
        rid: Option<&str>,
        max_width: u32,
        max_height: u32,
        max_framerate: f64,
    ) -> PyResult<()> {
        let name = rid.map(Rid::from);
        if rid.is_some_and(|rid| name.is_none_or(|name| rid.is_empty() || *name != *rid)) {
            return Err(PyValueError::new_err(format!(
                "rid has to be 1 to {MAX_RID} ASCII letters and digits: {rid:?}"
            )));
        }
        if !(max_framerate.is_finite() && max_framerate >= 0.0) {
            return Err(PyValueError::new_err("max_framerate has to be 0 or more"));
        }
        let wish = Wish { rid: name, max_width, max_height, max_framerate };
        self.open()?.set_layer(ConsumerId(consumer), wish).map_err(busy)
    }

    fn close_transport(&self, transport: u64) -> PyResult<()> {
        self.open()?.close_transport(TransportId(transport)).map_err(busy)
    }

    fn stats(&self) -> PyResult<Vec<HashMap<&'static str, u64>>> {
        Ok(self.open()?.stats().into_iter().map(|thread| thread.into_iter().collect()).collect())
    }

    fn transport_stats(&self, transport: u64) -> PyResult<Option<HashMap<&'static str, u64>>> {
        let stats = self.open()?.transport_stats(TransportId(transport));
        Ok(stats.map(|stats| stats.snapshot().into_iter().collect()))
    }

    fn close(&self, py: Python<'_>) {
        if !self.closed.swap(true, Relaxed) {
            py.detach(|| self.sfu.close());
        }
    }
}

fn parse_address(text: &str) -> PyResult<IpAddr> {
    let address: IpAddr =
        text.parse().map_err(|_| PyValueError::new_err(format!("not an IP address: {text:?}")))?;
    if address.is_unspecified() || address.is_multicast() {
        return Err(PyValueError::new_err(format!("not an address to be reached at: {text}")));
    }
    Ok(address)
}
