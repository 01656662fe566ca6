use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{LimeConfig, LimePlan, LimeSolution};
use crate::attribution::{Attribution, ExplainedScore, Targets};
use crate::error::ExplainError;
use crate::execution::Execution;
use crate::masker::{EvaluatedGame, ExplainedValues, Masker};
use crate::scorer::Scorer;

/// Below this many segments a linear model of them says next to nothing about the image.
const FEW_SEGMENTS: usize = 4;

/// Why an explanation by LIME should not be taken at its word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LimeWarning {
    /// The image was cut into so few segments that the map can hardly show anything.
    FewSegments {
        /// How many there are.
        segments: usize,
    },
    /// Hiding these segments changes nothing in the image, so that their coefficients are near 0 whatever the model
    /// sees in them.
    InertSegments {
        /// Their numbers.
        segments: Vec<usize>,
    },
    /// The coalitions do not determine the coefficients: the penalty alone chooses among linear functions that fit
    /// equally well.
    Underdetermined {
        /// How many coalitions were evaluated.
        samples: usize,
        /// How many segments there are.
        segments: usize,
    },
}

/// LIME's linear model of the segments of an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimeExplanation {
    /// The score of each output of the solution.
    pub explained: Vec<ExplainedScore>,
    /// The linear models, one output for each explained score, with their diagnostics.
    pub solution: LimeSolution,
    /// The coefficients spread over the image, one map for each explained score.
    pub attributions: Vec<Attribution>,
    /// What speaks against trusting the result.
    pub warnings: Vec<LimeWarning>,
    /// What was evaluated.
    #[serde(skip)]
    pub game: EvaluatedGame,
    /// The cosine distance of every coalition to the full one, from which its weight is made.
    #[serde(skip)]
    pub distances: Vec<f64>,
}

/// Explains one target or several, at the same cost of `config.samples` forward passes for
/// each replacement image.
///
/// # Errors
/// If a setting is out of range, there are no more samples than segments, the kernel leaves no weight, more memory would
/// be taken than is allowed, the class does not exist, the scorer gives the image other scores in another batch, the
/// call is cancelled, or the scores are not `[batch, classes]` or those of an explained class not finite.
///
#[doc = include_str!("../../docs/methods/lime.md")]
pub fn lime<S: Scorer + ?Sized>(
    scorer: &S,
    masker: &Masker,
    targets: impl Into<Targets>,
    config: &LimeConfig,
    execution: &Execution,
) -> Result<LimeExplanation, ExplainError> {
    let segments = masker.segmentation().count();
    let plan = LimePlan::new(segments, config, execution)?;
    let mut warnings = Vec::new();
    if segments < FEW_SEGMENTS {
        warn!(segments, "LIME over so few segments can hardly show anything");
        warnings.push(LimeWarning::FewSegments { segments });
    }
    let inert = masker.inert_segments();
    if !inert.is_empty() {
        warnings.push(LimeWarning::InertSegments { segments: inert });
    }

    let ExplainedValues { explained, values } = masker.values(scorer, plan.coalitions(), &targets.into(), execution)?;
    let solution = plan.solve(&values)?;
    if !solution.determined {
        let samples = config.samples;
        warn!(samples, segments, "the coalitions do not determine the coefficients of LIME: its penalty chose them");
        warnings.push(LimeWarning::Underdetermined { samples, segments });
    }
    let attributions = explained
        .iter()
        .zip(solution.coefficients.chunks_exact(segments))
        .map(|(&score, coefficients)| masker.attribution(coefficients, score))
        .collect::<Result<_, _>>()?;
    let game = EvaluatedGame { coalitions: plan.coalitions().clone(), weights: plan.weights().to_vec(), values };
    let distances = plan.distances().to_vec();
    Ok(LimeExplanation { explained, solution, attributions, warnings, game, distances })
}
