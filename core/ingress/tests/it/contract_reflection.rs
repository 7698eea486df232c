// SPDX-License-Identifier: Apache-2.0
//! Reflection and the OpenAPI document of contract-first services.

use adjoin_entity::spec::Answers;
use adjoin_ingress::Settings;
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;
use tonic_reflection::pb::{v1, v1alpha};

use crate::host::Host;
use crate::{openapi, post};

/// Asks one question in one version.
macro_rules! ask {
    ($version:ident, $host:expr, $question:ident ( $value:expr )) => {{
        use $version::server_reflection_request::MessageRequest;
        let channel = $host.channel().await;
        let mut client = $version::server_reflection_client::ServerReflectionClient::new(channel);
        let message_request = Some(MessageRequest::$question($value));
        let request = $version::ServerReflectionRequest { host: "any".into(), message_request };
        let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.expect("asked").into_inner();
        answers.message().await.expect("well").expect("an answer").message_response.expect("one")
    }};
}

async fn files(host: &Host, symbol: &str) -> Vec<Vec<u8>> {
    use v1::server_reflection_response::MessageResponse;
    match ask!(v1, host, FileContainingSymbol(symbol.to_owned())) {
        MessageResponse::FileDescriptorResponse(answer) => answer.file_descriptor_proto,
        other => panic!("no files: {other:?}"),
    }
}

#[tokio::test]
async fn the_details_of_statuses_are_reflected() {
    let host = post::host(Answers::Adjoin).await;
    for symbol in ["google.rpc.Status", "google.rpc.ErrorInfo", "google.rpc.RetryInfo"] {
        let first = files(&host, symbol).await.remove(0);
        assert_eq!(FileDescriptorProto::decode(&first[..]).expect("a file").package(), "google.rpc", "{symbol}");
    }
}

#[tokio::test]
async fn a_contract_is_reflected_with_its_options() {
    let host = post::host(Answers::Adjoin).await;
    for symbol in ["post.Box", "post.Letter", "post.Box.Send", "post.Letter.text"] {
        let files = files(&host, symbol).await;
        let first = FileDescriptorProto::decode(&files[0][..]).expect("a file");
        assert_eq!(first.name(), "post.proto", "{symbol}");
        let set: Vec<u8> = files.iter().flat_map(|file| [&[0x0a][..], &varint(file.len()), file].concat()).collect();
        let pool = DescriptorPool::decode(&set[..]).expect("whole, with imports");
        let send = pool.get_service_by_name("post.Box").expect("a service").methods().next().expect("a method");
        let http = pool.get_extension_by_name("google.api.http").expect("an option");
        assert!(send.options().has_extension(&http), "options are kept");
    }
    use v1::server_reflection_response::MessageResponse;
    let MessageResponse::ErrorResponse(error) = ask!(v1, host, FileContainingSymbol("post.Nothing".into())) else {
        panic!("there is no such symbol")
    };
    assert_eq!(error.error_code, tonic::Code::NotFound as i32);
    let MessageResponse::AllExtensionNumbersResponse(numbers) =
        ask!(v1, host, AllExtensionNumbersOfType("google.protobuf.MethodOptions".into()))
    else {
        panic!("there are extensions")
    };
    assert_eq!(numbers.extension_number, [72_295_728]);
    let extension =
        v1::ExtensionRequest { containing_type: "google.protobuf.FieldOptions".into(), extension_number: 1080 };
    let MessageResponse::FileDescriptorResponse(found) = ask!(v1, host, FileContainingExtension(extension)) else {
        panic!("it is known")
    };
    let first = FileDescriptorProto::decode(&found.file_descriptor_proto[0][..]).expect("a file");
    assert_eq!(first.name(), "cloudstate/entity_key.proto");
    let MessageResponse::ListServicesResponse(services) = ask!(v1, host, ListServices(String::new())) else {
        panic!("there are services")
    };
    let names: Vec<&str> = services.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.ends_with(&["post.Box", "post.Mailer"]) && names.contains(&"grpc.health.v1.Health"), "{names:?}");
}

fn varint(number: usize) -> Vec<u8> {
    let mut made = Vec::new();
    prost::encoding::encode_varint(number as u64, &mut made);
    made
}

#[tokio::test]
async fn clients_of_a_cloudstate_function_get_its_proxys_list() {
    let host = post::host(Answers::Cloudstate).await;
    use v1alpha::server_reflection_response::MessageResponse;
    let MessageResponse::ListServicesResponse(services) = ask!(v1alpha, host, ListServices(String::new())) else {
        panic!("there are services")
    };
    let names: Vec<&str> = services.service.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["grpc.reflection.v1alpha.ServerReflection", "post.Box", "post.Mailer"]);
    let MessageResponse::FileDescriptorResponse(none) = ask!(v1alpha, host, FileContainingSymbol("a.B".into())) else {
        panic!("an empty list, no error")
    };
    assert!(none.file_descriptor_proto.is_empty());
}

#[tokio::test]
async fn a_contract_is_in_the_openapi_document() {
    for answers in [Answers::Adjoin, Answers::Cloudstate] {
        let host = post::host_with(answers, Settings::default()).await;
        let document = host.get("/openapi.json").await.json();
        openapi::check(&document);
        let paths = &document["paths"];
        let send = &paths["/boxes/{box}/letters"]["post"];
        let schema = &send["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(schema["$ref"], "#/components/schemas/post.Letter");
        let letter = &document["components"]["schemas"]["post.Letter"]["properties"];
        assert_eq!(
            (&letter["stamps"]["type"], &letter["writtenAt"]["format"]),
            (&"string".into(), &"date-time".into())
        );
        assert_eq!(letter["extras"]["additionalProperties"]["format"], "int32");
        let put = &paths["/boxes/{box}/from/{sender.name}"]["put"];
        let named = |operation: &serde_json::Value, place: &str| -> Vec<String> {
            let parameters = operation["parameters"].as_array().expect("parameters").iter();
            parameters
                .filter(|one| one["in"] == place)
                .map(|one| one["name"].as_str().expect("a name").into())
                .collect()
        };
        assert_eq!(named(put, "path"), ["box", "sender.name"]);
        assert!(named(put, "query").contains(&"tags".into()) && !named(put, "query").contains(&"box".into()));
        assert!(
            paths["/v1/shelves/{box.1}/boxes/{box.2}"]["get"].is_object()
                && paths["/post.Box/Plain"]["post"].is_object(),
            "{paths}"
        );
        assert!(paths["/boxes/{box}:link"].is_null(), "OpenAPI has no place for LINK");
    }
}
