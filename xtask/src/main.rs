//! The experiment runner: `cargo xtask --help` lists its commands.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tinylsa_kernels::instruction_set;

use crate::outcome::UsageError;

mod commands;
mod logging;
mod outcome;
mod progress;
mod score_table;
mod table;

/// Trains and explains TinyCNN + Linear Self-Attention on Fashion-MNIST, on a plain CPU.
#[derive(Parser, Debug)]
#[command(name = "cargo xtask", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Train, evaluate and report, driven by a config.
    Experiment(commands::experiment::ExperimentArguments),
    /// Run a finished experiment again and compare the digests.
    Reproduce(commands::reproduce::ReproduceArguments),
    /// Run a list of variants of a config and compare them on the validation split.
    Sweep(commands::sweep::SweepArguments),
    /// Get, check or look at the images.
    #[command(subcommand)]
    Data(commands::data::DataCommand),
    /// Measure a model on one split of the images.
    Evaluate(commands::evaluate::EvaluateArguments),
    /// Say what is on images of your own.
    Classify(commands::classify::ClassifyArguments),
    /// Show why the model takes images for what it does, by any of the explanation methods.
    Explain(commands::explain::ExplainArguments),
    /// Print what a config's network costs beside VGG-19, ResNet-50, ViT-B/16 and Swin-T.
    Compare(commands::compare::CompareArguments),
    /// Measure how quick training, evaluation and explanations are.
    Bench(Box<commands::bench::BenchArguments>),
    /// Validate a model file and rewrite it.
    Export(commands::export::ExportArguments),
    /// Measure the weights that ship, and write their model card.
    Card(commands::card::CardArguments),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::init();
    outcome::exit_code(run(&cli.command))
}

fn run(command: &Command) -> anyhow::Result<()> {
    // A wrong TINYLSA_SIMD is told before any work, whatever the command.
    instruction_set().map_err(|error| UsageError(error.to_string()))?;
    match command {
        Command::Experiment(arguments) => commands::experiment::run(arguments),
        Command::Reproduce(arguments) => commands::reproduce::run(arguments),
        Command::Sweep(arguments) => commands::sweep::run(arguments),
        Command::Data(command) => commands::data::run(command),
        Command::Evaluate(arguments) => commands::evaluate::run(arguments),
        Command::Classify(arguments) => commands::classify::run(arguments),
        Command::Explain(arguments) => commands::explain::run(arguments),
        Command::Compare(arguments) => commands::compare::run(arguments),
        Command::Bench(arguments) => commands::bench::run(arguments),
        Command::Export(arguments) => commands::export::run(arguments),
        Command::Card(arguments) => commands::card::run(arguments),
    }
}
