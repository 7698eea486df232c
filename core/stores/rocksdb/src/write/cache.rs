// SPDX-License-Identifier: Apache-2.0
//! Rows of entities written lately, so that the sequence check seldom reads.

use std::collections::HashMap;
use std::mem;

use adjoin_model::EntityId;

use crate::rows::EntityRow;

/// Entities in each half.
const HALF: usize = 16 << 10;

/// Two halves: when the younger is full it becomes the older, and what was not used since is forgotten.
#[derive(Default)]
pub(super) struct Rows {
    young: HashMap<EntityId, EntityRow>,
    old: HashMap<EntityId, EntityRow>,
}

impl Rows {
    pub(super) fn get(&self, entity: &EntityId) -> Option<EntityRow> {
        self.young.get(entity).or_else(|| self.old.get(entity)).copied()
    }

    pub(super) fn keep(&mut self, rows: impl IntoIterator<Item = (EntityId, EntityRow)>) {
        for (entity, row) in rows {
            if self.young.len() >= HALF {
                self.old = mem::take(&mut self.young);
            }
            self.young.insert(entity, row);
        }
    }

    pub(super) fn forget(&mut self, entity: &EntityId) {
        self.young.remove(entity);
        self.old.remove(entity);
    }

    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> EntityId {
        EntityId::new("t", format!("{number}")).expect("an id")
    }

    #[test]
    fn the_youngest_row_counts_and_memory_is_bounded() {
        let mut rows = Rows::default();
        let row = |last| EntityRow { last, ..EntityRow::default() };
        rows.keep((0..=HALF).map(|number| (id(number), row(1))));
        rows.keep([(id(0), row(2))]);
        assert_eq!(rows.get(&id(0)).map(|row| row.last), Some(2));
        assert_eq!(rows.get(&id(1)).map(|row| row.last), Some(1));
        rows.keep((0..2 * HALF).map(|number| (id(HALF * 2 + number), row(1))));
        assert_eq!(rows.get(&id(0)), None);
        assert!(rows.young.len() + rows.old.len() <= 2 * HALF);
        rows.forget(&id(HALF * 4 - 1));
        assert_eq!(rows.get(&id(HALF * 4 - 1)), None);
    }
}
