// SPDX-License-Identifier: Apache-2.0
//! One module for each command of the command line: its arguments, its help, and what it does.

pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod conformance;
pub(crate) mod dev;
pub(crate) mod doctor;
pub(crate) mod effects;
pub(crate) mod entity;
pub(crate) mod eventing;
pub(crate) mod guard;
pub(crate) mod journal;
pub(crate) mod schema;
pub(crate) mod serve;
