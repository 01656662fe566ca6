use serde::Serialize;
use tinylsa_settings::{InvalidSetting, require};
use tinylsa_xai::{
    Execution, ExplainError, ExplainedScore, LimeConfig, LimeExplanation, LimePlan, LimeSolution, LimeWarning, Masker,
    Sampling, lime,
};

use super::support::segments::{
    SEGMENT_SETTINGS, game_evidence, inert_sentence, inert_warning, masker, most_segments, sampling_sentence,
    sampling_warning, segment_evidence, segment_map, validate_segments,
};
use crate::budget::Budget;
use crate::circumstances::Circumstances;
use crate::error::Result;
use crate::maps::NamedTensor;
use crate::method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;
use crate::shared::SharedSettings;

/// The most coalitions that are drawn to try a kernel out.
const TRIAL_SAMPLES: usize = 2000;

impl Registered for LimeConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "lime",
        title: "LIME",
        meaning: Meaning {
            shows: "the linear function of shown and hidden segments that comes closest to the model",
            does_not_show: "shares of anything, and nothing at all where the held-out R² is low",
        },
        needs: Needs::Scores,
        reads: SEGMENT_SETTINGS,
        draws: true,
        is_scored: true,
        is_control: false,
    };
}

#[derive(Debug, Serialize)]
struct LimeDiagnostics {
    explained: Vec<ExplainedScore>,
    solution: LimeSolution,
    sampling: Sampling,
    warnings: Vec<LimeWarning>,
}

impl Diagnostics for LimeDiagnostics {
    fn sentences(&self) -> Vec<String> {
        let solution = &self.solution;
        let shown = |r2: &[Option<f64>]| match r2.first() {
            Some(Some(r2)) => format!("{r2:.3}"),
            Some(None) | None => "undefined".to_owned(),
        };
        let mut lines = vec![format!(
            "R² {} in-sample, {} held out, {} segments",
            shown(&solution.r2_in_sample),
            shown(&solution.r2_held_out),
            solution.players
        )];
        if let (Some(local), Some(score)) = (solution.local_predictions.first(), solution.scores.first()) {
            lines.push(format!("logit of the whole image: {local:.3} by the linear function, {score:.3} by the model"));
        }
        lines.push(sampling_sentence(&self.sampling));
        for warning in &self.warnings {
            if let LimeWarning::InertSegments { segments } = warning {
                lines.extend(inert_sentence(segments, solution.players));
            }
        }
        lines
    }
}

impl Method for LimeConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate()
    }

    fn validate_against(&self, shared: &SharedSettings, at: &Circumstances) -> Result<(), InvalidSetting> {
        validate_segments(shared, at)?;
        require_determined(self, most_segments(shared))
    }

    fn validate_budget(
        &self,
        budget: &Budget,
        shared: &SharedSettings,
        _at: &Circumstances,
    ) -> Result<(), InvalidSetting> {
        let (segments, coalitions) = (most_segments(shared), budget.coalitions);
        let expected = format!("more than the {segments} segments of an image, for LIME to be determined");
        require("scores.rerun.coalitions", coalitions > segments, || coalitions.to_string(), &expected)
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let masker = masker(at)?;
        explained(lime(&at.scorer(), &masker, at.target(), self, &at.execution)?, &masker)
    }

    fn budgeted(&self, budget: &Budget) -> Box<dyn Method> {
        let samples = budget.coalitions;
        Box::new(Self { samples, tolerance: 0.0, folds: self.folds.min(samples), ..self.clone() })
    }
}

/// Tries LIME out on coalitions of this many segments: whether they are enough, and whether its kernel leaves them weight.
fn require_determined(config: &LimeConfig, segments: usize) -> Result<(), InvalidSetting> {
    let name = LimeConfig::FACTS.name;
    let expected = format!("more than the {segments} segments of an image");
    require(&format!("{name}.samples"), config.samples > segments, || config.samples.to_string(), &expected)?;
    let samples = config.samples.min(TRIAL_SAMPLES.max(segments + 1));
    let trial = LimeConfig { samples, folds: config.folds.min(samples), ..config.clone() };
    let is_weighted = match LimePlan::new(segments, &trial, &Execution::default()) {
        Err(ExplainError::KernelWidth { .. }) => false,
        Ok(_) | Err(_) => true,
    };
    let expected = format!("a width that leaves weight to coalitions of {segments} segments, such as 0.25");
    require(&format!("{name}.kernel_width"), is_weighted, || config.kernel_width.to_string(), &expected)
}

fn explained(found: LimeExplanation, masker: &Masker) -> Result<Explained> {
    let coefficients = found.solution.of(0)?.to_vec();
    let standard_errors = found.solution.standard_errors_of(0)?.to_vec();
    let mut evidence = segment_evidence(masker);
    evidence.extend(game_evidence(&found.game, masker));
    evidence.push(NamedTensor::vector("distances", found.distances));
    evidence.push(NamedTensor::vector("coefficients", coefficients.clone()));
    evidence.push(NamedTensor::vector("standard_errors", standard_errors.clone()));
    evidence.push(NamedTensor::vector("intercept", found.solution.intercepts.clone()));
    let segments = found.solution.players;
    let in_words = found.warnings.iter().flat_map(|warning| describe(warning, segments));
    let in_words = in_words.chain(sampling_warning(&found.sampling)).collect();
    let LimeExplanation { explained, solution, attributions, warnings, sampling, .. } = found;
    Ok(Explained {
        maps: segment_map(attributions, masker, coefficients, Some(standard_errors), None)?,
        diagnostics: Box::new(LimeDiagnostics { explained, solution, sampling, warnings }),
        warnings: in_words,
        evidence,
    })
}

fn describe(warning: &LimeWarning, all: usize) -> Vec<String> {
    match warning {
        LimeWarning::FewSegments { segments } => {
            vec![format!("{segments} segments are too few for a map that shows anything")]
        }
        LimeWarning::InertSegments { segments } => inert_warning(segments, all),
        LimeWarning::Underdetermined { samples, segments } => vec![format!(
            "{samples} coalitions do not determine the coefficients of {segments} segments: the penalty chose them"
        )],
        other => vec![format!("{other:?}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_tell_both_fits_and_the_local_prediction() {
        let solution = LimeSolution {
            players: 16,
            outputs: 1,
            coefficients: vec![0.0; 16],
            standard_errors: vec![0.0; 16],
            intercepts: vec![0.0],
            local_predictions: vec![4.5],
            scores: vec![5.0],
            r2_in_sample: vec![Some(0.9)],
            r2_held_out: vec![None],
            evaluations: 1000,
            determined: true,
        };
        let sampling = Sampling {
            evaluations: 500,
            budget: 1000,
            relative_standard_error: Some(0.19),
            tolerance: 0.2,
            converged: true,
        };
        let warnings = vec![LimeWarning::InertSegments { segments: vec![7] }];
        let diagnostics = LimeDiagnostics { explained: vec![2.into()], solution, sampling, warnings };
        assert_eq!(
            diagnostics.sentences().join("; "),
            "R² 0.900 in-sample, undefined held out, 16 segments; logit of the whole image: 4.500 by the linear \
             function, 5.000 by the model; 500 coalitions of at most 1000 evaluated, relative standard error 19.0 %; \
             1 of 16 segments look the same hidden and shown, so that their value is 0: 7"
        );
    }
}
