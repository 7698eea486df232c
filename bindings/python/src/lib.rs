// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod error;
mod host;
mod inward;
mod names;
mod outward;

use pyo3::prelude::*;

/// The native module `adjoin._native`; its stub is `sdks/python/python/adjoin/_native.pyi`.
#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::host::Host;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python expects")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// Opens a host as the settings, a JSON object, say. Blocks with the GIL released.
    #[pyfunction]
    #[pyo3(signature = (settings, /))]
    fn open(py: Python<'_>, settings: &str) -> PyResult<Host> {
        Host::open(py, settings)
    }
}

/// Runs a call; a panic, which would be a bug of ours, becomes an error of kind Internal instead of an exception that
/// `except Exception` does not see.
fn guarded<T>(py: Python<'_>, call: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<&str>().map(ToString::to_string);
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(error::raised(py, &adjoin_model::Error::internal(format!("a bug in the native module: {said}"))))
    })
}
