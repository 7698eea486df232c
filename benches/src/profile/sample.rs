// SPDX-License-Identifier: Apache-2.0
//! Samples of `perf`, each booked to one part: what the kernel did by the call that asked for it, the rest by whose
//! function it is.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Outcome;

/// System calls by what they are for.
const CALLS: [(&str, &[&str]); 5] = [
    ("kernel: sending and receiving", &["send", "recv", "write", "read", "sys_shutdown"]),
    ("kernel: syncing the log", &["fdatasync", "fsync", "sync_file_range"]),
    ("kernel: waiting for sockets", &["epoll"]),
    ("kernel: waking and waiting for threads", &["futex", "sched_yield", "nanosleep"]),
    ("kernel: memory", &["mmap", "munmap", "madvise", "brk", "mprotect"]),
];

/// Functions by their beginnings, tried in this order.
const OWNERS: [(&str, &[&str]); 6] = [
    ("allocation", &["malloc", "free", "cfree", "realloc", "calloc", "_int_", "__rust", "__rdl", "operator new"]),
    ("copying memory", &["__mem", "mem", "__str", "bcmp"]),
    ("RocksDB", &["rocksdb", "_ZN7rocksdb", "crc32c", "ZSTD", "LZ4"]),
    ("HTTP, gRPC and protobuf", &["hyper", "http", "h2::", "tonic", "prost", "httparse", "bytes::", "tower", "axum"]),
    ("tokio and mio", &["tokio", "mio", "parking_lot", "futures"]),
    ("adjoin", &["adjoin"]),
];

/// How often each part and each function was sampled.
#[derive(Debug, Default)]
pub(super) struct Shares {
    parts: HashMap<&'static str, u64>,
    functions: HashMap<String, u64>,
}

impl Shares {
    /// Reads what `perf record` wrote.
    pub(super) fn read(samples: &Path) -> Outcome<Self> {
        let mut perf = Command::new("perf");
        perf.args(["script", "--no-inline", "-F", "ip,sym,dso", "-i"]).arg(samples);
        let output = perf.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
        let shares = Self::of(&String::from_utf8_lossy(&output.stdout));
        if shares.total() == 0 {
            return Err("`perf` took no samples: is it allowed to (kernel.perf_event_paranoid)?".into());
        }
        Ok(shares)
    }

    /// Stacks with the innermost frame first, an empty line between two.
    fn of(text: &str) -> Self {
        let mut shares = Self::default();
        for stack in text.split("\n\n") {
            let frames: Vec<(&str, &str)> = stack.lines().filter_map(frame).collect();
            if let Some((innermost, _)) = frames.first() {
                *shares.parts.entry(part(&frames)).or_default() += 1;
                *shares.functions.entry((*innermost).to_owned()).or_default() += 1;
            }
        }
        shares
    }

    pub(super) fn total(&self) -> u64 {
        self.parts.values().sum()
    }

    /// Parts, the largest first.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&str, u64)> {
        sorted(self.parts.iter().map(|(part, samples)| (*part, *samples)))
    }

    /// Functions, the most sampled first.
    pub(super) fn functions(&self) -> impl Iterator<Item = (&str, u64)> {
        sorted(self.functions.iter().map(|(function, samples)| (function.as_str(), *samples)))
    }
}

fn sorted<'a>(all: impl Iterator<Item = (&'a str, u64)>) -> impl Iterator<Item = (&'a str, u64)> {
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(name, samples)| (std::cmp::Reverse(*samples), *name));
    all.into_iter()
}

/// Function and object of a line `ADDRESS FUNCTION (OBJECT)`.
fn frame(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.trim().split_once(' ')?;
    let (function, object) = rest.rsplit_once(" (")?;
    Some((function.trim(), object.trim_end_matches(')')))
}

fn is_kernel(object: &str) -> bool {
    object.starts_with("[kernel") || object.starts_with("[guest.kernel") || object.ends_with(".ko")
}

fn part(frames: &[(&str, &str)]) -> &'static str {
    let Some((function, object)) = frames.first() else { return "other" };
    if is_kernel(object) {
        let called = |words: &[&str]| {
            let mut kernel = frames.iter().take_while(|(_, object)| is_kernel(object));
            kernel.any(|(name, _)| name.contains("sys_") && words.iter().any(|word| name.contains(word)))
        };
        return CALLS.iter().find(|(_, words)| called(words)).map_or("kernel: other", |(part, _)| part);
    }
    // A trait's implementation is named `<type as trait>::function`.
    let bare = function.trim_start_matches(['<', '&', '(']);
    let owned = |(_, starts): &&(&str, &[&str])| starts.iter().any(|start| bare.starts_with(start));
    OWNERS.iter().find(owned).map_or("other", |(part, _)| part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACKS: &str = "
\tffffffff81 tcp_sendmsg_locked ([kernel.kallsyms])
\tffffffff82 __x64_sys_sendto ([kernel.kallsyms])
\t    7f01 __libc_send (/usr/lib/libc.so.6)

\tffffffff83 jbd2_log_wait_commit ([kernel.kallsyms])
\tffffffff84 __x64_sys_fdatasync ([kernel.kallsyms])

\t    5501 <adjoin_entity::shard_loop::ShardLoop>::step (/x/shop)
\t    5502 tokio::runtime::task::poll (/x/shop)

\t    5503 rocksdb::MemTable::Add(unsigned long, rocksdb::ValueType) (/x/librocksdb.so)

";

    #[test]
    fn a_sample_is_booked_once() {
        let shares = Shares::of(STACKS);
        assert_eq!(shares.total(), 4);
        let parts: Vec<_> = shares.parts().collect();
        let expected =
            ["RocksDB", "adjoin", "kernel: sending and receiving", "kernel: syncing the log"].map(|part| (part, 1));
        assert_eq!(parts, expected);
        assert!(shares.functions().any(|(name, _)| name.starts_with("rocksdb::MemTable::Add")));
    }
}
