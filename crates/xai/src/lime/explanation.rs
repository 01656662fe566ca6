use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{LimeConfig, LimePlan, LimeSolution};
use crate::attribution::{Attribution, ExplainedScore, Targets};
use crate::error::ExplainError;
use crate::execution::Execution;
use crate::masker::{EvaluatedGame, Game, Masker, Players, Sampled, Sampling, sample};
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
    /// Hiding these segments changes nothing in the image, so that they are left out and their coefficients are 0
    /// whatever the model sees in them.
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
    /// How many coalitions it took, and how well the coefficients are known.
    pub sampling: Sampling,
    /// What was evaluated.
    #[serde(skip)]
    pub game: EvaluatedGame,
    /// The cosine distance of every coalition to the full one, from which its weight is made.
    #[serde(skip)]
    pub distances: Vec<f64>,
}

/// Explains one target or several, at the same cost of at most `config.samples` forward passes
/// for each replacement image.
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
    config.validate()?;
    let (segments, players, targets) = (masker.segmentation().count(), Players::of(masker), targets.into());
    let mut warnings = Vec::new();
    if segments < FEW_SEGMENTS {
        warn!(segments, "LIME over so few segments can hardly show anything");
        warnings.push(LimeWarning::FewSegments { segments });
    }
    if !players.inert.is_empty() {
        warnings.push(LimeWarning::InertSegments { segments: players.inert.clone() });
    }

    let (sampled, distances, explained) = if players.count() == 0 {
        warn!("every segment looks the same hidden and shown, so that every coefficient is 0");
        let mut game = Game::new(masker, &players, scorer, &targets, execution)?;
        let nobody = game.without_players()?;
        let solution = LimeSolution::without_players(&nobody.values);
        let sampling = Sampling::complete(solution.evaluations);
        (Sampled { solution, sampling, game: nobody }, vec![0.0], game.explained)
    } else {
        let plan = LimePlan::beside(players.inert.len(), players.count(), config, execution)?;
        let mut game = Game::new(masker, &players, scorer, &targets, execution)?;
        let sampled = sample(&plan, config.tolerance, &mut game, &players)?;
        let distances = plan.distances()[..sampled.sampling.evaluations].to_vec();
        (sampled, distances, game.explained)
    };
    let Sampled { solution, sampling, game } = sampled;
    if !solution.determined {
        let (samples, segments) = (sampling.evaluations, players.count());
        warn!(samples, segments, "the coalitions do not determine the coefficients of LIME: its penalty chose them");
        warnings.push(LimeWarning::Underdetermined { samples, segments });
    }
    let solution = solution.among_segments(&players);
    let attributions = explained
        .iter()
        .zip(solution.coefficients.chunks_exact(segments))
        .map(|(&score, coefficients)| masker.attribution(coefficients, score))
        .collect::<Result<_, _>>()?;
    Ok(LimeExplanation { explained, solution, attributions, warnings, sampling, game, distances })
}
