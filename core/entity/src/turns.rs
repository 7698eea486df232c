// SPDX-License-Identifier: Apache-2.0
//! Who is next where each entity has a line of its own: the front of a line has the turn, until it leaves.

use alloc::collections::{BTreeMap, VecDeque};

use adjoin_model::{EntityId, Position};

/// Lines of positions, one for each entity.
#[derive(Default)]
pub(crate) struct Turns {
    lines: BTreeMap<EntityId, VecDeque<Position>>,
    /// Entities whose front may go, as far as is known.
    ready: VecDeque<EntityId>,
}

impl Turns {
    /// Puts a position at the end of its entity's line.
    pub(crate) fn push(&mut self, entity: EntityId, position: Position) {
        let line = self.lines.entry(entity.clone()).or_default();
        line.push_back(position);
        if line.len() == 1 {
            self.ready.push_back(entity);
        }
    }

    /// Takes a position out of its line, whether it is in one or not. Where it was the front, the turn of the one behind
    /// it comes if that `waits`.
    pub(crate) fn remove(&mut self, entity: &EntityId, position: Position, waits: impl FnOnce(Position) -> bool) {
        let Some(line) = self.lines.get_mut(entity) else { return };
        let was_front = line.front() == Some(&position);
        line.retain(|other| *other != position);
        match line.front() {
            None => drop(self.lines.remove(entity)),
            Some(front) if was_front && waits(*front) => self.ready.push_back(entity.clone()),
            Some(_) => {}
        }
    }

    /// The front of an entity's line may go again.
    pub(crate) fn again(&mut self, entity: EntityId) {
        self.ready.push_back(entity);
    }

    pub(crate) fn holds(&self, entity: &EntityId, position: Position) -> bool {
        self.lines.get(entity).is_some_and(|line| line.contains(&position))
    }

    /// Whether somebody may go.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next one that has the turn and `waits`. It keeps the turn.
    pub(crate) fn next(&mut self, waits: impl Fn(Position) -> bool) -> Option<Position> {
        while let Some(entity) = self.ready.pop_front() {
            let front = self.lines.get(&entity).and_then(|line| line.front()).copied();
            if let Some(position) = front.filter(|position| waits(*position)) {
                return Some(position);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(key: &str) -> EntityId {
        EntityId::new("t", key).expect("an id")
    }

    #[test]
    fn the_front_of_each_line_has_the_turn_until_it_leaves() {
        let mut turns = Turns::default();
        for (key, position) in [("a", 1), ("a", 2), ("b", 3)] {
            turns.push(id(key), position);
        }
        assert_eq!([turns.next(|_| true), turns.next(|_| true), turns.next(|_| true)], [Some(1), Some(3), None]);
        turns.remove(&id("a"), 1, |_| true);
        assert_eq!(turns.next(|_| true), Some(2));
        turns.again(id("b"));
        assert_eq!((turns.next(|_| false), turns.is_ready()), (None, false), "who does not wait is not asked again");
    }

    #[test]
    fn one_that_leaves_from_the_middle_gives_nobody_the_turn() {
        let mut turns = Turns::default();
        [1, 2, 3].into_iter().for_each(|position| turns.push(id("a"), position));
        assert_eq!(turns.next(|_| true), Some(1));
        turns.remove(&id("a"), 2, |_| true);
        assert!(!turns.is_ready() && turns.holds(&id("a"), 3) && !turns.holds(&id("a"), 2));
    }
}
