// SPDX-License-Identifier: Apache-2.0
//! Tables of transitions stand in the documentation of their modules as the code runs by them.

use alloc::format;
use alloc::string::String;

/// The table in the documentation of a module, from its source.
pub(crate) fn documented(source: &str) -> String {
    source.lines().filter_map(|line| line.strip_prefix("//! |")).map(|row| format!("|{row}\n")).collect()
}
