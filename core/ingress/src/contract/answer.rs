// SPDX-License-Identifier: Apache-2.0
//! How the clients of a contract-first function are answered where adjoin and the Cloudstate protocol differ.

use adjoin_entity::spec::Answers;
use adjoin_model::{Error, Kind, Payload, Result};
use tonic::{Code, Status};

use super::Served;

/// An error as a status. Clients of a Cloudstate function see `UNKNOWN` and the text, or the code that the function
/// gave; of what the host says by itself, only a deadline that the client set keeps its code.
pub(crate) fn status(served: &Served, error: &Error, had_deadline: bool) -> Status {
    match served.answers {
        Answers::Adjoin => crate::grpc::status::status(error, &served.entity_type.name),
        Answers::Cloudstate => {
            let code = match (error.code, error.kind) {
                (Some(code), _) => Code::from(i32::from(code.number())),
                (None, Kind::Expired) if had_deadline => Code::DeadlineExceeded,
                (None, _) => Code::Unknown,
            };
            Status::new(code, crate::grpc::status::cut_long(&error.message))
        }
    }
}

/// A reply of another type than the method gives: an error, but to clients of a Cloudstate function, who get it with a
/// warning in the log.
///
/// # Errors
/// `Protocol`: the command itself has ended well.
pub(crate) fn type_differs(served: &Served, reply: &Payload) -> Result<()> {
    let (path, wanted, got) = (&served.path, &served.output_type, &reply.type_name);
    let said = format!("{path} gives {wanted}, the function replied {got}; the command itself has ended well");
    if served.answers == Answers::Adjoin {
        return Err(Error::protocol(said));
    }
    tracing::warn!("{said}");
    Ok(())
}
