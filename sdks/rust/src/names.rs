// SPDX-License-Identifier: Apache-2.0
//! From a handler's function to its names on the wire.

use std::any::{TypeId, type_name};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use adjoin_model::{Error, Result};

use crate::handlers::Handlers;
use crate::kinds::Defined;

/// The type name of a bare JSON value.
pub(crate) static JSON: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("json"));

type Known = HashMap<(TypeId, TypeId), (Arc<str>, Arc<str>)>;

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

/// Entity type and command of a handler's function.
pub(crate) fn of<T: Defined<K>, K, F: 'static>() -> Result<(Arc<str>, Arc<str>)> {
    let ids = (TypeId::of::<T>(), TypeId::of::<F>());
    // A table of names is whole at any time.
    if let Some(found) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&ids) {
        return Ok(found.clone());
    }
    let table = T::table(Handlers::new());
    let entry = table.entries.iter().find(|entry| entry.function == ids.1).ok_or_else(|| {
        let said = format!("{} is not among the handlers of {}: name it there", type_name::<F>(), T::TYPE);
        Error::invalid(said)
    })?;
    let names: (Arc<str>, Arc<str>) = (T::TYPE.into(), entry.name.as_str().into());
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(ids, names.clone());
    Ok(names)
}
