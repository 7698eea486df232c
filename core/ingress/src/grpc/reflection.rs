// SPDX-License-Identifier: Apache-2.0
//! Server reflection, versions v1 and v1alpha, over what is derived at the time of the question.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;

use adjoin_contract::Contract;
use prost_reflect::{DescriptorPool, EnumDescriptor, FileDescriptor};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};
use tonic_reflection::pb::{v1, v1alpha};

use crate::app::App;
use crate::contract::Contracts;
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
    Extension(&'a str, i32),
    ExtensionNumbers(&'a str),
    Other,
}

/// Its answer.
enum Answer {
    /// A file and those it needs, encoded.
    Files(Vec<Vec<u8>>),
    Services(Vec<String>),
    ExtensionNumbers(String, Vec<i32>),
    NotFound(String),
    /// Nothing was asked.
    Invalid(String),
}

/// What can be asked about: derived services and those of contracts.
struct Known<'a> {
    typed: &'a Typed,
    contracts: &'a Contracts,
}

impl Known<'_> {
    /// What is derived and always there, then each contract.
    fn pools(&self) -> impl Iterator<Item = (&DescriptorPool, Option<&Contract>)> {
        let contracts = self.contracts.contracts().map(|contract| (contract.pool(), Some(&**contract)));
        [(&self.typed.pool, None)].into_iter().chain(contracts)
    }

    fn files(&self, find: impl Fn(&DescriptorPool) -> Option<FileDescriptor>) -> Option<Answer> {
        self.pools().find_map(|(pool, contract)| find(pool).map(|file| files(&file, contract)))
    }

    /// `own` is the service that asks.
    fn answer(&self, question: Question<'_>, own: &str) -> Answer {
        let found = match question {
            Question::File(name) => self.files(|pool| pool.get_file_by_name(name)).ok_or(format!("no file {name}")),
            Question::Symbol(name) => self.files(|pool| containing(pool, name)).ok_or(format!("no symbol {name}")),
            Question::Extension(name, number) => {
                self.files(|pool| extension(pool, name, number)).ok_or(format!("no extension {number} of {name}"))
            }
            Question::Services => return Answer::Services(self.services(own)),
            Question::ExtensionNumbers(name) => self.numbers(name).ok_or(format!("no message {name}")),
            Question::Other => return Answer::Invalid("nothing is asked, or nothing that this version knows".into()),
        };
        match found {
            Ok(files) => files,
            // As the reference proxy of the Cloudstate protocol answers.
            Err(_) if self.contracts.all_cloudstate => Answer::Files(Vec::new()),
            Err(said) => Answer::NotFound(said),
        }
    }

    fn services(&self, own: &str) -> Vec<String> {
        let contracts = self.contracts.services.iter().cloned();
        if self.contracts.all_cloudstate {
            return [own.to_owned()].into_iter().chain(contracts).collect();
        }
        FIXED.iter().map(ToString::to_string).chain(self.typed.services.iter().cloned()).chain(contracts).collect()
    }

    fn numbers(&self, name: &str) -> Option<Answer> {
        let known: Vec<_> = self.pools().filter_map(|(pool, _)| pool.get_message_by_name(name)).collect();
        if known.is_empty() {
            return None;
        }
        let mut numbers: Vec<i32> = known
            .iter()
            .flat_map(|message| message.extensions().map(|extension| extension.number()).collect::<Vec<_>>())
            .filter_map(|number| i32::try_from(number).ok())
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        Some(Answer::ExtensionNumbers(name.to_owned(), numbers))
    }
}

fn extension(pool: &DescriptorPool, name: &str, number: i32) -> Option<FileDescriptor> {
    let extension = pool.get_message_by_name(name)?.get_extension(u32::try_from(number).ok()?)?;
    Some(extension.parent_file())
}

fn containing(pool: &DescriptorPool, symbol: &str) -> Option<FileDescriptor> {
    let message = || pool.get_message_by_name(symbol).map(|found| found.parent_file());
    let service = || pool.get_service_by_name(symbol).map(|found| found.parent_file());
    let enumeration = || pool.get_enum_by_name(symbol).map(|found| found.parent_file());
    let extension = || pool.get_extension_by_name(symbol).map(|found| found.parent_file());
    // A method, a field, a oneof: the symbol it stands in. The values of an enum stand beside it.
    let member = || containing_parent(pool, symbol);
    let value = || containing_value(pool, symbol);
    service().or_else(message).or_else(enumeration).or_else(extension).or_else(member).or_else(value)
}

fn containing_value(pool: &DescriptorPool, symbol: &str) -> Option<FileDescriptor> {
    let (scope, name) = symbol.rsplit_once('.').unwrap_or(("", symbol));
    let within = |of: &EnumDescriptor| of.full_name().rsplit_once('.').map_or("", |(scope, _)| scope) == scope;
    let found = pool.all_enums().find(|of| within(of) && of.get_value_by_name(name).is_some())?;
    Some(found.parent_file())
}

fn containing_parent(pool: &DescriptorPool, symbol: &str) -> Option<FileDescriptor> {
    let (parent, member) = symbol.rsplit_once('.')?;
    if let Some(service) = pool.get_service_by_name(parent) {
        return service.methods().any(|method| method.name() == member).then(|| service.parent_file());
    }
    let message = pool.get_message_by_name(parent)?;
    let has = message.get_field_by_name(member).is_some() || message.oneofs().any(|oneof| oneof.name() == member);
    has.then(|| message.parent_file())
}

/// The file first, then what it imports. Those of a contract are as they came, options included.
fn files(file: &FileDescriptor, contract: Option<&Contract>) -> Answer {
    let mut all = vec![file.clone()];
    let mut names: HashSet<String> = HashSet::from([file.name().to_owned()]);
    let mut at = 0;
    while let Some(file) = all.get(at).cloned() {
        all.extend(file.dependencies().filter(|import| names.insert(import.name().to_owned())));
        at += 1;
    }
    let raw = |file: &FileDescriptor| contract?.file(file.name()).map(|file| file.bytes.to_vec());
    Answer::Files(all.iter().map(|file| raw(file).unwrap_or_else(|| file.encode_to_vec())).collect())
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Reflection {
    /// Waits for the first function as a call does; without one, there is still what is always there.
    async fn ask(&self, question: Question<'_>, own: &str) -> Answer {
        let table = self.0.routes.ready().await.unwrap_or_else(|_| self.0.routes.now());
        Known { typed: &table.typed(&self.0), contracts: table.contracts() }.answer(question, own)
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
                let answers = request.into_inner().then(move |request| {
                    let reflection = reflection.clone();
                    async move {
                        let request = request?;
                        let question = match &request.message_request {
                            Some(MessageRequest::FileByFilename(name)) => Question::File(name),
                            Some(MessageRequest::FileContainingSymbol(name)) => Question::Symbol(name),
                            Some(MessageRequest::ListServices(_)) => Question::Services,
                            Some(MessageRequest::AllExtensionNumbersOfType(name)) => Question::ExtensionNumbers(name),
                            Some(MessageRequest::FileContainingExtension(of)) => {
                                Question::Extension(&of.containing_type, of.extension_number)
                            }
                            None => Question::Other,
                        };
                        let own = concat!("grpc.reflection.", stringify!($version), ".ServerReflection");
                        let answer = match reflection.ask(question, own).await {
                            Answer::Files(file_descriptor_proto) => {
                                MessageResponse::FileDescriptorResponse($version::FileDescriptorResponse {
                                    file_descriptor_proto,
                                })
                            }
                            Answer::Services(names) => {
                                let service =
                                    names.into_iter().map(|name| $version::ServiceResponse { name }).collect();
                                MessageResponse::ListServicesResponse($version::ListServiceResponse { service })
                            }
                            Answer::ExtensionNumbers(base_type_name, extension_number) => {
                                MessageResponse::AllExtensionNumbersResponse($version::ExtensionNumberResponse {
                                    base_type_name,
                                    extension_number,
                                })
                            }
                            Answer::NotFound(error_message) => {
                                MessageResponse::ErrorResponse($version::ErrorResponse {
                                    error_code: tonic::Code::NotFound.into(),
                                    error_message,
                                })
                            }
                            Answer::Invalid(error_message) => MessageResponse::ErrorResponse($version::ErrorResponse {
                                error_code: tonic::Code::InvalidArgument.into(),
                                error_message,
                            }),
                        };
                        Ok($version::ServerReflectionResponse {
                            valid_host: request.host.clone(),
                            original_request: Some(request),
                            message_response: Some(answer),
                        })
                    }
                });
                Ok(Response::new(Box::pin(answers)))
            }
        }
    };
}

version!(v1);
version!(v1alpha);
