//! A made-up explanation by every method, for the tests of pictures and pages.

use serde_json::json;
use tinylsa_xai::{AttentionStatistics, Attribution, FlowMaps, LayerAttention, Picture, QueryMap, Segmentation};

use crate::Method;
use crate::result::{
    AttentionLayer, AttentionMaps, AttentionMatrix, FixedQueryMaps, FlowMap, MarkedToken, MethodExplanation,
    MethodMaps, PictureExplanation, PixelMap, RolloutMaps, SegmentMap, Source,
};

const GRID: usize = 7;
pub(super) const TOKENS: usize = GRID * GRID;

/// Attention of `heads` heads in which each token prefers itself and one more.
fn layer(heads: usize, shift: usize) -> AttentionLayer {
    let mut values = Vec::new();
    for head in 0..heads {
        for query in 0..TOKENS {
            let weight = |key: usize| match key {
                _ if key == query => 3.0,
                _ if key == (query + head + shift) % TOKENS => 2.0,
                _ => 1.0,
            };
            let sum: f64 = (0..TOKENS).map(weight).sum();
            values.extend((0..TOKENS).map(|key| weight(key) / sum));
        }
    }
    let attention = LayerAttention::new(values, heads, TOKENS).unwrap();
    let matrix = |matrix: tinylsa_xai::TokenMatrix| AttentionMatrix {
        deviation: matrix.minus_mean_row(),
        statistics: AttentionStatistics::of(&matrix),
        matrix,
    };
    AttentionLayer {
        heads: (0..heads).map(|head| matrix(attention.head(head).unwrap())).collect(),
        fused: matrix(attention.fused(tinylsa_xai::HeadFusion::Mean)),
    }
}

fn maps(method: Method) -> MethodMaps {
    let queries = vec![24, 0, 48];
    let matrix = layer(2, 3).fused.matrix;
    let scale = 1.0 + method as usize as f32;
    let values = (0..784).map(|i| scale * ((i as f32 * 0.37).sin() - 0.2)).collect();
    let attribution = Attribution { values, shape: [1, 28, 28], target: 2 };
    match method {
        Method::SelfAttention | Method::MultiHeadAttention => {
            MethodMaps::Attention(AttentionMaps { grid_size: GRID, layers: vec![layer(2, 1), layer(2, 5)] })
        }
        Method::AttentionRollout | Method::GradientRollout => {
            let gradient_weighted = method == Method::GradientRollout;
            MethodMaps::Rollout(RolloutMaps {
                grid_size: GRID,
                pooled: matrix.mean_row(),
                matrix,
                queries,
                gradient_weighted,
            })
        }
        Method::AttentionFlow => {
            let flows = FlowMaps {
                queries: (0..TOKENS).collect(),
                tokens: TOKENS,
                flows: matrix.values().to_vec(),
                saturated_fraction: 0.625,
            };
            MethodMaps::Flow(FlowMap { grid_size: GRID, pooled: flows.pooled(), flows, queries })
        }
        Method::FixedQuery => {
            let of_layer = |shift| {
                let layer = layer(2, shift);
                let row = |query: usize, matrix: &AttentionMatrix| matrix.matrix.row(query).unwrap().to_vec();
                let map = |&query: &usize| QueryMap {
                    query,
                    heads: layer.heads.iter().map(|head| row(query, head)).collect(),
                    fused: row(query, &layer.fused),
                };
                queries.iter().map(map).collect()
            };
            let marked = |(&token, reason): (&usize, &str)| MarkedToken { token, reason: reason.to_owned() };
            MethodMaps::FixedQueries(FixedQueryMaps {
                grid_size: GRID,
                queries: queries.iter().zip(["centre", "corner", "largest attribution"]).map(marked).collect(),
                layers: vec![of_layer(1), of_layer(5)],
                mean_rows: vec![matrix.mean_row(); 2],
            })
        }
        Method::ExactShapley | Method::KernelShap | Method::PermutationShap | Method::Lime => {
            let segmentation = Segmentation::grid(28, 28, 4, 4).unwrap();
            let values: Vec<f64> = (0..16).map(|i| f64::from(scale) * (f64::from(i) - 6.0)).collect();
            let standard_errors = match method {
                Method::KernelShap => Some(vec![0.01; 16]),
                Method::ExactShapley => Some(vec![0.0; 16]),
                _ => None,
            };
            MethodMaps::Pixels(PixelMap {
                attribution,
                standard_error: None,
                accounts_for: None,
                segments: Some(SegmentMap { segmentation, values, standard_errors }),
            })
        }
        _ => {
            let standard_error = (method == Method::SmoothGrad).then(|| vec![0.1; 784]);
            MethodMaps::Pixels(PixelMap { attribution, accounts_for: None, standard_error, segments: None })
        }
    }
}

fn diagnostics(method: Method) -> serde_json::Value {
    match method {
        Method::IntegratedGradients => json!({
            "score": 5.0, "delta": 0.01, "paths": [{ "baseline_score": 1.0, "steps": 64 }, { "baseline_score": 3.0, "steps": 128 }]
        }),
        Method::ExpectedGradients => {
            json!({ "score": 5.0, "background_score": 1.0, "delta": -0.02, "relative_standard_error": 0.125 })
        }
        Method::SmoothGrad => json!({ "relative_standard_error": 0.5 }),
        Method::Lime => json!({ "solution": {
            "r2_in_sample": [0.9], "r2_held_out": [null], "local_predictions": [4.5], "scores": [5.0]
        } }),
        Method::KernelShap => json!({ "solution": {
            "empty": [1.0], "full": [5.0], "additivity_residuals": [2e-16], "evaluations": 2080
        } }),
        _ => json!({}),
    }
}

/// A picture of which everything is known, explained by every method.
pub fn explanation() -> PictureExplanation {
    let pixels = (0..784).map(|i| if (8..20).contains(&(i % 28)) { 0.8 } else { 0.0 }).collect();
    let mut probabilities = vec![0.01; 10];
    probabilities[2] = 0.91;
    PictureExplanation {
        id: "test-17".to_owned(),
        seed: 0,
        source: Source { from: "synthetic garments (NOT Fashion-MNIST), test split".to_owned(), number: Some(17) },
        choice: Some("wrong with the highest confidence".to_owned()),
        picture: Picture::new(pixels, [1, 28, 28]).unwrap(),
        label: Some(4),
        predicted: 2,
        target: 2,
        logits: vec![0.0; 10],
        probabilities,
        calibrated: None,
        temperature: None,
        class_names: [
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ]
        .map(str::to_owned)
        .to_vec(),
        truth_mask: Some((0..784).map(|i| (10..14).contains(&(i % 28))).collect()),
        methods: Method::ALL
            .into_iter()
            .map(|method| MethodExplanation {
                method,
                seconds: 0.5,
                maps: maps(method),
                diagnostics: diagnostics(method),
                settings: json!({}),
                warnings: if method == Method::Lime { vec!["a warning".to_owned()] } else { Vec::new() },
                evidence: Vec::new(),
            })
            .collect(),
    }
}
