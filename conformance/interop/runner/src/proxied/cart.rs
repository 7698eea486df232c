// SPDX-License-Identifier: Apache-2.0
//! The cart through the proxy: routes, and what a bug in the service does.

use serde_json::{Value, json};
use tonic::Code;

use super::event_sourced::HANDLE;
use crate::host::Host;
use crate::scenario::{Scenario, scenarios};
use crate::words::{any, with};

const CART: &str = "adjoin.interop.cart.Cart";

pub(super) fn scenarios() -> Vec<Scenario<Host>> {
    scenarios!(
        CART,
        [
            a_cart_is_filled_and_read_by_its_routes,
            a_cart_answers_grpc_as_well,
            what_json_does_not_fit_is_refused_before_the_function,
            a_bug_is_not_told_and_the_cart_comes_back_from_its_snapshot,
        ]
    )
}

fn item(product: &str, quantity: i32) -> Value {
    json!({"productId": product, "name": product.to_uppercase(), "quantity": quantity})
}

async fn looks_at(host: &Host, id: &str) -> Result<(), String> {
    host.activation(HANDLE, CART, id).await.map(drop)
}

async fn a_cart_is_filled_and_read_by_its_routes(host: &Host) -> Result<(), String> {
    let (items, cart) = ("/carts/ada/items", "/carts/ada");
    host.http.answers(&format!("POST {items}"), Some(&item("tea", 2)), &json!({})).await?;
    let put = json!({"name": "JAM", "quantity": 1});
    host.http.answers(&format!("PUT {items}/jam"), Some(&put), &json!({})).await?;
    host.http.answers(&format!("POST {items}"), Some(&item("tea", 3)), &json!({})).await?;
    let whole = json!([item("tea", 5), item("jam", 1)]);
    host.http.answers(&format!("GET {cart}"), None, &json!({"items": whole})).await?;
    // A field of a reply is written as the reference proxy does: numbers are doubles.
    let written =
        r#"[{"productId":"tea","name":"TEA","quantity":5.0},{"productId":"jam","name":"JAM","quantity":1.0}]"#;
    host.http.writes(&format!("GET {items}"), written).await?;
    host.http.answers(&format!("DELETE {items}/tea"), None, &json!({})).await?;
    host.http.refuses(&format!("DELETE {items}/tea"), None, "there is no tea").await?;
    host.http.refuses(&format!("POST {items}"), Some(&item("ink", 0)), "cannot add 0 of ink").await?;
    host.http.answers(&format!("GET {cart}"), None, &json!({"items": [item("jam", 1)]})).await?;
    looks_at(host, "ada").await
}

async fn a_cart_answers_grpc_as_well(host: &Host) -> Result<(), String> {
    let add = format!("/{CART}/AddItem");
    host.client.answers(&add, &with(item("tea", 2), &json!({"userId": "bob"})), &json!({})).await?;
    let asked = with(item("tea", -1), &json!({"userId": "bob"}));
    host.client.refuses(&add, &asked, Code::Unknown, "cannot add -1 of tea").await?;
    let whole = json!({"items": [item("tea", 2)]});
    host.client.answers(&format!("/{CART}/GetCart"), &json!({"userId": "bob"}), &whole).await?;
    looks_at(host, "bob").await
}

async fn what_json_does_not_fit_is_refused_before_the_function(host: &Host) -> Result<(), String> {
    let line = "POST /carts/nobody/items";
    host.http.says(line, Some(&json!({"colour": "red"})), 400).await?;
    host.http.says(line, Some(&json!({"quantity": "many"})), 400).await?;
    host.http.says(line, Some(&json!([])), 400).await?;
    host.http.says("GET /carts/nobody/colours", None, 404).await?;
    host.http.says("GET /nowhere", None, 404).await
}

async fn a_bug_is_not_told_and_the_cart_comes_back_from_its_snapshot(host: &Host) -> Result<(), String> {
    let id = "eve";
    let line = format!("POST /carts/{id}/items");
    for product in ["tea", "jam", "ink", "oil"] {
        host.http.answers(&line, Some(&item(product, 1)), &json!({})).await?;
    }
    looks_at(host, id).await?;
    let broken = format!("/{CART}/Break");
    let told = "Unexpected entity failure";
    host.client.refuses(&broken, &json!({"userId": id}), Code::Unknown, told).await?;
    // A command without a route of its own has the one of its name. The cart is begun anew for it.
    host.http.refuses(&format!("POST {broken}"), Some(&json!({"userId": id})), told).await?;
    let all = ["tea", "jam", "ink", "oil"].map(|product| item(product, 1));
    host.http.answers(&format!("GET /carts/{id}"), None, &json!({"items": all})).await?;
    begun_anew(host, id).await
}

/// From the snapshot of the third event, and the fourth event.
async fn begun_anew(host: &Host, id: &str) -> Result<(), String> {
    let message = |kind: &str, fields: &Value| any(&format!("adjoin.interop.cart.{kind}"), fields);
    let items = ["tea", "jam", "ink"].map(|product| item(product, 1));
    let snapshot = json!({"snapshotSequence": 3, "snapshot": message("Contents", &json!({"items": items}))});
    // Begun once for the second Break, once for the reading after it.
    for asked in [("Break", "BreakRequest"), ("GetCart", "GetCartRequest")] {
        let mut again = host.activation(HANDLE, CART, id).await?;
        again.goes_in(&json!({"init": {"serviceName": CART, "entityId": id, "snapshot": snapshot}})).await?;
        let event = message("ItemAdded", &json!({"item": item("oil", 1)}));
        again.goes_in(&json!({"event": {"sequence": 4, "payload": event}})).await?;
        let payload = message(asked.1, &json!({"userId": id}));
        again.goes_in(&json!({"command": {"entityId": id, "id": 1, "name": asked.0, "payload": payload}})).await?;
    }
    Ok(())
}
