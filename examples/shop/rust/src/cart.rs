// SPDX-License-Identifier: Apache-2.0
//! A cart: what somebody is about to buy.

use std::collections::BTreeMap;

use adjoin::{Code, Cx, EventSourced, Handlers, Reject, reject, reject_with};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What lies in a cart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// Names it.
    pub product: String,
    /// For people.
    pub name: String,
    /// At least one.
    #[serde(default = "one")]
    pub qty: i64,
}

fn one() -> i64 {
    1
}

/// What can happen to a cart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum CartEvent {
    /// An item was put in, or took the place of the same product.
    ItemAdded {
        /// The item.
        item: Item,
    },
    /// A product was taken out.
    ItemRemoved {
        /// The product.
        product: String,
    },
    /// The cart was paid and is empty again.
    CheckedOut {},
}

/// The state of a cart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cart {
    items: BTreeMap<String, Item>,
}

impl Cart {
    /// Puts an item in and returns how many products there are.
    pub fn add_item(cx: &mut Cx<Cart>, item: Item) -> Result<usize, Reject> {
        if item.qty < 1 {
            return reject("qty must be positive");
        }
        cx.emit(CartEvent::ItemAdded { item });
        Ok(cx.state().items.len())
    }

    /// Takes a product out.
    pub fn remove_item(cx: &mut Cx<Cart>, product: String) -> Result<(), Reject> {
        if !cx.state().items.contains_key(&product) {
            return reject_with(Code::NotFound, format!("no {product} here"));
        }
        cx.emit(CartEvent::ItemRemoved { product });
        Ok(())
    }

    /// Empties the cart and returns how many products it had.
    pub fn check_out(cx: &mut Cx<Cart>) -> Result<usize, Reject> {
        let count = cx.state().items.len();
        cx.emit(CartEvent::CheckedOut {});
        Ok(count)
    }

    /// What is in the cart.
    pub fn contents(cx: &Cx<Cart>) -> Result<Vec<Item>, Reject> {
        Ok(cx.state().items.values().cloned().collect())
    }
}

impl EventSourced for Cart {
    const NAME: &'static str = "shop.Cart";
    const SUMMARY: &'static str = "What somebody is about to buy.";
    type Event = CartEvent;

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("addItem", Cart::add_item)
            .command("removeItem", Cart::remove_item)
            .command("checkOut", Cart::check_out)
            .query("contents", Cart::contents)
    }

    fn apply(&mut self, event: CartEvent) {
        match event {
            CartEvent::ItemAdded { item } => {
                self.items.insert(item.product.clone(), item);
            }
            CartEvent::ItemRemoved { product } => {
                self.items.remove(&product);
            }
            CartEvent::CheckedOut {} => self.items.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin::kit;

    fn item(product: &str, qty: i64) -> Item {
        Item { product: product.into(), name: "Pen".into(), qty }
    }

    fn added(product: &str, qty: i64) -> CartEvent {
        CartEvent::ItemAdded { item: item(product, qty) }
    }

    #[test]
    fn a_cart_counts_its_products() {
        kit::<Cart>().given([added("p1", 1)]).when(Cart::add_item, item("p2", 3)).then([added("p2", 3)]).replies(2);
        kit::<Cart>().given([added("p1", 1)]).when(Cart::add_item, item("p1", 3)).replies(1);
        kit::<Cart>().given([added("p1", 1)]).when(Cart::check_out, ()).then([CartEvent::CheckedOut {}]).replies(1);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        kit::<Cart>().when(Cart::add_item, item("p1", 0)).rejected("qty must be positive");
        kit::<Cart>().when(Cart::remove_item, "p1".into()).rejected_with(Code::NotFound, "no p1 here");
    }

    #[test]
    fn the_journal_is_as_in_every_language() {
        let stored = kit::<Cart>().when(Cart::add_item, item("p1", 2)).stored();
        assert_eq!(stored, [r#"ItemAdded {"item":{"name":"Pen","product":"p1","qty":2}}"#]);
        let removed = kit::<Cart>().given([added("p1", 1)]).when(Cart::remove_item, "p1".into()).stored();
        assert_eq!(removed, [r#"ItemRemoved {"product":"p1"}"#]);
        assert_eq!(kit::<Cart>().when(Cart::check_out, ()).stored(), ["CheckedOut {}"]);
    }
}
