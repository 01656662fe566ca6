use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use tinylsa_experiment::ExperimentError;
use tinylsa_experiment::cluster::{ArrayJob, array_of, quoted, submit};
use tinylsa_experiment::statistics::MeanAndDeviation;
use tinylsa_experiment::sweep::{
    Comparison, FrozenPlan, GatherRequest, LocalJobs, PairedDifference, SweepPlace, SweepPlan, SweepResults,
    TrialRequest, TrialState, TrialStatus, VariantSummary, Verdict, gather, plan_trials, run_trial, run_trials, status,
};
use tinylsa_settings::counted;

use super::cluster::{SubmitArguments, say_submission};
use super::experiment::conclude;
use crate::outcome::{Resumable, UsageError, say, stop_on_interrupt, stop_task_on_interrupt};
use crate::progress::ExperimentProgress;
use crate::table::table;

/// Arguments of the `sweep` command.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
#[derive(Args, Debug)]
pub(crate) struct SweepArguments {
    /// The sweep's file, such as configs/sweeps/recipe-short.toml; with --trial, --status and --gather the directory of a
    /// sweep that was planned.
    #[arg(value_name = "FILE|DIR")]
    place: PathBuf,
    /// Where the files of the images are, instead of what the config says.
    #[arg(long, value_name = "DIR", conflicts_with_all = WORKING)]
    data_dir: Option<PathBuf>,
    /// The directory of all runs, instead of one named after the sweep's file; a sweep in it is resumed.
    #[arg(long, value_name = "DIR", conflicts_with_all = WORKING)]
    out: Option<PathBuf>,
    /// Experiments at a time; they share the cores evenly. Two that have a core each finish sooner than one after the other.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    #[arg(conflicts_with_all = ["plan", "submit", "trial", "status", "gather"])]
    jobs: u8,
    /// Only check all trials and write their plan into the directory.
    #[arg(long, conflicts_with_all = ["submit", "trial", "status", "gather"])]
    plan: bool,
    #[command(flatten)]
    submission: SubmitArguments,
    /// Run the trial of this number of a planned sweep: start it, resume it, or leave it as it is if it is finished. Ends
    /// with 75 if it was stopped where the same command resumes it.
    #[arg(long, value_name = "I", conflicts_with_all = ["submit", "status", "gather"])]
    trial: Option<usize>,
    /// Threads of the trial, instead of the config's; 0 takes every core. The result has the same bits whatever the number.
    #[arg(long, value_name = "N", requires = "trial")]
    threads: Option<usize>,
    /// Say where each trial of a planned sweep is.
    #[arg(long, conflicts_with_all = ["submit", "gather"])]
    status: bool,
    /// Write results.json of the trials that are finished, and name those that are missing. Ends with 1 if any is.
    #[arg(long, conflicts_with = "submit")]
    gather: bool,
    /// Gather results of different instruction sets, which differ in their last bits.
    #[arg(long, requires = "gather")]
    allow_mixed: bool,
    /// Print one JSON document.
    #[arg(long, conflicts_with_all = ["plan", "submit", "trial"])]
    json: bool,
}

/// The options that work on a directory whose plan says the rest.
const WORKING: [&str; 3] = ["trial", "status", "gather"];

/// How many trials a list names.
const MOST_NAMED: usize = 20;

/// Runs a list of variants and compares them on the validation split.
pub(crate) fn run(arguments: &SweepArguments) -> Result<()> {
    match arguments.trial {
        Some(index) => return work(arguments, index),
        None if arguments.status => return tell_status(arguments),
        None if arguments.gather => return gather_results(arguments),
        None => {}
    }
    let plan = SweepPlan::read(&arguments.place)?;
    let name = arguments.place.file_stem().ok_or_else(|| UsageError("a sweep without a name".to_owned()))?;
    let place = SweepPlace {
        folder: arguments.out.clone().unwrap_or_else(|| PathBuf::from("runs/sweeps").join(name)),
        data_dir: arguments.data_dir.clone(),
        stop: stop_on_interrupt("stopping the experiments where the same command resumes them")?,
    };
    let program = std::env::current_exe().context("failed to find this program")?;
    if arguments.plan || arguments.submission.submit.is_some() {
        let trials = plan_trials(&plan, &place)?.trials.len();
        say(format!("planned {} in {}", counted(trials, "trial"), place.folder.display()))?;
        if arguments.submission.submit.is_none() {
            return Ok(());
        }
        let folder = quoted(&std::path::absolute(&place.folder)?);
        let submitted = submit(&ArrayJob {
            folder: &place.folder,
            name: &name.to_string_lossy(),
            program,
            worker: format!("sweep --trial \"$task\" --threads \"$threads\" {folder}"),
            gatherer: format!("sweep --gather {folder}"),
            tasks: trials,
            slots: arguments.submission.slots,
            options: &arguments.submission.options,
        })?;
        return say_submission(&submitted, &place.folder);
    }
    let results = run_trials(&plan, &place, &LocalJobs { jobs: arguments.jobs.into(), program })?;
    tell(&results, plan.control.as_deref(), arguments.json)
}

/// Runs one trial.
fn work(arguments: &SweepArguments, index: usize) -> Result<()> {
    let (folder, threads, stop) = (arguments.place.as_path(), arguments.threads, stop_task_on_interrupt()?);
    let mut progress = ExperimentProgress::default();
    let run =
        run_trial(&TrialRequest { folder, index, threads, stop }, &mut progress).map_err(|error| match error {
            ExperimentError::Interrupted(reason) => anyhow::Error::from(Resumable(reason.to_string())),
            other => other.into(),
        })?;
    progress.end()?;
    run.map_or(Ok(()), |run| conclude(&run))
}

/// Says how many trials are in each state, and which are neither waiting nor finished.
fn tell_status(arguments: &SweepArguments) -> Result<()> {
    let trials = status(&arguments.place)?;
    if arguments.json {
        return say(serde_json::to_string_pretty(&trials)?);
    }
    let count = |state: TrialState| trials.iter().filter(|trial| trial.state == state).count();
    let states = [
        TrialState::Finished,
        TrialState::Running,
        TrialState::Interrupted,
        TrialState::Failed,
        TrialState::Foreign,
        TrialState::Waiting,
    ];
    let counts = states.into_iter().map(|state| (state, count(state))).filter(|&(_, count)| count > 0);
    let counts: Vec<String> = counts.map(|(state, count)| format!("{count} {}", state.name())).collect();
    say(format!("{}: {}", counted(trials.len(), "trial"), counts.join(", ")))?;
    let is_worth_a_line = |trial: &&TrialStatus| !matches!(trial.state, TrialState::Finished | TrialState::Waiting);
    let shown: Vec<[String; 4]> = trials
        .iter()
        .filter(is_worth_a_line)
        .map(|TrialStatus { index, name, state, reason }| {
            [index.to_string(), name.clone(), state.name().to_owned(), reason.clone()]
        })
        .collect();
    if shown.is_empty() { Ok(()) } else { say(table(2, ["number", "trial", "state", ""], shown)) }
}

/// Writes the results, and names what is missing.
fn gather_results(arguments: &SweepArguments) -> Result<()> {
    let folder: &Path = &arguments.place;
    let request = GatherRequest { folder, allow_mixed: arguments.allow_mixed, stop: Arc::default() };
    let results = gather(&request)?;
    let control = FrozenPlan::read(folder)?.control.filter(|_| !results.comparisons.is_empty());
    tell(&results, control.as_deref(), arguments.json)?;
    let Some(first) = results.missing.first() else { return Ok(()) };
    let numbers: Vec<usize> = results.missing.iter().map(|trial| trial.index).collect();
    for trial in results.missing.iter().take(MOST_NAMED) {
        let reason = if trial.reason.is_empty() { String::new() } else { format!(": {}", trial.reason) };
        tell_missing(&format!("{} ({}) is {}{reason}", trial.name, trial.index, trial.state.name()))?;
    }
    tell_missing(&format!("resubmit with --array={}", array_of(&numbers)))?;
    let trials = results.missing.len() + results.trials.len();
    bail!("{} of {} have no result, the first is {}", results.missing.len(), counted(trials, "trial"), first.name)
}

/// Standard output belongs to the results.
fn tell_missing(line: &str) -> Result<()> {
    use std::io::Write;
    writeln!(std::io::stderr(), "{line}").context("failed to write to standard error")
}

/// Says the results, as tables or as the document that results.json holds.
fn tell(results: &SweepResults, control: Option<&str>, json: bool) -> Result<()> {
    if json {
        return say(serde_json::to_string_pretty(results)?);
    }
    say(variant_table(results))?;
    if let Some(control) = control {
        say(format!("beside {control}, on the same images:"))?;
        say(comparison_table(results))?;
    }
    Ok(())
}

/// A line for each variant, the best by validation accuracy first.
fn variant_table(results: &SweepResults) -> String {
    let header = [
        "variant",
        "seeds",
        "validation accuracy, %",
        "validation loss",
        "training accuracy, %",
        "parameters",
        "million MACs",
        "seconds",
    ];
    table(1, header, results.variants().iter().map(row))
}

fn row(variant: &VariantSummary) -> [String; 8] {
    let percent = |over: MeanAndDeviation| {
        let spread = over.deviation.map(|deviation| format!(" ± {:.2}", 100.0 * deviation)).unwrap_or_default();
        format!("{:.2}{spread}", 100.0 * over.mean)
    };
    [
        variant.name.clone(),
        variant.validation_accuracy.count.to_string(),
        percent(variant.validation_accuracy),
        format!("{:.4}", variant.validation_loss.mean),
        percent(variant.train_accuracy),
        variant.parameters.to_string(),
        format!("{:.1}", variant.macs as f64 / 1e6),
        format!("{:.0}", variant.seconds.mean),
    ]
}

/// A line for each variant but the control.
fn comparison_table(results: &SweepResults) -> String {
    let header = ["variant", "images", "accuracy, points", "of each seed", "log-likelihood, nats", "verdict"];
    table(1, header, results.comparisons.iter().map(compared_row))
}

fn compared_row(comparison: &Comparison) -> [String; 6] {
    let with_interval = |difference: &PairedDifference, scale: f64, digits: usize| {
        let [mean, low, high] = [difference.over_images.mean, difference.over_images.low, difference.over_images.high]
            .map(|end| scale * end);
        format!("{mean:+.digits$} ({low:+.digits$} to {high:+.digits$})")
    };
    let seeds = comparison.accuracy.of_each_seed.iter().map(|seed| format!("{:+.2}", 100.0 * seed));
    let verdict = match comparison.verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Undecided => "undecided",
    };
    [
        comparison.variant.clone(),
        comparison.images.to_string(),
        with_interval(&comparison.accuracy, 100.0, 2),
        seeds.collect::<Vec<_>>().join(" "),
        with_interval(&comparison.likelihood, 1.0, 4),
        verdict.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use tinylsa_experiment::sweep::TrialResult;

    use super::*;

    #[test]
    fn a_spread_is_shown_where_there_are_several_seeds() {
        let trial = |seed: u64, validation_accuracy: f64| TrialResult {
            variant: "plain".to_owned(),
            seed,
            settings: Vec::new(),
            parameters: 400_000,
            macs: 27_000_000,
            epochs: 3,
            train_accuracy: 0.9,
            validation_accuracy,
            validation_loss: 0.25,
            seconds: 60.0,
            images_per_second: 900.0,
            instruction_set: "portable".to_owned(),
            digest: String::new(),
        };
        let several =
            variant_table(&SweepResults { trials: vec![trial(0, 0.92), trial(1, 0.94)], ..SweepResults::default() });
        assert!(several.contains("93.00 ± 1.41") && several.contains("90.00 ± 0.00"), "{several}");
        let one = variant_table(&SweepResults { trials: vec![trial(0, 0.92)], ..SweepResults::default() });
        assert!(one.contains("92.00 ┆") && !one.contains("92.00 ±"), "{one}");
    }
}
