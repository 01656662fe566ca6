//! The methods that show and hide segments.

use anyhow::Result;
use serde_json::{Value, json};
use tinylsa_xai::{
    Attribution, Cancellation, EvaluatedGame, ExactShapleyConfig, Execution, ExplainError, LimeExplanation,
    LimeWarning, Masker, Picture, Segmentation, ShapleyExplanation, Target, exact_shapley, kernel_shap, lime,
    permutation_shap,
};

use super::Method;
use super::config::ExplainConfig;
use super::explainer::{Explained, Explainer, Question, json_without};
use super::gradients::pictures;
use super::result::{Elements, MethodMaps, PixelMap, ScoreDifference, SegmentMap, TensorValues};

/// How many segments a warning names; the diagnostics have all of them.
const MOST_NAMED: usize = 16;

pub(super) fn explain(explainer: &Explainer<'_>, method: Method, question: Question<'_>) -> Result<Explained> {
    let config = explainer.config;
    let execution = explainer.execution(question.seed);
    let masker = masker(config, question, &execution)?;
    let (scorer, target) = (explainer.scorer(), Some(Target::Class(question.class)));
    let mut explained = match method {
        Method::ExactShapley => {
            let settings = exact_config(config);
            let found = exact_shapley(&scorer, &masker, target, &settings, &execution)?;
            of_shapley(found, &masker, json!(settings))?
        }
        Method::KernelShap => {
            let settings = config.kernel_shap.clone().unwrap_or_default();
            let found = kernel_shap(&scorer, &masker, target, &settings, &execution)?;
            of_shapley(found, &masker, json!(settings))?
        }
        Method::PermutationShap => {
            let settings = config.permutation_shap.clone().unwrap_or_default();
            let found = permutation_shap(&scorer, &masker, target, &settings, &execution)?;
            of_shapley(found, &masker, json!(settings))?
        }
        _ => {
            let settings = config.lime.clone().unwrap_or_default();
            of_lime(lime(&scorer, &masker, target, &settings, &execution)?, &masker, json!(settings))?
        }
    };
    explained.settings = json!({
        "method": explained.settings,
        "segmentation": config.segmentation,
        "fill": config.fill,
    });
    Ok(explained)
}

pub(super) fn exact_config(config: &ExplainConfig) -> ExactShapleyConfig {
    config.exact_shapley.clone().unwrap_or_default()
}

/// The segments of a picture.
pub(super) fn segmentation(
    config: &ExplainConfig,
    picture: &Picture,
    cancellation: &Cancellation,
) -> Result<Segmentation, ExplainError> {
    let [channels, height, width] = picture.shape();
    Ok(config.segmentation.segment(picture.values(), channels, height, width, cancellation)?)
}

fn masker(config: &ExplainConfig, question: Question<'_>, execution: &Execution) -> Result<Masker, ExplainError> {
    let segments = segmentation(config, question.picture, &execution.cancellation)?;
    Masker::new(question.picture.clone(), segments, &config.fill, execution)
}

fn of_shapley(found: ShapleyExplanation, masker: &Masker, settings: Value) -> Result<Explained> {
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
    evidence.push(("shapley".to_owned(), numbers(values.clone())));
    evidence.push(("base_value".to_owned(), numbers(solution.empty.clone())));
    evidence.push(("full_value".to_owned(), numbers(solution.full.clone())));
    evidence.extend(standard_errors.clone().map(|errors| ("standard_errors".to_owned(), numbers(errors))));
    Ok(Explained {
        diagnostics: json_without(&found, &["attributions"])?,
        settings,
        warnings,
        evidence,
        maps: map(found.attributions, masker, values, standard_errors, Some(ends))?,
    })
}

fn of_lime(found: LimeExplanation, masker: &Masker, settings: Value) -> Result<Explained> {
    let solution = &found.solution;
    let coefficients = solution.of(0)?.to_vec();
    let mut warnings = Vec::new();
    for warning in &found.warnings {
        match warning {
            LimeWarning::FewSegments { segments } => {
                warnings.push(format!("{segments} segments are too few for a map that shows anything"));
            }
            LimeWarning::InertSegments { segments } => warnings.extend(inert_warning(segments)),
            LimeWarning::Underdetermined { samples, segments } => warnings.push(format!(
                "{samples} coalitions do not determine the coefficients of {segments} segments: the penalty chose them"
            )),
            other => warnings.push(format!("{other:?}")),
        }
    }
    let mut evidence = segment_evidence(masker);
    evidence.extend(game_evidence(&found.game));
    evidence.push(("distances".to_owned(), numbers(found.distances.clone())));
    evidence.push(("coefficients".to_owned(), numbers(coefficients.clone())));
    evidence.push(("intercept".to_owned(), numbers(solution.intercepts.clone())));
    Ok(Explained {
        diagnostics: json_without(&found, &["attributions"])?,
        settings,
        warnings,
        evidence,
        maps: map(found.attributions, masker, coefficients, None, None)?,
    })
}

fn inert_warning(segments: &[usize]) -> Vec<String> {
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

fn map(
    mut attributions: Vec<Attribution>,
    masker: &Masker,
    values: Vec<f64>,
    standard_errors: Option<Vec<f64>>,
    accounts_for: Option<ScoreDifference>,
) -> Result<MethodMaps, ExplainError> {
    let attribution = attributions.pop().ok_or(ExplainError::Empty { what: "list of attributions" })?;
    let segments = SegmentMap { segmentation: masker.segmentation().clone(), values, standard_errors };
    Ok(MethodMaps::Pixels(PixelMap { attribution, standard_error: None, segments: Some(segments), accounts_for }))
}

/// What is hidden, and behind what.
fn segment_evidence(masker: &Masker) -> Vec<(String, TensorValues)> {
    let segments = masker.segmentation();
    let labels = segments.labels().iter().map(|&label| label as i64).collect();
    let shape = vec![segments.height(), segments.width()];
    vec![
        ("segments".to_owned(), TensorValues { shape, elements: Elements::I64(labels) }),
        ("replacements".to_owned(), pictures(masker.replacements())),
    ]
}

/// The coalitions as `masks` `[coalitions, segments]`, their weights and their values.
fn game_evidence(game: &EvaluatedGame) -> Vec<(String, TensorValues)> {
    let (rows, players) = (game.coalitions.len(), game.coalitions.players());
    let inside = |row: usize| (0..players).map(move |player| u8::from(game.coalitions.contains(row, player)));
    let masks =
        TensorValues { shape: vec![rows, players], elements: Elements::U8((0..rows).flat_map(inside).collect()) };
    let mut tensors =
        vec![("masks".to_owned(), masks), ("values".to_owned(), numbers(game.values.as_slice().to_vec()))];
    if !game.weights.is_empty() {
        tensors.push(("weights".to_owned(), numbers(game.weights.clone())));
    }
    tensors
}

fn numbers(values: Vec<f64>) -> TensorValues {
    TensorValues { shape: vec![values.len()], elements: Elements::F64(values) }
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
}
