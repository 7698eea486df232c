// SPDX-License-Identifier: Apache-2.0
//! A forked child has a copy of the store's memory, but none of its threads: it must not touch it.

use adjoin_model::{Error, Result};

/// The process that opened the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opener {
    process: u32,
}

impl Opener {
    pub(crate) fn this() -> Self {
        Self { process: std::process::id() }
    }

    pub(crate) fn is_this(self) -> bool {
        self.process == std::process::id()
    }

    /// Before every use.
    pub(crate) fn check(self) -> Result<()> {
        if self.is_this() {
            return Ok(());
        }
        let said = "the store was opened before this process was forked; open it in the process that uses it";
        Err(Error::unavailable(said).at("opened by", self.process).at("process", std::process::id()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_is_refused() {
        assert_eq!(Opener::this().check(), Ok(()));
        let refused = Opener { process: std::process::id() ^ 1 }.check().expect_err("not this one");
        assert!(refused.message.contains("forked"), "{refused}");
    }
}
