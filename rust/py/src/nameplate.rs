//! The painter of names as a Python class.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use palaver_nameplate::Painter;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

#[pyclass(frozen)]
pub struct NamePainter {
    painter: Mutex<Painter>,
}

#[pymethods]
impl NamePainter {
    #[new]
    fn new(py: Python<'_>, fonts: Vec<PathBuf>) -> Self {
        Self { painter: Mutex::new(py.detach(move || Painter::new(&fonts))) }
    }

    fn paint<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        width: u16,
        height: u16,
        ground: [u8; 3],
    ) -> Option<Bound<'py, PyBytes>> {
        let painted = py.detach(|| {
            self.painter.lock().unwrap_or_else(PoisonError::into_inner).paint(name, width, height, ground)
        });
        painted.map(|picture| PyBytes::new(py, &picture))
    }

    fn draws(&self, py: Python<'_>, text: &str) -> bool {
        py.detach(|| self.painter.lock().unwrap_or_else(PoisonError::into_inner).draws(text))
    }
}
