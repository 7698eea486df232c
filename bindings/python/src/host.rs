// SPDX-License-Identifier: Apache-2.0
//! The class `Host`: the calls of `adjoin_host::Host`, with tuples for values.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use adjoin_host::FromForeign;
use adjoin_model::Error;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::names::Names;
use crate::{error, guarded, inward, outward};

/// An open host.
#[pyclass(frozen, module = "adjoin._native")]
pub(crate) struct Host {
    host: adjoin_host::Host,
    /// Locked with the GIL held and never across anything that lets it go.
    names: Mutex<Names>,
}

impl Host {
    pub(crate) fn open(py: Python<'_>, settings: &str) -> PyResult<Self> {
        let host = py.detach(|| adjoin_host::Host::open(settings)).map_err(|error| error::raised(py, &error))?;
        Ok(Self { host, names: Mutex::default() })
    }

    fn read(&self, batch: &Bound<'_, PyList>) -> PyResult<Vec<FromForeign>> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        batch.iter().map(|frame| inward::read(frame.cast::<PyTuple>()?, &mut names)).collect()
    }
}

#[pymethods]
impl Host {
    /// Hands frames and requests in, in order. Never blocks.
    #[pyo3(signature = (batch, /))]
    fn submit(&self, py: Python<'_>, batch: &Bound<'_, PyList>) -> PyResult<()> {
        guarded(py, || {
            let batch = self.read(batch).map_err(|problem| malformed(py, problem))?;
            self.host.submit(batch).map_err(|error| error::raised(py, &error))
        })
    }

    /// What there is to handle: waits up to `timeout_ms` (below 0: as long as it takes) with the GIL released.
    #[pyo3(signature = (timeout_ms, /))]
    fn poll<'py>(&self, py: Python<'py>, timeout_ms: i64) -> PyResult<Bound<'py, PyList>> {
        guarded(py, || {
            let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
            let batch = if timeout_ms == 0 { self.host.poll(timeout) } else { py.detach(|| self.host.poll(timeout)) };
            let batch = batch.map_err(|error| error::raised(py, &error))?;
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            let list = PyList::empty(py);
            for item in batch {
                list.append(outward::write(py, item, &mut names)?)?;
            }
            Ok(list)
        })
    }

    /// A file descriptor that is readable while something is to be polled.
    fn wake_fd(&self) -> i32 {
        self.host.wake_fd()
    }

    /// Ends the host in order, with the GIL released.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        guarded(py, || py.detach(|| self.host.close()).map_err(|error| error::raised(py, &error)))
    }
}

/// What the SDK handed in is none of the table: said as an error of adjoin.
fn malformed(py: Python<'_>, problem: PyErr) -> PyErr {
    let raised = error::raised(py, &Error::invalid(format!("a frame that the binding does not know: {problem}")));
    raised.set_cause(py, Some(problem));
    raised
}
