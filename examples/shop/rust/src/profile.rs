// SPDX-License-Identifier: Apache-2.0
//! Who somebody is, and who writes to them.

use adjoin::{Action, Code, Cx, Handlers, Out, Reject, Value, reject_with};
use serde::{Deserialize, Serialize};

use crate::cart::Cart;

/// Who somebody is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    email: String,
}

impl Profile {
    /// Changes the address, and welcomes it once that is durable.
    pub fn change_email(cx: &mut Cx<Profile>, email: String) -> Result<String, Reject> {
        if !email.contains('@') {
            return reject_with(Code::InvalidArgument, "no mail address");
        }
        cx.set(Profile { email: email.clone() });
        cx.effect(Mailer::welcome, "all", email);
        Ok(format!("{}@{}", cx.key(), cx.epoch()))
    }

    /// Deletes the profile.
    pub fn forget(cx: &mut Cx<Profile>) -> Result<(), Reject> {
        cx.delete();
        Ok(())
    }

    /// Checks out a cart; the cart answers.
    pub fn checkout(cx: &mut Cx<Profile>, cart: String) -> Result<usize, Reject> {
        cx.forward(Cart::check_out, cart, ())
    }

    /// The address, empty when unknown.
    pub fn address(cx: &Cx<Profile>) -> Result<String, Reject> {
        Ok(cx.state().email.clone())
    }
}

impl Value for Profile {
    const NAME: &'static str = "shop.Profile";
    const SUMMARY: &'static str = "Who somebody is.";

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("changeEmail", Profile::change_email)
            .command("forget", Profile::forget)
            .command("checkout", Profile::checkout)
            .query("address", Profile::address)
    }
}

/// Writes to people.
pub struct Mailer;

impl Mailer {
    /// Welcomes somebody and returns what was written.
    pub async fn welcome(_: &mut Cx<Mailer>, email: String) -> Result<String, Reject> {
        Ok(format!("welcome, {email}"))
    }

    /// One line for each of the last days, as a stream.
    pub async fn digest(_: &mut Cx<Mailer>, days: u32, out: Out<String>) -> Result<(), Reject> {
        for day in (1..=days).rev() {
            out.send(format!("{day} days ago: nothing new")).await?;
        }
        Ok(())
    }
}

impl Action for Mailer {
    const NAME: &'static str = "shop.Mailer";
    const SUMMARY: &'static str = "Writes to people.";

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("welcome", Mailer::welcome).stream("digest", Mailer::digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin::{kit_action, kit_value};

    fn profile(email: &str) -> Profile {
        Profile { email: email.into() }
    }

    #[test]
    fn a_new_address_is_saved_and_welcomed() {
        kit_value::<Profile>()
            .key("ada")
            .when(Profile::change_email, "a@b".into())
            .saves(profile("a@b"))
            .effects(["shop.Mailer/all welcome"])
            .replies("ada@1".into());
        let refused = kit_value::<Profile>().given_value(&profile("a@b")).when(Profile::change_email, "x".into());
        refused.rejected_with(Code::InvalidArgument, "no mail address").saves_nothing().effects([]);
    }

    #[test]
    fn a_profile_is_forgotten_and_forwards() {
        kit_value::<Profile>().given_value(&profile("a@b")).when(Profile::forget, ()).deletes();
        kit_value::<Profile>().when(Profile::checkout, "ada".into()).forwards("shop.Cart", "ada", "checkOut");
        kit_value::<Profile>().given_value(&profile("a@b")).when(Profile::address, ()).replies("a@b".into());
    }

    #[test]
    fn the_mailer_welcomes() {
        kit_action(Mailer).when(Mailer::welcome, "a@b".into()).replies("welcome, a@b".into());
    }
}
