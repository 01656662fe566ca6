//! The program: `tinylsa --help`, or `cargo xtask --help` in a checkout, lists its commands.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tinylsa_kernels::instruction_set;

use crate::outcome::UsageError;

mod commands;
mod logging;
mod outcome;
mod progress;
mod score_table;
mod table;

/// What is said below the list of commands and of options.
const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 the command line or the config is wrong, 75 a task of a cluster was stopped where the same \
command resumes it.
Environment: FASHION_MNIST_DIR names the directory of the images, TINYLSA_SIMD the instruction set of the kernels \
(portable, avx2 or avx512), RUST_LOG what is logged.";

/// Trains and explains TinyCNN + Linear Self-Attention on Fashion-MNIST, on a plain CPU.
#[derive(Parser, Debug)]
#[command(name = "tinylsa", version, arg_required_else_help = true, after_help = AFTER_HELP)]
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
    Explain(Box<commands::explain::ExplainArguments>),
    /// Serve a local page on which the explanations answer while one draws.
    Explore(commands::explore::ExploreArguments),
    /// Print what a config's network costs beside VGG-19, ResNet-50, ViT-B/16 and Swin-T.
    Compare(commands::compare::CompareArguments),
    /// Measure how quick training, evaluation and explanations are.
    Bench(Box<commands::bench::BenchArguments>),
    /// Validate a model file and rewrite it.
    Export(commands::export::ExportArguments),
    /// Measure the weights that ship, and write their model card.
    Card(commands::card::CardArguments),
    /// Print what completes commands and options in a shell.
    Completions(commands::completions::CompletionsArguments),
    /// Print the manual page, or write one for each command.
    Man(commands::man::ManArguments),
}

/// The command line, which shows the name that the program was called by.
fn program() -> clap::Command {
    let program = Cli::command();
    // What `cargo run` starts is told its package, also behind an alias.
    let is_alias = std::env::var_os("CARGO_PKG_NAME").is_some_and(|package| package == env!("CARGO_PKG_NAME"));
    if is_alias { program.bin_name("cargo xtask") } else { program }
}

fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&program().get_matches()).unwrap_or_else(|error| error.exit());
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
        Command::Explore(arguments) => commands::explore::run(arguments),
        Command::Compare(arguments) => commands::compare::run(arguments),
        Command::Bench(arguments) => commands::bench::run(arguments),
        Command::Export(arguments) => commands::export::run(arguments),
        Command::Card(arguments) => commands::card::run(arguments),
        Command::Completions(arguments) => commands::completions::run(arguments, Cli::command()),
        Command::Man(arguments) => commands::man::run(arguments, Cli::command()),
    }
}
