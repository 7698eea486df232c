// SPDX-License-Identifier: Apache-2.0
//! Names that come again and again – types, handlers, events –, made once on each side.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyString;

/// Names kept on each side; beyond, somebody makes names up as they go, and keeping them would be a leak.
const MOST: usize = 4096;

/// Both directions.
#[derive(Default)]
pub(crate) struct Names {
    python: HashMap<Arc<str>, Py<PyString>>,
    rust: HashSet<Arc<str>>,
}

impl Names {
    /// The name as a Python string.
    pub(crate) fn python<'py>(&mut self, py: Python<'py>, name: &Arc<str>) -> Bound<'py, PyString> {
        if let Some(known) = self.python.get(name) {
            return known.bind(py).clone();
        }
        let made = PyString::new(py, name);
        if self.python.len() < MOST {
            self.python.insert(name.clone(), made.clone().unbind());
        }
        made
    }

    /// The name as the host keeps it.
    pub(crate) fn rust(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.rust.get(name) {
            return known.clone();
        }
        let made: Arc<str> = name.into();
        if self.rust.len() < MOST {
            self.rust.insert(made.clone());
        }
        made
    }
}
