//! For the methods that show and hide segments.

use serde::Serialize;
use tinylsa_settings::InvalidSetting;
use tinylsa_xai::{
    Attribution, EvaluatedGame, ExplainError, ExplainedScore, Masker, Segmentation,
    SegmentationKind, ShapleyExplanation, ShapleySolution,
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
        let evaluations = solution.evaluations;
        let largest = solution.standard_errors.as_ref().map(|errors| errors.iter().copied().fold(0.0, f64::max));
        lines.push(match largest {
            Some(0.0) => format!("{evaluations} coalitions evaluated, which is all: no standard error"),
            Some(error) => format!("{evaluations} coalitions evaluated, largest standard error {error:.2e} logits"),
            None => format!("{evaluations} coalitions evaluated, standard errors unknown"),
        });
        lines
    }
}

/// Shapley values, exact or estimated.
pub(crate) fn of_shapley(found: ShapleyExplanation, masker: &Masker) -> Result<Explained> {
    let solution = &found.solution;
    let values = solution.of(0)?.to_vec();
    let standard_errors = solution.standard_errors_of(0)?.map(<[f64]>::to_vec);
    let ends = ScoreDifference { score: solution.full[0], baseline_score: solution.empty[0] };
    let mut warnings = inert_warning(&found.inert_segments);
    if solution.underdetermined {
        let evaluations = solution.evaluations;
        warnings.push(format!("{evaluations} evaluations are too few: the values are drawn towards equal shares"));
    }
    let mut evidence = segment_evidence(masker);
    evidence.extend(game_evidence(&found.game));
    evidence.push(NamedTensor::vector("shapley", values.clone()));
    evidence.push(NamedTensor::vector("base_value", solution.empty.clone()));
    evidence.push(NamedTensor::vector("full_value", solution.full.clone()));
    evidence.extend(standard_errors.clone().map(|errors| NamedTensor::vector("standard_errors", errors)));
    let ShapleyExplanation { explained, solution, attributions, inert_segments, .. } = found;
    Ok(Explained {
        maps: segment_map(attributions, masker, values, standard_errors, Some(ends))?,
        diagnostics: Box::new(ShapleyDiagnostics { explained, solution, inert_segments }),
        warnings,
        evidence,
    })
}

pub(crate) fn inert_warning(segments: &[usize]) -> Vec<String> {
    match segments {
        [] => Vec::new(),
        [one] => vec![format!("segment {one} looks the same hidden and shown, so that its value is 0 or near it")],
        many => {
            let named = many.iter().take(MOST_NAMED).map(usize::to_string).collect::<Vec<_>>().join(", ");
            let rest = match many.len().saturating_sub(MOST_NAMED) {
                0 => String::new(),
                rest => format!(" and {rest} more"),
            };
            vec![format!(
                "segments {named}{rest} look the same hidden and shown, so that their values are 0 or near it"
            )]
        }
    }
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

/// The coalitions as `masks` `[coalitions, segments]`, their weights and their values.
pub(crate) fn game_evidence(game: &EvaluatedGame) -> Vec<NamedTensor> {
    let (rows, players) = (game.coalitions.len(), game.coalitions.players());
    let inside = |row: usize| (0..players).map(move |player| u8::from(game.coalitions.contains(row, player)));
    let mut tensors = vec![
        NamedTensor::u8("masks", vec![rows, players], (0..rows).flat_map(inside).collect()),
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
    fn a_warning_names_a_few_segments() {
        assert!(inert_warning(&[]).is_empty());
        assert!(inert_warning(&[3])[0].starts_with("segment 3 looks the same"));
        assert!(inert_warning(&[3, 4])[0].starts_with("segments 3, 4 look the same"));
        let many = inert_warning(&(0..784).collect::<Vec<_>>());
        assert!(many[0].contains("14, 15 and 768 more look the same"), "{}", many[0]);
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
        let mut diagnostics = ShapleyDiagnostics { explained: vec![2.into()], solution, inert_segments: Vec::new() };
        assert_eq!(
            diagnostics.sentences().join("; "),
            "shares of the logit's difference of 4.000, additivity residual 2.0e-16; 2080 coalitions evaluated, \
             largest standard error 1.00e-2 logits"
        );
        diagnostics.solution.standard_errors = Some(vec![0.0]);
        assert!(diagnostics.sentences()[1].ends_with("which is all: no standard error"));
        diagnostics.solution.standard_errors = None;
        assert!(diagnostics.sentences()[1].ends_with("standard errors unknown"));
    }
}
