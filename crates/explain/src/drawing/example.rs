//! A made-up explanation by every method, for the tests of images and pages.

use serde_json::json;
use tinylsa_xai::{Attribution, FlowMaps, Image, LayerAttention, QueryMap, Segmentation, TokenGrid};

use crate::explainable::AttentionFacts;
use crate::explanation::{ImageExplanation, MethodExplanation, Source};
use crate::maps::{
    AttentionLayer, AttentionMaps, AttentionView, FixedQueryMaps, FlowMap, Maps, MarkedToken, PixelMap, Quantity,
    RolloutMaps, SegmentMap,
};
use crate::method::SharedSetting;
use crate::needs::Needs;
use crate::registry::MethodId;

const GRID: TokenGrid = TokenGrid::new(7, 7);
pub(super) const TOKENS: usize = GRID.rows * GRID.columns;

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
    AttentionLayer {
        heads: (0..heads).map(|head| attention.head(head).unwrap().into()).collect(),
        fused: attention.fused(tinylsa_xai::HeadFusion::Mean).into(),
    }
}

fn attention_maps(name: &str) -> Maps {
    let queries = vec![24, 0, 48];
    let matrix = layer(2, 3).fused.matrix;
    let layers = || vec![layer(2, 1), layer(2, 5)];
    match name {
        "self-attention" => Maps::Attention(AttentionMaps { grid: GRID, view: AttentionView::Fused, layers: layers() }),
        "multi-head-attention" => {
            Maps::Attention(AttentionMaps { grid: GRID, view: AttentionView::Heads, layers: layers() })
        }
        "attention-flow" => {
            let flows = FlowMaps {
                queries: (0..TOKENS).collect(),
                tokens: TOKENS,
                flows: matrix.values().to_vec(),
                saturated_fraction: 0.625,
            };
            Maps::Flow(FlowMap { grid: GRID, pooled: flows.pooled(GRID).unwrap(), flows, queries })
        }
        "fixed-query" => {
            let of_layer = |shift| {
                let layer = layer(2, shift);
                let map = |&query: &usize| QueryMap {
                    query,
                    heads: layer.heads.iter().map(|head| head.matrix.row(query).unwrap().to_vec()).collect(),
                    fused: layer.fused.matrix.row(query).unwrap().to_vec(),
                };
                queries.iter().map(map).collect()
            };
            let marked = |(&token, reason): (&usize, &str)| MarkedToken { token, reason: reason.to_owned() };
            Maps::FixedQueries(FixedQueryMaps {
                grid: GRID,
                queries: queries.iter().zip(["centre", "corner", "largest attribution"]).map(marked).collect(),
                layers: vec![of_layer(1), of_layer(5)],
                mean_rows: vec![matrix.mean_row(); 2],
            })
        }
        rollout => Maps::Rollout(RolloutMaps {
            grid: GRID,
            pooled: matrix.mean_row(),
            matrix,
            queries,
            gradient_weighted: rollout == "gradient-rollout",
        }),
    }
}

/// Maps of the kind that the method gives, on a scale of its own.
fn maps(place: usize, method: MethodId) -> Maps {
    let facts = method.facts();
    if facts.needs == Needs::Attention {
        return attention_maps(facts.name);
    }
    let scale = 1.0 + place as f32;
    let values = (0..784).map(|i| scale * ((i as f32 * 0.37).sin() - 0.2)).collect();
    let attribution = Attribution { values, shape: [1, 28, 28].into(), target: 2.into() };
    let (standard_error, accounts_for) = (facts.draws.then(|| vec![0.1; 784]), None);
    if facts.reads.contains(&SharedSetting::Segmentation) {
        let segmentation = Segmentation::grid(28, 28, 4, 4).unwrap();
        let values: Vec<f64> = (0..16).map(|i| f64::from(scale) * (f64::from(i) - 6.0)).collect();
        let standard_errors = Some(vec![if facts.draws { 0.01 } else { 0.0 }; 16]);
        let segments = Some(SegmentMap { segmentation, values, standard_errors });
        let quantity = Quantity::SegmentContribution;
        return Maps::Pixels(PixelMap { attribution, quantity, standard_error: None, accounts_for, segments });
    }
    let is_sensitivity = ["smooth-grad", "input-gradient"].contains(&facts.name);
    let quantity = if is_sensitivity { Quantity::Sensitivity } else { Quantity::Contribution };
    Maps::Pixels(PixelMap { attribution, quantity, standard_error, accounts_for, segments: None })
}

/// An image of which everything is known, explained by every method.
pub(crate) fn explanation() -> ImageExplanation {
    let pixels = (0..784).map(|i| if (8..20).contains(&(i % 28)) { 0.8 } else { 0.0 }).collect();
    let mut probabilities = vec![0.01; 10];
    probabilities[2] = 0.91;
    ImageExplanation {
        id: "test-17".to_owned(),
        seed: 0,
        source: Source { from: "synthetic garments (NOT Fashion-MNIST), test split".to_owned(), number: Some(17) },
        choice: Some("wrong with the highest confidence".to_owned()),
        image: Image::new(pixels, [1, 28, 28]).unwrap(),
        label: Some(4),
        predicted: 2,
        target: 2.into(),
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
        attention: AttentionFacts::default(),
        truth_mask: Some((0..784).map(|i| (10..14).contains(&(i % 28))).collect()),
        methods: MethodId::all()
            .enumerate()
            .map(|(place, method)| MethodExplanation {
                method,
                seconds: 0.5,
                maps: maps(place, method),
                diagnostics: json!({}),
                sentences: vec![format!("a figure of {method}")],
                settings: json!({}),
                warnings: if method.name() == "lime" { vec!["a warning".to_owned()] } else { Vec::new() },
                evidence: Vec::new(),
            })
            .collect(),
    }
}
