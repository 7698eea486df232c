// SPDX-License-Identifier: Apache-2.0
//! Ids of one session as the foreign side sees them: no other session of this host shows the same ones.

use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_model::{Error, Result};

/// What a session's ids are mixed with. The same mixing goes both ways; an id of another session becomes one that its
/// host never gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Salt(u64);

impl Salt {
    /// A fresh one.
    ///
    /// # Errors
    /// `Unavailable` when the system has no randomness.
    pub(crate) fn new() -> Result<Self> {
        let said = |error| Error::unavailable(format!("the system has no randomness: {error}"));
        // Hosts count, so their ids never have the highest bit: with it, no mixed id is 0.
        Ok(Self(getrandom::u64().map_err(said)? | 1 << 63))
    }

    /// 0 names no activation on either side.
    fn mix(self, id: &mut u64) {
        if *id != 0 {
            *id ^= self.0;
        }
    }

    /// From the host to the foreign side.
    pub(crate) fn out_frame(self, frame: &mut HostFrame) {
        match frame {
            HostFrame::Activate { activation, .. }
            | HostFrame::Replay { activation, .. }
            | HostFrame::Deactivate { activation } => self.mix(activation),
            HostFrame::Command(command) => {
                self.mix(&mut command.activation);
                self.mix(&mut command.call);
            }
            HostFrame::StreamInput { call, .. }
            | HostFrame::StreamInputEnd { call }
            | HostFrame::StreamCredit { call, .. }
            | HostFrame::Cancel { call } => self.mix(call),
        }
    }

    /// From the foreign side to the host.
    pub(crate) fn in_frame(self, frame: &mut FunctionFrame) {
        match frame {
            FunctionFrame::Replayed { activation, .. } | FunctionFrame::ActivationFailed { activation, .. } => {
                self.mix(activation);
            }
            FunctionFrame::Answer(answer) => {
                self.mix(&mut answer.activation);
                self.mix(&mut answer.call);
            }
            FunctionFrame::StreamElement { call, .. }
            | FunctionFrame::StreamEnd { call, .. }
            | FunctionFrame::StreamInputCredit { call, .. } => self.mix(call),
            FunctionFrame::Pressure { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(salt: Salt, id: u64) -> u64 {
        let mut frame = HostFrame::Deactivate { activation: id };
        salt.out_frame(&mut frame);
        let HostFrame::Deactivate { activation } = frame else { panic!("another frame") };
        activation
    }

    fn taken(salt: Salt, id: u64) -> u64 {
        let mut frame = FunctionFrame::Replayed { activation: id, sequence: 0 };
        salt.in_frame(&mut frame);
        let FunctionFrame::Replayed { activation, .. } = frame else { panic!("another frame") };
        activation
    }

    #[test]
    fn an_id_comes_back_to_its_own_session_only() {
        let (old, new) = (Salt::new().expect("a salt"), Salt::new().expect("a salt"));
        for id in [1, 0x101, u64::MAX >> 1] {
            assert_ne!(shown(old, id), 0);
            assert_eq!(taken(old, shown(old, id)), id);
            assert_ne!(taken(new, shown(old, id)), id);
        }
        assert_eq!((shown(old, 0), taken(old, 0)), (0, 0));
    }
}
