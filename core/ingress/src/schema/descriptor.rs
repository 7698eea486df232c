// SPDX-License-Identifier: Apache-2.0
//! Derived packages as file descriptors.

use prost_types::descriptor_proto::ReservedRange;
use prost_types::field_descriptor_proto::{Label as ProtoLabel, Type as ProtoType};
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, MessageOptions, MethodDescriptorProto,
    OneofDescriptorProto, ServiceDescriptorProto,
};

use crate::schema::model::{Field, Label, Message, Method, Package, Service, Type};
use crate::schema::name::pascal;

/// The files of `google.protobuf` that a package needs, in order of their names.
pub(crate) fn imports(package: &Package) -> Vec<&'static str> {
    let uses = |wanted: &[Type]| {
        let mut fields = package.messages.iter().flat_map(|message| &message.fields);
        fields.any(|field| wanted.contains(&field.kind))
    };
    let mut files = Vec::new();
    if uses(&[Type::Struct, Type::Value]) {
        files.push("google/protobuf/struct.proto");
    }
    if uses(&[Type::Timestamp]) {
        files.push("google/protobuf/timestamp.proto");
    }
    files
}

/// The file of a package.
pub(crate) fn file(package: &Package) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(package.file()),
        package: (!package.name.is_empty()).then(|| package.name.clone()),
        dependency: imports(package).into_iter().map(ToOwned::to_owned).collect(),
        message_type: package.messages.iter().map(message).collect(),
        service: package.services.iter().map(service).collect(),
        syntax: Some("proto3".into()),
        ..FileDescriptorProto::default()
    }
}

fn service(service: &Service) -> ServiceDescriptorProto {
    ServiceDescriptorProto {
        name: Some(service.name.clone()),
        method: service.methods.iter().map(method).collect(),
        ..ServiceDescriptorProto::default()
    }
}

fn method(method: &Method) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(method.name.clone()),
        input_type: Some(format!(".{}", method.input)),
        output_type: Some(format!(".{}", method.output)),
        client_streaming: Some(method.streamed_in),
        server_streaming: Some(method.streamed_out),
        ..MethodDescriptorProto::default()
    }
}

fn message(message: &Message) -> DescriptorProto {
    let mut made = DescriptorProto { name: Some(message.short().into()), ..DescriptorProto::default() };
    if message.fields.iter().any(|field| field.label == Label::OneOf) {
        made.oneof_decl.push(oneof("kind"));
    }
    for field in &message.fields {
        let mut described = describe(message, field);
        if field.label == Label::Map {
            made.nested_type.push(entry(field));
            described.r#type = Some(ProtoType::Message.into());
            described.type_name = Some(format!(".{}.{}", message.name, entry_name(field)));
        }
        if field.label == Label::OneOf {
            described.oneof_index = Some(0);
        }
        made.field.push(described);
    }
    // The `oneof`s that stand for "optional" come behind all others.
    for (field, described) in message.fields.iter().zip(&mut made.field) {
        if is_optional(field) {
            described.proto3_optional = Some(true);
            described.oneof_index = i32::try_from(made.oneof_decl.len()).ok();
            made.oneof_decl.push(oneof(&format!("_{}", field.name)));
        }
    }
    for (name, number) in reserved(message) {
        let start = i32::try_from(number).unwrap_or(i32::MAX - 1);
        made.reserved_range.push(ReservedRange { start: Some(start), end: Some(start + 1) });
        made.reserved_name.push(name);
    }
    made
}

/// Messages say whether they stand anyway.
pub(crate) fn is_optional(field: &Field) -> bool {
    field.label == Label::Optional && !is_message(&field.kind)
}

pub(crate) fn is_message(kind: &Type) -> bool {
    matches!(kind, Type::Message(_) | Type::Timestamp | Type::Struct | Type::Value)
}

/// Numbers of fields that are no more, with their names, by number.
pub(crate) fn reserved(message: &Message) -> Vec<(String, u32)> {
    let is_gone = |name: &&String| !message.fields.iter().any(|field| field.name == **name);
    let mut gone: Vec<(String, u32)> =
        message.numbers.keys().filter(is_gone).map(|name| (name.clone(), message.numbers[name])).collect();
    gone.sort_by_key(|(_, number)| *number);
    gone
}

fn oneof(name: &str) -> OneofDescriptorProto {
    OneofDescriptorProto { name: Some(name.into()), ..OneofDescriptorProto::default() }
}

fn describe(message: &Message, field: &Field) -> FieldDescriptorProto {
    let label = match field.label {
        Label::Repeated | Label::Map => ProtoLabel::Repeated,
        Label::Once | Label::Optional | Label::OneOf => ProtoLabel::Optional,
    };
    let (kind, name) = kind(&field.kind);
    FieldDescriptorProto {
        name: Some(field.name.clone()),
        json_name: Some(field.json.clone()),
        number: i32::try_from(message.number(field)).ok(),
        label: Some(label.into()),
        r#type: Some(kind.into()),
        type_name: name,
        ..FieldDescriptorProto::default()
    }
}

fn entry_name(field: &Field) -> String {
    format!("{}Entry", pascal(&field.name))
}

fn entry(field: &Field) -> DescriptorProto {
    let (kind, name) = kind(&field.kind);
    let member = |member: &str, number: i32, kind: ProtoType, type_name: Option<String>| FieldDescriptorProto {
        name: Some(member.into()),
        json_name: Some(member.into()),
        number: Some(number),
        label: Some(ProtoLabel::Optional.into()),
        r#type: Some(kind.into()),
        type_name,
        ..FieldDescriptorProto::default()
    };
    DescriptorProto {
        name: Some(entry_name(field)),
        field: vec![member("key", 1, ProtoType::String, None), member("value", 2, kind, name)],
        options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
        ..DescriptorProto::default()
    }
}

fn kind(kind: &Type) -> (ProtoType, Option<String>) {
    match kind {
        Type::Double => (ProtoType::Double, None),
        Type::Float => (ProtoType::Float, None),
        Type::Int64 => (ProtoType::Int64, None),
        Type::Uint64 => (ProtoType::Uint64, None),
        Type::Int32 => (ProtoType::Int32, None),
        Type::Uint32 => (ProtoType::Uint32, None),
        Type::Bool => (ProtoType::Bool, None),
        Type::Text => (ProtoType::String, None),
        Type::Bytes => (ProtoType::Bytes, None),
        Type::Message(name) => (ProtoType::Message, Some(format!(".{name}"))),
        Type::Timestamp => (ProtoType::Message, Some(".google.protobuf.Timestamp".into())),
        Type::Struct => (ProtoType::Message, Some(".google.protobuf.Struct".into())),
        Type::Value => (ProtoType::Message, Some(".google.protobuf.Value".into())),
    }
}
