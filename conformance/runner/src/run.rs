// SPDX-License-Identifier: Apache-2.0
//! All cases on one target.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::iter;
use tokio::net::TcpStream;
use tokio::sync::RwLock;

use crate::case::Case;
use crate::http::Client;
use crate::report::{Outcome, Report, Status};
use crate::site::Site;
use crate::steps::Asking;
use crate::target::{Asked, Function, Target};
use crate::text::Names;

/// Cases that are asked at once, where none disturbs another.
const TOGETHER: usize = 8;

/// No case takes longer than this.
const LONGEST: Duration = Duration::from_secs(120);

/// A function that runs already takes a connection within this.
const DIALLED_WITHIN: Duration = Duration::from_secs(3);

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

    /// The chosen ones of these cases.
    fn of(&self, cases: Vec<Case>) -> Result<Vec<Case>, String> {
        let chosen: Vec<Case> = cases.into_iter().filter(|case| self.has(case)).collect();
        if chosen.is_empty() {
            return Err(format!("no case matches {self}; the list of cases shows their names and rules"));
        }
        Ok(chosen)
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [name, rule] = [("case", &self.name), ("rule", &self.rule)]
            .map(|(what, value)| value.iter().map(|value| format!("--{what} {value}")).collect::<String>());
        write!(f, "{}", format!("{name} {rule}").trim())
    }
}

/// Says soon, and plainly, that nothing is there.
async fn dial(target: &Target) -> Result<(), String> {
    let Function::At(address) = &target.function else { return Ok(()) };
    let why = match tokio::time::timeout(DIALLED_WITHIN, TcpStream::connect(address.as_str())).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer in {DIALLED_WITHIN:?}"),
    };
    Err(format!("no function listens at {address} ({why}): start it, or correct the address"))
}

/// Asks a target every chosen case; first those that can be asked together, then those that end processes.
///
/// # Errors
/// When no case is chosen, when nothing listens where a function is said to run, and what the target's processes cannot
/// be started for; a case that fails is in the report.
pub async fn run(target: &Target, choice: &Choice) -> Result<Report, String> {
    let chosen = choice.of(crate::cases::all()?)?;
    dial(target).await?;
    let (mut asked, mut outcomes) = (Vec::new(), Vec::new());
    for case in chosen {
        match target.asks(&case) {
            Asked::Yes => asked.push(case),
            Asked::Skipped => outcomes.push(outcome(target, &case, Status::Skipped, Duration::ZERO)),
            Asked::ByContract => {
                let why = case.why.clone().unwrap_or_default();
                outcomes.push(outcome(target, &case, Status::Exempt(why), Duration::ZERO));
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Home, Store};

    #[test]
    fn a_choice_that_no_case_matches_is_an_error() {
        let chosen = |name: Option<&str>, rule: Option<&str>| {
            let choice = Choice { name: name.map(str::to_owned), rule: rule.map(str::to_owned) };
            choice.of(crate::cases::all().expect("cases")).map(|cases| cases.len())
        };
        assert!(chosen(None, None).expect("all") > chosen(None, Some("grpc")).expect("some"));
        assert_eq!(
            chosen(Some("no_such"), Some("99")).unwrap_err(),
            "no case matches --case no_such --rule 99; the list of cases shows their names and rules"
        );
        assert!(chosen(None, Some("99")).unwrap_err().starts_with("no case matches --rule 99;"));
    }

    #[tokio::test]
    async fn nothing_at_the_address_is_said_at_once() {
        let address = format!("127.0.0.1:{}", crate::process::free_port().expect("a port"));
        let function = Function::At(address.clone());
        let (home, store, adjoin) = (Home::Sidecar, Store::Memory, "no-program".into());
        let target =
            Target { sdk: "none".to_owned(), home, store, contract_first: false, function, adjoin, broken: None };
        let said = run(&target, &Choice::default()).await.unwrap_err();
        assert!(said.starts_with(&format!("no function listens at {address}")), "{said}");
    }
}
