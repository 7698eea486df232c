// SPDX-License-Identifier: Apache-2.0
//! Row 10: from start to ready, above an idle process of the same run.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use crate::counter::{Counter, TEXT, app};
use crate::process::{Server, free_port, run as run_command};
use crate::report::{Target, median};
use crate::{Arguments, Outcome};

const ENTITIES: usize = 1_000_000;
const WRITERS: usize = 256;

pub(super) fn run(arguments: &Arguments) -> Outcome<Vec<Target>> {
    let own = std::env::current_exe()?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let _function = Server::start(Command::new(&own).args(["--serve-function", &address]))?;
    let folder = tempfile::tempdir()?;
    println!("filling a folder with {ENTITIES} entities …");
    fill(folder.path())?;
    let (mut serve, mut open) = (Vec::new(), Vec::new());
    for round in 1..=arguments.rounds() {
        let idle = elapsed_ms(|| run_command(Command::new(&own).arg("--version")))?;
        let idle_adjoin = elapsed_ms(|| run_command(Command::new(arguments.program("adjoin")?).arg("--version")))?;
        let opened = elapsed_ms(|| run_command(Command::new(&own).arg("--open-folder").arg(folder.path())))?;
        let ready = serve_ready_ms(arguments, &address)?;
        println!(
            "round {round}: serve ready after {ready:.0} ms, open of {ENTITIES} entities {opened:.0} ms, idle \
             processes {idle_adjoin:.0} and {idle:.0} ms"
        );
        serve.push((ready - idle_adjoin).max(0.1));
        open.push((opened - idle).max(0.1));
    }
    Ok(vec![
        Target::less(10, "serve-ready", median(serve), 100.0, "ms"),
        Target::less(10, "open-1000000-entities", median(open), 300.0, "ms"),
    ])
}

fn elapsed_ms(work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}

/// From start until the readiness probe says that the function is connected.
fn serve_ready_ms(arguments: &Arguments, function: &str) -> Outcome<f64> {
    let folder = tempfile::tempdir()?;
    let admin = format!("127.0.0.1:{}", free_port()?);
    let mut command = Command::new(arguments.program("adjoin")?);
    command.args(["serve", "--function", function, "--listen", "127.0.0.1:0", "--admin", &admin, "--data"]);
    let began = Instant::now();
    let _proxy = Server::start(command.arg(folder.path()))?;
    while !is_ready(&admin) {
        if began.elapsed().as_secs() > 20 {
            return Err("the proxy did not become ready".into());
        }
        std::thread::yield_now();
    }
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}

fn is_ready(admin: &str) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(admin) else { return false };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// One event for each of so many entities, by the ordinary way.
fn fill(folder: &Path) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let rt = Arc::new(app().open(folder).await?);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let rt = rt.clone();
                tokio::spawn(async move {
                    for number in (writer..ENTITIES).step_by(WRITERS) {
                        let entity = rt.entity::<Counter>(format!("customer-{number}"));
                        entity.call(Counter::count, TEXT.to_owned()).await?;
                    }
                    Ok::<_, adjoin::Error>(())
                })
            })
            .collect();
        for writer in writers {
            writer.await??;
        }
        match Arc::try_unwrap(rt) {
            Ok(rt) => Ok(rt.close().await?),
            Err(_) => Err("a writer still holds the runtime".into()),
        }
    })
}
