//! For the methods that show and hide segments.

use serde::Serialize;
use tinylsa_settings::{InvalidSetting, counted};
use tinylsa_xai::{
    Attribution, EvaluatedGame, ExplainError, ExplainedScore, Masker, Sampling, Segmentation, SegmentationKind,
    ShapleyExplanation, ShapleySolution,
};

use super::gradients::{images, scientific};
use crate::circumstances::{Circumstances, within_image};
use crate::error::{Context, Result};
use crate::maps::{Maps, NamedTensor, PixelMap, Quantity, ScoreDifference, SegmentMap};
use crate::method::{Diagnostics, Explained, MethodContext, SharedSetting};
use crate::shared::SharedSettings;

/// What the methods over the shared segments read.
pub(crate) const SEGMENT_SETTINGS: &[SharedSetting] = &[SharedSetting::Segmentation, SharedSetting::Fill];
/// How many segments a warning names; the diagnostics have all of them.
const MOST_NAMED: usize = 16;

/// The image with the segments that the methods share.
pub(crate) fn masker(at: &MethodContext<'_>) -> Result<Masker, ExplainError> {
    let cancellation = &at.execution.cancellation;
    masker_of(at, at.shared.segmentation.segment(at.image.values(), at.image.shape(), cancellation)?)
}

/// The image with segments of the method's own.
pub(crate) fn masker_of(at: &MethodContext<'_>, segmentation: Segmentation) -> Result<Masker, ExplainError> {
    Masker::new(at.image.clone(), segmentation, &at.shared.fill, &at.execution)
}

/// How many segments an image has at most.
pub(crate) fn most_segments(shared: &SharedSettings) -> usize {
    match shared.segmentation.kind {
        SegmentationKind::Grid => shared.segmentation.grid.cells(),
        SegmentationKind::Slic => shared.segmentation.slic.segments,
    }
}

/// Requires the image to have as many cells or pixels as segments are asked for.
pub(crate) fn validate_segments(shared: &SharedSettings, at: &Circumstances) -> Result<(), InvalidSetting> {
    let ([_, height, width], config) = (at.image, &shared.segmentation);
    match config.kind {
        SegmentationKind::Grid => {
            within_image("segmentation.grid.rows", config.grid.rows, 1..=height, "height")?;
            within_image("segmentation.grid.columns", config.grid.columns, 1..=width, "width")
        }
        SegmentationKind::Slic => {
            within_image("segmentation.slic.segments", config.slic.segments, 1..=height * width, "pixels")
        }
    }
}

#[derive(Debug, Serialize)]
struct ShapleyDiagnostics {
    explained: Vec<ExplainedScore>,
    solution: ShapleySolution,
    sampling: Sampling,
    inert_segments: Vec<usize>,
}

impl Diagnostics for ShapleyDiagnostics {
    fn sentences(&self) -> Vec<String> {
        let solution = &self.solution;
        let mut lines = Vec::new();
        if let (Some(empty), Some(full)) = (solution.empty.first(), solution.full.first()) {
            let residual = solution.additivity_residuals.first().copied().unwrap_or_default();
            lines.push(format!(
                "shares of the logit's difference of {:.3}, additivity residual {}",
                full - empty,
                scientific(residual)
            ));
        }
        lines.push(sampling_sentence(&self.sampling));
        lines.extend(inert_sentence(&self.inert_segments, solution.players));
        lines
    }
}

/// How many coalitions it took, and how well the values are known.
pub(crate) fn sampling_sentence(sampling: &Sampling) -> String {
    let Sampling { evaluations, budget, relative_standard_error, .. } = *sampling;
    let of_budget = if evaluations < budget { format!(" of at most {budget}") } else { String::new() };
    let error = match relative_standard_error {
        Some(0.0) => "no standard error".to_owned(),
        Some(error) => format!("relative standard error {}", percent(error)),
        None => "standard errors unknown".to_owned(),
    };
    format!("{}{of_budget} evaluated, {error}", counted(evaluations, "coalition"))
}

/// What has to be said if the budget ended before the tolerance was reached.
pub(crate) fn sampling_warning(sampling: &Sampling) -> Option<String> {
    let Sampling { evaluations, relative_standard_error, tolerance, .. } = *sampling;
    sampling.falls_short().then(|| {
        let reached = relative_standard_error.map_or("unknown size".to_owned(), percent);
        let (evaluations, asked) = (counted(evaluations, "coalition"), percent(tolerance));
        format!("{evaluations} leave a relative standard error of {reached}, above the tolerance of {asked}")
    })
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Shapley values, exact or estimated.
pub(crate) fn of_shapley(found: ShapleyExplanation, masker: &Masker) -> Result<Explained> {
    let solution = &found.solution;
    let values = solution.of(0)?.to_vec();
    let standard_errors = solution.standard_errors_of(0)?.map(<[f64]>::to_vec);
    let ends = ScoreDifference { score: solution.full[0], baseline_score: solution.empty[0] };
    let mut warnings = inert_warning(&found.inert_segments, solution.players);
    warnings.extend(sampling_warning(&found.sampling));
    if solution.underdetermined {
        let evaluations = solution.evaluations;
        warnings.push(format!("{evaluations} evaluations are too few: the values are drawn towards equal shares"));
    }
    let mut evidence = segment_evidence(masker);
    evidence.extend(game_evidence(&found.game, masker));
    evidence.push(NamedTensor::vector("shapley", values.clone()));
    evidence.push(NamedTensor::vector("base_value", solution.empty.clone()));
    evidence.push(NamedTensor::vector("full_value", solution.full.clone()));
    evidence.extend(standard_errors.clone().map(|errors| NamedTensor::vector("standard_errors", errors)));
    let ShapleyExplanation { explained, solution, attributions, inert_segments, sampling, .. } = found;
    Ok(Explained {
        maps: segment_map(attributions, masker, values, standard_errors, Some(ends))?,
        diagnostics: Box::new(ShapleyDiagnostics { explained, solution, sampling, inert_segments }),
        warnings,
        evidence,
    })
}

/// Which segments are left out of the game.
pub(crate) fn inert_sentence(inert: &[usize], segments: usize) -> Option<String> {
    let named = inert.iter().take(MOST_NAMED).map(usize::to_string).collect::<Vec<_>>().join(", ");
    let rest = match inert.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    (!inert.is_empty()).then(|| {
        let count = inert.len();
        format!(
            "{count} of {segments} segments look the same hidden and shown, so that their value is 0: {named}{rest}"
        )
    })
}

/// What has to be said if no segment is left.
pub(crate) fn inert_warning(inert: &[usize], segments: usize) -> Vec<String> {
    let text = "every segment looks the same hidden and shown, so that the map is 0 whatever the model sees";
    if inert.len() == segments { vec![text.to_owned()] } else { Vec::new() }
}

pub(crate) fn segment_map(
    mut attributions: Vec<Attribution>,
    masker: &Masker,
    values: Vec<f64>,
    standard_errors: Option<Vec<f64>>,
    accounts_for: Option<ScoreDifference>,
) -> Result<Maps> {
    let attribution = attributions.pop().context("the method gave no map")?;
    let segments = SegmentMap { segmentation: masker.segmentation().clone(), values, standard_errors };
    let quantity = Quantity::SegmentContribution;
    Ok(Maps::Pixels(PixelMap { attribution, quantity, standard_error: None, segments: Some(segments), accounts_for }))
}

/// What is hidden, and behind what.
pub(crate) fn segment_evidence(masker: &Masker) -> Vec<NamedTensor> {
    let segments = masker.segmentation();
    let labels = segments.labels().iter().map(|&label| label as i64).collect();
    vec![
        NamedTensor::i64("segments", vec![segments.height(), segments.width()], labels),
        images("replacements", masker.replacements()),
    ]
}

/// The coalitions as `masks` `[coalitions, segments]`, in which segments that are no players are shown, the segments that
/// are players, the weights of the coalitions and their values.
pub(crate) fn game_evidence(game: &EvaluatedGame, masker: &Masker) -> Vec<NamedTensor> {
    let (rows, segments) = (game.coalitions.len(), masker.segmentation().count());
    let mut masks = vec![1_u8; rows * segments];
    for (row, mask) in masks.chunks_exact_mut(segments).enumerate() {
        for (player, &segment) in game.players.iter().enumerate() {
            mask[segment] = u8::from(game.coalitions.contains(row, player));
        }
    }
    let players: Vec<i64> = game.players.iter().map(|&segment| segment as i64).collect();
    let mut tensors = vec![
        NamedTensor::u8("masks", vec![rows, segments], masks),
        NamedTensor::i64("players", vec![players.len()], players),
        NamedTensor::vector("values", game.values.as_slice().to_vec()),
    ];
    if !game.weights.is_empty() {
        tensors.push(NamedTensor::vector("weights", game.weights.clone()));
    }
    tensors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_that_are_left_out_are_named_as_far_as_there_is_room() {
        assert_eq!(inert_sentence(&[], 9), None);
        let two = "2 of 9 segments look the same hidden and shown, so that their value is 0: 3, 4";
        assert_eq!(inert_sentence(&[3, 4], 9).as_deref(), Some(two));
        let many = inert_sentence(&(0..784).collect::<Vec<_>>(), 800).unwrap();
        assert!(many.ends_with("14, 15 and 768 more"), "{many}");
        assert!(inert_warning(&[3, 4], 9).is_empty());
        assert!(inert_warning(&[0, 1], 2)[0].starts_with("every segment looks the same"));
    }

    #[test]
    fn a_budget_that_ends_too_early_is_a_warning() {
        let sampling = Sampling {
            evaluations: 2050,
            budget: 2050,
            relative_standard_error: Some(0.312),
            tolerance: 0.2,
            converged: false,
        };
        assert_eq!(sampling_sentence(&sampling), "2050 coalitions evaluated, relative standard error 31.2 %");
        let warning = "2050 coalitions leave a relative standard error of 31.2 %, above the tolerance of 20.0 %";
        assert_eq!(sampling_warning(&sampling).as_deref(), Some(warning));
        assert_eq!(sampling_warning(&Sampling { tolerance: 0.0, ..sampling }), None);
        let early = Sampling { evaluations: 386, relative_standard_error: Some(0.15), converged: true, ..sampling };
        let told = "386 coalitions of at most 2050 evaluated, relative standard error 15.0 %";
        assert_eq!((sampling_sentence(&early).as_str(), sampling_warning(&early)), (told, None));
        let unknown = Sampling { relative_standard_error: None, ..sampling };
        assert!(sampling_warning(&unknown).unwrap().contains("a relative standard error of unknown size"));
    }

    #[test]
    fn diagnostics_know_their_sentences() {
        let solution = ShapleySolution {
            players: 1,
            outputs: 1,
            values: vec![4.0],
            standard_errors: Some(vec![0.01]),
            empty: vec![1.0],
            full: vec![5.0],
            additivity_residuals: vec![2e-16],
            evaluations: 2080,
            underdetermined: false,
        };
        let sampling = Sampling {
            evaluations: 2080,
            budget: 2080,
            relative_standard_error: Some(0.125),
            tolerance: 0.2,
            converged: true,
        };
        let mut diagnostics =
            ShapleyDiagnostics { explained: vec![2.into()], solution, sampling, inert_segments: Vec::new() };
        assert_eq!(
            diagnostics.sentences().join("; "),
            "shares of the logit's difference of 4.000, additivity residual 2.0e-16; 2080 coalitions evaluated, \
             relative standard error 12.5 %"
        );
        diagnostics.sampling.relative_standard_error = Some(0.0);
        assert!(diagnostics.sentences()[1].ends_with("no standard error"));
        diagnostics.sampling.relative_standard_error = None;
        diagnostics.inert_segments = vec![0];
        assert!(diagnostics.sentences()[1].ends_with("standard errors unknown"));
        assert!(diagnostics.sentences()[2].starts_with("1 of 1 segments look"));
    }
}
