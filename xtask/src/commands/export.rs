use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use tinylsa_train::write_atomically;

use super::load_model;
use crate::outcome::say;

/// What stands behind `export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArguments {
    /// A model.safetensors of a run.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The file to write, as safetensors.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Reads a model, checks that its weights fit its config, and writes it anew.
pub(crate) fn run(arguments: &ExportArguments) -> Result<()> {
    let loaded = load_model(&arguments.model)?;
    let names: Vec<&str> = loaded.metadata.class_names.iter().map(String::as_str).collect();
    let bytes = loaded.model.to_safetensors(&names, &loaded.metadata.dataset)?;
    write_atomically(&arguments.out, &bytes).with_context(|| format!("failed to write {}", arguments.out.display()))?;
    let cost = loaded.metadata.model.cost();
    say(format!("{}: {} parameters, {} bytes", arguments.out.display(), cost.parameters(), bytes.len()))
}
