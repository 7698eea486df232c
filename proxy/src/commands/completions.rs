// SPDX-License-Identifier: Apache-2.0
//! `adjoin completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::failure::{Failure, Outcome};

/// Print the completions of a shell
///
/// Each shell reads them from a place of its own:
///   bash  adjoin completions bash > ~/.local/share/bash-completion/completions/adjoin
///   zsh   adjoin completions zsh > "${fpath[1]}/_adjoin"
///   fish  adjoin completions fish > ~/.config/fish/completions/adjoin.fish
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CompletionsArgs {
    /// Which shell.
    shell: Shell,
}

impl CompletionsArgs {
    pub(crate) fn run(&self) -> Outcome<()> {
        // Rendered first: clap_complete panics when its writer fails.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::args::Cli::command(), "adjoin", &mut script);
        std::io::Write::write_all(&mut std::io::stdout().lock(), &script).map_err(|error| Failure::output(&error))
    }
}
