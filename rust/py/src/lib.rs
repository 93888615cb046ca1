//! `palaver.media._core`: the packet core as a Python module. It converts types and decides nothing.
//!
//! Its contract, with the documentation, is `palaver/media/_core.pyi`.

mod core;
mod events;
mod nameplate;
mod rtp;
mod sip;
mod sip_events;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<core::Core>()?;
    module.add_class::<nameplate::NamePainter>()?;
    module.add_class::<rtp::RtpSection>()?;
    module.add("CoreBusy", module.py().get_type::<core::CoreBusy>())?;
    module.add_class::<sip::SipStack>()?;
    events::register(module)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
