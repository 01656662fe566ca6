use anyhow::Result;
use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::outcome::say;

/// Arguments of the `completions` command.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArguments {
    /// The shell that reads them.
    shell: Shell,
}

/// Prints the completions of `program`.
pub(crate) fn run(arguments: &CompletionsArguments, mut program: Command) -> Result<()> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    generate(arguments.shell, &mut program, name, &mut script);
    say(String::from_utf8_lossy(&script).trim_end())
}
