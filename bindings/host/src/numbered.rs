// SPDX-License-Identifier: Apache-2.0
//! Ids of many sessions in one space: the foreign side sees which session a frame is of, and an answer that comes after
//! its session has ended names nothing in another one.

use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_model::{Error, Result};

/// Names a session to the foreign side. 0 is the engine in this process.
pub type SessionNumber = u16;

/// Bits of an id that are the host's own. Hosts count from 1 with the loop in the lowest byte: a thousand billion calls
/// a loop.
const OWN_BITS: u32 = 48;

/// The session of an id that the foreign side says.
pub(crate) fn session_of(id: u64) -> SessionNumber {
    (id >> OWN_BITS) as SessionNumber
}

/// The id without its session.
pub(crate) fn own(id: u64) -> u64 {
    id & ((1 << OWN_BITS) - 1)
}

/// The id of a session, as the foreign side sees it.
pub(crate) fn shown(session: SessionNumber, id: u64) -> u64 {
    (u64::from(session) << OWN_BITS) | own(id)
}

/// From the host to the foreign side.
///
/// # Errors
/// `Protocol` for an id beyond those that a host can have counted to.
pub(crate) fn out_frame(session: SessionNumber, frame: &mut HostFrame) -> Result<()> {
    let mut fits = true;
    each(frame, |id| {
        fits &= *id == own(*id);
        // 0 names no activation on either side.
        if *id != 0 {
            *id = shown(session, *id);
        }
    });
    if fits { Ok(()) } else { Err(Error::protocol(format!("a host counts its ids from 1, below 2^{OWN_BITS}"))) }
}

fn each(frame: &mut HostFrame, mut visit: impl FnMut(&mut u64)) {
    match frame {
        HostFrame::Activate { activation, .. }
        | HostFrame::Replay { activation, .. }
        | HostFrame::Deactivate { activation } => visit(activation),
        HostFrame::Command(command) => {
            visit(&mut command.activation);
            visit(&mut command.call);
        }
        HostFrame::StreamInput { call, .. }
        | HostFrame::StreamInputEnd { call }
        | HostFrame::StreamCredit { call, .. }
        | HostFrame::Cancel { call } => visit(call),
        HostFrame::CallAnswer { id, .. } => visit(id),
    }
}

/// From the foreign side to the host: takes the session out of the ids; `None` for a frame that is for every session.
pub(crate) fn in_frame(frame: &mut FunctionFrame) -> Option<SessionNumber> {
    let ids: [Option<&mut u64>; 2] = match frame {
        FunctionFrame::Replayed { activation, .. } | FunctionFrame::ActivationFailed { activation, .. } => {
            [Some(activation), None]
        }
        FunctionFrame::Answer(answer) => [Some(&mut answer.call), Some(&mut answer.activation)],
        FunctionFrame::StreamElement { call, .. }
        | FunctionFrame::StreamEnd { call, .. }
        | FunctionFrame::StreamInputCredit { call, .. } => [Some(call), None],
        FunctionFrame::Call(call) => [Some(&mut call.id), None],
        FunctionFrame::CancelCall { id } => [Some(id), None],
        FunctionFrame::Pressure { .. } => [None, None],
    };
    let mut session = None;
    for id in ids.into_iter().flatten() {
        session = session.or(Some(session_of(*id)));
        *id = own(*id);
    }
    session
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(session: SessionNumber, id: u64) -> Result<u64> {
        let mut frame = HostFrame::Deactivate { activation: id };
        out_frame(session, &mut frame)?;
        let HostFrame::Deactivate { activation } = frame else { panic!("another frame") };
        Ok(activation)
    }

    #[test]
    fn an_id_comes_back_to_its_own_session_only() {
        for id in [1, 0x101, (1 << OWN_BITS) - 1] {
            for session in [1, 2, u16::MAX] {
                let mut frame = FunctionFrame::Replayed { activation: out(session, id).expect("fits"), sequence: 0 };
                assert_eq!(in_frame(&mut frame), Some(session));
                assert_eq!(frame, FunctionFrame::Replayed { activation: id, sequence: 0 });
            }
        }
        assert_eq!(out(7, 0), Ok(0), "0 names no activation");
        assert_eq!(in_frame(&mut FunctionFrame::Pressure { level: 1 }), None);
    }

    #[test]
    fn an_id_that_no_host_counts_to_is_a_breach() {
        let error = out(1, 1 << OWN_BITS).expect_err("refused");
        assert_eq!(error.kind, adjoin_model::Kind::Protocol);
    }
}
