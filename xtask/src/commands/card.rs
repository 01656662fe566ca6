use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use tinylsa_system::write_atomically;

use std::sync::Arc;

use crate::outcome::say;
use tinylsa_experiment::card::{CardSubject, markdown, measure_card};
use tinylsa_experiment::finished::FinishedRun;
use tinylsa_experiment::models::load_model_or_pretrained;

/// What stands behind `card`.
#[derive(Args, Debug)]
pub(crate) struct CardArguments {
    /// The folders of the recipe's runs, one a seed; the weights must be those of the first.
    #[arg(long = "run", required = true, num_args = 1.., value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// The file that `export --run` wrote, instead of the weights that ship with the program.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// The config that the runs were made from, such as configs/base.toml; it must be theirs but for the seed.
    #[arg(long, value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Where the files of the images are, instead of what the config says.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The page to write; the same figures go into a JSON file beside it.
    #[arg(long, value_name = "FILE", default_value = "docs/model-card.md")]
    out: PathBuf,
}

/// Measures the weights that ship, and writes down what they are and what they are worth.
pub(crate) fn run(arguments: &CardArguments) -> Result<()> {
    let subject = CardSubject {
        loaded: load_model_or_pretrained(arguments.model.as_deref())?,
        runs: arguments.runs.iter().map(|folder| FinishedRun::read(folder)).collect::<Result<_, _>>()?,
        config: arguments.config.clone(),
    };
    let card = measure_card(&subject, arguments.data_dir.as_deref(), &Arc::default())?;
    let mut json = serde_json::to_vec_pretty(&card)?;
    json.push(b'\n');
    let text = markdown(&card)?;
    for (path, bytes) in [(arguments.out.with_extension("json"), &json[..]), (arguments.out.clone(), text.as_bytes())] {
        write_atomically(&path, bytes).with_context(|| format!("failed to write {}", path.display()))?;
    }
    say(card.test.describe())?;
    say(format!("model card {}", arguments.out.display()))
}
