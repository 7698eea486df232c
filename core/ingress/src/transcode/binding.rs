// SPDX-License-Identifier: Apache-2.0
//! A rule of `google.api.http`, checked against the messages of its method.

use std::sync::Arc;

use adjoin_contract::{HttpRule, Verb};
use prost_reflect::FieldDescriptor;

use crate::contract::Served;
use crate::transcode::fields::{self, Path};
use crate::transcode::input::HTTP_BODY;
use crate::transcode::template::Template;

/// What the body of a request is for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BodyRule {
    /// Nothing: it is passed over.
    None,
    /// The whole message.
    Whole,
    /// This field.
    Field(FieldDescriptor),
}

/// A way to a method over HTTP.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) served: Arc<Served>,
    /// In capitals; `*` for any.
    pub(crate) verb: String,
    /// As it is written.
    pub(crate) path: String,
    pub(crate) template: Template,
    /// The field of each variable of the template.
    pub(crate) variables: Vec<Path>,
    pub(crate) body: BodyRule,
    /// The field of the reply that is the answer's body.
    pub(crate) response: Option<FieldDescriptor>,
}

/// The ways to a method: those of its rules, or `POST /<service>/<method>`. What is wrong is noted.
pub(crate) fn all(served: &Arc<Served>, notes: &mut Vec<String>) -> Vec<Binding> {
    let implicit = [HttpRule {
        selector: String::new(),
        verb: Verb::Post,
        path: served.path.clone(),
        body: "*".into(),
        response_body: String::new(),
    }];
    let rules = if served.method.http.is_empty() { &implicit[..] } else { &served.method.http };
    let mut made = Vec::new();
    for rule in rules {
        match Binding::new(served, rule) {
            Ok(binding) => made.push(binding),
            Err(said) => notes.push(format!("the path {:?} of {} is not served: {said}", rule.path, served.path)),
        }
    }
    made
}

impl Binding {
    fn new(served: &Arc<Served>, rule: &HttpRule) -> Result<Self, String> {
        let template = Template::parse(&rule.path)?;
        let (input, output) = (&served.method.input, &served.method.output);
        let variable = |name: &str| {
            let path = fields::find(input, name)?;
            let fits = path.last().is_some_and(|field| !field.is_list() && fields::is_scalar(field));
            if fits { Ok(path) } else { Err(format!("the variable {name:?} is no single value")) }
        };
        let variables = template.variables.iter().map(|found| variable(&found.field)).collect::<Result<_, _>>()?;
        let top = |message: &prost_reflect::MessageDescriptor, name: &str| {
            message.get_field_by_name(name).ok_or_else(|| format!("{} has no field {name:?}", message.full_name()))
        };
        let body = match rule.body.as_str() {
            "" => BodyRule::None,
            "*" => BodyRule::Whole,
            name => BodyRule::Field(top(input, name)?),
        };
        let response = match rule.response_body.as_str() {
            "" => None,
            name => Some(top(output, name)?),
        };
        let (served, path) = (served.clone(), rule.path.clone());
        Ok(Self { served, verb: verb(&rule.verb)?, path, template, variables, body, response })
    }
}

impl Binding {
    /// Whether the body of a request is taken as it is.
    pub(crate) fn takes_raw(&self) -> bool {
        match &self.body {
            BodyRule::None => false,
            BodyRule::Whole => self.served.method.input.full_name() == HTTP_BODY,
            BodyRule::Field(field) => is_http_body(field),
        }
    }
}

/// Whether a field is one body as it is.
pub(crate) fn is_http_body(field: &FieldDescriptor) -> bool {
    !field.is_list() && field.kind().as_message().is_some_and(|message| message.full_name() == HTTP_BODY)
}

fn verb(verb: &Verb) -> Result<String, String> {
    Ok(match verb {
        Verb::Get => "GET".into(),
        Verb::Put => "PUT".into(),
        Verb::Post => "POST".into(),
        Verb::Delete => "DELETE".into(),
        Verb::Patch => "PATCH".into(),
        Verb::Custom(kind) => match http::Method::from_bytes(kind.as_bytes()) {
            Ok(_) => kind.clone(),
            Err(_) => return Err(format!("{kind:?} is no HTTP method")),
        },
    })
}
