// SPDX-License-Identifier: Apache-2.0
//! A program that opens a folder whose last write was torn finds that in its log. A test binary of its own: it has the
//! process's subscriber.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use adjoin::{App, Cx, Handlers, Reject, Value};

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Count(u64);

impl Count {
    fn up(cx: &mut Cx<Count>) -> Result<u64, Reject> {
        let next = cx.state().0 + 1;
        cx.set(Count(next));
        Ok(next)
    }
}

impl Value for Count {
    const NAME: &'static str = "test.Count";

    fn handlers(h: Handlers<Self>) -> Handlers<Self> {
        h.command("up", Count::up)
    }
}

/// Where the log goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A copy of a folder that is open, as its files would be found after a crash, with the last write torn.
fn torn(folder: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let file = entry.expect("an entry").path();
        let copy = to.join(file.file_name().expect("a name"));
        fs::copy(&file, &copy).expect("copied");
        logs.extend(copy.extension().is_some_and(|ending| ending == "log").then_some(copy));
    }
    let log = OpenOptions::new().write(true).open(logs.iter().max().expect("a log")).expect("opened");
    let whole = log.metadata().expect("a length").len();
    log.set_len(whole - 5).expect("shortened");
}

#[tokio::test]
async fn a_torn_tail_is_a_warning_in_the_log() -> adjoin::Result<()> {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let place = tempfile::tempdir().expect("a folder");
    let crashed = place.path().join("crashed");
    let whole = place.path().join("whole");

    let rt = App::new().with_value::<Count>().open(&whole).await?;
    for expected in 1..=3 {
        assert_eq!(rt.entity::<Count>("ada").call(Count::up, ()).await?, expected);
    }
    torn(&whole, &crashed);
    rt.close().await?;
    assert!(!log.text().contains("WARN"), "{}", log.text());

    let rt = App::new().with_value::<Count>().open(&crashed).await?;
    let said = log.text();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("WARN")).collect();
    assert!(matches!(lines[..], [line] if line.contains(".log ended in a write that was under way")), "{said}");
    assert_eq!(rt.entity::<Count>("ada").call(Count::up, ()).await?, 3, "the torn one was the third");
    rt.close().await
}
