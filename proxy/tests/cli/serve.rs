// SPDX-License-Identifier: Apache-2.0
//! `adjoin serve`: readiness, settings, signals, restarts.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::support::{Function, Host, Process, adjoin, get, post, run, text, try_request, until};

#[test]
fn readiness_names_the_function_that_is_not_there() {
    let host = Host::serve("127.0.0.1:1", &["--memory"]);
    let answer = until("a dialled function", || {
        Some(get(host.admin, "/ready")).filter(|answer| answer.body.contains("127.0.0.1:1"))
    });
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("refused"), "{}", answer.body);
    assert_eq!(get(host.admin, "/alive").status, 200);
}

#[test]
fn readiness_says_why_a_spec_is_refused() {
    let address = format!("127.0.0.1:{}", crate::support::free_port());
    let _function = Process::start(&mut crate::function::broken(&address));
    let host = Host::serve(&address, &["--memory"]);
    let answer = until("a refusal", || {
        Some(get(host.admin, "/ready")).filter(|answer| answer.body.contains("shop.Cart is declared twice"))
    });
    assert_eq!(answer.status, 503);
}

#[test]
fn a_host_becomes_ready_and_serves() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory"]);
    assert_eq!(get(host.admin, "/ready").status, 200);
    assert_eq!(host.add("ada", "p1").body, "1");
    assert!(host.contents("ada").contains("p1"));
    function.process.kill();
    until("a host that is not ready", || Some(get(host.admin, "/ready")).filter(|answer| answer.status == 503));
}

#[test]
fn a_command_under_way_is_answered_while_draining() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("go");
    let path = serde_json::to_string(&file.display().to_string()).expect("JSON");
    let listen = host.listen;
    let slow = std::thread::spawn(move || post(listen, "/shop.Cart/ada/slow", &path));
    until("a call under way", || get(host.admin, "/admin/status").body.contains(r#""calls":1,"#).then_some(()));
    assert!(says_that_it_serves(listen));
    host.process.signal("TERM");
    until("draining", || get(host.admin, "/ready").body.contains("SIGTERM").then_some(()));
    until("a host that says so by gRPC", || (!says_that_it_serves(listen)).then_some(()));
    std::fs::write(&file, "").expect("written");
    assert_eq!(slow.join().expect("answered").status, 200);
    let (status, said) = host.process.ended();
    assert!(status.success(), "{said}");
}

/// What gRPC's health service says of the whole host, asked by gRPC-Web over HTTP/1.1.
fn says_that_it_serves(address: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).expect("connected");
    let head = "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
        content-type: application/grpc-web\r\ncontent-length: 5\r\n\r\n";
    // A message of no bytes: no service is named.
    stream.write_all(&[head.as_bytes(), &[0; 5]].concat()).expect("asked");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    let says = |status: u8| answer.windows(7).any(|bytes| bytes == [0, 0, 0, 0, 2, 8, status]);
    assert!(says(1) != says(2), "{}", text(&answer));
    says(1)
}

#[test]
fn a_second_signal_ends_at_once() {
    let function = Function::start();
    let mut host = Host::ready(&function.address, &["--memory", "--drain-ms", "600000"]);
    let listen = host.listen;
    let slow =
        std::thread::spawn(move || try_request(listen, "POST", "/shop.Cart/ada/slow", "\"/no/such/file\"").is_ok());
    until("a call under way", || get(host.admin, "/admin/status").body.contains(r#""calls":1,"#).then_some(()));
    host.process.signal("TERM");
    host.process.line("draining");
    host.process.signal("INT");
    let (status, said) = host.process.ended();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("SIGINT while draining"), "{said}");
    drop(function);
    slow.join().expect("its connection is closed");
}

#[test]
fn a_signal_that_comes_twice_is_one() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory"]);
    host.process.signal("TERM");
    host.process.signal("TERM");
    let (status, said) = host.process.ended();
    assert!(status.success(), "{said}");
}

#[test]
fn a_deadline_cuts_draining_off() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory", "--drain-ms", "100"]);
    let listen = host.listen;
    let slow = std::thread::spawn(move || try_request(listen, "POST", "/shop.Cart/ada/slow", "\"/no/such/file\""));
    until("a call under way", || get(host.admin, "/admin/status").body.contains(r#""calls":1,"#).then_some(()));
    host.process.signal("TERM");
    let (status, said) = host.process.ended();
    assert_eq!(status.code(), Some(5), "{said}");
    assert!(said.contains("still under way"), "{said}");
    drop(function);
    drop(slow.join());
}

#[test]
fn metrics_have_base_units_and_no_keys() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory"]);
    host.add("a-secret-key", "p1");
    let metrics = get(host.admin, "/metrics").body;
    for part in
        ["adjoin_ready 1", "adjoin_build_info{version=", "process_resident_memory_bytes", "_seconds_bucket{", "_total"]
    {
        assert!(metrics.contains(part), "{part} is missing in\n{metrics}");
    }
    assert!(!metrics.contains("a-secret-key"), "an entity key is no label");
}

#[test]
fn the_log_is_json_where_asked_and_never_holds_payloads() {
    let function = Function::start();
    let host = Host::ready(&function.address, &["--memory", "--log", "json"]);
    host.add("ada", "a-secret-product");
    host.process.signal("TERM");
    let (_, said) = host.process.ended();
    let logged: Vec<&str> = said.lines().filter(|line| line.starts_with('{')).collect();
    assert!(!logged.is_empty(), "{said}");
    for line in logged {
        let line: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
    assert!(!said.contains("a-secret-product"), "{said}");
}

#[test]
fn settings_come_from_file_variable_and_flag_in_this_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("adjoin.toml");
    std::fs::write(&file, "function = \"file:1\"\nshards = 64\ndrain_ms = 1\n").expect("written");
    let mut command = adjoin();
    command.args(["serve", "--print-settings", "--drain-ms", "3", "--settings"]).arg(&file);
    command.env("ADJOIN_DRAIN_MS", "2").env("ADJOIN_FUNCTION", "variable:1");
    let output = command.output().expect("run");
    let printed = text(&output.stdout);
    let line = |name: &str| printed.lines().find(|line| line.starts_with(name)).expect(name).to_owned();
    assert!(line("drain_ms = 3").contains("flag --drain-ms"), "{printed}");
    assert!(line("function = \"variable:1\"").contains("variable ADJOIN_FUNCTION"), "{printed}");
    assert!(line("shards = 64").contains("adjoin.toml"), "{printed}");
    assert!(line("admin = ").contains("default"), "{printed}");
}

#[test]
fn an_unknown_setting_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("adjoin.toml");
    std::fs::write(&file, "memory = true\nlisen = \"127.0.0.1:0\"\n").expect("written");
    let output = adjoin().args(["serve", "--settings"]).arg(&file).output().expect("run");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("line 2") && said.contains("did you mean `listen`"), "{said}");
}

#[test]
fn an_admin_port_for_everybody_wants_a_flag() {
    let output = run(&["serve", "--memory", "--admin", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--admin-beyond-loopback"));
    let host = Host::start(
        adjoin().args(["serve", "--memory", "--listen", "127.0.0.1:0", "--function", "127.0.0.1:1"]).args([
            "--admin",
            "0.0.0.0:0",
            "--admin-beyond-loopback",
        ]),
    );
    assert_eq!(get(([127, 0, 0, 1], host.admin.port()).into(), "/alive").status, 200);
}

#[test]
fn a_taken_port_says_so() {
    let host = Host::serve("127.0.0.1:1", &["--memory"]);
    let taken = host.listen.to_string();
    let output = run(&["serve", "--memory", "--admin", "127.0.0.1:0", "--listen", &taken]);
    assert_eq!(output.status.code(), Some(5));
    assert!(text(&output.stderr).contains(&taken));
}

#[test]
fn a_journal_wants_a_place() {
    let output = run(&["serve"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--data FOLDER"));
}
