// SPDX-License-Identifier: Apache-2.0
//! What a service says of itself.

use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use serde_json::json;

use crate::scenario::{Scenario, scenarios};
use crate::site::{Sdk, Site, text};

pub(super) fn scenarios() -> Vec<Scenario<Site>> {
    scenarios!(
        "",
        [
            every_service_that_the_sdk_can_express_is_declared,
            state_is_kept_under_the_names_that_suites_expect,
            the_configured_leave_memory_after_100_ms_where_the_sdk_can_say_so,
            the_version_is_what_this_sdk_says,
            the_descriptors_resolve_and_have_the_services,
            an_error_report_is_taken,
        ]
    )
}

const EVENT_SOURCED: [&str; 4] = [
    "cloudstate.tck.model.EventSourcedTckModel",
    "cloudstate.tck.model.EventSourcedTwo",
    "cloudstate.tck.model.EventSourcedConfigured",
    "adjoin.interop.cart.Cart",
];
const MORE_THAN_IN_JAVA: [(&str, &str); 8] = [
    ("cloudstate.valueentity.ValueEntity", "cloudstate.tck.model.valueentity.ValueEntityTckModel"),
    ("cloudstate.valueentity.ValueEntity", "cloudstate.tck.model.valueentity.ValueEntityTwo"),
    ("cloudstate.valueentity.ValueEntity", "cloudstate.tck.model.valueentity.ValueEntityConfigured"),
    ("cloudstate.action.ActionProtocol", "cloudstate.tck.model.action.ActionTckModel"),
    ("cloudstate.action.ActionProtocol", "cloudstate.tck.model.action.ActionTwo"),
    ("cloudstate.action.ActionProtocol", "cloudstate.tck.model.eventlogeventing.EventLogSubscriberModel"),
    ("cloudstate.eventsourced.EventSourced", "cloudstate.tck.model.eventlogeventing.EventSourcedEntityOne"),
    ("cloudstate.eventsourced.EventSourced", "cloudstate.tck.model.eventlogeventing.EventSourcedEntityTwo"),
];

async fn every_service_that_the_sdk_can_express_is_declared(site: &Site) -> Result<(), String> {
    let mut expected: Vec<(String, String)> =
        EVENT_SOURCED.map(|service| ("cloudstate.eventsourced.EventSourced".to_owned(), service.to_owned())).to_vec();
    if site.sdk != Sdk::Java {
        expected.extend(MORE_THAN_IN_JAVA.map(|(kind, service)| (kind.to_owned(), service.to_owned())));
    }
    let mut found: Vec<(String, String)> =
        site.entities().iter().map(|entity| (text(entity, "entity_type"), text(entity, "service_name"))).collect();
    expected.sort();
    found.sort();
    same(&found, &expected)
}

async fn state_is_kept_under_the_names_that_suites_expect(site: &Site) -> Result<(), String> {
    let names = [
        ("EventSourcedTckModel", "event-sourced-tck-model"),
        ("EventSourcedConfigured", "event-sourced-configured"),
        ("ValueEntityTckModel", "value-entity-tck-model"),
        ("ValueEntityTwo", "value-entity-tck-model-two"),
        ("ValueEntityConfigured", "value-entity-configured"),
        ("EventSourcedEntityOne", "eventlogeventing-one"),
        ("EventSourcedEntityTwo", "eventlogeventing-two"),
    ];
    for entity in site.entities() {
        let service = text(&entity, "service_name");
        let name = names.iter().find(|(last, _)| service.rsplit('.').next() == Some(last));
        if let Some((_, name)) = name {
            same(&text(&entity, "persistence_id").as_str(), name)?;
        }
    }
    Ok(())
}

async fn the_configured_leave_memory_after_100_ms_where_the_sdk_can_say_so(site: &Site) -> Result<(), String> {
    for entity in site.entities() {
        let configured = site.sdk != Sdk::Java && text(&entity, "service_name").ends_with("Configured");
        same(&timeout(&entity), &configured.then_some(100))?;
    }
    Ok(())
}

/// Milliseconds of its passivation strategy.
fn timeout(entity: &DynamicMessage) -> Option<i64> {
    let inside = |message: &DynamicMessage, field: &str| {
        let value = message.has_field_by_name(field).then(|| message.get_field_by_name(field))??;
        value.as_message().cloned()
    };
    let strategy = inside(&inside(entity, "passivation_strategy")?, "timeout")?;
    strategy.get_field_by_name("timeout").as_deref().and_then(Value::as_i64)
}

async fn the_version_is_what_this_sdk_says(site: &Site) -> Result<(), String> {
    let info = site.spec.get_field_by_name("service_info");
    let info = info.as_deref().and_then(Value::as_message).ok_or("no service info")?;
    let number = |field: &str| info.get_field_by_name(field).as_deref().and_then(Value::as_i32).unwrap_or_default();
    let version = (number("protocol_major_version"), number("protocol_minor_version"));
    same(&version, &if site.sdk == Sdk::Java { (0, 0) } else { (0, 2) })
}

async fn the_descriptors_resolve_and_have_the_services(site: &Site) -> Result<(), String> {
    let bytes = site.spec.get_field_by_name("proto");
    let bytes = bytes.as_deref().and_then(Value::as_bytes).ok_or("no descriptors")?;
    let pool = DescriptorPool::decode(bytes.clone()).map_err(|error| error.to_string())?;
    for entity in site.entities() {
        let service = text(&entity, "service_name");
        pool.get_service_by_name(&service).ok_or_else(|| format!("no {service} in the descriptors"))?;
    }
    // The number that marks the key changed between the versions of the two.
    let number = if site.sdk == Sdk::Java { 50002 } else { 1080 };
    let request = pool.get_message_by_name("cloudstate.tck.model.Request").ok_or("no Request")?;
    let id = request.get_field_by_name("id").ok_or("no id")?;
    let marked: Vec<u32> = id.options().extensions().map(|(extension, _)| extension.number()).collect();
    same(&marked, &vec![number])
}

async fn an_error_report_is_taken(site: &Site) -> Result<(), String> {
    let report = json!({"message": "as a proxy would say it"});
    site.client.answers("/cloudstate.EntityDiscovery/reportError", &report, &json!({})).await
}

fn same<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, not {expected:?}")) }
}
