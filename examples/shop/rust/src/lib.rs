// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

pub mod cart;
pub mod profile;

use adjoin::App;

/// Every entity type of the shop.
#[must_use]
pub fn shop() -> App {
    App::new().with::<cart::Cart>().with_value::<profile::Profile>().with_action(profile::Mailer)
}
