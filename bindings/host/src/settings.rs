// SPDX-License-Identifier: Apache-2.0
//! The settings that every binding hands in as JSON.

use adjoin_entity::spec::{EntityKind, EntityType, EventKey, Handler, Source, Spec, Subscription, Taker};
use adjoin_model::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// What a host is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Engine and store in this process.
    InProcess,
    /// A function that a proxy dials.
    Serve,
    /// A client of a host elsewhere.
    Connect,
}

/// Settings of a host. Unknown fields are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What the host is to be.
    pub mode: Mode,
    /// What the function has; not in mode connect.
    #[serde(default)]
    pub(crate) spec: Option<SpecForm>,
    /// In-process: the folder of the journal; none keeps everything in memory.
    #[serde(default)]
    pub path: Option<String>,
    /// In-process: where to serve HTTP and gRPC, as `127.0.0.1:9000`.
    #[serde(default)]
    pub http: Option<String>,
    /// Serve: where to listen. Connect: whom to call.
    #[serde(default)]
    pub address: Option<String>,
    /// Serve: shared secret that a host must bring.
    #[serde(default)]
    pub token: Option<String>,
    /// In-process: shards of a store that is made now.
    #[serde(default)]
    pub shards: Option<u32>,
    /// Handlers that may run at once; 0 takes the host's setting.
    #[serde(default)]
    pub running: u32,
    /// Milliseconds that a close waits for what is under way.
    #[serde(default = "drain_ms")]
    pub drain_ms: u64,
    /// In-process: the engine's settings.
    #[serde(default)]
    pub engine: adjoin_engine::Settings,
    /// In-process: the ingress's settings.
    #[serde(default)]
    pub ingress: adjoin_ingress::Settings,
}

const fn drain_ms() -> u64 {
    10_000
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// `Invalid`, naming the field and the place.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::invalid(format!("the settings of the host: {error}")))
    }

    /// What the function has, with what its `.proto` files say, checked as a host does that dials it.
    ///
    /// # Errors
    /// `Invalid`, with every problem.
    pub(crate) fn spec(&self) -> Result<Spec> {
        let form = self.spec.clone().ok_or_else(|| Error::invalid("the settings of the host lack the spec"))?;
        let mut spec = form.into_spec()?;
        adjoin_function::subscribe(&mut spec)?;
        spec.check()?;
        adjoin_function::check_contract(&spec)?;
        adjoin_ingress::check(&spec)?;
        Ok(spec)
    }

    pub(crate) fn address(&self) -> Result<&str> {
        self.address.as_deref().ok_or_else(|| Error::invalid("the settings of the host lack the address"))
    }
}

/// [`Spec`] as data: ring 0 has no serde.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpecForm {
    sdk: String,
    types: Vec<TypeForm>,
    /// Contract first: the encoded `google.protobuf.FileDescriptorSet`, in base64.
    #[serde(default)]
    descriptors: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeForm {
    name: String,
    kind: KindForm,
    #[serde(default)]
    handlers: Vec<HandlerForm>,
    #[serde(default)]
    readable_events: Vec<String>,
    #[serde(default)]
    passivate_after_ms: u64,
    #[serde(default)]
    snapshot_every: u32,
    #[serde(default)]
    event_schemas: String,
    #[serde(default)]
    state_schema: String,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    services: Vec<String>,
    #[serde(default)]
    reads_any_event: bool,
    #[serde(default)]
    subscriptions: Vec<SubscriptionForm>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscriptionForm {
    event_log: String,
    group: String,
    #[serde(default)]
    takers: Vec<TakerForm>,
    #[serde(default)]
    rest: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TakerForm {
    event: String,
    handler: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindForm {
    EventSourced,
    Value,
    Action,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HandlerForm {
    name: String,
    #[serde(default)]
    query: bool,
    #[serde(default)]
    streamed_in: bool,
    #[serde(default)]
    streamed_out: bool,
    #[serde(default)]
    input_schema: String,
    #[serde(default)]
    output_schema: String,
    #[serde(default)]
    summary: String,
}

impl SpecForm {
    fn into_spec(self) -> Result<Spec> {
        let descriptors = STANDARD.decode(self.descriptors);
        let descriptors =
            descriptors.map_err(|error| Error::invalid(format!("the descriptors of the spec: {error}")))?;
        let types = self.types.into_iter().map(TypeForm::into_type).collect();
        Ok(Spec { descriptors: descriptors.into(), ..Spec::new(self.sdk, types) })
    }
}

impl TypeForm {
    fn into_type(self) -> EntityType {
        EntityType {
            name: self.name.into(),
            kind: match self.kind {
                KindForm::EventSourced => EntityKind::EventSourced,
                KindForm::Value => EntityKind::Value,
                KindForm::Action => EntityKind::Action,
            },
            handlers: self.handlers.into_iter().map(HandlerForm::into_handler).collect(),
            readable_events: self.readable_events,
            passivate_after_ms: self.passivate_after_ms,
            snapshot_every: self.snapshot_every,
            event_schemas: self.event_schemas,
            state_schema: self.state_schema,
            summary: self.summary,
            services: self.services,
            reads_any_event: self.reads_any_event,
            subscriptions: self.subscriptions.into_iter().map(SubscriptionForm::into_subscription).collect(),
        }
    }
}

impl SubscriptionForm {
    fn into_subscription(self) -> Subscription {
        let taker = |TakerForm { event, handler }| Taker { event, handler: handler.into() };
        Subscription {
            source: Source::EventLog(self.event_log.into()),
            group: self.group.into(),
            events: self.takers.into_iter().map(taker).collect(),
            rest: self.rest.map(Into::into),
            key: EventKey::Subject,
        }
    }
}

impl HandlerForm {
    fn into_handler(self) -> Handler {
        Handler {
            name: self.name.into(),
            query: self.query,
            streamed_in: self.streamed_in,
            streamed_out: self.streamed_out,
            input_schema: self.input_schema,
            output_schema: self.output_schema,
            summary: self.summary,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_model::Kind;

    fn refused(more: &str, spec: &str) -> String {
        let handlers = r#"[{"name":"take"},{"name":"rest"}]"#;
        let types = format!(r#"[{{"name":"t.Taker","kind":"action","handlers":{handlers}{more}}}]"#);
        let text = format!(r#"{{"mode":"serve","spec":{{"sdk":"x","types":{types}{spec}}}}}"#);
        let settings = Settings::from_json(&text).expect("sound");
        settings.spec().expect_err("refused").message
    }

    #[test]
    fn subscriptions_are_read_as_the_spec_has_them() {
        let text = r#"{"mode":"serve","spec":{"sdk":"x","types":[{"name":"t.Taker","kind":"action","handlers":[
            {"name":"take"},{"name":"rest"}],"subscriptions":[{"event_log":"shop.Cart","group":"g",
            "takers":[{"event":"ItemAdded","handler":"take"}],"rest":"rest"}]}]}}"#;
        let spec = Settings::from_json(text).expect("sound").spec().expect("a spec");
        let [subscription] = &spec.types[0].subscriptions[..] else { panic!("{spec:?}") };
        let handler = |event| subscription.handler(event).map(|name| &**name);
        assert_eq!((handler("ItemAdded"), handler("ItemRemoved")), (Some("take"), Some("rest")));
        assert_eq!(
            (&subscription.source, &subscription.key),
            (&Source::EventLog("shop.Cart".into()), &EventKey::Subject)
        );
        let wrong = r#","subscriptions":[{"event_log":"l","group":"g","takers":[{"event":"E","handler":"none"}]}]"#;
        assert!(refused(wrong, "").contains("no handler none"));
    }

    #[test]
    fn a_contract_is_checked_as_a_host_does_that_dials() {
        let services = r#","services":["t.Takers"]"#;
        assert!(refused(services, r#","descriptors":"*""#).contains("the descriptors of the spec"));
        assert!(!refused(services, r#","descriptors":"AQ==""#).is_empty(), "one byte is no set of descriptors");
        assert!(refused(services, "").contains("sends no descriptors"), "{}", refused(services, ""));
    }

    #[test]
    fn settings_are_read_and_unknown_ones_refused() {
        let text = r#"{"mode":"in-process","spec":{"sdk":"x","types":[
            {"name":"shop.Cart","kind":"event-sourced","handlers":[{"name":"addItem"}],"readable_events":["A"]}]}}"#;
        let settings = Settings::from_json(text).expect("sound");
        assert_eq!((settings.mode, settings.drain_ms), (Mode::InProcess, 10_000));
        assert_eq!(settings.spec().expect("a spec").types.len(), 1);
        let error = Settings::from_json(r#"{"mode":"serve","adress":"x"}"#).expect_err("refused");
        assert!(error.kind == Kind::Invalid && error.message.contains("adress"), "{error}");
        assert!(Settings::from_json(r#"{"mode":"serve"}"#).expect("sound").spec().is_err());
    }
}
