// SPDX-License-Identifier: Apache-2.0
//! What the host hands out, as tuples. The table in docs/python-frames.md is the contract; `_frames.py` is the other side.

use adjoin_entity::frame::{CommandFrame, HostFrame};
use adjoin_host::{Bounds, SessionNumber, ToForeign};
use adjoin_model::{Metadata, Payload, Sequence};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::error;
use crate::names::Names;

/// Tags, in the order of the table.
#[derive(Clone, Copy)]
enum Tag {
    Activate,
    Replay,
    Command,
    StreamInput,
    StreamInputEnd,
    StreamCredit,
    Cancel,
    Deactivate,
    Session,
    SessionEnd,
    Reply,
    Error,
    Element,
    End,
    Ready,
    Refused,
    Closed,
    InputCredit,
}

/// One item of a batch.
pub(crate) fn write<'py>(py: Python<'py>, item: ToForeign, names: &mut Names) -> PyResult<Bound<'py, PyTuple>> {
    match item {
        ToForeign::Frame(frame) => write_frame(py, frame, names),
        ToForeign::Reply { id, payload, sequence, replayed } => {
            (Tag::Reply as u8, id, payload.map(|payload| data(py, &payload)), sequence, replayed).into_pyobject(py)
        }
        ToForeign::Failed { id, error } => (Tag::Error as u8, id, error::write(py, &error)?).into_pyobject(py),
        ToForeign::Element { id, payload, sequence } => {
            (Tag::Element as u8, id, payload.map(|payload| data(py, &payload)), sequence).into_pyobject(py)
        }
        ToForeign::InputCredit { id, elements } => (Tag::InputCredit as u8, id, elements).into_pyobject(py),
        ToForeign::End { id } => (Tag::End as u8, id).into_pyobject(py),
        ToForeign::Session { session, bounds } => write_session(py, session, bounds),
        ToForeign::SessionEnd { session, why } => (Tag::SessionEnd as u8, session, why).into_pyobject(py),
        ToForeign::Ready { address, http, notes } => {
            (Tag::Ready as u8, address, http, PyTuple::new(py, notes)?).into_pyobject(py)
        }
        ToForeign::SpecRefused(why) => (Tag::Refused as u8, why).into_pyobject(py),
        ToForeign::Closed => (Tag::Closed as u8,).into_pyobject(py),
    }
}

fn write_session(py: Python<'_>, session: SessionNumber, bounds: Bounds) -> PyResult<Bound<'_, PyTuple>> {
    let Bounds { event_bytes, value_bytes, message_bytes, events_per_command } = bounds;
    (Tag::Session as u8, session, event_bytes, value_bytes, message_bytes, events_per_command).into_pyobject(py)
}

fn write_frame<'py>(py: Python<'py>, frame: HostFrame, names: &mut Names) -> PyResult<Bound<'py, PyTuple>> {
    match frame {
        HostFrame::Activate { activation, entity, epoch, sequence, state } => {
            let entity_type = names.python(py, &entity.shared_type());
            let state = state.map(|state| record(py, &state, names));
            (Tag::Activate as u8, activation, entity_type, entity.key(), epoch.0, sequence, state).into_pyobject(py)
        }
        HostFrame::Replay { activation, events, last } => {
            (Tag::Replay as u8, activation, write_events(py, &events, names)?, last).into_pyobject(py)
        }
        HostFrame::Command(command) => write_command(py, &command, names),
        HostFrame::StreamInput { call, payload } => {
            (Tag::StreamInput as u8, call, data(py, &payload)).into_pyobject(py)
        }
        HostFrame::StreamInputEnd { call } => (Tag::StreamInputEnd as u8, call).into_pyobject(py),
        HostFrame::StreamCredit { call, elements } => (Tag::StreamCredit as u8, call, elements).into_pyobject(py),
        HostFrame::Cancel { call } => (Tag::Cancel as u8, call).into_pyobject(py),
        HostFrame::Deactivate { activation } => (Tag::Deactivate as u8, activation).into_pyobject(py),
        // The host makes a reply or an error of it.
        HostFrame::CallAnswer { id, .. } => {
            Err(PyRuntimeError::new_err(format!("the call {id} was answered as a frame")))
        }
    }
}

fn write_events<'py>(
    py: Python<'py>,
    events: &[(Sequence, Payload)],
    names: &mut Names,
) -> PyResult<Bound<'py, PyList>> {
    let written = events
        .iter()
        .map(|(sequence, event)| (*sequence, names.python(py, &event.type_name), data(py, event)).into_pyobject(py))
        .collect::<PyResult<Vec<_>>>()?;
    PyList::new(py, written)
}

fn write_command<'py>(py: Python<'py>, command: &CommandFrame, names: &mut Names) -> PyResult<Bound<'py, PyTuple>> {
    let entity_type = command.entity.as_ref().map(|entity| names.python(py, &entity.shared_type()));
    let key = command.entity.as_ref().map(|entity| PyString::new(py, entity.key()));
    let id = PyBytes::new(py, &command.id.0.to_be_bytes());
    PyTuple::new(
        py,
        [
            (Tag::Command as u8).into_pyobject(py)?.into_any(),
            command.activation.into_pyobject(py)?.into_any(),
            command.call.into_pyobject(py)?.into_any(),
            entity_type.into_pyobject(py)?.into_any(),
            key.into_pyobject(py)?.into_any(),
            names.python(py, &command.name).into_any(),
            data(py, &command.payload).into_any(),
            command.query.into_pyobject(py)?.to_owned().into_any(),
            command.want_snapshot.into_pyobject(py)?.to_owned().into_any(),
            command.attempt.into_pyobject(py)?.into_any(),
            id.into_any(),
            command.remaining_ms.into_pyobject(py)?.into_any(),
            // Callers are as many as clients: not worth keeping.
            PyString::new(py, &command.caller).into_any(),
            pairs(py, &command.metadata)?.into_any(),
            PyTuple::new(py, &command.chain)?.into_any(),
            names.python(py, &command.payload.type_name).into_any(),
        ],
    )
}

fn pairs<'py>(py: Python<'py>, metadata: &Metadata) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

fn record<'py>(py: Python<'py>, payload: &Payload, names: &mut Names) -> (Bound<'py, PyString>, Bound<'py, PyBytes>) {
    (names.python(py, &payload.type_name), data(py, payload))
}

fn data<'py>(py: Python<'py>, payload: &Payload) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &payload.data)
}
