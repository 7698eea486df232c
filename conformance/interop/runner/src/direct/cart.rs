// SPDX-License-Identifier: Apache-2.0
//! The cart: a service like those that people have, with a bug that can be asked for.

use serde_json::{Value, json};

use super::event_sourced::Entity;
use crate::scenario::{Scenario, scenarios};
use crate::site::Site;
use crate::words::{any, empty, reply, with};

const CART: &str = "adjoin.interop.cart.Cart";

pub(super) fn scenarios() -> Vec<Scenario<Site>> {
    scenarios!(CART, [a_cart_is_filled_and_read, a_cart_begins_with_its_snapshot, a_bug_fails_the_stream])
}

fn message(kind: &str, fields: &Value) -> Value {
    any(&format!("adjoin.interop.cart.{kind}"), fields)
}

fn item(product: &str, quantity: i32) -> Value {
    json!({"productId": product, "name": product.to_uppercase(), "quantity": quantity})
}

fn add(cart: &str, product: &str, quantity: i32) -> Value {
    message("AddItemRequest", &with(item(product, quantity), &json!({"userId": cart})))
}

fn added(product: &str, quantity: i32) -> Value {
    message("ItemAdded", &json!({"item": item(product, quantity)}))
}

fn contents(items: &[Value]) -> Value {
    message("Contents", &json!({"items": items}))
}

async fn a_cart_is_filled_and_read(site: &Site) -> Result<(), String> {
    let mut cart = Entity::new(site, CART, "ada", None).await?;
    cart.command("AddItem", add("ada", "tea", 2)).await?;
    cart.replies(&reply(empty()), &json!({"events": [added("tea", 2)]})).await?;
    cart.command("AddItem", add("ada", "jam", 1)).await?;
    cart.replies(&reply(empty()), &json!({"events": [added("jam", 1)]})).await?;
    cart.command("AddItem", add("ada", "tea", 3)).await?;
    let told = json!({"events": [added("tea", 3)], "snapshot": contents(&[item("tea", 5), item("jam", 1)])});
    cart.replies(&reply(empty()), &told).await?;
    cart.command("AddItem", add("ada", "ink", 0)).await?;
    cart.refuses("cannot add 0 of ink", false).await?;
    cart.command("RemoveItem", message("RemoveItemRequest", &json!({"userId": "ada", "productId": "jam"}))).await?;
    let removed = message("ItemRemoved", &json!({"productId": "jam"}));
    cart.replies(&reply(empty()), &json!({"events": [removed]})).await?;
    cart.command("GetCart", message("GetCartRequest", &json!({"userId": "ada"}))).await?;
    cart.replies(&reply(contents(&[item("tea", 5)])), &json!({})).await?;
    cart.leaves().await
}

async fn a_cart_begins_with_its_snapshot(site: &Site) -> Result<(), String> {
    let snapshot = json!({"snapshotSequence": 3, "snapshot": contents(&[item("tea", 5)])});
    let mut cart = Entity::new(site, CART, "bob", Some(snapshot)).await?;
    cart.event(4, added("jam", 1)).await?;
    cart.command("GetCart", message("GetCartRequest", &json!({"userId": "bob"}))).await?;
    cart.replies(&reply(contents(&[item("tea", 5), item("jam", 1)])), &json!({})).await?;
    cart.leaves().await
}

async fn a_bug_fails_the_stream(site: &Site) -> Result<(), String> {
    let mut cart = Entity::new(site, CART, "eve", None).await?;
    cart.command("Break", message("BreakRequest", &json!({"userId": "eve"}))).await?;
    cart.breaks().await
}
