// SPDX-License-Identifier: Apache-2.0
//! Targets: a ratio of two figures of one run, as a table row and a JSON line.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::Outcome;

/// One target and what was measured. The ratio is oriented so that larger is better; `ratio >= target` is met.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) row: u32,
    pub(crate) name: String,
    pub(crate) adjoin: f64,
    pub(crate) peer: f64,
    pub(crate) unit: &'static str,
    pub(crate) ratio: f64,
    pub(crate) target: f64,
    /// What a reader must know to judge it.
    pub(crate) note: String,
}

impl Target {
    /// More is better: adjoin over the peer.
    pub(crate) fn more(row: u32, name: &str, adjoin: f64, peer: f64, unit: &'static str, target: f64) -> Self {
        Self { row, name: name.into(), adjoin, peer, unit, ratio: adjoin / peer, target, note: String::new() }
    }

    /// Less is better: the limit over what was measured, target 1.
    pub(crate) fn less(row: u32, name: &str, adjoin: f64, limit: f64, unit: &'static str) -> Self {
        let ratio = limit / adjoin.max(f64::MIN_POSITIVE);
        Self { row, name: name.into(), adjoin, peer: limit, unit, ratio, target: 1.0, note: String::new() }
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn json(&self) -> String {
        serde_json::json!({
            "bench": format!("{}.{}", self.row, self.name), "row": self.row, "adjoin": round(self.adjoin),
            "peer": round(self.peer), "unit": self.unit, "ratio": round(self.ratio), "target": self.target,
        })
        .to_string()
    }
}

/// Three significant digits and a half: more would pretend.
fn round(figure: f64) -> f64 {
    if figure == 0.0 || !figure.is_finite() {
        return 0.0;
    }
    let scale = 10f64.powi(3 - figure.abs().log10().floor() as i32);
    (figure * scale).round() / scale
}

/// The median of some figures; 0 of none.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

/// Prints the table and the JSON lines, and keeps the latter.
pub(crate) fn print(targets: &[Target], folder: &Path, name: &str) -> Outcome<()> {
    let mut lines = String::new();
    println!("\n{:<44} {:>12} {:>12} {:<10} {:>8} {:>8}", "row", "adjoin", "peer/limit", "unit", "ratio", "target");
    for target in targets {
        let (met, shown) = (if target.ratio >= target.target { "met" } else { "MISSED" }, round(target.ratio));
        println!(
            "{:<44} {:>12} {:>12} {:<10} {:>8} {:>8} {met}",
            format!("{}.{}", target.row, target.name),
            round(target.adjoin),
            round(target.peer),
            target.unit,
            shown,
            target.target
        );
        if !target.note.is_empty() {
            println!("    {}", target.note);
        }
        writeln!(lines, "{}", target.json())?;
    }
    print!("{lines}");
    fs::create_dir_all(folder)?;
    fs::write(folder.join(format!("{name}.jsonl")), lines)?;
    let missed = targets.iter().filter(|target| target.ratio < target.target).count();
    println!("{} targets met, {missed} missed; kept in {}/{name}.jsonl", targets.len() - missed, folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_is_better_both_ways() {
        assert!(Target::more(1, "x", 10.0, 2.0, "/s", 5.0).ratio >= 5.0);
        assert!(Target::less(9, "x", 900.0, 1024.0, "B").ratio >= 1.0);
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(round(12_345.678), 12_350.0);
    }
}
