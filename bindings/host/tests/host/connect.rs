// SPDX-License-Identifier: Apache-2.0
//! A client of a host elsewhere.

use adjoin_host::{FromForeign, Host};
use adjoin_model::{Kind, Outcome};

use crate::foreign::{Foreign, request, settings, watch};

fn two() -> (Foreign, Foreign) {
    let server = Foreign::in_process(r#","http":"127.0.0.1:0""#);
    let http = server.wait("an address", |seen| seen.http.clone());
    let client = Foreign::open(&settings("connect", &format!(r#","address":"{http}""#)));
    (server, client)
}

#[test]
fn calls_go_to_the_other_host_and_errors_come_back_typed() {
    let (mut server, mut client) = two();
    assert_eq!(client.call("ada", "add").expect("a reply"), ("1".into(), 1));
    assert_eq!(server.call("ada", "add").expect("a reply"), ("2".into(), 2));
    let error = client.call("ada", "refuse").expect_err("refused");
    assert_eq!((error.kind, error.outcome, error.message.as_str()), (Kind::Rejected, Outcome::None, "no"));
    client.close();
    server.close();
}

#[test]
fn a_watch_goes_over_the_wire() {
    let (mut server, mut client) = two();
    server.call("ada", "add").expect("a reply");
    let id = client.send(false, watch("ada"));
    assert_eq!(client.element(id), Some(("1".into(), 1)));
    client.taken(id);
    server.call("ada", "add").expect("a reply");
    assert_eq!(client.element(id), Some(("2".into(), 2)));
    client.host.submit(vec![FromForeign::Cancel(id)]).expect("submitted");
    client.close();
    server.close();
}

#[test]
fn a_stream_goes_over_the_wire() {
    let (mut server, mut client) = two();
    let id = client.send(true, request("shop.Mailer", "all", "list", "null"));
    for n in 0..40 {
        assert_eq!(client.element(id), Some((n.to_string(), 0)));
        client.taken(id);
    }
    assert_eq!(client.element(id), None);
    client.close();
    server.close();
}

#[test]
fn a_close_answers_what_is_under_way() {
    let (mut server, mut client) = two();
    let id = client.ask("ada", "hang");
    server.held(1);
    client.close();
    let error = client.result(id).expect_err("closed");
    assert_eq!((error.kind, error.outcome), (Kind::Unavailable, Outcome::Unknown));
    server.wait("the cancel", |seen| (seen.cancelled == 1).then_some(()));
    server.close();
}

#[test]
fn nobody_there_is_said_at_once() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let refused = |address: &str| {
        let settings = settings("connect", &format!(r#","address":"{address}""#));
        Host::open(&settings).map(drop).expect_err("refused").kind
    };
    assert_eq!(refused(&format!("http://{free}")), Kind::Unavailable);
    assert_eq!(refused("not an address"), Kind::Invalid);
}
