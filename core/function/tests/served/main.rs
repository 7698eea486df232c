// SPDX-License-Identifier: Apache-2.0
//! A function of ours behind a proxy of the Cloudstate protocol: the test plays the proxy, message by message, and sees
//! every frame that the function gets.

#[allow(dead_code, reason = "what the other test of the model services needs beside")]
#[path = "../cloudstate/messages.rs"]
mod messages;

mod function;
mod proxy;
mod world;

mod actions;
mod bounds;
mod breaches;
mod discovery;
mod entities;
mod round_trip;
mod sessions;
mod values;
