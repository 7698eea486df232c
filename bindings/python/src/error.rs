// SPDX-License-Identifier: Apache-2.0
//! Errors as tuples, and as the exceptions of `adjoin.errors`.

use adjoin_model::{Code, Error, Kind, Outcome};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyTuple};

/// Kind, message, context, outcome, code, milliseconds until trying again can help.
pub(crate) fn write<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyTuple>> {
    let context: Vec<(&str, &str)> = error.context.iter().map(|(what, value)| (&**what, &**value)).collect();
    (
        error.kind.name(),
        &*error.message,
        PyTuple::new(py, context)?,
        error.outcome.name(),
        error.code.map(Code::name),
        error.retry_after_ms,
    )
        .into_pyobject(py)
}

/// The error that a tuple stands for.
pub(crate) fn read(wire: &Bound<'_, PyAny>) -> PyResult<Error> {
    type Wire = (String, String, Vec<(String, String)>, String, Option<String>, Option<u64>);
    let (kind, message, context, outcome, code, retry_after_ms): Wire = wire.extract()?;
    let kind = Kind::from_name(&kind).ok_or_else(|| PyValueError::new_err(format!("{kind:?} is no kind of error")))?;
    let outcome = if outcome == Outcome::Unknown.name() { Outcome::Unknown } else { Outcome::None };
    let mut error = Error::new(kind, outcome, message);
    error.context = context.into_iter().map(|(what, value)| (what.into(), value)).collect();
    error.code = code.and_then(|name| Code::from_name(&name));
    error.retry_after_ms = retry_after_ms;
    Ok(error)
}

/// The exception of `adjoin.errors` that stands for the error.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    static FROM_WIRE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = write(py, error).and_then(|wire| {
        FROM_WIRE.import(py, "adjoin.errors", "from_wire").and_then(|from_wire| from_wire.call1((wire,)))
    });
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(problem) => problem,
    }
}

/// The text of a Python string.
pub(crate) fn text<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    value.cast::<PyString>()?.to_str()
}
