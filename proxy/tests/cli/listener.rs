// SPDX-License-Identifier: Apache-2.0
//! A user function whose action takes the events of its carts. The SDK for Rust has no subscriptions yet, so it speaks
//! the protocol by itself.

use std::io::Write;
use std::path::{Path, PathBuf};

use adjoin_entity::frame::{AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult, HostFrame};
use adjoin_entity::spec::{EntityKind, EntityType, EventKey, Handler, Source, Spec, Subscription, Taker};
use adjoin_function::{Event, FunctionSession, Listener, ServeSettings};
use adjoin_model::{Error, Payload};

/// Set when the function is to be this one: the folder in which it notes the mails that it sends, one a line. With a
/// file `broken` in it, no mail is sent.
pub(crate) const MAILS: &str = "ADJOIN_TEST_MAILS";

fn handler(name: &str) -> Handler {
    Handler {
        name: name.into(),
        query: false,
        streamed_in: false,
        streamed_out: false,
        input_schema: String::new(),
        output_schema: String::new(),
        summary: String::new(),
    }
}

fn spec() -> Spec {
    let cart = EntityType {
        handlers: vec![handler("addItem")],
        readable_events: vec!["ItemAdded".into()],
        ..EntityType::new("shop.Cart", EntityKind::EventSourced)
    };
    let subscription = Subscription {
        source: Source::EventLog("shop.Cart".into()),
        group: "mail/all".into(),
        events: vec![Taker { event: "ItemAdded".into(), handler: "send".into() }],
        rest: None,
        key: EventKey::Subject,
    };
    let mailer = EntityType {
        handlers: vec![handler("send")],
        subscriptions: vec![subscription],
        ..EntityType::new("shop.Mailer", EntityKind::Action)
    };
    Spec::new("test", vec![cart, mailer])
}

/// Serves until it is told to end.
pub(crate) async fn serve(listen: &str, folder: PathBuf) {
    let listener = Listener::bind(&listen.parse().expect("an address")).await.expect("bound");
    let (_server, mut events) = adjoin_function::serve(listener, spec(), ServeSettings::default()).expect("served");
    while let Some(event) = events.recv().await {
        if let Event::Session(session) = event {
            tokio::spawn(run(session, folder.clone()));
        }
    }
}

async fn run(mut session: FunctionSession, folder: PathBuf) {
    while let Ok(Some(frames)) = session.from_host.recv().await {
        let answers = frames.into_iter().filter_map(|frame| take(frame, &folder)).collect();
        if session.to_host.send(answers).is_err() {
            return;
        }
    }
}

fn take(frame: HostFrame, folder: &Path) -> Option<FunctionFrame> {
    match frame {
        HostFrame::Replay { activation, events, .. } => {
            let sequence = events.last().map_or(0, |(sequence, _)| *sequence);
            Some(FunctionFrame::Replayed { activation, sequence })
        }
        HostFrame::Command(command) if &*command.name == "send" => {
            Some(answer(&command, mail(&command, folder), vec![]))
        }
        HostFrame::Command(command) => {
            let added = Payload::new("ItemAdded", command.payload.data.clone());
            Some(answer(&command, HandlerResult::Reply(None), vec![added]))
        }
        _ => None,
    }
}

fn mail(command: &CommandFrame, folder: &Path) -> HandlerResult {
    if folder.join("broken").exists() {
        return HandlerResult::Failed(Error::rejected("no mail today"));
    }
    let subject = command.metadata.iter().find(|(name, _)| name == "ce-subject").map(|(_, subject)| subject.as_str());
    let body = String::from_utf8_lossy(&command.payload.data).into_owned();
    let mut file = std::fs::File::options().create(true).append(true).open(folder.join("mails")).expect("a file");
    writeln!(file, "{} {body}", subject.unwrap_or_default()).expect("noted");
    HandlerResult::Reply(None)
}

fn answer(command: &CommandFrame, result: HandlerResult, events: Vec<Payload>) -> FunctionFrame {
    FunctionFrame::Answer(AnswerFrame {
        activation: command.activation,
        call: command.call,
        result,
        effects: Effects { events, ..Effects::default() },
        activation_ended: false,
        metadata: Vec::new(),
    })
}
