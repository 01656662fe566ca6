use std::path::Path;

use anyhow::{Result, bail};
use tinylsa_experiment::matching::require_classes;
use tinylsa_experiment::shards::ShardPlan;
use tinylsa_explain::page::{DrawnExplanation, Placement};
use tinylsa_explain::scores::{ScoreFold, Scoring};
use tinylsa_explain::{ExplanationsDigest, ImageDirectory, ImageToExplain, RequestedClass, shown_beside, write_image};
use tinylsa_settings::counted;
use tinylsa_system::{ClaimError, OutputDir, sha256_hex};

use crate::outcome::{UsageError, say, stop_on_interrupt};
use crate::progress::ExplainBar;

mod arguments;
mod finished;
mod prepared;
mod shards;
mod sources;
mod telling;

pub(crate) use arguments::ExplainArguments;
use finished::{Finished, KIND, PAGE, SCORES};
use prepared::{Prepared, Ready};
use sources::{from_dataset, from_files};
use telling::{is_cancelled, tell, told};

/// Explains images, a folder each.
pub(crate) fn run(arguments: &ExplainArguments) -> Result<()> {
    let sharding = &arguments.sharding;
    if let Some(folder) = &sharding.gather {
        return shards::gather(folder, sharding.allow_mixed);
    }
    if let Some(shard) = sharding.shard {
        return shards::work(arguments, shard);
    }
    if sharding.submission.submit.is_some() {
        return shards::hand_over(arguments);
    }
    let prepared = Prepared::of(arguments)?;
    let mut failures = Vec::new();
    let metadata = &prepared.loaded.metadata;
    let subjects = match prepared.indexed(arguments) {
        Some(images) => {
            require_classes(metadata, &images.test)?;
            from_dataset(arguments, images, metadata, |_| true)?
        }
        None => from_files(&arguments.images, metadata, &mut failures)?,
    };
    if subjects.is_empty() {
        return Err(told(failures, arguments.images.len()));
    }
    let output = claim(arguments.out()?)?;
    if ShardPlan::is_in(output.path()) {
        let refusal = format!("{} holds the shards of an explanation; choose another --out", output.path().display());
        return Err(UsageError(refusal).into());
    }
    let stop = stop_on_interrupt("stopping; images that are finished stay")?;
    let first = subjects.first().map(|subject| &subject.image);
    let (ready, _) = prepared.ready(arguments, first, stop.into())?;
    explain(&ready, subjects, &output, failures, arguments)
}

fn explain(
    ready: &Ready,
    subjects: Vec<ImageToExplain>,
    output: &OutputDir,
    mut failures: Vec<anyhow::Error>,
    arguments: &ExplainArguments,
) -> Result<()> {
    let (explainer, request) = (ready.explainer(), ready.request());
    let names: Vec<String> = subjects.iter().flat_map(|subject| request.names(&subject.id)).collect();
    let directory = ImageDirectory::begin(output.path(), &names, &[PAGE, SCORES])?;
    let (placement, shown) = (Placement::of(names.len(), ""), shown_beside(names.len()));
    let every_class = request.target == RequestedClass::Every;
    let (mut finished, mut number) = (Finished::default(), 0);
    let mut digest = ExplanationsDigest::default();
    let scoring = arguments.scores.then(|| Scoring::new(&explainer, names.len())).transpose()?;
    let mut fold = ScoreFold::new(&explainer.config.scores, names.len());
    let ended: Result<()> = explainer.explain_all(subjects, &request, &mut ExplainBar::default(), |outcome| {
        number += 1;
        let explanation = match outcome {
            Ok(explanation) => explanation,
            // one image that cannot be explained does not keep the others from it
            Err(failure) => {
                failures.push(failure.into());
                return Ok(());
            }
        };
        let folder = directory.folder(&explanation.id);
        let written = write_image(&folder, &explanation, &ready.origin, &explainer.execution.cancellation)?;
        digest.image(&explanation.id, &sha256_hex(&written.attributions));
        if let Some(scoring) = &scoring {
            fold.add(scoring.measure(number - 1, &explanation)?);
        }
        finished.drawn.push(DrawnExplanation::new(&explanation, &written.drawings, &placement)?);
        tell(&explanation, &folder)?;
        if every_class {
            finished.add_class(explanation)?;
        } else if shown.contains(&(number - 1)) {
            finished.beside.push(explanation);
        }
        Ok(())
    });
    let was_cancelled = ended.as_ref().is_err_and(is_cancelled);
    if (ended.is_ok() || was_cancelled) && !finished.drawn.is_empty() {
        finished.scores = scoring.map(|_| fold.table(&explainer.config.scores)).transpose()?;
        finished.write_scores(output.path(), &explainer.config.scores, &mut digest)?;
        finished.write_page(output.path(), every_class, ready.settings.seed)?;
    }
    if was_cancelled {
        let (done, all) = (finished.drawn.len(), counted(names.len(), "image"));
        bail!("interrupted after {done} of {all}; those that are finished are complete in {}", output.path().display());
    }
    ended?;
    let asked = arguments.images.len() + arguments.index.iter().map(ExactSizeIterator::len).sum::<usize>();
    if failures.is_empty() { say(format!("digest {}", digest.finish())) } else { Err(told(failures, asked)) }
}

/// Claims the directory of the output. That it holds something else is a mistake of the command line.
fn claim(out: &Path) -> Result<OutputDir> {
    OutputDir::claim(out, KIND).map_err(|error| match error {
        ClaimError::NotOurs { .. } | ClaimError::OtherKind { .. } => UsageError(error.to_string()).into(),
        other => other.into(),
    })
}
