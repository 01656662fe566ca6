use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Result, anyhow};
use clap::Args;
use tinylsa_experiment::models::load_model_or_pretrained;
use tinylsa_explorer::{Explorer, ExplorerConfig, ExplorerError, ExplorerImages};
use tracing::warn;

use super::images::ImageArguments;
use crate::outcome::{say, stop_on_interrupt};

/// Arguments of the `explore` command.
#[derive(Args, Debug)]
pub(crate) struct ExploreArguments {
    /// A model.safetensors of a run; without it, the weights that ship with the program.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    images: ImageArguments,
    /// The port of the page at 127.0.0.1; 0 takes any that is free.
    #[arg(long, value_name = "N", default_value_t = 7878)]
    port: u16,
    /// Open the page in the browser of the system.
    #[arg(long)]
    open: bool,
}

/// Serves the page until it is interrupted.
pub(crate) fn run(arguments: &ExploreArguments) -> Result<()> {
    let model = load_model_or_pretrained(arguments.model.as_deref())?;
    let images = ExplorerImages::Find(arguments.images.request());
    let config = ExplorerConfig { model, file: arguments.model.clone(), images, port: arguments.port };
    let explorer = Explorer::start(config).map_err(failure)?;
    let stop = stop_on_interrupt("the page is no longer answered")?;
    say(explorer.link())?;
    if arguments.open {
        open(&explorer.link());
    }
    explorer.serve_until(&stop).map_err(failure)
}

/// A failure of the images keeps what it says of its cause: whether the command line is wrong.
fn failure(error: ExplorerError) -> anyhow::Error {
    match error {
        ExplorerError::Images(error) => error.into(),
        other => anyhow!(other),
    }
}

/// Asks the system to open a page. Nobody waits for the browser.
fn open(link: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let started =
        Command::new(program).arg(link).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if let Err(error) = started {
        warn!("the page could not be opened by {program}: {error}; open the link by hand");
    }
}
