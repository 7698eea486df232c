// SPDX-License-Identifier: Apache-2.0
//! A case as it stands in `conformance/cases`: what is done, and what must be seen.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) case: Vec<Case>,
}

/// One question to a host and an SDK.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A fact, in the present tense: `a_refused_command_changes_nothing`.
    pub name: String,
    /// Rules of `architecture.md` §4 by number, or topics: `names`, `body`, `journal`, `streams`, `evolution`, …
    pub rules: Vec<String>,
    /// What it takes to ask it.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// Why it needs [`Need::CodeFirst`], for the report: there, and only there.
    #[serde(default)]
    pub why: Option<String>,
    /// What is done, in order.
    #[serde(rename = "step")]
    pub(crate) steps: Vec<Step>,
}

/// What it takes to ask a case. Where it is not there, the case is exempt.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// A store that outlives its host.
    Durable,
    /// Host and function in two processes.
    Sidecar,
    /// A service without a contract of its own: what is asked is otherwise by a `.proto`. Exempt cases are counted.
    CodeFirst,
}

/// One thing that is done.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Step {
    /// Requests over HTTP, and what they are answered.
    Call(Call),
    /// The same, not waited for.
    Start {
        /// Its name.
        name: String,
        call: Call,
    },
    /// What a call that was started is answered.
    Finish { name: String, expect: Expect },
    /// A call over gRPC, by `adjoin.client.v1.Entities`.
    Grpc(Grpc),
    /// Begins a watch and keeps it.
    Watch {
        name: String,
        /// Address of the query, without `?watch`.
        path: String,
        #[serde(default)]
        after: Option<u64>,
    },
    /// Reads a watch until it shows a value; its ids ascend all the way.
    Sees {
        name: String,
        /// JSON.
        value: String,
        /// The id it must come with.
        #[serde(default)]
        id: Option<u64>,
    },
    /// Reads a streamed reply to its end.
    Stream(Stream),
    /// The process ends and begins again.
    Restart {
        what: Part,
        how: How,
        /// Version of the model service from now on.
        #[serde(default)]
        version: Option<u32>,
    },
    /// The process ends and is not there.
    Stop { what: Part, how: How },
    /// A process that is not there begins again.
    Begin { what: Part },
    /// Waits until the function has ended by itself, then begins it again.
    Revive,
    /// Load from many callers; the host is killed in the middle of it, `rounds` times. Every answered command must be
    /// found, once.
    Crash { what: Part, rounds: u32 },
    /// Stops the host and reads an entity's events from the folder, as `Name {json}`.
    Journal { entity: String, events: Vec<String> },
    /// A second process opens the folder that the host has, and is refused.
    OpenTwice,
    /// Does nothing for so long.
    Quiet { ms: u64 },
}

/// A process.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    Host,
    Function,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// SIGKILL.
    Killed,
    /// SIGTERM, and it ends by itself.
    Told,
}

/// Requests over HTTP. Bodies and expectations are JSON texts; `{a}` to `{d}` are keys of the case's own, `{i}` counts
/// repetitions, other names were saved by earlier steps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    /// `POST /conformance.Counter/{a}/add`.
    pub(crate) request: String,
    #[serde(default)]
    pub(crate) body: Option<String>,
    /// So many bytes of body instead, a JSON string.
    #[serde(default)]
    pub(crate) body_bytes: Option<usize>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// One after the other.
    #[serde(default = "once")]
    pub(crate) times: u32,
    /// All at the same time.
    #[serde(default = "once")]
    pub(crate) at_once: u32,
    /// Asked again until it is as expected, at most so long.
    #[serde(default)]
    pub(crate) within_ms: Option<u64>,
    #[serde(default)]
    pub(crate) expect: Expect,
    /// Parts of the answer by JSON pointer, under names for later steps; `etag` is the header's sequence.
    #[serde(default)]
    pub(crate) save: BTreeMap<String, String>,
}

fn once() -> u32 {
    1
}

/// What must be seen. What is not said may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// The HTTP status; of a started call that was cut off: 0.
    pub(crate) status: Option<u16>,
    /// Equal as JSON.
    pub(crate) body: Option<String>,
    /// Equal byte by byte.
    pub(crate) raw: Option<String>,
    /// The bodies of all repetitions, in any order.
    pub(crate) bodies: Option<String>,
    /// The bodies of all repetitions are 1 up to this, in any order.
    pub(crate) counts: Option<u32>,
    /// The sequence of the `etag`.
    pub(crate) etag: Option<String>,
    /// Members of the problem.
    pub(crate) kind: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) outcome: Option<String>,
    /// Stands somewhere in the body.
    pub(crate) holds: Option<String>,
    /// Stands nowhere in the body.
    pub(crate) hides: Option<String>,
    /// Headers; `*` is any value.
    pub(crate) headers: BTreeMap<String, String>,
    /// Parts of the body, by JSON pointer.
    pub(crate) at: BTreeMap<String, String>,
    /// Parts of the body that are greater than these numbers.
    pub(crate) greater: BTreeMap<String, String>,
    /// Parts of the body that are not these.
    pub(crate) differs: BTreeMap<String, String>,
}

/// A call over gRPC.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grpc {
    pub(crate) entity_type: String,
    pub(crate) key: String,
    pub(crate) command: String,
    #[serde(default)]
    pub(crate) body: Option<String>,
    #[serde(default)]
    pub(crate) idempotency_key: Option<String>,
    #[serde(default)]
    pub(crate) if_sequence: Option<u64>,
    /// JSON of the reply.
    #[serde(default)]
    pub(crate) reply: Option<String>,
    #[serde(default)]
    pub(crate) sequence: Option<u64>,
    #[serde(default)]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) code: Option<String>,
}

/// A streamed reply.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stream {
    pub(crate) request: String,
    #[serde(default)]
    pub(crate) body: Option<String>,
    /// A JSON array of all elements.
    pub(crate) elements: String,
    /// The kind of the error it ends with; none: it ends well.
    #[serde(default)]
    pub(crate) fails: Option<String>,
    /// Stop reading after so many elements instead.
    #[serde(default)]
    pub(crate) leave_after: Option<usize>,
}

impl Case {
    /// Whether it must be alone with its host.
    pub(crate) fn disturbs(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Restart { .. }
            | Step::Stop { .. }
            | Step::Begin { .. }
            | Step::Revive
            | Step::Crash { .. }
            | Step::Journal { .. } => true,
            Step::Call(_)
            | Step::Start { .. }
            | Step::Finish { .. }
            | Step::Grpc(_)
            | Step::Watch { .. }
            | Step::Sees { .. }
            | Step::Stream(_)
            | Step::OpenTwice
            | Step::Quiet { .. } => false,
        })
    }

    /// Whether it ends or starts the function, or another version of it.
    pub(crate) fn ends_function(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Restart { what, version, .. } => *what == Part::Function || version.is_some(),
            Step::Stop { what, .. } | Step::Begin { what } | Step::Crash { what, .. } => *what == Part::Function,
            Step::Revive => true,
            Step::Call(_)
            | Step::Start { .. }
            | Step::Finish { .. }
            | Step::Grpc(_)
            | Step::Watch { .. }
            | Step::Sees { .. }
            | Step::Stream(_)
            | Step::Journal { .. }
            | Step::OpenTwice
            | Step::Quiet { .. } => false,
        })
    }
}
