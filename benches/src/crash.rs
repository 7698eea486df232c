// SPDX-License-Identifier: Apache-2.0
//! The crash proof: callers at work, `kill -9` of function and host at random moments, in half of the rounds every file
//! cut back to what was synced, and every acknowledged event looked for in the journal, which is read by another path
//! than the one under test.

mod cut;
mod load;
mod series;

use std::ops::AddAssign;
use std::path::Path;

use series::{Home, Proof, Series};

use crate::{Arguments, Outcome};

/// Rounds when none are given.
const ROUNDS: usize = 100;

/// Rounds that the build without sync gets, at most: it ends with the first that loses something.
const LIAR_ROUNDS: u32 = 3;

/// The host that does not sync: the shop in-process, with a store compiled to write without waiting for the disk.
const LIAR: &str = "adjoin-bench-unsynced";

/// What rounds have brought.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
struct Count {
    rounds: u32,
    host_kills: u32,
    function_kills: u32,
    /// Products whose callers got an answer.
    acknowledged: usize,
    /// Acknowledged, and not in the journal.
    lost: usize,
    /// In the journal more than once.
    doubled: usize,
    /// Without an answer when the host died, or refused.
    unknown: usize,
    /// Of those, the ones that are in the journal: written, and their answer did not get out any more.
    unknown_found: usize,
    bytes_cut: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.host_kills += other.host_kills;
        self.function_kills += other.function_kills;
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.unknown += other.unknown;
        self.unknown_found += other.unknown_found;
        self.bytes_cut += other.bytes_cut;
    }
}

/// Runs every round with an honest build, then a few with one that does not sync, which must lose something.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let work = tempfile::tempdir()?;
    let mut proof = Proof { arguments, shim: cut::build(arguments, work.path())?, random: arguments.seed };
    let rounds = u32::try_from(arguments.rounds.unwrap_or(ROUNDS))?;
    let (mut killed, mut cut) = (Count::default(), Count::default());
    for (home, share) in [(Home::InProcess, rounds.div_ceil(2)), (Home::Sidecar, rounds / 2)] {
        let mut series = Series::new(home, &work.path().join(format!("{home:?}")), share)?;
        for round in 1..=share {
            let files_cut = round % 2 == 0;
            // Half of the sidecar's rounds, among them such with and such without a cut.
            let function = home == Home::Sidecar && matches!(round % 4, 0 | 1);
            let sum = if files_cut { &mut cut } else { &mut killed };
            *sum += series.round(&mut proof, round, files_cut, function)?;
        }
    }
    let liar = liar(&mut proof, &work.path().join("liar"))?;
    judge(killed, cut, liar)
}

/// The same with the build that does not sync, until it has lost something. It gets a folder of an honest life: one that
/// never was synced at all would not even open, and the tail of a journal is what such a build loses in practice.
fn liar(proof: &mut Proof<'_>, folder: &Path) -> Outcome<Count> {
    let mut series = Series::new(Home::InProcess, folder, LIAR_ROUNDS + 1)?;
    let honest = series.round(proof, 1, true, false)?;
    if honest.lost > 0 {
        return Err(format!("an honest build lost {} of {} acknowledged", honest.lost, honest.acknowledged).into());
    }
    series.home = Home::Unsynced;
    let mut sum = Count::default();
    for round in 2..=LIAR_ROUNDS + 1 {
        sum += series.round(proof, round, true, false)?;
        if sum.lost > 0 {
            break;
        }
    }
    Ok(sum)
}

fn judge(killed: Count, cut: Count, liar: Count) -> Outcome<()> {
    let mut total = killed;
    total += cut;
    for (name, sum) in [("killed", &killed), ("killed, files cut", &cut), ("without sync, files cut", &liar)] {
        println!(
            "{name}: {} rounds, {} host and {} function kills, {} acknowledged, {} lost, {} doubled, {} in flight of \
             which {} were written, {} bytes cut",
            sum.rounds,
            sum.host_kills,
            sum.function_kills,
            sum.acknowledged,
            sum.lost,
            sum.doubled,
            sum.unknown,
            sum.unknown_found,
            sum.bytes_cut
        );
    }
    println!(
        "{}",
        serde_json::json!({
            "bench": "crash", "rounds": total.rounds, "host_kills": total.host_kills,
            "function_kills": total.function_kills, "acknowledged": total.acknowledged, "lost": total.lost,
            "doubled": total.doubled, "killed": killed, "cut": cut, "without_sync": liar,
        })
    );
    if total.acknowledged == 0 || total.lost + total.doubled > 0 {
        return Err(format!(
            "of {} acknowledged events {} are lost, and {} are doubled",
            total.acknowledged, total.lost, total.doubled
        )
        .into());
    }
    if liar.lost == 0 {
        return Err("a build that does not sync lost nothing: the proof proves nothing".into());
    }
    println!(
        "crash: {} kills of the host and {} of the function lost and doubled none of {} acknowledged events; a build \
         without sync lost {} of {}",
        total.host_kills, total.function_kills, total.acknowledged, liar.lost, liar.acknowledged
    );
    Ok(())
}
