// SPDX-License-Identifier: Apache-2.0
//! The function without a host: one session of the protocol, a command at a time.

use std::sync::Arc;

use adjoin_entity::frame::{AnswerFrame, CommandFrame, FunctionFrame, HandlerResult, HostFrame};
use adjoin_function::{DialSettings, Inbound, Link};
use adjoin_model::{CommandId, EntityId, Epoch, Limits, Payload};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::Outcome;
use crate::counter::TEXT;

/// Ids of a host carry its loop in their lowest byte, by which the SDK chooses a thread: here all have the same.
const ACTIVATION: u64 = 1;
const NEXT_CALL: u64 = 1 << 8;

/// A session with one counter active in it.
pub(super) struct Direct {
    frames: UnboundedSender<Vec<HostFrame>>,
    answers: Inbound<FunctionFrame>,
    call: u64,
    name: Arc<str>,
    _link: Link,
}

impl Direct {
    /// Connects, as a host does, and activates a counter that has no past.
    pub(super) async fn open(address: &str) -> Outcome<Self> {
        let mut link = Link::dial(&address.parse()?, &DialSettings::default()).await?;
        let version = link.discover().await?.version;
        let (frames, outgoing) = unbounded_channel();
        let (_, mut answers) = link.connect(adjoin_wire::welcome(version, &Limits::default()), outgoing).await?;
        let entity = EntityId::new("bench.Counter", "direct")?;
        frames.send(vec![
            HostFrame::Activate { activation: ACTIVATION, entity, epoch: Epoch(1), sequence: 0, state: None },
            HostFrame::Replay { activation: ACTIVATION, events: Vec::new(), last: true },
        ])?;
        match answers.recv().await?.as_deref() {
            Some([FunctionFrame::Replayed { .. }]) => {}
            other => return Err(format!("the function answered a replay with {other:?}").into()),
        }
        Ok(Self { frames, answers, call: ACTIVATION, name: "echo".into(), _link: link })
    }

    /// The command that the callers of the proxy send, and its answer.
    pub(super) async fn echo(&mut self) -> Outcome<()> {
        self.call += NEXT_CALL;
        self.frames.send(vec![HostFrame::Command(self.command())])?;
        match self.answers.recv().await?.as_deref() {
            Some([FunctionFrame::Answer(AnswerFrame { call, result: HandlerResult::Reply(Some(_)), .. })])
                if *call == self.call =>
            {
                Ok(())
            }
            other => Err(format!("the function answered a command with {other:?}").into()),
        }
    }

    fn command(&self) -> CommandFrame {
        CommandFrame {
            activation: ACTIVATION,
            call: self.call,
            entity: None,
            name: Arc::clone(&self.name),
            payload: Payload::new("json", format!("{TEXT:?}")),
            query: false,
            want_snapshot: false,
            attempt: 1,
            id: CommandId(u128::from(self.call)),
            remaining_ms: 30_000,
            caller: "".into(),
            metadata: Vec::new(),
            chain: Vec::new(),
        }
    }
}
