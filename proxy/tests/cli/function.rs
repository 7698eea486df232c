// SPDX-License-Identifier: Apache-2.0
//! A user function in a process of its own: this test binary, started again.

use std::process::Command;

use adjoin::{App, Cx, EventSourced, Handlers, JsonSchema, Reject, Value, reject};
use adjoin_entity::spec::{EntityKind, EntityType, Spec};
use adjoin_function::{Listener, ServeSettings};
use serde::{Deserialize, Serialize};

/// Set for the process that is to be the function; its value is the address.
const LISTEN: &str = "ADJOIN_FUNCTION_LISTEN";

/// Set when the function is to declare what no host takes.
const BROKEN: &str = "ADJOIN_TEST_BROKEN";

/// The arguments that make this binary the function; where it listens comes from the variable that `dev` sets.
pub(crate) fn command_line() -> Vec<String> {
    let this = std::env::current_exe().expect("this binary").display().to_string();
    ["--exact", "function::runs_when_asked", "--nocapture"].iter().fold(vec![this], |mut line, word| {
        line.push((*word).to_owned());
        line
    })
}

/// The function as a command that can be spawned, listening there.
pub(crate) fn command(listen: &str) -> Command {
    let line = command_line();
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).env(LISTEN, listen);
    command
}

/// The same, with a spec that is refused.
pub(crate) fn broken(listen: &str) -> Command {
    let mut command = command(listen);
    command.env(BROKEN, "1");
    command
}

/// No test of its own: the body of the function's process.
#[test]
fn runs_when_asked() {
    let Ok(listen) = std::env::var(LISTEN) else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!("function process {} at {listen}", std::process::id());
    if let Some(folder) = std::env::var_os(crate::listener::MAILS) {
        return runtime.block_on(crate::listener::serve(&listen, folder.into()));
    }
    if std::env::var_os(BROKEN).is_some() {
        return runtime.block_on(serve_broken(&listen));
    }
    let app = App::new().with::<Cart>().with_value::<Profile>();
    runtime.block_on(app.serve(&listen)).expect("served until told to end");
}

/// Two types of one name: the SDK would say so at once, so the protocol is spoken without it.
async fn serve_broken(listen: &str) {
    let cart = EntityType::new("shop.Cart", EntityKind::Value);
    let spec = Spec::new("test", vec![cart.clone(), cart]);
    let listener = Listener::bind(&listen.parse().expect("an address")).await.expect("bound");
    let (_server, mut events) = adjoin_function::serve(listener, spec, ServeSettings::default()).expect("served");
    while events.recv().await.is_some() {}
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Item {
    product: String,
    qty: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Gift {
    to: String,
    item: Item,
}

#[derive(Serialize, Deserialize, JsonSchema)]
enum CartEvent {
    ItemAdded { item: Item },
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Cart {
    items: Vec<Item>,
}

impl Cart {
    fn add_item(cx: &mut Cx<Self>, item: Item) -> Result<usize, Reject> {
        if item.qty == 0 {
            return reject("qty must be positive");
        }
        cx.emit(CartEvent::ItemAdded { item });
        Ok(cx.state().items.len())
    }

    /// One more item here and, surely, one in another cart; a quantity of 99 is more than that one can bear.
    fn gift(cx: &mut Cx<Self>, gift: Gift) -> Result<usize, Reject> {
        match gift.item.qty {
            99 => cx.effect_durable(Self::burst, gift.to, gift.item.clone()),
            _ => cx.effect_durable(Self::add_item, gift.to, gift.item.clone()),
        }
        Self::add_item(cx, gift.item)
    }

    fn burst(_: &mut Cx<Self>, _: Item) -> Result<usize, Reject> {
        Err(std::io::Error::other("the cart burst"))?
    }

    fn crash(_: &mut Cx<Self>, (): ()) -> Result<(), Reject> {
        std::process::exit(3);
    }

    fn slow(_: &mut Cx<Self>, file: String) -> Result<bool, Reject> {
        // Holds until the test makes the file: a handler that takes as long as it takes.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !std::path::Path::new(&file).exists() && std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        Ok(true)
    }

    fn contents(cx: &Cx<Self>, (): ()) -> Result<Vec<Item>, Reject> {
        Ok(cx.state().items.clone())
    }
}

impl EventSourced for Cart {
    const NAME: &'static str = "shop.Cart";
    type Event = CartEvent;

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("addItem", Self::add_item)
            .command("gift", Self::gift)
            .command("burst", Self::burst)
            .command("crash", Self::crash)
            .command("slow", Self::slow)
            .query("contents", Self::contents)
    }

    fn apply(&mut self, event: CartEvent) {
        match event {
            CartEvent::ItemAdded { item } => self.items.push(item),
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Profile {
    email: String,
}

impl Profile {
    fn change_email(cx: &mut Cx<Self>, email: String) -> Result<(), Reject> {
        cx.set(Self { email });
        Ok(())
    }
}

impl Value for Profile {
    const NAME: &'static str = "shop.Profile";

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("changeEmail", Self::change_email)
    }
}
