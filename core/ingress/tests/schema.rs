// SPDX-License-Identifier: Apache-2.0
//! Derived messages: their numbers stay, their names stay, their text is readable.

use std::sync::Arc;

use adjoin_entity::spec::{EntityKind, EntityType, Handler};
use adjoin_ingress::schema::{Lock, check, export, lock};

fn handler(name: &str, query: bool, input: &str, output: &str) -> Handler {
    Handler {
        name: name.into(),
        query,
        streamed_in: false,
        streamed_out: false,
        input_schema: input.into(),
        output_schema: output.into(),
        summary: String::new(),
    }
}

fn entity_type(name: &str, handlers: Vec<Handler>) -> Arc<EntityType> {
    Arc::new(EntityType {
        handlers,
        summary: "A shopping cart.".into(),
        ..EntityType::new(name, EntityKind::EventSourced)
    })
}

const ITEM: &str = r#"{"type":"object","properties":{"product":{"type":"string"},"name":{"type":"string"},
    "qty":{"type":"integer","default":1}},"required":["product","name"]}"#;
const MOVED_ITEM: &str = r#"{"type":"object","properties":{"gift":{"type":"boolean"},"qty":{"type":"integer","default":1},
    "product":{"type":"string"},"name":{"type":"string"}},"required":["product","name"]}"#;

fn cart(item: &str) -> Arc<EntityType> {
    let input = format!(r##"{{"$ref":"#/$defs/Item","x-adjoin-params":["item"],"$defs":{{"Item":{item}}}}}"##);
    let output = format!(r##"{{"type":"array","items":{{"$ref":"#/$defs/Item"}},"$defs":{{"Item":{item}}}}}"##);
    let none = r#"{"x-adjoin-params":[]}"#;
    let handlers = vec![
        handler("addItem", false, &input, r#"{"type":"integer"}"#),
        handler("removeItem", false, r#"{"type":"string","x-adjoin-params":["product"]}"#, r#"{"type":"null"}"#),
        handler("contents", true, none, &output),
    ];
    entity_type("shop.Cart", handlers)
}

fn text(types: &[Arc<EntityType>], lock: &Lock) -> String {
    let files = export(types, lock);
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].path, "shop/entities.proto");
    files[0].text.clone()
}

#[test]
fn the_exported_text_is_what_a_person_would_write() {
    let types = [cart(ITEM)];
    let expected = r#"// Derived by `adjoin schema export`; field numbers come from adjoin.lock.json.
syntax = "proto3";

package shop;

// A shopping cart.
service Cart {
  rpc AddItem(AddItemRequest) returns (AddItemResponse);
  rpc RemoveItem(RemoveItemRequest) returns (RemoveItemResponse);
  rpc Contents(ContentsRequest) returns (ContentsResponse);
  // The answer of Contents now and after every change.
  rpc WatchContents(WatchContentsRequest) returns (stream WatchContentsResponse);
}

message Item {
  string product = 1;
  string name = 2;
  optional int64 qty = 3;
}

message AddItemRequest {
  string key = 1;
  Item item = 2;
}

message AddItemResponse {
  int64 value = 1;
}

message RemoveItemRequest {
  string key = 1;
  string product = 2;
}

message RemoveItemResponse {}

message ContentsRequest {
  string key = 1;
}

message ContentsResponse {
  repeated Item value = 1;
}

message WatchContentsRequest {
  string key = 1;
}

message WatchContentsResponse {
  repeated Item value = 1;
  uint64 sequence = 2;
}
"#;
    assert_eq!(text(&types, &Lock::default()), expected);
}

#[test]
fn a_lock_keeps_numbers_when_fields_move_and_reserves_those_that_go() {
    let first = lock(&[cart(ITEM)], &Lock::default());
    assert!(first.added.contains(&"shop.Item.qty".into()), "{:?}", first.added);
    assert!(check(&[cart(ITEM)], &first.lock).is_empty());
    let moved = [cart(MOVED_ITEM)];
    assert_eq!(check(&moved, &first.lock), ["shop.Item.gift"]);
    let second = lock(&moved, &first.lock);
    let text_then = text(&moved, &second.lock);
    for line in ["optional bool gift = 4;", "optional int64 qty = 3;", "string product = 1;"] {
        assert!(text_then.contains(line), "{text_then}");
    }
    let back = text(&[cart(ITEM)], &second.lock);
    assert!(back.contains("  reserved 4;\n  reserved \"gift\";\n"), "{back}");
    assert_eq!(Lock::parse(&second.lock.text()).expect("read back"), second.lock);
}

#[test]
fn a_new_type_takes_no_name_that_another_has() {
    let wish = |item: &str| {
        let input = format!(r##"{{"$ref":"#/$defs/Item","x-adjoin-params":["item"],"$defs":{{"Item":{item}}}}}"##);
        entity_type("shop.Wish", vec![handler("addItem", false, &input, "")])
    };
    let locked = lock(&[cart(ITEM)], &Lock::default()).lock;
    // Declared before the older one, which keeps its names all the same; an equal Item is shared.
    let types = [wish(ITEM), cart(ITEM)];
    let shared = text(&types, &locked);
    assert!(shared.contains("rpc AddItem(WishAddItemRequest) returns (WishAddItemResponse);"), "{shared}");
    assert!(shared.contains("rpc AddItem(AddItemRequest) returns (AddItemResponse);"), "{shared}");
    assert_eq!(shared.matches("message Item {").count(), 1, "{shared}");
    // One that differs gets a name of its own, and begins with the numbers of the other.
    let locked = lock(&types, &locked).lock;
    let types = [wish(MOVED_ITEM), cart(ITEM)];
    let split = text(&types, &locked);
    let own = split.split("message WishItem {").nth(1).expect("an Item of its own");
    assert!(own.contains("optional bool gift = 4;") && own.contains("optional int64 qty = 3;"), "{split}");
}

#[test]
fn types_of_every_language_have_a_form() {
    let input = r##"{"type":"object","x-adjoin-params":["a"],"title":"All","properties":{
        "at":{"type":"string","format":"date-time"},"raw":{"type":"string","contentEncoding":"base64"},
        "ratio":{"type":"number"},"half":{"type":"number","format":"float"},"small":{"type":"integer","minimum":0,"maximum":4294967295},
        "exact":{"type":"integer","format":"uint64"},"maybe":{"anyOf":[{"type":"string"},{"type":"null"}]},
        "counts":{"type":"object","additionalProperties":{"type":"integer"}},"free":{"type":"object"},"any":{},
        "grid":{"type":"array","items":{"type":"array","items":{"type":"integer"}}},"isOn":{"type":"boolean"},
        "shape":{"anyOf":[{"$ref":"#/$defs/Circle"},{"$ref":"#/$defs/Square"}],"discriminator":{"propertyName":"type"}},
        "next":{"anyOf":[{"$ref":"#/$defs/Node"},{"type":"null"}]}},
        "required":["at","raw","ratio","half","small","exact","counts","free","any","grid","isOn","shape"],
        "$defs":{"Circle":{"type":"object","properties":{"type":{"const":"Circle"},"r":{"type":"number"}},"required":["type","r"]},
        "Square":{"type":"object","properties":{"type":{"const":"Square"},"a":{"type":"number"}},"required":["type","a"]},
        "Node":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/Node"},{"type":"null"}]}}}}}"##;
    let text = text(&[entity_type("shop.All", vec![handler("put", false, input, "")])], &Lock::default());
    for line in [
        "google.protobuf.Timestamp at = 1;",
        "bytes raw = 2;",
        "double ratio = 3;",
        "float half = 4;",
        "uint32 small = 5;",
        "uint64 exact = 6;",
        "optional string maybe = 7;",
        "map<string, int64> counts = 8;",
        "google.protobuf.Struct free = 9;",
        "google.protobuf.Value any = 10;",
        "repeated google.protobuf.Value grid = 11;",
        "bool is_on = 12;",
        "AllShape shape = 13;",
        "Node next = 14;",
        "oneof kind {",
        "Circle circle = 1 [json_name = \"Circle\"];",
        "import \"google/protobuf/struct.proto\";",
        "import \"google/protobuf/timestamp.proto\";",
        // Nothing may share the name of the service.
        "message AllAll {",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
}

#[test]
fn what_has_no_form_is_said() {
    let twice = entity_type("shop.Twice", vec![handler("addItem", false, "", ""), handler("add_item", false, "", "")]);
    let ours = entity_type("grpc.Health", vec![handler("x", false, "", "")]);
    let notes = lock(&[twice, ours], &Lock::default()).notes;
    assert!(notes.iter().any(|note| note.contains("shop.Twice.add_item")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("grpc.Health")), "{notes:?}");
}
