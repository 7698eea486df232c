// SPDX-License-Identifier: Apache-2.0
//! Derived packages as `.proto` text, for people and other teams.

use std::fmt::{Result, Write};

use crate::schema::descriptor::{imports, is_optional, reserved};
use crate::schema::model::{Field, Label, Message, Method, Package, Service, Type};

/// The text of a package.
pub(crate) fn text(package: &Package) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write_package(&mut text, package);
    text
}

fn write_package(text: &mut String, package: &Package) -> Result {
    text.push_str(
        "// Derived by `adjoin schema export`; field numbers come from adjoin.lock.json.\nsyntax = \"proto3\";\n",
    );
    if !package.name.is_empty() {
        write!(text, "\npackage {};\n", package.name)?;
    }
    let imports = imports(package);
    if !imports.is_empty() {
        text.push('\n');
    }
    for import in imports {
        writeln!(text, "import \"{import}\";")?;
    }
    for service in &package.services {
        write_service(text, package, service)?;
    }
    for message in &package.messages {
        write_message(text, package, message)?;
    }
    Ok(())
}

fn write_service(text: &mut String, package: &Package, service: &Service) -> Result {
    text.push('\n');
    comment(text, "", &service.entity_type.summary)?;
    writeln!(text, "service {} {{", service.name)?;
    for method in &service.methods {
        write_method(text, package, method)?;
    }
    text.push_str("}\n");
    Ok(())
}

fn write_method(text: &mut String, package: &Package, method: &Method) -> Result {
    comment(text, "  ", &method.comment)?;
    let stream = |streamed| if streamed { "stream " } else { "" };
    let (input, output) = (short(package, &method.input), short(package, &method.output));
    let (from, to) = (stream(method.streamed_in), stream(method.streamed_out));
    writeln!(text, "  rpc {}({from}{input}) returns ({to}{output});", method.name)
}

fn write_message(text: &mut String, package: &Package, message: &Message) -> Result {
    text.push('\n');
    comment(text, "", &message.comment)?;
    if message.fields.is_empty() && message.numbers.is_empty() {
        return writeln!(text, "message {} {{}}", message.short());
    }
    writeln!(text, "message {} {{", message.short())?;
    for (name, number) in reserved(message) {
        writeln!(text, "  reserved {number};\n  reserved \"{name}\";")?;
    }
    let (variants, fields): (Vec<&Field>, Vec<&Field>) =
        message.fields.iter().partition(|field| field.label == Label::OneOf);
    if !variants.is_empty() {
        text.push_str("  oneof kind {\n");
        variants.iter().try_for_each(|field| write_field(text, package, message, field, "    "))?;
        text.push_str("  }\n");
    }
    fields.iter().try_for_each(|field| write_field(text, package, message, field, "  "))?;
    text.push_str("}\n");
    Ok(())
}

fn write_field(text: &mut String, package: &Package, message: &Message, field: &Field, indent: &str) -> Result {
    let kind = kind(package, &field.kind);
    let kind = match field.label {
        Label::Repeated => format!("repeated {kind}"),
        Label::Map => format!("map<string, {kind}>"),
        Label::Optional if is_optional(field) => format!("optional {kind}"),
        Label::Once | Label::Optional | Label::OneOf => kind,
    };
    write!(text, "{indent}{kind} {} = {}", field.name, message.number(field))?;
    if camel(&field.name) != field.json {
        write!(text, " [json_name = {}]", serde_json::Value::from(field.json.as_str()))?;
    }
    text.push_str(";\n");
    Ok(())
}

/// The JSON name that protobuf gives a field by itself.
fn camel(name: &str) -> String {
    let mut made = String::new();
    let mut upper = false;
    for letter in name.chars() {
        if letter == '_' {
            upper = true;
        } else {
            made.push(if std::mem::take(&mut upper) { letter.to_ascii_uppercase() } else { letter });
        }
    }
    made
}

fn short<'a>(package: &Package, name: &'a str) -> &'a str {
    name.strip_prefix(&package.name).map_or(name, |rest| rest.strip_prefix('.').unwrap_or(rest))
}

fn comment(text: &mut String, indent: &str, comment: &str) -> Result {
    comment.lines().try_for_each(|line| writeln!(text, "{indent}// {}", line.trim_end()))
}

fn kind(package: &Package, kind: &Type) -> String {
    match kind {
        Type::Double => "double".into(),
        Type::Float => "float".into(),
        Type::Int64 => "int64".into(),
        Type::Uint64 => "uint64".into(),
        Type::Int32 => "int32".into(),
        Type::Uint32 => "uint32".into(),
        Type::Bool => "bool".into(),
        Type::Text => "string".into(),
        Type::Bytes => "bytes".into(),
        Type::Message(name) => short(package, name).into(),
        Type::Timestamp => "google.protobuf.Timestamp".into(),
        Type::Struct => "google.protobuf.Struct".into(),
        Type::Value => "google.protobuf.Value".into(),
    }
}
