// SPDX-License-Identifier: Apache-2.0
//! What a store in a folder does beyond the contract.

mod contract;
mod damage;
mod folder;
mod full_disk;
mod given;
mod golden;
mod log;
