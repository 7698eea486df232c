// SPDX-License-Identifier: Apache-2.0
//! Errors as gRPC statuses, and back.

use std::collections::HashMap;
use std::error::Error as _;

use adjoin_model::{Code, Error, Kind, Outcome};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::address::Address;

/// `google.rpc.ErrorInfo.domain` of every error of ours.
const DOMAIN: &str = "adjoin";

/// What a peer's message may take of ours.
const MESSAGE_CHARS: usize = 2_000;

/// The same of a description that goes on to a client.
const DESCRIPTION_CHARS: usize = 64_000;

/// An error for the other side: its code, message, and kind and outcome as `google.rpc.ErrorInfo`.
pub(crate) fn status_of(error: &Error) -> Status {
    let outcome = HashMap::from([("outcome".to_owned(), error.outcome.name().to_owned())]);
    let details = ErrorDetails::with_error_info(error.kind.name(), DOMAIN, outcome);
    let code = tonic::Code::from_i32(error.client_code().number().into());
    Status::with_error_details(code, error.message.clone(), details)
}

/// Nothing is known at the other side of what was asked.
pub(crate) fn is_unimplemented(error: &Error) -> bool {
    error.code == Some(Code::Unimplemented)
}

/// What went wrong while the function at `address` was asked for `what`.
pub(crate) fn error_of(status: &Status, address: &Address, what: &str) -> Error {
    let error = match status.source() {
        Some(_) => lost(status, address, what),
        None => said(status, address, what),
    };
    error.at("function", address)
}

/// The transport failed: nothing was said by the function.
fn lost(status: &Status, address: &Address, what: &str) -> Error {
    let mut deepest = status.source();
    while let Some(source) = deepest.and_then(|error| error.source()) {
        deepest = Some(source);
    }
    let why = deepest.map_or_else(|| printable(status.message()), |error| printable(&error.to_string()));
    Error::unavailable(format!(
        "the connection to the function at {address} was lost during {what} ({why}): look into the function's log, and \
         whether another kind of service listens there"
    ))
}

/// The function, or the library it uses, answered with a status.
fn said(status: &Status, address: &Address, what: &str) -> Error {
    if is_no_grpc(status) {
        return said(&Status::unimplemented(status.message()), address, what);
    }
    let text = printable(status.message());
    let ours = status.get_details_error_info().filter(|info| info.domain == DOMAIN);
    let kind = ours.as_ref().and_then(|info| Kind::from_name(&info.reason));
    let outcome = ours.as_ref().and_then(|info| info.metadata.get("outcome")).map(String::as_str);
    let kind = kind.unwrap_or_else(|| kind_of(status.code()));
    let outcome = if outcome == Some("unknown") { Outcome::Unknown } else { Outcome::None };
    let message = match status.code() {
        tonic::Code::Unimplemented => format!(
            "what listens at {address} does not speak adjoin.protocol.v1 ({what} is not implemented there): start a \
             function made with an adjoin SDK, or correct the address"
        ),
        tonic::Code::Unauthenticated => {
            format!("the function at {address} asks for a token: give the host the one that the function was given")
        }
        tonic::Code::OutOfRange => format!("{what}: the function at {address} sent more than a message may hold"),
        _ => format!("{what}: the function at {address} answered {:?}: {text}", status.code()),
    };
    let code = u32::try_from(i32::from(status.code())).ok().and_then(Code::from_number);
    let error = Error::new(kind, outcome, message);
    Error { code: code.filter(|code| *code != kind.code()), ..error }
}

/// An answer such as `404` with a text: tonic takes the text for a message. Whoever answers so does not know the call.
fn is_no_grpc(status: &Status) -> bool {
    status.code() == tonic::Code::Internal && status.message().contains("invalid compression flag")
}

fn kind_of(code: tonic::Code) -> Kind {
    match code {
        // A function of another version refuses both with FAILED_PRECONDITION: it is not our peer as it stands.
        tonic::Code::FailedPrecondition | tonic::Code::InvalidArgument | tonic::Code::Unimplemented => Kind::Invalid,
        // Unknown is also what a stream ends with that was reset without a word.
        tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Cancelled | tonic::Code::Unknown => {
            Kind::Unavailable
        }
        tonic::Code::ResourceExhausted => Kind::Exhausted,
        tonic::Code::PermissionDenied | tonic::Code::Unauthenticated => Kind::Denied,
        tonic::Code::Ok
        | tonic::Code::NotFound
        | tonic::Code::AlreadyExists
        | tonic::Code::Aborted
        | tonic::Code::OutOfRange
        | tonic::Code::Internal
        | tonic::Code::DataLoss => Kind::Protocol,
    }
}

/// What a peer wrote, cut, without characters that a terminal would obey. A tab moves nothing back.
pub(crate) fn printable(text: &str) -> String {
    cut(text, MESSAGE_CHARS)
}

/// The same of what is for a client, who is to have it whole.
pub(crate) fn description(text: &str) -> String {
    cut(text, DESCRIPTION_CHARS)
}

fn cut(text: &str, chars: usize) -> String {
    let safe = |c: char| matches!(c, '\n' | '\t') || !c.is_control();
    text.chars().filter(|c| safe(*c)).take(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Address {
        Address::Tcp { host: "127.0.0.1".into(), port: 8080 }
    }

    #[test]
    fn every_kind_crosses_with_its_outcome() {
        for kind in Kind::ALL {
            for outcome in [Outcome::None, Outcome::Unknown] {
                let error = error_of(&status_of(&Error::new(kind, outcome, "why")), &address(), "Discover");
                assert_eq!((error.kind, error.outcome), (kind, outcome));
                assert_eq!(error.client_code(), kind.code());
                assert!(error.message.contains("127.0.0.1:8080"), "{error}");
            }
        }
    }

    #[test]
    fn a_service_of_another_kind_is_said_to_be_one() {
        let error = error_of(&Status::unimplemented(""), &address(), "Discover");
        assert_eq!(error.kind, Kind::Invalid);
        assert!(error.message.contains("does not speak adjoin.protocol.v1"), "{error}");
    }

    #[test]
    fn what_a_peer_wrote_is_cut_and_harmless() {
        let error = error_of(&Status::internal(format!("\u{1b}[2J{}", "x".repeat(10_000))), &address(), "Connect");
        assert_eq!(error.kind, Kind::Protocol);
        assert!(!error.message.contains('\u{1b}') && error.message.len() < 3_000);
    }

    #[test]
    fn a_description_is_passed_on_with_its_tabs_and_lines() {
        assert_eq!(description("a\tb\nc\r\u{1b}d"), "a\tb\ncd");
        assert_eq!(description(&"x".repeat(10_000)).len(), 10_000);
    }
}
