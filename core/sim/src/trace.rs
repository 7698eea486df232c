// SPDX-License-Identifier: Apache-2.0
//! What happened, in order: hashed always, printed when asked.

use std::io::Write;

use xxhash_rust::xxh3::Xxh3Default;

/// Where the lines of a trace go.
pub type Sink = Box<dyn Write + Send>;

/// The trace of one run. Two runs of the same seed and code have the same one, byte for byte.
pub(crate) struct Trace {
    hash: Xxh3Default,
    sink: Option<Sink>,
    /// Lines so far.
    pub(crate) lines: u64,
}

impl Trace {
    pub(crate) fn new(sink: Option<Sink>) -> Self {
        Self { hash: Xxh3Default::new(), sink, lines: 0 }
    }

    /// One line: when, what, and up to three numbers that tell it from others.
    pub(crate) fn line(&mut self, at: u64, what: &str, numbers: [u64; 3]) {
        self.lines += 1;
        self.hash.update(&at.to_le_bytes());
        self.hash.update(what.as_bytes());
        numbers.iter().for_each(|number| self.hash.update(&number.to_le_bytes()));
        if let Some(sink) = &mut self.sink {
            let [a, b, c] = numbers;
            // A reader that has gone away (`| head`) is no reason to stop the run.
            let _gone = writeln!(sink, "{:>12.6} {what} {a} {b} {c}", at as f64 / 1e6);
        }
    }

    /// A remark that is printed but not hashed, since its text may be long.
    pub(crate) fn remark(&mut self, at: u64, text: impl FnOnce() -> String) {
        if let Some(sink) = &mut self.sink {
            let _gone = writeln!(sink, "{:>12.6}   {}", at as f64 / 1e6, text());
        }
    }

    /// Whether somebody reads it.
    pub(crate) fn is_printed(&self) -> bool {
        self.sink.is_some()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.hash.digest()
    }
}
