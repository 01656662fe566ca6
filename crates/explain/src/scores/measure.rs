//! The scores of one map on one image.

use std::cell::{Cell, RefCell};

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use tinylsa_xai::{
    Baseline, DeletionInsertion, Execution, ExplainError, FillConfig, Image, Probe, ProbedCells, ProbedSquares,
    ProbedSubsets, ScoreKind, ScoreScale, Scorer, Target, complexity, deletion_insertion, pointing_game,
    relevance_mass_accuracy, relevance_rank_accuracy, sparseness,
};

use super::relevance::Relevance;
use crate::config::ScoresConfig;
use crate::error::Result;

/// A score and the circumstances it was measured under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Column {
    pub(super) kind: ScoreKind,
    /// Such as "black, logits".
    pub(super) variant: String,
    /// Whether the column stands for its kind where only one is shown.
    pub(super) headline: bool,
}

impl Column {
    /// A score that is measured in one way.
    pub(super) fn only(kind: ScoreKind, variant: &str) -> Self {
        Self { kind, variant: variant.to_owned(), headline: true }
    }
}

/// One score of one map; nothing where it is not defined.
pub(super) type Measured = (Column, Option<f64>);

/// The curves of deletion and insertion of one map.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Curves {
    pub(super) variant: String,
    pub(super) found: DeletionInsertion,
}

/// What the scores need beside the map.
pub(super) struct Subject<'a, S> {
    pub(super) scorer: &'a S,
    pub(super) image: &'a Image,
    pub(super) target: Target,
    pub(super) truth_mask: Option<&'a [bool]>,
    pub(super) fill: &'a FillConfig,
    pub(super) execution: &'a Execution,
}

/// The answers of the model to the perturbations of an image that do not depend on a map, on one scale.
pub(super) struct Answers {
    variant: Variant,
    subsets: ProbedSubsets,
    cells: ProbedCells,
    squares: ProbedSquares,
}

/// Asks the model what all maps of the image are then scored on, on every scale.
///
/// # Errors
/// If it was cancelled, or a score is not finite.
pub(super) fn ask<S: Scorer>(subject: &Subject<'_, S>, config: &ScoresConfig) -> Result<Vec<Answers>> {
    let answers = on_scales(subject, config, config.baselines[0], |probe| {
        let subsets = ProbedSubsets::ask(probe, &config.faithfulness)?;
        let cells = ProbedCells::ask(probe, &config.mu_fidelity)?;
        Ok((subsets, cells, ProbedSquares::ask(probe, &config.infidelity)?))
    })?;
    let named = |(variant, (subsets, cells, squares))| Answers { variant, subsets, cells, squares };
    Ok(answers.into_iter().map(named).collect())
}

/// Every score that needs no other explanation.
///
/// # Errors
/// If it was cancelled, or a score is not finite.
pub(super) fn measure<S: Scorer>(
    subject: &Subject<'_, S>,
    answers: &[Answers],
    relevance: &Relevance,
    config: &ScoresConfig,
) -> Result<(Vec<Measured>, Vec<Curves>)> {
    let (mut scores, mut curves) = (Vec::new(), Vec::new());
    for &baseline in &config.baselines {
        for (variant, found) in
            on_scales(subject, config, baseline, |probe| deletion_insertion(probe, &relevance.map, &config.deletion))?
        {
            scores.push((variant.column(ScoreKind::DeletionArea), Some(found.deletion_area)));
            scores.push((variant.column(ScoreKind::InsertionArea), Some(found.insertion_area)));
            curves.push(Curves { variant: variant.name, found });
        }
    }
    for Answers { variant, subsets, cells, squares } in answers {
        let faithful = subsets.faithfulness_correlation(&relevance.map)?;
        scores.push((variant.column(ScoreKind::FaithfulnessCorrelation), faithful));
        scores.push((variant.column(ScoreKind::MuFidelity), cells.mu_fidelity(&relevance.map)?));
        let infidelity = squares.infidelity(&relevance.values, relevance.kind)?;
        scores.push((variant.column(ScoreKind::Infidelity), infidelity.scaled));
    }
    scores.push((Column::only(ScoreKind::Sparseness, ""), sparseness(&relevance.map)?));
    scores.push((Column::only(ScoreKind::Complexity, ""), complexity(&relevance.map)?));
    if let Some(mask) = subject.truth_mask {
        scores.push((Column::only(ScoreKind::PointingGame, ""), Some(pointing_game(&relevance.map, mask)?)));
        let ranked = relevance_rank_accuracy(&relevance.map, mask)?;
        scores.push((Column::only(ScoreKind::RelevanceRankAccuracy, ""), Some(ranked)));
        let mass = relevance_mass_accuracy(&relevance.map, mask)?;
        scores.push((Column::only(ScoreKind::RelevanceMassAccuracy, ""), mass));
    }
    if relevance.is_complete() {
        scores.push((Column::only(ScoreKind::Completeness, "logits"), relevance.completeness()?));
    }
    Ok((scores, curves))
}

/// One score on every scale. The model is asked once: the scales differ in what is made of its answers.
fn on_scales<S: Scorer, T>(
    subject: &Subject<'_, S>,
    config: &ScoresConfig,
    baseline: Baseline,
    score: impl Fn(&Probe<'_, Remembering<'_, S>>) -> Result<T, ExplainError>,
) -> Result<Vec<(Variant, T)>, ExplainError> {
    let scorer = Remembering { scorer: subject.scorer, answers: RefCell::default(), asked: Cell::new(0) };
    let on_scale = |&scale: &ScoreScale| {
        scorer.asked.set(0);
        let probe = Probe {
            scorer: &scorer,
            image: subject.image,
            target: subject.target,
            scale,
            baseline,
            fill: subject.fill,
            execution: subject.execution,
        };
        let headline = baseline == config.baselines[0] && scale == config.scales[0];
        Ok((Variant { name: variant_name(baseline, scale), headline }, score(&probe)?))
    };
    config.scales.iter().map(on_scale).collect()
}

/// A scorer that answers the same questions again, in the same order, from memory.
struct Remembering<'a, S> {
    scorer: &'a S,
    answers: RefCell<Vec<Tensor<2>>>,
    asked: Cell<usize>,
}

impl<S: Scorer> Scorer for Remembering<'_, S> {
    fn scores(&self, images: Tensor<4>) -> Tensor<2> {
        let question = self.asked.replace(self.asked.get() + 1);
        if let Some(answer) = self.answers.borrow().get(question) {
            return answer.clone();
        }
        let answer = self.scorer.scores(images);
        self.answers.borrow_mut().push(answer.clone());
        answer
    }
}

/// How a score that replaces pixels was measured.
struct Variant {
    name: String,
    headline: bool,
}

impl Variant {
    fn column(&self, kind: ScoreKind) -> Column {
        Column { kind, variant: self.name.clone(), headline: self.headline }
    }
}

/// The name of a variant of the scores that replace pixels.
pub(super) fn variant_name(baseline: Baseline, scale: ScoreScale) -> String {
    format!("{}, {}", baseline_name(baseline), scale_name(scale))
}

fn baseline_name(baseline: Baseline) -> &'static str {
    match baseline {
        Baseline::Black => "black",
        Baseline::Mean => "mean",
        Baseline::Blur => "blur",
    }
}

fn scale_name(scale: ScoreScale) -> &'static str {
    match scale {
        ScoreScale::Logits => "logits",
        ScoreScale::Probabilities => "probabilities",
    }
}
