//! Attention matrices, rollout and query maps against their formulas.

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use tinylsa_random::{Draw, Purpose};
use tinylsa_xai::{
    AttentionFlowConfig, AttentionRolloutConfig, AttentionStatistics, Attribution, Cancellation, ExplainError,
    HeadFusion, LayerAttention, LinearAttention, TokenGrid, attention_flow, attention_rollout, fixed_query_maps,
    fixed_query_positions, gradient_rollout, token_of_largest_attribution,
};

fn tokens_of(grid: TokenGrid) -> Result<Vec<usize>, ExplainError> {
    Ok(fixed_query_positions(grid)?.into_iter().map(|query| query.token).collect())
}

fn never() -> Cancellation {
    Cancellation::default()
}

fn uniform(seed: u64, purpose: &str, count: usize) -> Vec<f64> {
    let mut generator = Draw { seed, purpose: Purpose::new(purpose), epoch: 0, index: 0 }.generator();
    (0..count).map(|_| generator.random()).collect()
}

fn random_layer(seed: u64, heads: usize, tokens: usize) -> LayerAttention {
    let mut values = uniform(seed, "attention", heads * tokens * tokens);
    for row in values.chunks_exact_mut(tokens) {
        let sum: f64 = row.iter().sum();
        for value in row {
            *value /= sum;
        }
    }
    LayerAttention::new(values, heads, tokens).expect("rows are normalised")
}

fn tensor<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<D> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= tolerance, "{index}: {found}, expected {expected}");
    }
}

/// A linear attention layer as a model runs it: `y = φ(q) (φ(k)ᵀ v) / φ(q)·Σφ(k)`, in f32, without a matrix.
fn linear_layer(queries: Tensor<3>, keys: Tensor<3>, values: Tensor<3>) -> Tensor<3> {
    let context = keys.clone().swap_dims(1, 2).matmul(values);
    let sums = keys.sum_dim(1).swap_dims(1, 2);
    queries.clone().matmul(context) / queries.matmul(sums)
}

#[test]
fn the_matrices_of_linear_attention_reproduce_the_layer() {
    let (heads, tokens, features, width) = (4, 49, 16, 12);
    let shape = [heads, tokens, features];
    let queries = tensor(&uniform(1, "queries", heads * tokens * features), shape);
    let keys = tensor(&uniform(1, "keys", heads * tokens * features), shape);
    let signed: Vec<f64> = uniform(1, "values", heads * tokens * width).iter().map(|value| 2.0 * value - 1.0).collect();
    let values = tensor(&signed, [heads, tokens, width]);
    let output = linear_layer(queries.clone(), keys.clone(), values.clone());
    let attention = LinearAttention::from_features(queries, keys).expect("features are positive");
    let check = attention.check(values.clone(), output.clone()).expect("shapes fit");
    assert!(check.largest_deviation <= 2e-6, "{check:?}");
    assert!(check.largest_row_error <= 1e-14, "{check:?}");

    let broken = attention.check(values, output.add_scalar(0.01)).expect("shapes fit");
    assert!((broken.largest_deviation - 0.01).abs() < 1e-5, "a layer that does something else shows: {broken:?}");
}

#[test]
fn one_row_is_that_of_the_matrix_and_of_the_formula() {
    let shape = [2, 5, 3];
    let (queries, keys) = (uniform(2, "queries", 30), uniform(2, "keys", 30));
    let attention = LinearAttention::new(queries.clone(), keys.clone(), shape).expect("features are positive");
    let matrices = attention.matrices().expect("features are positive");
    for head in 0..2 {
        for query in 0..5 {
            let product = |key: usize| -> f64 {
                (0..3).map(|f| queries[(head * 5 + query) * 3 + f] * keys[(head * 5 + key) * 3 + f]).sum()
            };
            let total: f64 = (0..5).map(product).sum();
            let expected: Vec<f64> = (0..5).map(|key| product(key) / total).collect();
            let row = attention.row(head, query).expect("in range");
            close(&row, &expected, 1e-15);
            assert_eq!(row, matrices.head(head).expect("in range").row(query).expect("in range"));
        }
    }
}

#[test]
fn a_batch_of_features_gives_each_image_its_own_attention() {
    let values = uniform(3, "features", 2 * 2 * 4 * 3);
    let batch = tensor(&values, [2, 2, 4, 3]);
    let both = LinearAttention::from_batch(&batch, &batch).expect("fits");
    let second = tensor(&values[24..], [2, 4, 3]);
    assert_eq!(both.len(), 2);
    assert_eq!(both[1], LinearAttention::from_features(second.clone(), second).expect("fits"));

    let layers = [random_layer(1, 2, 4), random_layer(2, 2, 4)];
    let joined = [layers[0].values(), layers[1].values()].concat();
    let found = LayerAttention::from_batch(&tensor(&joined, [2, 2, 4, 4])).expect("rows sum to 1");
    found.iter().zip(&layers).for_each(|(found, layer)| close(found.values(), layer.values(), 1e-7));
}

#[test]
fn what_is_no_attention_is_named() {
    let row = LayerAttention::new(vec![0.5, 0.5, 0.5, 0.4], 1, 2);
    assert_eq!(row, Err(ExplainError::AttentionRow { head: 0, query: 1, sum: 0.9, tolerance: 1e-4 }));
    assert!(matches!(
        LayerAttention::new(vec![1.5, -0.5, 0.5, 0.5], 1, 2),
        Err(ExplainError::Value { position: 1, .. })
    ));
    let nan = LayerAttention::new(vec![0.5, f64::NAN, 0.5, 0.5], 1, 2);
    assert!(matches!(nan, Err(ExplainError::NotFinite { position: 1, .. })));
    assert!(matches!(
        LayerAttention::new(vec![1.0; 3], 1, 2),
        Err(ExplainError::ValueCount { found: 3, expected: 4, .. })
    ));
    assert_eq!(LayerAttention::new(vec![], 0, 2), Err(ExplainError::Empty { what: "attention" }));
    let oblong = LayerAttention::from_tensor(tensor(&[1.0; 6], [1, 2, 3]));
    assert!(matches!(oblong, Err(ExplainError::Shape { .. })));

    let zero = LinearAttention::new(vec![1.0, 0.0], vec![1.0, 1.0], [1, 2, 1]);
    assert_eq!(zero, Err(ExplainError::AttentionDenominator { head: 0, query: 1, value: 0.0 }));
    let signs = LinearAttention::new(vec![1.0, 1.0], vec![2.0, -1.0], [1, 2, 1]).expect("the denominator is 1");
    assert!(matches!(signs.matrices(), Err(ExplainError::Value { .. })));
    let fits = LinearAttention::new(vec![1.0; 2], vec![1.0; 2], [1, 2, 1]).expect("the denominator is 2");
    assert!(matches!(fits.row(0, 2), Err(ExplainError::OutOfRange { what: "token", index: 2, count: 2 })));
    assert!(matches!(fits.row(1, 0), Err(ExplainError::OutOfRange { what: "head", .. })));
    let wide = fits.check(tensor(&[1.0; 4], [1, 2, 2]), tensor(&[1.0; 2], [1, 2, 1]));
    assert!(matches!(wide, Err(ExplainError::Shape { what: "the output", .. })));
}

#[test]
fn heads_are_fused_entry_by_entry() {
    let layer = LayerAttention::new(vec![0.2, 0.8, 0.5, 0.5, 0.6, 0.4, 0.1, 0.9], 2, 2).expect("rows sum to 1");
    close(layer.fused(HeadFusion::Mean).values(), &[0.4, 0.6, 0.3, 0.7], 1e-15);
    close(layer.fused(HeadFusion::Max).values(), &[0.6, 0.8, 0.5, 0.9], 1e-15);
    close(layer.fused(HeadFusion::Min).values(), &[0.2, 0.4, 0.1, 0.5], 1e-15);
    let rest = layer.fused(HeadFusion::Mean).minus_mean_row();
    close(rest.values(), &[0.05, -0.05, -0.05, 0.05], 1e-15);
}

#[test]
fn statistics_have_their_closed_forms() {
    let flat = LayerAttention::new(vec![0.25; 16], 1, 4).expect("rows sum to 1").fused(HeadFusion::Mean);
    let of_flat = AttentionStatistics::of(&flat);
    assert!((of_flat.relative_entropy - 1.0).abs() < 1e-15 && of_flat.query_dependence < 1e-15);

    let mut identity = vec![0.0; 16];
    identity.iter_mut().step_by(5).for_each(|value| *value = 1.0);
    let sharp = LayerAttention::new(identity, 1, 4).expect("rows sum to 1").fused(HeadFusion::Mean);
    let of_sharp = AttentionStatistics::of(&sharp);
    assert!(of_sharp.relative_entropy.abs() < 1e-15);
    assert!((of_sharp.query_dependence - 0.75).abs() < 1e-15, "a row differs from the mean in 3/4 of its mass");
    close(&sharp.mean_row(), &[0.25; 4], 1e-15);

    // two rows of two tokens, entropies of p = 1/2 and p = 1/4
    let mixed = LayerAttention::new(vec![0.5, 0.5, 0.25, 0.75], 1, 2).expect("rows sum to 1");
    let of_mixed = AttentionStatistics::of(&mixed.fused(HeadFusion::Mean));
    let quarter = (0.25 * 4.0_f64.ln() + 0.75 * (4.0_f64 / 3.0).ln()) / 2.0_f64.ln();
    assert!((of_mixed.relative_entropy - f64::midpoint(1.0, quarter)).abs() < 1e-15);
    assert!((of_mixed.smallest_relative_entropy - quarter).abs() < 1e-15);
    assert!((of_mixed.query_dependence - 0.125).abs() < 1e-15);
    assert!((of_mixed.largest_query_dependence - 0.125).abs() < 1e-15);
}

#[test]
fn rollout_is_the_product_of_its_layers() {
    let (tokens, heads) = (11, 3);
    let layers: Vec<_> = (0..3).map(|seed| random_layer(seed, heads, tokens)).collect();
    let residual = 0.3;
    // the formula, entry by entry, through nalgebra
    let mut expected = nalgebra::DMatrix::<f64>::identity(tokens, tokens);
    for layer in &layers {
        let mean = |i: usize, j: usize| {
            (0..heads).map(|head| layer.values()[(head * tokens + i) * tokens + j]).sum::<f64>() / heads as f64
        };
        let identity = |i: usize, j: usize| if i == j { 1.0 } else { 0.0 };
        let mixed = |i: usize, j: usize| (1.0 - residual) * mean(i, j) + residual * identity(i, j);
        let matrix = nalgebra::DMatrix::from_fn(tokens, tokens, |i, j| {
            mixed(i, j) / (0..tokens).map(|j| mixed(i, j)).sum::<f64>()
        });
        expected = matrix * expected;
    }
    let rollout = attention_rollout(&layers, &AttentionRolloutConfig { residual, fusion: HeadFusion::Mean }, &never())
        .expect("layers fit");
    for query in 0..tokens {
        let expected: Vec<f64> = expected.row(query).iter().copied().collect();
        close(rollout.of_query(query).expect("in range"), &expected, 1e-12);
    }
    let pooled: Vec<f64> = expected.row_mean().iter().copied().collect();
    let grid = TokenGrid::new(1, tokens);
    let found = rollout.pooled(grid).expect("as many tokens");
    close(&found, &pooled, 1e-12);
    assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn rollout_of_any_fusion_keeps_rows_that_sum_to_1() {
    let layers: Vec<_> = (0..2).map(|seed| random_layer(seed, 4, 6)).collect();
    for fusion in [HeadFusion::Mean, HeadFusion::Max, HeadFusion::Min] {
        let rollout = attention_rollout(&layers, &AttentionRolloutConfig { residual: 0.5, fusion }, &never())
            .expect("layers fit");
        rollout.matrix.rows().for_each(|row| assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
    }
}

#[test]
fn a_residual_of_1_is_the_identity() {
    let layers: Vec<_> = (0..2).map(|seed| random_layer(seed, 2, 4)).collect();
    let config = AttentionRolloutConfig { residual: 1.0, ..AttentionRolloutConfig::default() };
    let rollout = attention_rollout(&layers, &config, &never()).expect("layers fit");
    assert_eq!(rollout.of_query(2).expect("in range"), [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(attention_rollout(&[], &config, &never()), Err(ExplainError::Empty { what: "list of layers" }));
    let nan = AttentionRolloutConfig { residual: f64::NAN, ..config };
    assert!(matches!(attention_rollout(&layers, &nan, &never()), Err(ExplainError::Setting(_))));
}

#[test]
fn gradients_make_rollout_class_specific() {
    let (tokens, heads) = (5, 2);
    let layers: Vec<_> = (0..3).map(|seed| random_layer(seed, heads, tokens)).collect();
    let gradient = |seed: u64| -> Vec<f64> {
        uniform(seed, "gradient", heads * tokens * tokens).iter().map(|value| value - 0.5).collect()
    };
    let gradients: Vec<_> = (0..3).map(gradient).collect();
    let mut expected = nalgebra::DMatrix::<f64>::identity(tokens, tokens);
    for (layer, gradient) in layers.iter().zip(&gradients) {
        let weighted = nalgebra::DMatrix::from_fn(tokens, tokens, |i, j| {
            let entry = |head: usize| (head * tokens + i) * tokens + j;
            (0..heads).map(|head| (layer.values()[entry(head)] * gradient[entry(head)]).max(0.0)).sum::<f64>() / 2.0
        });
        expected = &expected + &weighted * &expected;
    }
    expected -= nalgebra::DMatrix::<f64>::identity(tokens, tokens);
    let rollout = gradient_rollout(&layers, &gradients, &never()).expect("shapes fit");
    for query in 0..tokens {
        let expected: Vec<f64> = expected.row(query).iter().copied().collect();
        close(rollout.of_query(query).expect("in range"), &expected, 1e-12);
    }
    let against: Vec<Vec<f64>> = gradients.iter().map(|gradient| vec![-1.0; gradient.len()]).collect();
    let nothing = gradient_rollout(&layers, &against, &never()).expect("shapes fit");
    assert_eq!(
        nothing.pooled(TokenGrid::new(1, tokens)),
        Ok(vec![0.0; tokens]),
        "what speaks only against the class leaves an empty map"
    );
    assert!(matches!(gradient_rollout(&layers, &gradients[1..], &never()), Err(ExplainError::ValueCount { .. })));
    let nan = vec![vec![f64::NAN; heads * tokens * tokens]; 3];
    assert!(matches!(gradient_rollout(&layers, &nan, &never()), Err(ExplainError::NotFinite { .. })));
}

#[test]
fn query_maps_are_rows_of_the_matrices() {
    let layer = random_layer(5, 3, 16);
    let queries = tokens_of(TokenGrid::new(4, 4)).expect("the grid has tokens");
    assert_eq!(queries, [10, 0, 3, 12, 15]);
    let maps = fixed_query_maps(&layer, &queries, HeadFusion::Mean).expect("in range");
    for map in &maps {
        assert_eq!(map.heads[1], layer.head(1).expect("in range").row(map.query).expect("in range"));
        close(&map.fused, layer.fused(HeadFusion::Mean).row(map.query).expect("in range"), 1e-15);
    }
    let features = uniform(4, "features", 3 * 16 * 4);
    let linear = LinearAttention::new(features.clone(), features, [3, 16, 4]).expect("features are positive");
    let matrices = linear.matrices().expect("features are positive");
    let of_rows = fixed_query_maps(&linear, &queries, HeadFusion::Max);
    assert_eq!(of_rows, fixed_query_maps(&matrices, &queries, HeadFusion::Max));
    assert!(matches!(fixed_query_maps(&layer, &[16], HeadFusion::Mean), Err(ExplainError::OutOfRange { .. })));
    assert!(matches!(fixed_query_maps(&layer, &[], HeadFusion::Mean), Err(ExplainError::Empty { .. })));
}

#[test]
fn positions_of_small_grids_are_named_once() {
    assert_eq!(tokens_of(TokenGrid::new(1, 1)), Ok(vec![0]));
    assert_eq!(tokens_of(TokenGrid::new(7, 7)), Ok(vec![24, 0, 6, 42, 48]));
    assert_eq!(tokens_of(TokenGrid::new(0, 7)), Err(ExplainError::Empty { what: "token grid" }));
    // places stay true where a corner is the centre
    let places: Vec<&str> =
        fixed_query_positions(TokenGrid::new(1, 3)).expect("it has tokens").iter().map(|query| query.place).collect();
    assert_eq!(places, ["centre", "top left", "top right"]);
    let of_vit = fixed_query_positions(TokenGrid::new(6, 4).with_prefix(1)).expect("it has tokens");
    assert_eq!((of_vit[0].token, of_vit[0].place), (0, "class token"));
    assert_eq!(of_vit.iter().map(|query| query.token).collect::<Vec<_>>(), [0, 15, 1, 4, 21, 24]);
}

#[test]
fn with_a_class_token_the_pooled_map_is_its_row_on_the_grid() {
    let grid = TokenGrid::new(2, 3).with_prefix(2);
    let layers = [random_layer(1, 2, 8), random_layer(2, 2, 8)];
    let rollout = attention_rollout(&layers, &AttentionRolloutConfig::default(), &never()).expect("layers fit");
    let row = rollout.of_query(0).expect("there is a class token");
    assert_eq!(rollout.pooled(grid).expect("eight tokens"), row[2..]);
    let config = AttentionFlowConfig::default();
    let flow = attention_flow(&layers, None, &config, &never()).expect("layers fit");
    assert_eq!(flow.pooled(grid).expect("eight tokens"), flow.normalised(0).expect("in range")[2..]);
    let alone = attention_flow(&layers, Some(&[0]), &config, &never()).expect("layers fit");
    assert_eq!(alone.pooled(grid), flow.pooled(grid));
    let without = attention_flow(&layers, Some(&[3]), &config, &never()).expect("layers fit");
    assert!(matches!(without.pooled(grid), Err(ExplainError::Undefined { .. })));
    // a grid that does not fit is never cut to size
    for wrong in [TokenGrid::new(2, 3), TokenGrid::new(2, 3).with_prefix(1), TokenGrid::new(8, 8)] {
        assert!(matches!(rollout.pooled(wrong), Err(ExplainError::ValueCount { .. })));
        assert!(matches!(flow.pooled(wrong), Err(ExplainError::ValueCount { .. })));
    }
    assert!(TokenGrid::new(usize::MAX, 1).with_prefix(1).tokens().is_err());
}

#[test]
fn the_token_of_the_largest_attribution_covers_its_pixels() {
    let mut values = vec![0.0; 2 * 28 * 28];
    values[5 * 28 + 20] = 1.0;
    values[28 * 28 + 5 * 28 + 20] = 0.5;
    values[20 * 28 + 3] = 1.2;
    let attribution = Attribution { values, shape: [2, 28, 28].into(), target: 0.into() };
    assert_eq!(token_of_largest_attribution(&attribution, TokenGrid::new(7, 7)), Ok(7 + 5));
    let behind_two = TokenGrid::new(7, 7).with_prefix(2);
    assert_eq!(token_of_largest_attribution(&attribution, behind_two), Ok(2 + 7 + 5));
    let finer = token_of_largest_attribution(&attribution, TokenGrid::new(29, 7));
    assert!(matches!(finer, Err(ExplainError::OutOfRange { .. })));
}
