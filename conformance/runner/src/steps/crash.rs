// SPDX-License-Identifier: Apache-2.0
//! Load, and a process killed in the middle of it: every answered command must be found, once.

use std::collections::BTreeSet;
use std::time::Duration;

use adjoin_model::Payload;
use bytes::Bytes;
use tokio::task::JoinSet;

use super::{Asking, Done, quiet};
use crate::case::{How, Part};
use crate::http::{Ask, Client};
use crate::site::Site;

/// Callers at once; each on one of the case's four keys.
const CALLERS: usize = 16;

/// What the proof has seen.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) answered: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
}

impl Asking<'_> {
    pub(super) async fn crash(&mut self, what: Part, rounds: u32) -> Done {
        let keys: Vec<String> = ["{a}", "{b}", "{c}", "{d}"].map(|key| self.names.fill(key)).into();
        let mut answered = BTreeSet::new();
        for round in 0..rounds {
            let mut site = self.site.write().await;
            answered.extend(self::round(&mut site, &self.client, &keys, what, round).await?);
        }
        let mut site = self.site.write().await;
        let count = count(&mut site, &keys, &answered).await?;
        if count.answered == 0 || count.lost + count.doubled > 0 {
            return Err(format!("{count:?}"));
        }
        Ok(())
    }
}

/// One round: load until the kill; gives the notes that were answered.
async fn round(
    site: &mut Site,
    client: &Client,
    keys: &[String],
    what: Part,
    round: u32,
) -> Result<Vec<String>, String> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (base, client, key) = (site.base.clone(), client.clone(), keys[caller % keys.len()].clone());
        callers.spawn(async move { load(&client, &base, &key, &format!("{round}-{caller}")).await });
    }
    // Another moment each round, long enough for the first answers.
    quiet(Duration::from_millis(150 + 37 * u64::from(round % 8))).await;
    site.end(what, How::Killed).await?;
    if what == Part::Function {
        site.begin(Part::Function).await?;
        served_again(site, client, &keys[0]).await;
        site.end(Part::Host, How::Killed).await?;
    }
    let answered = callers.join_all().await.concat();
    site.begin(Part::Host).await?;
    Ok(answered)
}

/// Waits until the host has its function back and what was unanswered has run again.
async fn served_again(site: &Site, client: &Client, key: &str) {
    let line = format!("GET /conformance.Counter/{key}/total");
    let ask = Ask { line, headers: Default::default(), body: Bytes::new() };
    client.ask(&site.base, ask).await;
    quiet(Duration::from_millis(100)).await;
}

/// Notes one text after the other until the host is gone; gives those that were answered.
async fn load(client: &Client, base: &str, key: &str, name: &str) -> Vec<String> {
    let mut answered = Vec::new();
    for turn in 0.. {
        let note = format!("{name}-{turn}");
        let ask = Ask {
            line: format!("POST /conformance.Counter/{key}/note"),
            headers: Default::default(),
            body: Bytes::from(format!("\"{note}\"")),
        };
        match client.ask(base, ask).await.status {
            200 => answered.push(note),
            0 => break,
            _ => {}
        }
    }
    answered
}

/// The text of a note: `{"text":"…"}`, or, by a contract, a message with it as field 1.
fn noted(event: &Payload) -> Option<String> {
    let text = match &event.data[..] {
        [0x0a, length, text @ ..] => std::str::from_utf8(text.get(..usize::from(*length))?).ok()?,
        json => std::str::from_utf8(json).ok()?.split('"').nth(3)?,
    };
    Some(text.to_owned())
}

/// Compares what was answered with what the closed folder holds.
async fn count(site: &mut Site, keys: &[String], answered: &BTreeSet<String>) -> Result<Count, String> {
    site.end(Part::Host, How::Told).await?;
    let mut found = Vec::new();
    for key in keys {
        found.extend(super::journal::read(&site.folder(), &format!("conformance.Counter/{key}")).await?);
    }
    site.begin(Part::Host).await?;
    let found: Vec<String> = found.iter().filter_map(noted).collect();
    let unique: BTreeSet<&String> = found.iter().collect();
    let lost = answered.iter().filter(|note| !unique.contains(note)).count();
    Ok(Count { answered: answered.len(), lost, doubled: found.len() - unique.len() })
}
