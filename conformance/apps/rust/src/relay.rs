// SPDX-License-Identifier: Apache-2.0
//! `conformance.Relay`, an action that streams and passes on, and `conformance.Echo`, which answers what it was sent.

use std::collections::BTreeMap;

use adjoin::{Action, Cx, Handlers, In, Out, Reject, reject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::counter::{Counter, Share};

/// Streams and passes on.
pub(crate) struct Relay;

impl Relay {
    async fn greet(cx: &mut Cx<Relay>, name: String) -> Result<String, Reject> {
        Ok(format!("hello {name} from {}", cx.key()))
    }

    async fn count_down(_: &mut Cx<Relay>, from: u32, out: Out<u32>) -> Result<(), Reject> {
        if from == 0 {
            return reject("count from at least 1");
        }
        for number in (1..=from).rev() {
            out.send(number).await?;
        }
        Ok(())
    }

    async fn break_after(_: &mut Cx<Relay>, elements: u32, out: Out<u32>) -> Result<(), Reject> {
        for number in 1..=elements {
            out.send(number).await?;
        }
        Err(std::io::Error::other("secret 4711"))?
    }

    async fn total(_: &mut Cx<Relay>, numbers: In<i64>) -> Result<i64, Reject> {
        let mut total = 0;
        while let Some(number) = numbers.next().await? {
            total += number;
        }
        Ok(total)
    }

    async fn running_total(_: &mut Cx<Relay>, numbers: In<i64>, out: Out<i64>) -> Result<(), Reject> {
        let mut total = 0;
        while let Some(number) = numbers.next().await? {
            total += number;
            out.send(total).await?;
        }
        Ok(())
    }

    fn tell(cx: &mut Cx<Relay>, share: Share) -> Result<(), Reject> {
        cx.effect_awaited(Counter::add, share.key, share.by);
        Ok(())
    }

    fn forward(cx: &mut Cx<Relay>, share: Share) -> Result<i64, Reject> {
        cx.forward(Counter::add, share.key, share.by)
    }

    fn refuse(_: &mut Cx<Relay>) -> Result<(), Reject> {
        reject("refused as asked")
    }

    fn fail(_: &mut Cx<Relay>) -> Result<(), Reject> {
        Err(std::io::Error::other("secret 4711"))?
    }
}

impl Action for Relay {
    const NAME: &'static str = "conformance.Relay";

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("greet", Relay::greet)
            .stream("countDown", Relay::count_down)
            .stream("breakAfter", Relay::break_after)
            .stream("total", Relay::total)
            .stream("runningTotal", Relay::running_total)
            .command("tell", Relay::tell)
            .command("forward", Relay::forward)
            .command("refuse", Relay::refuse)
            .command("fail", Relay::fail)
    }
}

/// A record with a default and an optional.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    product_name: String,
    #[serde(default = "one")]
    qty: i64,
    note: Option<String>,
}

fn one() -> i64 {
    1
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Pair {
    number: i64,
    text: String,
}

/// Answers what it was sent, once it has read it.
pub(crate) struct Echo;

macro_rules! echoes {
    ($($name:ident $type:ty),*) => {
        impl Echo {
            $(fn $name(_: &mut Cx<Echo>, body: $type) -> Result<$type, Reject> { Ok(body) })*

            fn nothing(_: &mut Cx<Echo>) -> Result<(), Reject> { Ok(()) }
        }

        impl Action for Echo {
            const NAME: &'static str = "conformance.Echo";

            fn handlers(h: Handlers<Self>) -> Handlers<Self> {
                h$(.command(stringify!($name), Echo::$name))*.command("nothing", Echo::nothing)
            }
        }
    };
}

echoes!(
    text String, number i64, real f64, flag bool, list Vec<i64>, map BTreeMap<String, i64>, item Item,
    optional Option<String>, pair Pair
);
