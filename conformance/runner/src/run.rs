// SPDX-License-Identifier: Apache-2.0
//! All cases on one target.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::iter;
use tokio::sync::RwLock;

use crate::case::Case;
use crate::http::Client;
use crate::report::{Outcome, Report, Status};
use crate::site::Site;
use crate::steps::Asking;
use crate::target::{Asked, Target};
use crate::text::Names;

/// Cases that are asked at once, where none disturbs another.
const TOGETHER: usize = 8;

/// No case takes longer than this.
const LONGEST: Duration = Duration::from_secs(120);

/// Which cases are asked.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Those whose names hold this.
    pub name: Option<String>,
    /// Those of this rule or topic.
    pub rule: Option<String>,
}

impl Choice {
    /// Whether the case is chosen.
    #[must_use]
    pub fn has(&self, case: &Case) -> bool {
        let named = self.name.as_ref().is_none_or(|name| case.name.contains(name.as_str()));
        named && self.rule.as_ref().is_none_or(|rule| case.rules.contains(rule))
    }
}

/// Asks a target every chosen case; first those that can be asked together, then those that end processes.
///
/// # Errors
/// What the cases or the target's processes cannot be started for; a case that fails is in the report.
pub async fn run(target: &Target, choice: &Choice) -> Result<Report, String> {
    let chosen = crate::cases::all()?.into_iter().filter(|case| choice.has(case));
    let (mut asked, mut outcomes) = (Vec::new(), Vec::new());
    for case in chosen {
        match target.asks(&case) {
            Asked::Yes => asked.push(case),
            Asked::Skipped => outcomes.push(outcome(target, &case, Status::Skipped, Duration::ZERO)),
            Asked::Exempt => {}
        }
    }
    if !asked.is_empty() {
        let site = RwLock::new(Site::start(target).await?);
        let client = Client::new();
        let (alone, together): (Vec<Case>, Vec<Case>) = asked.into_iter().partition(Case::disturbs);
        let asking = |case: Case| one(target, &site, &client, case);
        outcomes.extend(iter(together).map(asking).buffered(TOGETHER).collect::<Vec<_>>().await);
        for case in alone {
            outcomes.push(one(target, &site, &client, case).await);
            site.write().await.recover().await?;
        }
    }
    Ok(Report { outcomes })
}

async fn one(target: &Target, site: &RwLock<Site>, client: &Client, case: Case) -> Outcome {
    let run = format!("{:x}", std::process::id());
    let began = Instant::now();
    let mut asking = Asking::new(site, client.clone(), Names::of(&case.name, &run));
    let asked = tokio::time::timeout(LONGEST, asking.ask(&case)).await;
    let status = match asked {
        Ok(Ok(())) => Status::Passed,
        Ok(Err(said)) => Status::Failed(said),
        Err(_) => Status::Failed(format!("not done in {LONGEST:?}")),
    };
    outcome(target, &case, status, began.elapsed())
}

fn outcome(target: &Target, case: &Case, status: Status, took: Duration) -> Outcome {
    Outcome {
        case: case.name.clone(),
        rules: case.rules.clone(),
        sdk: target.sdk.clone(),
        home: target.home,
        store: target.store,
        status,
        took,
    }
}
