use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_mangen::{Man, generate_to};

use crate::outcome::say;

/// Arguments of the `man` command.
#[derive(Args, Debug)]
pub(crate) struct ManArguments {
    /// Write the page of the program and one for each command into a directory, instead of printing the first.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints the manual page of `program`, or writes all of them.
pub(crate) fn run(arguments: &ManArguments, program: Command) -> Result<()> {
    let program = program.disable_help_subcommand(true);
    let Some(directory) = &arguments.out else {
        let mut page = Vec::new();
        Man::new(program).render(&mut page)?;
        return say(String::from_utf8_lossy(&page).trim_end());
    };
    let written = std::fs::create_dir_all(directory).and_then(|()| generate_to(program, directory));
    written.with_context(|| format!("failed to write manual pages into {}", directory.display()))?;
    say(format!("the manual pages are in {}", directory.display()))
}
