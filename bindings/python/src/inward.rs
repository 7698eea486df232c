// SPDX-License-Identifier: Apache-2.0
//! What the SDK hands in, from tuples. The table in docs/python-frames.md is the contract; `_frames.py` is the other side.

use std::sync::Arc;
use std::time::Duration;

use adjoin_engine::Request;
use adjoin_entity::Operation;
use adjoin_entity::frame::{AnswerFrame, Effects, FunctionFrame, HandlerResult, SideEffect, Target};
use adjoin_host::FromForeign;
use adjoin_model::{EntityId, Metadata, Payload};
use bytes::Bytes;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::error::{self, text};
use crate::names::Names;

/// The stored name of a bare JSON value.
const JSON: &str = "json";

/// A tuple under reading.
struct Form<'a, 'py> {
    tuple: &'a Bound<'py, PyTuple>,
    names: &'a mut Names,
}

/// One item of a batch.
pub(crate) fn read(tuple: &Bound<'_, PyTuple>, names: &mut Names) -> PyResult<FromForeign> {
    let mut form = Form { tuple, names };
    let tag: u8 = form.number(0)?;
    let frame = match tag {
        0 => FunctionFrame::Replayed { activation: form.number(1)?, sequence: form.number(2)? },
        1 => FunctionFrame::ActivationFailed {
            activation: form.number(1)?,
            error: error::read(&form.at(2)?)?,
            snapshot_unreadable: form.at(3)?.extract()?,
        },
        2 | 3 => form.reply(tag == 3)?,
        4 => form.failure()?,
        5 => form.forward()?,
        6 => FunctionFrame::StreamElement {
            call: form.number(1)?,
            payload: form.payload(2)?,
            effects: form.side_effects(3)?,
            metadata: Metadata::new(),
        },
        7 => {
            let error = form.at(2)?;
            let error = if error.is_none() { None } else { Some(error::read(&error)?) };
            FunctionFrame::StreamEnd { call: form.number(1)?, error }
        }
        8 => FunctionFrame::StreamInputCredit { call: form.number(1)?, elements: form.number(2)? },
        9 => FunctionFrame::Pressure { level: form.number(1)? },
        10 => return form.call(),
        11 => return form.watch(),
        12 => return form.stream(),
        13 => return Ok(FromForeign::Cancel(form.number(1)?)),
        14 => return Ok(FromForeign::Taken(form.number(1)?)),
        15 => return form.upload(),
        16 => return Ok(FromForeign::Input { id: form.number(1)?, payload: form.payload(2)? }),
        17 => return Ok(FromForeign::InputEnd(form.number(1)?)),
        other => return Err(PyValueError::new_err(format!("no frame has the tag {other}"))),
    };
    Ok(FromForeign::Frame(frame))
}

impl<'py> Form<'_, 'py> {
    fn at(&self, index: usize) -> PyResult<Bound<'py, PyAny>> {
        self.tuple.get_item(index)
    }

    fn number<T: for<'a> FromPyObject<'a, 'py, Error = PyErr>>(&self, index: usize) -> PyResult<T> {
        self.at(index)?.extract()
    }

    fn name(&mut self, index: usize) -> PyResult<Arc<str>> {
        Ok(self.names.rust(text(&self.at(index)?)?))
    }

    fn payload(&mut self, index: usize) -> PyResult<Payload> {
        payload(&self.at(index)?, self.names)
    }

    fn payload_or_none(&mut self, index: usize) -> PyResult<Option<Payload>> {
        if self.at(index)?.is_none() { Ok(None) } else { self.payload(index).map(Some) }
    }

    /// Tags 2 and 3: a reply, and with 3 the effects.
    fn reply(&mut self, with_effects: bool) -> PyResult<FunctionFrame> {
        let result = HandlerResult::Reply(self.payload_or_none(3)?);
        let effects = if with_effects { self.effects(4)? } else { Effects::default() };
        self.answer(result, effects, false)
    }

    fn failure(&mut self) -> PyResult<FunctionFrame> {
        let error = error::read(&self.at(3)?)?;
        let ended = self.at(4)?.extract()?;
        self.answer(HandlerResult::Failed(error), Effects::default(), ended)
    }

    fn forward(&mut self) -> PyResult<FunctionFrame> {
        let target = target(self.at(3)?.cast::<PyTuple>()?, self.names)?;
        let effects = self.effects(4)?;
        self.answer(HandlerResult::Forward(target), effects, false)
    }

    fn answer(&self, result: HandlerResult, effects: Effects, activation_ended: bool) -> PyResult<FunctionFrame> {
        let (activation, call) = (self.number(1)?, self.number(2)?);
        Ok(FunctionFrame::Answer(AnswerFrame {
            activation,
            call,
            result,
            effects,
            activation_ended,
            metadata: Vec::new(),
        }))
    }

    /// Events, value, delete, side effects and snapshot, from `index` on.
    fn effects(&mut self, index: usize) -> PyResult<Effects> {
        let events = self.at(index)?;
        let events =
            events.cast::<PyList>()?.iter().map(|event| record(&event, self.names)).collect::<PyResult<_>>()?;
        let snapshot = self.at(index + 4)?;
        Ok(Effects {
            events,
            value: self.payload_or_none(index + 1)?,
            delete: self.at(index + 2)?.extract()?,
            side_effects: self.side_effects(index + 3)?,
            snapshot: if snapshot.is_none() { None } else { Some(record(&snapshot, self.names)?) },
        })
    }

    fn side_effects(&mut self, index: usize) -> PyResult<Vec<SideEffect>> {
        let effects = self.at(index)?;
        let read = |effect: Bound<'py, PyAny>| {
            let effect = effect.cast_into::<PyTuple>()?;
            let target = target(effect.get_item(0)?.cast::<PyTuple>()?, self.names)?;
            let (synchronous, durable) = (effect.get_item(1)?.extract()?, effect.get_item(2)?.extract()?);
            Ok(SideEffect { target, synchronous, durable })
        };
        effects.cast::<PyList>()?.iter().map(read).collect()
    }

    /// Request, type, key, handler, body; what follows differs.
    fn request(&mut self) -> PyResult<Request> {
        let (entity_type, name) = (self.name(2)?, self.name(4)?);
        let key = self.at(3)?;
        let entity = entity(self.tuple.py(), entity_type, text(&key)?)?;
        Ok(Request::new(entity, name, self.payload(5)?))
    }

    fn call(&mut self) -> PyResult<FromForeign> {
        let mut request = self.request()?;
        request.timeout = timeout(self.number(6)?);
        let key = self.at(7)?;
        request.idempotency_key = if key.is_none() { None } else { Some(text(&key)?.into()) };
        request.if_match = self.at(8)?.extract()?;
        self.given(request, 9, false, false)
    }

    fn watch(&mut self) -> PyResult<FromForeign> {
        let mut request = self.request()?;
        request.operation = Operation::Watch { after: self.at(6)?.extract()? };
        self.given(request, 7, false, false)
    }

    fn stream(&mut self) -> PyResult<FromForeign> {
        let mut request = self.request()?;
        request.timeout = timeout(self.number(6)?);
        self.given(request, 7, true, false)
    }

    fn upload(&mut self) -> PyResult<FromForeign> {
        let mut request = self.request()?;
        request.timeout = timeout(self.number(6)?);
        let streams = self.at(9)?.extract()?;
        self.given(request, 7, streams, true)
    }

    /// Metadata and chain, from `index` on.
    fn given(&self, mut request: Request, index: usize, streams: bool, uploads: bool) -> PyResult<FromForeign> {
        request.metadata = metadata(&self.at(index)?)?;
        request.chain = self.at(index + 1)?.extract()?;
        Ok(FromForeign::Request { id: self.number(1)?, streams, uploads, request: Box::new(request) })
    }
}

fn timeout(ms: u64) -> Option<Duration> {
    (ms > 0).then(|| Duration::from_millis(ms))
}

fn target(tuple: &Bound<'_, PyTuple>, names: &mut Names) -> PyResult<Target> {
    let (entity_type, key, command) = (tuple.get_item(0)?, tuple.get_item(1)?, tuple.get_item(2)?);
    Ok(Target {
        entity: entity(tuple.py(), names.rust(text(&entity_type)?), text(&key)?)?,
        command: names.rust(text(&command)?),
        payload: payload(&tuple.get_item(3)?, names)?,
        metadata: metadata(&tuple.get_item(4)?)?,
    })
}

fn entity(py: Python<'_>, entity_type: Arc<str>, key: &str) -> PyResult<EntityId> {
    EntityId::new(entity_type, key).map_err(|problem| error::raised(py, &problem))
}

/// Bytes are JSON; whatever else is a record.
fn payload(value: &Bound<'_, PyAny>, names: &mut Names) -> PyResult<Payload> {
    match value.cast::<PyBytes>() {
        Ok(json) => Ok(Payload::new(names.rust(JSON), Bytes::copy_from_slice(json.as_bytes()))),
        Err(_) => record(value, names),
    }
}

fn record(value: &Bound<'_, PyAny>, names: &mut Names) -> PyResult<Payload> {
    let tuple = value.cast::<PyTuple>()?;
    Ok(Payload::new(names.rust(text(&tuple.get_item(0)?)?), bytes(&tuple.get_item(1)?)?))
}

fn metadata(value: &Bound<'_, PyAny>) -> PyResult<Metadata> {
    if value.cast::<PyTuple>()?.is_empty() { Ok(Metadata::new()) } else { value.extract() }
}

fn bytes(value: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    Ok(Bytes::copy_from_slice(value.cast::<PyBytes>()?.as_bytes()))
}
