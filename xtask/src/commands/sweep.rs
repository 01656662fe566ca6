use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use tinylsa_experiment::statistics::MeanAndDeviation;
use tinylsa_system::write_atomically;

use crate::outcome::{UsageError, say, stop_on_interrupt};
use crate::table::table;
use tinylsa_experiment::sweep::{
    Comparison, PairedDifference, SweepPlace, SweepPlan, SweepResults, VariantSummary, Verdict, run_trials,
};

/// Arguments of the `sweep` command.
#[derive(Args, Debug)]
pub(crate) struct SweepArguments {
    /// The sweep's file, such as configs/sweeps/recipe-short.toml.
    sweep: PathBuf,
    /// Where the files of the images are, instead of what the config says.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The directory of all runs, instead of one named after the sweep's file; a sweep in it is resumed.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Experiments at a time; they share the cores evenly. Two that have a core each finish sooner than one after the other.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs a list of variants and compares them on the validation split.
pub(crate) fn run(arguments: &SweepArguments) -> Result<()> {
    let plan = SweepPlan::read(&arguments.sweep)?;
    let name = arguments.sweep.file_stem().ok_or_else(|| UsageError("a sweep without a name".to_owned()))?;
    let folder = arguments.out.clone().unwrap_or_else(|| PathBuf::from("runs/sweeps").join(name));
    let place = SweepPlace {
        folder,
        data_dir: arguments.data_dir.clone(),
        jobs: arguments.jobs.into(),
        program: std::env::current_exe().context("failed to find this program")?,
        stop: stop_on_interrupt("stopping the experiments where the same command resumes them")?,
    };
    let results = run_trials(&plan, &place)?;
    let document = serde_json::to_string_pretty(&results)?;
    write_atomically(&place.folder.join("results.json"), document.as_bytes())?;
    if arguments.json {
        return say(document);
    }
    say(variant_table(&results))?;
    if let Some(control) = &plan.control {
        say(format!("beside {control}, on the same images:"))?;
        say(comparison_table(&results))?;
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
            digest: String::new(),
        };
        let several =
            variant_table(&SweepResults { trials: vec![trial(0, 0.92), trial(1, 0.94)], ..SweepResults::default() });
        assert!(several.contains("93.00 ± 1.41") && several.contains("90.00 ± 0.00"), "{several}");
        let one = variant_table(&SweepResults { trials: vec![trial(0, 0.92)], ..SweepResults::default() });
        assert!(one.contains("92.00 ┆") && !one.contains("92.00 ±"), "{one}");
    }
}
