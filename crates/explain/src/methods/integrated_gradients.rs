use serde::Serialize;
use tinylsa_settings::InvalidSetting;
use tinylsa_xai::{IntegratedGradients, IntegratedGradientsConfig, PathDiagnostics, integrated_gradients};

use super::support::gradients::{completeness_sentence, images, pixels};
use crate::budget::Budget;
use crate::error::Result;
use crate::maps::{NamedTensor, Quantity, ScoreDifference};
use crate::method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Registered, SharedSetting};
use crate::needs::Needs;

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
    /// The largest change of a path, where there is one.
    map_change: Option<f64>,
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
        if let Some(change) = self.map_change {
            lines.push(format!("the last doubling of the steps changed the map by {:.2} %", 100.0 * change));
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
        let warnings = warnings(&found, self);
        let positions = found.quadratures.iter().flat_map(|path| path.nodes.iter().copied()).collect();
        let weights = found.quadratures.iter().flat_map(|path| path.weights.iter().copied()).collect();
        let steps: Vec<i64> = found.paths.iter().map(|path| path.steps as i64).collect();
        let evidence = vec![
            images("baselines", &baselines),
            NamedTensor::i64("steps", vec![steps.len()], steps),
            NamedTensor::vector("positions", positions),
            NamedTensor::vector("weights", weights),
        ];
        let IntegratedGradients { attribution, score, delta, converged, gradients, paths, quadratures: _ } = found;
        let map_change = largest(paths.iter().filter_map(|path| path.map_change));
        let diagnostics = PathsDiagnostics { score, delta, map_change, converged, gradients, paths };
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
        let tolerance = f64::INFINITY;
        Box::new(Self { rule: self.rule, steps, maximum_steps, tolerance, map_tolerance: tolerance })
    }
}

fn largest(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(f64::max)
}

fn warnings(found: &IntegratedGradients, config: &IntegratedGradientsConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    let missed = || found.paths.iter().filter(|path| !path.converged);
    if let Some(delta) = largest(missed().map(|path| path.relative_delta(found.score))) {
        let change = match largest(missed().filter_map(|path| path.map_change)) {
            Some(change) => format!("their doubling changed the map by {:.2} %", 100.0 * change),
            None => "no map of half as many is there to compare with".to_owned(),
        };
        warnings.push(format!(
            "not converged at {} steps: the completeness error is {:.2} % ({} allowed), and {change} ({} allowed)",
            config.maximum_steps,
            100.0 * delta,
            allowed(config.tolerance),
            allowed(config.map_tolerance),
        ));
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

fn allowed(tolerance: f64) -> String {
    if tolerance.is_infinite() { "any".to_owned() } else { format!("{} %", 100.0 * tolerance) }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use burn::tensor::activation::relu;
    use tinylsa_xai::{Execution, Image, PathRule, Target};

    use super::*;

    #[test]
    fn sentences_tell_the_error_and_the_steps() {
        let path = |baseline_score, steps| PathDiagnostics {
            baseline_score,
            delta: 0.0,
            map_change: Some(0.004),
            steps,
            converged: true,
            length: 1.0,
        };
        let (paths, gradients) = (vec![path(1.0, 64), path(3.0, 128)], 192);
        let (delta, map_change) = (0.01, Some(0.004));
        let diagnostics = PathsDiagnostics { score: 5.0, delta, map_change, converged: true, gradients, paths };
        assert_eq!(
            diagnostics.sentences().join("; "),
            "contributions miss the difference of 3.000 logits by 1.0e-2 (0.33 %); 64 to 128 steps along the path from \
             the baseline; the last doubling of the steps changed the map by 0.40 %"
        );
    }

    #[test]
    fn a_budget_that_ends_is_told_with_both_figures() {
        let image = Image::new(vec![1.0, 0.8], [1, 1, 2]).unwrap();
        let black = Image::filled(0.0, [1, 1, 2]).unwrap();
        let kink = |images: Tensor<4>| relu(images.flatten::<2>(1, 3).narrow(1, 0, 1) - 0.3);
        let warned = |config: &IntegratedGradientsConfig| {
            let baselines = std::slice::from_ref(&black);
            let (target, execution) = (Target::Class(0), Execution::default());
            warnings(&integrated_gradients(&kink, &image, baselines, target, config, &execution).unwrap(), config)
        };
        let short = IntegratedGradientsConfig { steps: 5, maximum_steps: 9, ..Default::default() };
        let short = IntegratedGradientsConfig { rule: PathRule::Trapezoid, ..short };
        let said = warned(&short);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("not converged at 9 steps: the completeness error is "), "{said:?}");
        assert!(said[0].contains("(0.5 % allowed), and their doubling changed the map by "), "{said:?}");
        let single = IntegratedGradientsConfig { maximum_steps: 5, tolerance: f64::INFINITY, ..short };
        assert!(
            warned(&single)[0]
                .ends_with("(any allowed), and no map of half as many is there to compare with (0.5 % allowed)")
        );
        assert!(warned(&IntegratedGradientsConfig::default()).is_empty());
    }
}
