// SPDX-License-Identifier: Apache-2.0
//! What a contract says, from sets that a compiler made.

use adjoin_contract::{Contract, Eventing, Limits, Source, Verb};
use adjoin_model::Kind;
use bytes::Bytes;
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

/// A set's encoding, options included: a decoded one would lose them.
fn encoded() -> Vec<u8> {
    encoded_file("shop.proto")
}

fn encoded_file(name: &str) -> Vec<u8> {
    let mut compiler = protox::Compiler::new(["tests/protos"]).expect("a folder");
    compiler.include_imports(true).include_source_info(true).open_file(name).expect("sound files");
    compiler.encode_file_descriptor_set()
}

fn shop() -> Contract {
    Contract::parse(&encoded().into(), &Limits::default()).expect("a contract")
}

/// A field of an encoded message.
fn field(tag: u32, wire: u32, body: &[u8]) -> Vec<u8> {
    let mut made = vec![u8::try_from(tag << 3 | wire).expect("a short tag")];
    if wire == 2 {
        made.push(u8::try_from(body.len()).expect("a short body"));
    }
    made.extend_from_slice(body);
    made
}

fn file(name: &str, imports: &[&str]) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.into()),
        dependency: imports.iter().map(|import| (*import).into()).collect(),
        ..FileDescriptorProto::default()
    }
}

fn refusal(file: Vec<FileDescriptorProto>) -> String {
    let error =
        Contract::parse(&FileDescriptorSet { file }.encode_to_vec().into(), &Limits::default()).expect_err("refused");
    assert_eq!(error.kind, Kind::Invalid);
    error.to_string()
}

#[test]
fn a_service_has_its_methods_with_types_and_shapes() {
    let contract = shop();
    let names: Vec<&str> = contract.services().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["shop.Cart", "shop.Watch"]);
    let add = contract.service("shop.Cart").and_then(|cart| cart.method("AddItem")).expect("a method");
    assert_eq!((add.input.full_name(), add.output.full_name()), ("shop.Item", "google.protobuf.Empty"));
    assert!(!add.client_streaming && !add.server_streaming);
    let follow = contract.service("shop.Watch").and_then(|watch| watch.method("Follow")).expect("a method");
    assert!(follow.client_streaming && follow.server_streaming && follow.key_fields.is_empty());
    assert!(contract.service("shop.Nothing").is_none());
}

#[test]
fn rules_and_eventing_are_read_without_their_definitions() {
    let set = FileDescriptorSetBytes::without(&encoded(), &["cloudstate/", "google/"]);
    let contract = Contract::parse(&set.into(), &Limits::default()).expect("a contract");
    let cart = contract.service("shop.Cart").expect("a service");
    let http = &cart.method("AddItem").expect("a method").http;
    assert_eq!((&http[0].verb, &*http[0].path, &*http[0].body), (&Verb::Post, "/cart/{cart}/items", "*"));
    assert_eq!((&http[1].verb, &*http[1].response_body), (&Verb::Custom("*".into()), "x"));
    let eventing = Eventing {
        source: Some(Source::EventLog("carts".into())),
        consumer_group: "g".into(),
        out_topic: Some("t".into()),
    };
    assert_eq!(cart.method("GetDeep").expect("a method").eventing, Some(eventing));
    assert_eq!(cart.method("AddItem").expect("a method").eventing, None);
    assert_eq!(cart.method("AddItem").expect("a method").key(&field(1, 2, b"ada").into()).expect("a key"), "ada");
}

/// Edits of an encoded set that keep the options.
struct FileDescriptorSetBytes;

impl FileDescriptorSetBytes {
    /// Without the files whose names begin so, and without their imports.
    fn without(set: &[u8], gone: &[&str]) -> Vec<u8> {
        let is_gone =
            |name: &str| gone.iter().any(|start| name.starts_with(start)) && name != "google/protobuf/empty.proto";
        let pool = prost_reflect::DescriptorPool::decode(set).expect("a set");
        let mut made = Vec::new();
        for file in pool.files().filter(|file| !is_gone(file.name())) {
            let mut bytes = file.encode_to_vec();
            for import in file.dependencies().filter(|import| is_gone(import.name())) {
                let import = field(3, 2, import.name().as_bytes());
                let at = bytes.windows(import.len()).position(|window| window == import).expect("an import");
                bytes.drain(at..at + import.len());
            }
            made.push(0x0a);
            prost::encoding::encode_varint(bytes.len() as u64, &mut made);
            made.extend(bytes);
        }
        made
    }
}

#[test]
fn keys_are_joined_in_the_order_of_declaration() {
    let contract = shop();
    let deep = contract.service("shop.Cart").and_then(|cart| cart.method("GetDeep")).expect("a method");
    let names: Vec<&str> = deep.key_fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["second", "first", "color", "less", "ratio", "fixed", "flag"]);
    let payload = [
        field(2, 2, b"old"),
        field(2, 2, "é/ü".as_bytes()),
        field(9, 0, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        field(3, 0, &[1]),
        field(4, 0, &[3]),
        field(5, 1, &1.0f64.to_le_bytes()),
        field(6, 5, &u32::MAX.to_le_bytes()),
        field(7, 0, &[1]),
    ]
    .concat();
    assert_eq!(deep.key(&payload.into()).expect("a key"), "18446744073709551615-é/ü-COLOR_RED--2-1.0-4294967295-true");
    assert_eq!(deep.key(&Bytes::new()).expect("defaults"), "0--COLOR_NONE-0-0.0-0-false");
    assert_eq!(deep.key(&field(3, 0, &[9]).into()).expect("a key"), "0--9-0-0.0-0-false");
}

#[test]
fn an_empty_or_broken_key_is_invalid() {
    let contract = shop();
    let add = contract.service("shop.Cart").and_then(|cart| cart.method("AddItem")).expect("a method");
    let empty = add.key(&field(2, 2, b"p1").into()).expect_err("no key");
    assert!(empty.to_string().contains("the entity key is empty: set cart"), "{empty}");
    for broken in [&field(1, 2, b"\xff")[..], b"\x0a\x05ab", b"\x0b"] {
        assert_eq!(add.key(&Bytes::copy_from_slice(broken)).expect_err("broken").kind, Kind::Invalid);
    }
}

#[test]
fn the_whole_set_can_be_read_by_one_who_knows_no_file() {
    let options = ["cloudstate/", "google/api/"];
    let stripped = FileDescriptorSetBytes::without(&encoded(), &[&options[..], &["google/protobuf/"]].concat());
    for set in [encoded(), stripped] {
        let whole = Contract::parse(&set.into(), &Limits::default()).expect("a contract").whole_set();
        let files = FileDescriptorSet::decode(whole.as_slice()).expect("a set").file;
        let names: Vec<&str> = files.iter().map(|file| file.name()).collect();
        for (at, file) in files.iter().enumerate() {
            let behind = |import: &String| names[..at].contains(&import.as_str());
            assert!(file.dependency.iter().all(behind), "{} in {names:?}", file.name());
        }
        assert!(names.contains(&"google/protobuf/empty.proto"), "{names:?}");
        let again = Contract::parse(&whole.into(), &Limits::default()).expect("a contract");
        let add = again.service("shop.Cart").and_then(|cart| cart.method("AddItem")).expect("a method");
        assert_eq!(add.key(&field(1, 2, b"ada").into()).expect("a key"), "ada", "options are kept");
    }
}

#[test]
fn the_order_of_files_does_not_matter() {
    let pool = prost_reflect::DescriptorPool::decode(&encoded()[..]).expect("a set");
    let mut files: Vec<Vec<u8>> = pool.files().map(|file| file.encode_to_vec()).collect();
    files.reverse();
    files.extend(files.clone());
    let mut set = Vec::new();
    for file in files {
        set.push(0x0a);
        prost::encoding::encode_varint(file.len() as u64, &mut set);
        set.extend(file);
    }
    let contract = Contract::parse(&set.into(), &Limits::default()).expect("a contract");
    assert_eq!(contract.services().count(), 2);
    assert_eq!(contract.files().last().map(|file| &*file.name), Some("shop.proto"));
}

#[test]
fn imports_that_are_missing_or_circular_are_named() {
    let missing =
        refusal(vec![file("a.proto", &["b.proto"]), file("b.proto", &["google/protobuf/any.proto", "c.proto"])]);
    assert!(missing.contains("an import is missing: a.proto → b.proto → c.proto"), "{missing}");
    let circle =
        refusal(vec![file("a.proto", &["b.proto"]), file("b.proto", &["c.proto"]), file("c.proto", &["a.proto"])]);
    assert!(circle.contains("circle: a.proto → b.proto → c.proto → a.proto"), "{circle}");
    let differ = refusal(vec![file("a.proto", &[]), file("a.proto", &["google/protobuf/any.proto"])]);
    assert!(differ.contains("two files named \"a.proto\""), "{differ}");
}

#[test]
fn limits_are_kept_before_anything_is_built() {
    let small = Limits { bytes: 200_000, files: 3, messages: 10, fields: 20, name_bytes: 30, depth: 4 };
    let said =
        |set: &[u8]| Contract::parse(&Bytes::copy_from_slice(set), &small).expect_err("past a limit").to_string();
    let of = |body: &[u8]| {
        let mut set = vec![0x0a];
        prost::encoding::encode_varint(body.len() as u64, &mut set);
        set.extend_from_slice(body);
        set
    };
    assert!(said(&[0; 200_001]).contains("longer than 200000 bytes"));
    assert!(said(&field(1, 2, &[]).repeat(4)).contains("more than 3 files"));
    assert!(said(&of(&field(4, 2, &[]).repeat(11))).contains("more than 10 messages"));
    assert!(said(&of(&field(4, 2, &field(2, 2, &[]).repeat(21)))).contains("more than 20 fields"));
    assert!(said(&of(&field(3, 2, &[]).repeat(21))).contains("more than 20 fields"));
    assert!(said(&of(&field(2, 2, &[b'a'; 31]))).contains("more than 30 bytes of a name"));
    let nested = (0..6).fold(Vec::new(), |inner, _| field(3, 2, &inner));
    assert!(said(&of(&field(4, 2, &nested))).contains("more than 4 messages within messages"));
}

#[test]
fn twelve_mebibytes_of_tiny_messages_are_refused() {
    let body = [0x22, 0].repeat(6_000_000);
    let mut set = vec![0x0a];
    prost::encoding::encode_varint(body.len() as u64, &mut set);
    set.extend(body);
    let error = Contract::parse(&set.into(), &Limits::default()).expect_err("too many");
    assert!(error.message.contains("more than 20000 messages"), "{error}");
}

#[test]
fn a_key_without_a_text_is_refused() {
    let error =
        Contract::parse(&encoded_file("unfit.proto").into(), &Limits::default()).expect_err("bytes have no text");
    assert!(error.message.contains("unfit.Blob.id cannot be an entity key"), "{error}");
}

#[test]
fn a_method_knows_whether_its_input_can_hold_a_map() {
    let contract = Contract::parse(&encoded_file("maps.proto").into(), &Limits::default()).expect("a contract");
    let methods = &contract.service("maps.Maps").expect("a service").methods;
    let held: Vec<(&str, bool)> = methods.iter().map(|method| (&*method.name, method.holds_maps)).collect();
    let expected = [
        ("OfPlain", false),
        ("OfHolder", true),
        ("OfOuter", true),
        ("OfOpen", true),
        ("OfExtended", true),
        ("OfStruct", true),
        ("OfAny", false),
    ];
    assert_eq!(held, expected);
}
