// SPDX-License-Identifier: Apache-2.0
//! The broken variants by name: of the SDK, of hosts as a function sees them, of the machine in the engine.

use adjoin::Error;

/// Breaks the rule of that name from now on.
///
/// # Errors
/// `Invalid` when no variant has the name.
pub(crate) fn choose(name: &str) -> adjoin::Result<()> {
    if let Some(mutant) = adjoin::Mutant::ALL.into_iter().find(|mutant| mutant.name() == name) {
        adjoin::mutate(mutant);
        return Ok(());
    }
    let mutant = adjoin_engine::Mutant::ALL.into_iter().find(|mutant| mutant.name().replace(' ', "-") == name);
    let mutant = mutant.ok_or_else(|| Error::invalid(format!("no broken variant is called {name:?}")))?;
    adjoin_engine::mutate(mutant);
    Ok(())
}
