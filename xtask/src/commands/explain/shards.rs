//! Images that several processes explain, and the one that puts them together.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tinylsa_experiment::ExperimentError;
use tinylsa_experiment::cluster::{ArrayJob, array_of, quoted, submit};
use tinylsa_experiment::dataset::LoadedDataset;
use tinylsa_experiment::matching::require_classes;
use tinylsa_experiment::shards::{GatheredParts, Shard, ShardBasis, ShardPlan, claim_shard, gather_parts, write_part};
use tinylsa_explain::page::{DrawnExplanation, Placement};
use tinylsa_explain::scores::{ScoreFold, Scoring};
use tinylsa_explain::{ImageExplanation, ImagePart, ImageToExplain, RequestedClass, shown_beside, write_image};
use tinylsa_settings::counted;
use tinylsa_xai::Cancellation;
use tracing::info;

use super::arguments::ExplainArguments;
use super::finished::{Finished, KIND, PAGE, SCORES};
use super::prepared::{Prepared, Ready};
use super::sources::{from_dataset, names, numbers};
use super::telling::{is_cancelled, tell, told};
use crate::commands::cluster::say_submission;
use crate::outcome::{Resumable, UsageError, say, stop_task_on_interrupt};
use crate::progress::ExplainBar;

/// How many images a list names.
const MOST_NAMED: usize = 20;

/// A call whose images are shared among processes.
struct Sharded {
    arguments: ExplainArguments,
    prepared: Prepared,
    plan: ShardPlan,
    /// The names of all images, in their order.
    names: Vec<String>,
}

impl Sharded {
    /// What is asked for, checked; every image that is named is there.
    fn of(arguments: &ExplainArguments, shards: usize) -> Result<Self> {
        let arguments = arguments.absolute()?;
        let prepared = Prepared::of(&arguments)?;
        let images = images(&prepared)?;
        let metadata = &prepared.loaded.metadata;
        require_classes(metadata, &images.test)?;
        let last = numbers(&arguments).max();
        from_dataset(&arguments, images, metadata, |number| Some(number) == last)?;
        if prepared.asked.class == RequestedClass::Every {
            let text = "--target all sets the classes of an image side by side: ask for it without shards";
            return Err(UsageError(text.to_owned()).into());
        }
        let names = names(&arguments, images);
        let settings = &prepared.settings;
        let basis = ShardBasis {
            model: &prepared.loaded.sha256,
            dataset: images.name().id(),
            checksums: &images.checksums,
            names: &names,
            methods: &settings.methods,
            seed: settings.seed,
            explain: serde_json::to_value(&settings.explain)?,
            scores: arguments.scores,
            target: format!("{:?}", prepared.asked),
        };
        let plan = ShardPlan::new(shards, &basis, serde_json::to_value(&arguments)?);
        Ok(Self { arguments, prepared, plan, names })
    }

    /// What the plan in a directory asks for.
    fn planned(folder: &Path, threads: usize) -> Result<Self> {
        let plan = ShardPlan::read(folder)?;
        let arguments = ExplainArguments { threads, ..plan.request()? };
        let here = Self::of(&arguments, plan.shards)?;
        if here.plan.settings != plan.settings {
            return Err(UsageError(format!(
                "{} was begun with another model, other images or settings, or another version than are here now",
                folder.display()
            ))
            .into());
        }
        Ok(Self { plan, ..here })
    }
}

fn images(prepared: &Prepared) -> Result<&LoadedDataset> {
    Ok(prepared.collection.as_ref().ok_or_else(|| UsageError("shards are of images that --index names".to_owned()))?)
}

/// Explains one shard.
pub(super) fn work(arguments: &ExplainArguments, shard: Shard) -> Result<()> {
    let stop = stop_task_on_interrupt()?;
    let folder = arguments.out()?;
    let sharded = if arguments.index.is_empty() {
        arguments.require_nothing()?;
        Sharded::planned(folder, arguments.threads)?
    } else {
        Sharded::of(arguments, shard.of)?
    };
    if sharded.plan.shards != shard.of {
        let text =
            format!("--shard {}/{} is not of the {} shards of the plan", shard.index, shard.of, sharded.plan.shards);
        return Err(UsageError(text).into());
    }
    let Sharded { arguments, prepared, plan, names } = sharded;
    let directory = plan.begin(folder, KIND, &names, &[PAGE, SCORES]).map_err(resumable)?;
    let _claim = claim_shard(folder, shard).map_err(resumable)?;
    let is_explained = |name: &str| ImagePart::read(&directory.folder(name), &plan.settings).map(|part| part.is_some());
    let mut places: Vec<(u32, usize)> = Vec::new();
    for (place, number) in numbers(&arguments).enumerate().filter(|(_, number)| shard.holds(*number)) {
        if !is_explained(&names[place])? {
            places.push((number, place));
        }
    }
    let all = numbers(&arguments).filter(|&number| shard.holds(number)).count();
    info!("{} of shard {}/{}, {} explained already", counted(all, "image"), shard.index, shard.of, all - places.len());
    let wanted: HashSet<u32> = places.iter().map(|(number, _)| *number).collect();
    let is_wanted = |number: u32| wanted.contains(&number);
    let subjects = from_dataset(&arguments, images(&prepared)?, &prepared.loaded.metadata, is_wanted)?;
    let (ready, _) = prepared.ready(&arguments, None, stop.into())?;
    let (explainer, request, placement) = (ready.explainer(), ready.request(), Placement::of(names.len(), ""));
    let scoring = arguments.scores.then(|| Scoring::new(&explainer, names.len())).transpose()?;
    let (mut failures, mut places) = (Vec::new(), places.into_iter().map(|(_, place)| place));
    let ended: Result<()> = explainer.explain_all(subjects, &request, &mut ExplainBar::default(), |outcome| {
        let place = places.next().context("more images than were asked for")?;
        let explanation = match outcome {
            Ok(explanation) => explanation,
            Err(failure) => {
                failures.push(failure.into());
                return Ok(());
            }
        };
        let folder = directory.folder(&explanation.id);
        let written = write_image(&folder, &explanation, &ready.origin, &explainer.execution.cancellation)?;
        let scores = scoring.as_ref().map(|scoring| scoring.measure(place, &explanation)).transpose()?;
        let drawn = DrawnExplanation::new(&explanation, &written.drawings, &placement)?;
        write_part(&folder, &plan, &written.attributions, drawn, scores)?;
        tell(&explanation, &folder)
    });
    match ended {
        Err(error) if is_cancelled(&error) => {
            Err(Resumable("interrupted; the same command explains the images that are left".to_owned()).into())
        }
        Err(error) => Err(error),
        Ok(()) if failures.is_empty() => Ok(()),
        Ok(()) => Err(told(failures, all)),
    }
}

fn resumable(error: ExperimentError) -> anyhow::Error {
    match error {
        ExperimentError::Interrupted(reason) => Resumable(reason.to_string()).into(),
        other => other.into(),
    }
}

/// Writes the plan and hands the shards to a cluster.
pub(super) fn hand_over(arguments: &ExplainArguments) -> Result<()> {
    let shards = arguments.sharding.shards.ok_or_else(|| UsageError("--submit needs --shards N".to_owned()))?;
    if arguments.index.is_empty() {
        return Err(UsageError("--submit needs --index, which says which images are shared out".to_owned()).into());
    }
    let folder = arguments.out()?;
    let Sharded { plan, names, .. } = Sharded::of(arguments, shards)?;
    plan.begin(folder, KIND, &names, &[PAGE, SCORES])?;
    let path = quoted(&std::path::absolute(folder)?);
    let name = folder.file_name().map_or_else(|| "explain".to_owned(), |name| name.to_string_lossy().into_owned());
    let submission = &arguments.sharding.submission;
    let submitted = submit(&ArrayJob {
        folder,
        name: &name,
        program: std::env::current_exe().context("failed to find this program")?,
        worker: format!("explain --shard \"$task/{shards}\" --threads \"$threads\" --out {path}"),
        gatherer: format!("explain --gather {path}"),
        tasks: shards,
        slots: submission.slots,
        options: &submission.options,
    })?;
    say_submission(&submitted, folder)
}

/// Puts the images of all shards together, as one process would have left them.
pub(super) fn gather(folder: &Path, allow_mixed: bool) -> Result<()> {
    let Sharded { arguments, prepared, plan, names } = Sharded::planned(folder, 0)?;
    let fold = ScoreFold::new(&prepared.settings.explain.scores, names.len());
    let GatheredParts { drawn, fold, mut digest, missing } =
        gather_parts(folder, &names, &plan, fold, arguments.scores, allow_mixed)?;
    if !drawn.is_empty() {
        let all: Vec<u32> = numbers(&arguments).collect();
        let beside: Vec<u32> = shown_beside(names.len())
            .into_iter()
            .filter(|place| !missing.contains(place))
            .map(|place| all[place])
            .collect();
        let shown =
            from_dataset(&arguments, images(&prepared)?, &prepared.loaded.metadata, |number| beside.contains(&number))?;
        let (ready, _) = prepared.ready(&arguments, None, Cancellation::default())?;
        // the few that stand side by side are explained once more: their maps are not kept in a form to draw from
        let mut finished = Finished::of(drawn, shown_again(&ready, shown)?);
        let scores = &ready.settings.explain.scores;
        finished.scores = arguments.scores.then(|| fold.table(scores)).transpose()?;
        finished.write_scores(folder, scores, &mut digest)?;
        finished.write_page(folder, false, ready.settings.seed)?;
    }
    if missing.is_empty() {
        return say(format!("digest {}", digest.finish()));
    }
    let of_place: Vec<u32> = numbers(&arguments).collect();
    let mut shards: Vec<usize> = missing.iter().map(|&place| of_place[place] as usize % plan.shards).collect();
    shards.sort_unstable();
    shards.dedup();
    let named: Vec<&str> = missing.iter().take(MOST_NAMED).map(|&place| names[place].as_str()).collect();
    let more = if missing.len() > MOST_NAMED { " and others" } else { "" };
    bail!(
        "{} of {} are missing: {}{more}; resubmit their shards with --array={}",
        missing.len(),
        counted(names.len(), "image"),
        named.join(", "),
        array_of(&shards)
    )
}

fn shown_again(ready: &Ready, shown: Vec<ImageToExplain>) -> Result<Vec<ImageExplanation>> {
    let (explainer, request) = (ready.explainer(), ready.request());
    let explained = shown.into_iter().map(|image| explainer.explain(image, &request));
    Ok(explained.collect::<std::result::Result<_, _>>()?)
}
