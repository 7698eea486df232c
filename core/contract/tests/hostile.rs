// SPDX-License-Identifier: Apache-2.0
//! Sets that nobody's compiler made: a contract or an `Invalid` error, never a panic.

use adjoin_contract::{Contract, Limits, Method};
use adjoin_model::Kind;
use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::DynamicMessage;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FieldOptions,
    FileDescriptorProto, FileDescriptorSet, MessageOptions, MethodDescriptorProto, OneofDescriptorProto,
    ServiceDescriptorProto,
};

fn sound() -> Vec<u8> {
    let mut compiler = protox::Compiler::new(["tests/protos"]).expect("a folder");
    compiler.include_imports(true).open_file("shop.proto").expect("sound files");
    compiler.encode_file_descriptor_set()
}

/// Reads a set, and whatever of it can be read, with a message of each method.
fn read(set: &[u8], message: &[u8]) {
    match Contract::parse(&Bytes::copy_from_slice(set), &Limits::default()) {
        Err(error) => assert_eq!(error.kind, Kind::Invalid, "{error}"),
        Ok(contract) => {
            for service in contract.services() {
                service.methods.iter().for_each(|method| call(method, message));
            }
        }
    }
}

fn call(method: &Method, message: &[u8]) {
    if let Err(error) = method.key(&Bytes::copy_from_slice(message)) {
        assert_eq!(error.kind, Kind::Invalid);
    }
    for descriptor in [&method.input, &method.output] {
        for field in descriptor.fields() {
            let _ = (field.kind(), field.default_value(), field.is_map(), field.containing_oneof());
        }
        if let Ok(read) = DynamicMessage::decode(descriptor.clone(), message) {
            let _ = read.encode_to_vec();
        }
    }
}

fn name() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        prop::sample::select(vec!["", "A", "B", "a.b", "key", "value", "."]).prop_map(|name| Some(name.into()))
    ]
}

fn type_name() -> impl Strategy<Value = Option<String>> {
    let names = vec![".p.A", ".p.B", "A", ".p.A.B", ".", "", ".google.protobuf.Any", ".google.protobuf.FieldOptions"];
    prop_oneof![Just(None), prop::sample::select(names).prop_map(|name| Some(name.into()))]
}

prop_compose! {
    fn field()(
        name in name(),
        number in prop_oneof![Just(None), (0..3).prop_map(Some), any::<i32>().prop_map(Some)],
        label in prop_oneof![Just(None), (0..4).prop_map(Some)],
        kind in prop_oneof![Just(None), (0..20).prop_map(Some)],
        type_name in type_name(),
        extendee in prop_oneof![4 => Just(None), 1 => type_name()],
        default_value in prop_oneof![3 => Just(None), 1 => prop::sample::select(vec!["", "1", "x", "inf", "\\x"]).prop_map(|text| Some(text.into()))],
        oneof_index in prop_oneof![3 => Just(None), 1 => (-1..3).prop_map(Some)],
        packed in prop_oneof![Just(None), any::<bool>().prop_map(Some)],
        proto3_optional in prop_oneof![3 => Just(None), 1 => any::<bool>().prop_map(Some)],
    ) -> FieldDescriptorProto {
        FieldDescriptorProto {
            name, number, label, r#type: kind, type_name, extendee, default_value, oneof_index, json_name: None,
            options: packed.map(|packed| FieldOptions { packed: Some(packed), ..FieldOptions::default() }),
            proto3_optional,
        }
    }
}

fn an_enum() -> impl Strategy<Value = EnumDescriptorProto> {
    let value = (name(), prop_oneof![Just(None), any::<i32>().prop_map(Some)])
        .prop_map(|(name, number)| EnumValueDescriptorProto { name, number, options: None });
    (name(), prop::collection::vec(value, 0..3)).prop_map(|(name, value)| EnumDescriptorProto {
        name,
        value,
        ..EnumDescriptorProto::default()
    })
}

fn message() -> impl Strategy<Value = DescriptorProto> {
    let leaf = (name(), prop::collection::vec(field(), 0..3), any::<bool>(), 0..3usize).prop_map(
        |(name, field, map, oneofs)| DescriptorProto {
            name,
            field,
            options: map.then(|| MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
            oneof_decl: vec![OneofDescriptorProto { name: Some("o".into()), options: None }; oneofs],
            ..DescriptorProto::default()
        },
    );
    leaf.prop_recursive(3, 8, 2, |inner| {
        (inner.clone(), prop::collection::vec(inner, 0..2), prop::collection::vec(an_enum(), 0..2))
            .prop_map(|(outer, nested_type, enum_type)| DescriptorProto { nested_type, enum_type, ..outer })
    })
}

fn service() -> impl Strategy<Value = ServiceDescriptorProto> {
    let method = (name(), type_name(), type_name()).prop_map(|(name, input_type, output_type)| MethodDescriptorProto {
        name,
        input_type,
        output_type,
        ..MethodDescriptorProto::default()
    });
    (name(), prop::collection::vec(method, 0..3)).prop_map(|(name, method)| ServiceDescriptorProto {
        name,
        method,
        options: None,
    })
}

prop_compose! {
    fn file()(
        name in name(),
        dependency in prop::collection::vec(prop::sample::select(vec!["A", "B", "google/protobuf/any.proto"]), 0..2),
        public_dependency in prop::collection::vec(-1..2i32, 0..2),
        message_type in prop::collection::vec(message(), 0..3),
        enum_type in prop::collection::vec(an_enum(), 0..2),
        service in prop::collection::vec(service(), 0..2),
        extension in prop::collection::vec(field(), 0..2),
        syntax in prop_oneof![Just(None), prop::sample::select(vec!["proto2", "proto3", "editions", ""]).prop_map(|text| Some(text.into()))],
    ) -> FileDescriptorProto {
        FileDescriptorProto {
            name, package: Some("p".into()), dependency: dependency.into_iter().map(Into::into).collect(),
            public_dependency, message_type, enum_type, service, extension, syntax, ..FileDescriptorProto::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(set in prop::collection::vec(any::<u8>(), 0..512), message in prop::collection::vec(any::<u8>(), 0..64)) {
        read(&set, &message);
    }

    #[test]
    fn a_damaged_set_is_read_or_refused(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
        message in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut set = sound();
        for (at, byte) in edits {
            let at = at.index(set.len());
            set[at] = byte;
        }
        if let Some(cut) = cut {
            set.truncate(cut.index(set.len()));
        }
        read(&set, &message);
    }

    #[test]
    fn any_descriptors_are_read_or_refused(
        file in prop::collection::vec(file(), 1..3),
        message in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        read(&FileDescriptorSet { file }.encode_to_vec(), &message);
    }
}
