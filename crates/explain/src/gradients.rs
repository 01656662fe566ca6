//! The gradient methods.

use anyhow::Result;
use serde_json::json;
use tinylsa_xai::{
    Attribution, Execution, ExpectedGradientsConfig, Picture, SmoothGradConfig, Target, expected_gradients,
    input_gradient, input_times_gradient, integrated_gradients, smooth_grad,
};

use super::Method;
use super::explainer::{Explained, Explainer, Question, json_without};
use super::result::{Elements, MethodMaps, PixelMap, ScoreDifference, TensorValues};

/// Fields of the results that are written as tensors.
const TENSORS: [&str; 2] = ["attribution", "standard_error"];

pub(super) fn explain(explainer: &Explainer<'_>, method: Method, question: Question<'_>) -> Result<Explained> {
    let execution = explainer.execution(question.seed);
    match method {
        Method::IntegratedGradients => integrated(explainer, question, &execution),
        Method::ExpectedGradients => expected(explainer, question, &execution),
        Method::SmoothGrad => smooth(explainer, question, &execution),
        Method::InputTimesGradient => {
            let target = Target::Class(question.class);
            let found = input_times_gradient(&explainer.differentiable(), question.picture, target, &execution)?;
            Ok(plain(found))
        }
        _ => {
            let target = Target::Class(question.class);
            Ok(plain(input_gradient(&explainer.differentiable(), question.picture, target, &execution)?))
        }
    }
}

fn integrated(explainer: &Explainer<'_>, question: Question<'_>, execution: &Execution) -> Result<Explained> {
    let config = explainer.config.integrated_gradients.clone().unwrap_or_default();
    let baseline_config = &explainer.config.baseline;
    let baselines = baseline_config.pictures(question.picture, execution)?;
    let target = Target::Class(question.class);
    let found =
        integrated_gradients(&explainer.differentiable(), question.picture, &baselines, target, &config, execution)?;
    let mut warnings = Vec::new();
    if !found.converged {
        let steps = config.maximum_steps;
        warnings.push(format!("the completeness error is above the tolerance at {steps} steps: {:.2e}", found.delta));
    }
    let equal = found.paths.iter().filter(|path| path.length == 0.0).count();
    if equal > 0 {
        let count = found.paths.len();
        warnings.push(format!(
            "{equal} of {} the image, so that nothing is attributed along {} path",
            if count == 1 { "1 baseline equals".to_owned() } else { format!("{count} baselines equal") },
            if equal == 1 { "its" } else { "their" }
        ));
    }
    let (mut positions, mut weights) = (Vec::new(), Vec::new());
    for path in &found.paths {
        let quadrature = config.rule.quadrature(path.steps)?;
        positions.extend(quadrature.nodes);
        weights.extend(quadrature.weights);
    }
    let baseline_score = found.paths.iter().map(|path| path.baseline_score).sum::<f64>() / found.paths.len() as f64;
    let steps: Vec<i64> = found.paths.iter().map(|path| path.steps as i64).collect();
    let points = vec![positions.len()];
    let evidence = vec![
        ("baselines".to_owned(), pictures(&baselines)),
        ("steps".to_owned(), TensorValues { shape: vec![steps.len()], elements: Elements::I64(steps) }),
        ("positions".to_owned(), TensorValues { shape: points.clone(), elements: Elements::F64(positions) }),
        ("weights".to_owned(), TensorValues { shape: points, elements: Elements::F64(weights) }),
    ];
    Ok(Explained {
        diagnostics: json_without(&found, &TENSORS)?,
        settings: json!({ "method": config, "baseline": baseline_config }),
        warnings,
        evidence,
        maps: pixels(found.attribution, None, Some(ScoreDifference { score: found.score, baseline_score })),
    })
}

fn expected(explainer: &Explainer<'_>, question: Question<'_>, execution: &Execution) -> Result<Explained> {
    let config: ExpectedGradientsConfig = explainer.config.expected_gradients.clone().unwrap_or_default();
    let background = explainer.background;
    let target = Target::Class(question.class);
    let found = expected_gradients(
        &explainer.differentiable(),
        question.picture,
        &background.pictures,
        target,
        &config,
        execution,
    )?;
    Ok(Explained {
        diagnostics: json_without(&found, &TENSORS)?,
        settings: json!({ "method": config, "background": background.description }),
        warnings: background.warning.iter().cloned().collect(),
        evidence: vec![("background".to_owned(), pictures(&background.pictures))],
        maps: pixels(
            found.attribution,
            Some(found.standard_error),
            Some(ScoreDifference { score: found.score, baseline_score: found.background_score }),
        ),
    })
}

fn smooth(explainer: &Explainer<'_>, question: Question<'_>, execution: &Execution) -> Result<Explained> {
    let config: SmoothGradConfig = explainer.config.smooth_grad.clone().unwrap_or_default();
    let target = Target::Class(question.class);
    let found = smooth_grad(&explainer.differentiable(), question.picture, target, &config, execution)?;
    let mut warnings = Vec::new();
    if found.noise_deviation == 0.0 && config.noise > 0.0 {
        warnings.push("the image has one value, so that its noise is 0 and the map is the plain gradient".to_owned());
    }
    Ok(Explained {
        diagnostics: json_without(&found, &TENSORS)?,
        settings: json!({ "method": config }),
        warnings,
        evidence: Vec::new(),
        maps: pixels(found.attribution, Some(found.standard_error), None),
    })
}

fn plain(attribution: Attribution) -> Explained {
    Explained {
        diagnostics: json!({ "sum": attribution.sum(), "largest_magnitude": attribution.largest_magnitude() }),
        settings: json!({}),
        warnings: Vec::new(),
        evidence: Vec::new(),
        maps: pixels(attribution, None, None),
    }
}

fn pixels(
    attribution: Attribution,
    standard_error: Option<Vec<f32>>,
    accounts_for: Option<ScoreDifference>,
) -> MethodMaps {
    MethodMaps::Pixels(PixelMap { attribution, standard_error, segments: None, accounts_for })
}

/// `[pictures, channels, height, width]`, of at least one picture.
pub(super) fn pictures(list: &[Picture]) -> TensorValues {
    let shape = list.iter().take(1).flat_map(Picture::shape);
    TensorValues {
        shape: std::iter::once(list.len()).chain(shape).collect(),
        elements: Elements::F32(list.iter().flat_map(|picture| picture.values().iter().copied()).collect()),
    }
}
