// SPDX-License-Identifier: Apache-2.0
//! The contract suite over the memory store, and the suite against the bullets of the traits.

use std::collections::BTreeSet;
use std::sync::Arc;

use adjoin_storage::contract::Fixture;
use adjoin_storage::{MemoryStore, Store};

struct Memory;

impl Fixture for Memory {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(64, 9).expect("64 shards"))
    }
}

adjoin_storage::contract!(Memory);

/// Words in backquotes at the head of a contract bullet.
fn bullets() -> BTreeSet<String> {
    let text = include_str!("../src/store.rs");
    let bullet = |line: &str| Some(line.trim().strip_prefix("/// * `")?.split('`').next()?.to_owned());
    text.lines().filter_map(bullet).collect()
}

#[test]
fn every_bullet_is_a_test_and_every_test_a_bullet() {
    let suite = include_str!("../src/contract.rs");
    let listed: BTreeSet<String> = suite
        .split("$crate::contract_tests! { $fixture;")
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .flat_map(|names| names.split_whitespace().map(str::to_owned))
        .collect();
    assert_eq!(bullets(), listed);
}

#[test]
fn the_number_of_shards_is_bounded() {
    assert!(MemoryStore::new(15, 0).is_err() && MemoryStore::new(65_537, 0).is_err());
}
