use serde::Serialize;
use tinylsa_settings::InvalidSetting;
use tinylsa_xai::{IntegratedGradients, IntegratedGradientsConfig, PathDiagnostics, integrated_gradients};

use super::support::gradients::{completeness_sentence, images, pixels};
use crate::budget::Budget;
use crate::error::Result;
use crate::maps::{NamedTensor, Quantity, ScoreDifference};
use crate::method::{
    Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Needs, Registered, SharedSetting,
};

impl Registered for IntegratedGradientsConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "integrated-gradients",
        title: "Integrated Gradients",
        meaning: Meaning {
            shows: "each pixel's share of the difference between the logits of the image and of the baseline",
            does_not_show: "the importance of pixels that equal the baseline, which get exactly 0",
        },
        needs: Needs::Gradients,
        reads: &[SharedSetting::Baseline],
        draws: false,
        is_scored: true,
        is_control: false,
    };
}

#[derive(Debug, Serialize)]
struct PathsDiagnostics {
    score: f64,
    delta: f64,
    converged: bool,
    gradients: usize,
    paths: Vec<PathDiagnostics>,
}

impl PathsDiagnostics {
    fn baseline_score(&self) -> f64 {
        self.paths.iter().map(|path| path.baseline_score).sum::<f64>() / self.paths.len().max(1) as f64
    }
}

impl Diagnostics for PathsDiagnostics {
    fn sentences(&self) -> Vec<String> {
        let mut lines = vec![completeness_sentence(self.score - self.baseline_score(), self.delta)];
        let steps = || self.paths.iter().map(|path| path.steps);
        if let (Some(least), Some(most)) = (steps().min(), steps().max()) {
            let steps = if least == most { most.to_string() } else { format!("{least} to {most}") };
            lines.push(format!("{steps} steps along the path from the baseline"));
        }
        lines
    }
}

impl Method for IntegratedGradientsConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        self.validate()
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let baselines = at.shared.baseline.images(at.image, &at.execution)?;
        let found = integrated_gradients(&at.differentiable(), at.image, &baselines, at.target(), self, &at.execution)?;
        let warnings = warnings(&found, self.maximum_steps);
        let (mut positions, mut weights) = (Vec::new(), Vec::new());
        for path in &found.paths {
            let quadrature = self.rule.quadrature(path.steps)?;
            positions.extend(quadrature.nodes);
            weights.extend(quadrature.weights);
        }
        let steps: Vec<i64> = found.paths.iter().map(|path| path.steps as i64).collect();
        let evidence = vec![
            images("baselines", &baselines),
            NamedTensor::i64("steps", vec![steps.len()], steps),
            NamedTensor::vector("positions", positions),
            NamedTensor::vector("weights", weights),
        ];
        let IntegratedGradients { attribution, score, delta, converged, gradients, paths } = found;
        let diagnostics = PathsDiagnostics { score, delta, converged, gradients, paths };
        let ends = ScoreDifference { score, baseline_score: diagnostics.baseline_score() };
        Ok(Explained {
            maps: pixels(attribution, Quantity::Contribution, None, Some(ends)),
            diagnostics: Box::new(diagnostics),
            warnings,
            evidence,
        })
    }

    fn budgeted(&self, budget: &Budget) -> Box<dyn Method> {
        let (steps, maximum_steps) = (budget.steps, budget.steps);
        Box::new(Self { steps, maximum_steps, tolerance: f64::INFINITY, ..self.clone() })
    }
}

fn warnings(found: &IntegratedGradients, most_steps: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    if !found.converged {
        let delta = found.delta;
        warnings.push(format!("the completeness error is above the tolerance at {most_steps} steps: {delta:.2e}"));
    }
    let (equal, count) = (found.paths.iter().filter(|path| path.length == 0.0).count(), found.paths.len());
    if equal > 0 {
        warnings.push(format!(
            "{equal} of {} the image, so that nothing is attributed along {} path",
            if count == 1 { "1 baseline equals".to_owned() } else { format!("{count} baselines equal") },
            if equal == 1 { "its" } else { "their" }
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_tell_the_error_and_the_steps() {
        let path =
            |baseline_score, steps| PathDiagnostics { baseline_score, delta: 0.0, steps, converged: true, length: 1.0 };
        let (paths, gradients) = (vec![path(1.0, 64), path(3.0, 128)], 192);
        let diagnostics = PathsDiagnostics { score: 5.0, delta: 0.01, converged: true, gradients, paths };
        assert_eq!(
            diagnostics.sentences().join("; "),
            "contributions miss the difference of 3.000 logits by 1.0e-2 (0.33 %); 64 to 128 steps along the path from \
             the baseline"
        );
    }
}
