// SPDX-License-Identifier: Apache-2.0
//! Server reflection, versions v1 and v1alpha, over what is derived at the time of the question.

use std::pin::Pin;
use std::sync::Arc;

use prost_reflect::{DescriptorPool, FileDescriptor};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};
use tonic_reflection::pb::{v1, v1alpha};

use crate::app::App;
use crate::schema::typed::Typed;

const FIXED: [&str; 4] = [
    "adjoin.client.v1.Entities",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

/// The service over an app.
#[derive(Clone)]
pub(crate) struct Reflection(pub(crate) Arc<App>);

/// A question, whatever the version.
enum Question<'a> {
    File(&'a str),
    Symbol(&'a str),
    Services,
    ExtensionNumbers(&'a str),
    Other,
}

/// Its answer.
enum Answer {
    /// A file and those it needs, encoded.
    Files(Vec<Vec<u8>>),
    Services(Vec<String>),
    ExtensionNumbers(String),
    NotFound(String),
}

fn answer(typed: &Typed, question: Question<'_>) -> Answer {
    match question {
        Question::File(name) => typed
            .pool
            .get_file_by_name(name)
            .map_or_else(|| Answer::NotFound(format!("no file {name}")), |file| files(&file)),
        Question::Symbol(name) => containing(&typed.pool, name)
            .map_or_else(|| Answer::NotFound(format!("no symbol {name}")), |file| files(&file)),
        Question::Services => {
            Answer::Services(FIXED.iter().map(ToString::to_string).chain(typed.services.iter().cloned()).collect())
        }
        Question::ExtensionNumbers(name) => Answer::ExtensionNumbers(name.to_owned()),
        Question::Other => Answer::NotFound("there are no extensions".into()),
    }
}

fn containing(pool: &DescriptorPool, symbol: &str) -> Option<FileDescriptor> {
    let message = || pool.get_message_by_name(symbol).map(|found| found.parent_file());
    let service = || pool.get_service_by_name(symbol).map(|found| found.parent_file());
    let enumeration = || pool.get_enum_by_name(symbol).map(|found| found.parent_file());
    // A method, a field: the symbol it stands in.
    let member = || containing_parent(pool, symbol);
    service().or_else(message).or_else(enumeration).or_else(member)
}

fn containing_parent(pool: &DescriptorPool, symbol: &str) -> Option<FileDescriptor> {
    let (parent, member) = symbol.rsplit_once('.')?;
    if let Some(service) = pool.get_service_by_name(parent) {
        return service.methods().any(|method| method.name() == member).then(|| service.parent_file());
    }
    let message = pool.get_message_by_name(parent)?;
    message.get_field_by_name(member).map(|_| message.parent_file())
}

/// The file first, then what it imports.
fn files(file: &FileDescriptor) -> Answer {
    let mut all = vec![file.clone()];
    let mut at = 0;
    while let Some(file) = all.get(at).cloned() {
        for import in file.dependencies() {
            if !all.contains(&import) {
                all.push(import);
            }
        }
        at += 1;
    }
    Answer::Files(all.iter().map(FileDescriptor::encode_to_vec).collect())
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Reflection {
    fn ask(&self, question: Question<'_>) -> Answer {
        answer(&self.0.routes.now().typed(&self.0), question)
    }
}

/// The two versions have the same messages in packages of their own.
macro_rules! version {
    ($version:ident) => {
        #[tonic::async_trait]
        impl $version::server_reflection_server::ServerReflection for Reflection {
            type ServerReflectionInfoStream = Answers<$version::ServerReflectionResponse>;

            async fn server_reflection_info(
                &self,
                request: Request<Streaming<$version::ServerReflectionRequest>>,
            ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
                use $version::server_reflection_request::MessageRequest;
                use $version::server_reflection_response::MessageResponse;
                let reflection = self.clone();
                let answers = request.into_inner().map(move |request| {
                    let request = request?;
                    let question = match &request.message_request {
                        Some(MessageRequest::FileByFilename(name)) => Question::File(name),
                        Some(MessageRequest::FileContainingSymbol(name)) => Question::Symbol(name),
                        Some(MessageRequest::ListServices(_)) => Question::Services,
                        Some(MessageRequest::AllExtensionNumbersOfType(name)) => Question::ExtensionNumbers(name),
                        Some(MessageRequest::FileContainingExtension(_)) | None => Question::Other,
                    };
                    let answer = match reflection.ask(question) {
                        Answer::Files(file_descriptor_proto) => {
                            MessageResponse::FileDescriptorResponse($version::FileDescriptorResponse {
                                file_descriptor_proto,
                            })
                        }
                        Answer::Services(names) => {
                            let service = names.into_iter().map(|name| $version::ServiceResponse { name }).collect();
                            MessageResponse::ListServicesResponse($version::ListServiceResponse { service })
                        }
                        Answer::ExtensionNumbers(base_type_name) => {
                            MessageResponse::AllExtensionNumbersResponse($version::ExtensionNumberResponse {
                                base_type_name,
                                extension_number: Vec::new(),
                            })
                        }
                        Answer::NotFound(error_message) => MessageResponse::ErrorResponse($version::ErrorResponse {
                            error_code: tonic::Code::NotFound.into(),
                            error_message,
                        }),
                    };
                    Ok($version::ServerReflectionResponse {
                        valid_host: request.host.clone(),
                        original_request: Some(request),
                        message_response: Some(answer),
                    })
                });
                Ok(Response::new(Box::pin(answers)))
            }
        }
    };
}

version!(v1);
version!(v1alpha);
