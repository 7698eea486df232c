// SPDX-License-Identifier: Apache-2.0
//! Row 11: folding a long journal in Rust and in Python, and an activation that has a snapshot.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use adjoin::Runtime;

use crate::counter::{Counter, Kept, TEXT, app};
use crate::process::Server;
use crate::report::{Target, median};
use crate::{Arguments, Outcome};

const RUST_EVENTS: usize = 500_000;
const PYTHON_EVENTS: usize = 100_000;
const YOUNG: usize = 1_000;
const OLD: usize = 100_000;
const WRITERS: usize = 128;

pub(super) fn run(arguments: &Arguments) -> Outcome<Vec<Target>> {
    let (folder, shop) = (tempfile::tempdir()?, tempfile::tempdir()?);
    println!("writing {RUST_EVENTS} events, then {OLD} with snapshots, then {PYTHON_EVENTS} of a cart …");
    fill(folder.path())?;
    fill_cart(arguments, shop.path())?;
    let (mut rust, mut python, mut young, mut old) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 1..=arguments.rounds() {
        let [fold, fresh, aged] = activations(folder.path())?;
        rust.push(RUST_EVENTS as f64 / fold);
        young.push(fresh);
        old.push(aged);
        python.push(PYTHON_EVENTS as f64 / python_activation(arguments, shop.path())?);
        let at = round - 1;
        println!(
            "round {round}: Rust {:.0} events/s, Python {:.0} events/s; with snapshot {:.2} ms young, {:.2} ms old",
            rust[at],
            python[at],
            young[at] * 1e3,
            old[at] * 1e3
        );
    }
    Ok(vec![
        Target::more(11, "replay-rust", median(rust), 500_000.0, "events/s", 1.0),
        Target::more(11, "replay-python", median(python), 100_000.0, "events/s", 1.0),
        Target::less(11, "snapshot-independent-of-age", median(old) * 1e3, median(young) * 2e3 + 1.0, "ms")
            .note(format!("an activation with {OLD} events behind its snapshot, against twice one with {YOUNG}")),
    ])
}

fn fill(folder: &Path) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let rt = Arc::new(app().open(folder).await?);
        write(&rt, RUST_EVENTS, |rt| async move {
            rt.entity::<Counter>("long").call(Counter::count, TEXT.to_owned()).await.map(drop)
        })
        .await?;
        for (key, events) in [("young", YOUNG), ("old", OLD)] {
            write(&rt, events, move |rt| async move {
                rt.entity::<Kept>(key).call(Kept::count, TEXT.to_owned()).await.map(drop)
            })
            .await?;
        }
        match Arc::try_unwrap(rt) {
            Ok(rt) => Ok(rt.close().await?),
            Err(_) => Err("a writer still holds the runtime".into()),
        }
    })
}

async fn write<F, C>(rt: &Arc<Runtime>, events: usize, call: C) -> Outcome<()>
where
    F: Future<Output = adjoin::Result<()>> + Send,
    C: Fn(Arc<Runtime>) -> F + Clone + Send + 'static,
{
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (rt, call) = (rt.clone(), call.clone());
            tokio::spawn(async move {
                for _ in (writer..events).step_by(WRITERS) {
                    call(rt.clone()).await?;
                }
                Ok::<_, adjoin::Error>(())
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    Ok(())
}

/// Seconds of the first query of a fresh host: the long journal, then the two with snapshots.
fn activations(folder: &Path) -> Outcome<[f64; 3]> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let rt = app().open(folder).await?;
        // Another entity first, so that threads and files are warm.
        rt.entity::<Counter>("other").call(Counter::total, ()).await?;
        let began = Instant::now();
        let total = rt.entity::<Counter>("long").call(Counter::total, ()).await?;
        let fold = began.elapsed().as_secs_f64();
        if total != RUST_EVENTS as u64 {
            return Err(format!("{total} events were folded, not {RUST_EVENTS}").into());
        }
        let mut times = [fold, 0.0, 0.0];
        for (index, key) in [(1, "young"), (2, "old")] {
            let began = Instant::now();
            rt.entity::<Kept>(key).call(Kept::total, ()).await?;
            times[index] = began.elapsed().as_secs_f64();
        }
        rt.close().await?;
        Ok(times)
    })
}

/// Events of one cart, written by the shop in Rust: the journal is the same in every language.
fn fill_cart(arguments: &Arguments, folder: &Path) -> Outcome<()> {
    let mut command = Command::new(arguments.program("shop")?);
    let shop = Server::start(command.arg("open").arg(folder).args(["--http", "127.0.0.1:0"]))?;
    let body = r#"{"name":"A book about state that stays where its code is","product":"p1","qty":1}"#;
    let request = crate::load::post("/shop.Cart/long/addItem", body);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (request, address) = (request.clone(), shop.address);
            std::thread::spawn(move || -> Outcome<()> {
                let mut stream = std::net::TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                for _ in (writer..PYTHON_EVENTS).step_by(WRITERS) {
                    stream.write_all(&request)?;
                    answer(&mut stream)?;
                }
                Ok(())
            })
        })
        .collect();
    for writer in writers {
        writer.join().map_err(|_| "a writer failed")??;
    }
    Ok(())
}

fn answer(stream: &mut std::net::TcpStream) -> Outcome<Vec<u8>> {
    let (mut buffer, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        if crate::load::http(&buffer)?.is_some() {
            return Ok(buffer);
        }
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err("the shop closed the connection".into());
        }
        buffer.extend_from_slice(&chunk[..read]);
    }
}

/// Seconds of the first query of the long cart in a fresh Python host.
fn python_activation(arguments: &Arguments, folder: &Path) -> Outcome<f64> {
    let shop = super::claim::python_shop(arguments, folder)?;
    let mut stream = std::net::TcpStream::connect(shop.address)?;
    stream.write_all(b"GET /shop.Cart/other/contents HTTP/1.1\r\nhost: x\r\n\r\n")?;
    answer(&mut stream)?;
    let began = Instant::now();
    stream.write_all(b"GET /shop.Cart/long/contents HTTP/1.1\r\nhost: x\r\n\r\n")?;
    answer(&mut stream)?;
    Ok(began.elapsed().as_secs_f64())
}
