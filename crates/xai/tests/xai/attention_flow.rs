//! Attention flow against hand-made networks, closed forms, minimum cuts and another max-flow solver.

use petgraph::Graph;
use petgraph::algo::dinics;
use proptest::prelude::*;
use rand::RngExt;
use tinylsa_random::{Draw, Purpose};
use tinylsa_xai::{AttentionFlowConfig, Cancellation, ExplainError, LayerAttention, TokenGrid, attention_flow};

/// Attention drawn at random; the larger `sharpness`, the fewer tokens each query looks at.
fn random_layers(seed: u64, layers: usize, heads: usize, tokens: usize, sharpness: i32) -> Vec<LayerAttention> {
    let layer = |index: usize| {
        let draw = Draw { seed, purpose: Purpose::new("attention"), epoch: 0, index: index as u64 };
        let mut generator = draw.generator();
        let mut values: Vec<f64> =
            (0..heads * tokens * tokens).map(|_| generator.random::<f64>().powi(sharpness) + 1e-6).collect();
        for row in values.chunks_exact_mut(tokens) {
            let sum: f64 = row.iter().sum();
            for value in row {
                *value /= sum;
            }
        }
        LayerAttention::new(values, heads, tokens).expect("rows are normalised")
    };
    (0..layers).map(layer).collect()
}

/// `½ A + ½ I` of single-headed layers, written down apart from the library.
fn capacities(layers: &[LayerAttention]) -> Vec<Vec<f64>> {
    let halved = |layer: &LayerAttention| {
        let tokens = layer.tokens();
        let diagonal = |index: usize| if index.is_multiple_of(tokens + 1) { 0.5 } else { 0.0 };
        layer.values().iter().enumerate().map(|(index, value)| 0.5 * value + diagonal(index)).collect()
    };
    layers.iter().map(halved).collect()
}

/// The smallest cut between a query and an input token, by enumeration of every set of inner nodes.
fn minimum_cut(capacities: &[Vec<f64>], tokens: usize, query: usize, input: usize) -> f64 {
    let inner = (capacities.len() - 1) * tokens;
    let mut smallest = f64::INFINITY;
    for set in 0_u32..1 << inner {
        // node (l, i) is on the query's side: the last layer's only node is the query, the input never is
        let on_query_side = |layer: usize, token: usize| match layer {
            0 => false,
            layer if layer == capacities.len() => true,
            layer => set >> ((layer - 1) * tokens + token) & 1 == 1,
        };
        let mut cut = 0.0;
        for (layer, matrix) in capacities.iter().enumerate() {
            for from in 0..tokens {
                for to in 0..tokens {
                    let exists = (layer + 1 < capacities.len() || from == query) && (layer > 0 || to == input);
                    if exists && on_query_side(layer + 1, from) && !on_query_side(layer, to) {
                        cut += matrix[from * tokens + to];
                    }
                }
            }
        }
        smallest = smallest.min(cut);
    }
    smallest
}

/// The same flow by petgraph, on capacities scaled to integers.
fn flow_of_petgraph(capacities: &[Vec<f64>], tokens: usize, query: usize, input: usize) -> f64 {
    const SCALE: f64 = 1e15;
    let mut graph = Graph::<(), u64>::new();
    let nodes: Vec<_> = (0..(capacities.len() + 1) * tokens).map(|_| graph.add_node(())).collect();
    for (layer, matrix) in capacities.iter().enumerate() {
        for (index, value) in matrix.iter().enumerate() {
            let (from, to) = ((layer + 1) * tokens + index / tokens, layer * tokens + index % tokens);
            graph.add_edge(nodes[from], nodes[to], (value * SCALE) as u64);
        }
    }
    let (flow, _) = dinics(&graph, nodes[capacities.len() * tokens + query], nodes[input]);
    flow as f64 / SCALE
}

fn flows(layers: &[LayerAttention]) -> Vec<f64> {
    attention_flow(layers, None, &AttentionFlowConfig::default(), &Cancellation::default())
        .expect("the layers fit")
        .flows
}

#[test]
fn one_layer_is_its_own_flow() {
    let layers = random_layers(1, 1, 1, 6, 2);
    let expected = capacities(&layers).remove(0);
    flows(&layers).iter().zip(expected).for_each(|(found, expected)| assert!((found - expected).abs() < 1e-15));
}

#[test]
fn two_layers_agree_with_another_solver() {
    for seed in 0..4 {
        let layers = random_layers(seed, 2, 1, 12, 4);
        let capacities = capacities(&layers);
        for (pair, found) in flows(&layers).into_iter().enumerate() {
            let expected = flow_of_petgraph(&capacities, 12, pair / 12, pair % 12);
            assert!((found - expected).abs() < 1e-9, "pair {pair}: {found} and {expected}");
        }
    }
}

#[test]
fn deeper_layers_agree_with_another_solver() {
    for (seed, depth) in [(1, 3), (2, 3), (3, 4), (4, 4), (5, 5)] {
        let layers = random_layers(seed, depth, 1, 8, 6);
        let capacities = capacities(&layers);
        for (pair, found) in flows(&layers).into_iter().enumerate() {
            let expected = flow_of_petgraph(&capacities, 8, pair / 8, pair % 8);
            assert!((found - expected).abs() < 1e-9, "depth {depth}, pair {pair}: {found} and {expected}");
        }
    }
}

#[test]
fn two_layers_between_identities_keep_their_closed_form_in_the_solver() {
    // a third layer that passes every token on unchanged must not change the flows, and takes them to the solver
    let tokens = 20;
    let layers = random_layers(8, 2, 1, tokens, 5);
    let mut deeper = layers.clone();
    let mut identity = vec![0.0; tokens * tokens];
    identity.iter_mut().step_by(tokens + 1).for_each(|value| *value = 1.0);
    deeper.insert(1, LayerAttention::new(identity, 1, tokens).expect("rows sum to 1"));
    let closed_form = flows(&layers);
    for (closed, solved) in closed_form.iter().zip(flows(&deeper)) {
        assert!((closed - solved).abs() < 1e-9, "{closed} and {solved}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_flow_is_the_smallest_cut(seed in 0_u64..1000, depth in 2_usize..=4, sharpness in 1_i32..8) {
        let layers = random_layers(seed, depth, 1, 3, sharpness);
        let capacities = capacities(&layers);
        for (pair, found) in flows(&layers).into_iter().enumerate() {
            let expected = minimum_cut(&capacities, 3, pair / 3, pair % 3);
            prop_assert!((found - expected).abs() < 1e-12, "pair {}: {} and {}", pair, found, expected);
        }
    }

    #[test]
    fn no_flow_passes_its_bound(seed in 0_u64..1000, depth in 1_usize..=4) {
        let layers = random_layers(seed, depth, 2, 7, 3);
        let maps = attention_flow(&layers, None, &AttentionFlowConfig::default(), &Cancellation::default()).expect("the layers fit");
        let fused = layers[0].fused(tinylsa_xai::HeadFusion::Mean);
        for (pair, flow) in maps.flows.iter().enumerate() {
            let input = pair % 7;
            let entering: f64 = 0.5 + fused.rows().map(|row| 0.5 * row[input]).sum::<f64>();
            prop_assert!(*flow <= entering.min(1.0) + 1e-12);
        }
        for place in 0..7 {
            let sum: f64 = maps.normalised(place).expect("the place exists").iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-12);
        }
        prop_assert!((maps.pooled(TokenGrid::new(1, maps.tokens)).unwrap().iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn without_residual_flat_attention_saturates_every_flow() {
    let tokens = 9;
    let uniform = LayerAttention::new(vec![1.0 / 9.0; tokens * tokens], 1, tokens).expect("rows sum to 1");
    let layers = vec![uniform.clone(), uniform.clone(), uniform];
    let config = AttentionFlowConfig { residual: 0.0, ..AttentionFlowConfig::default() };
    let maps = attention_flow(&layers, None, &config, &Cancellation::default()).expect("the layers fit");
    assert!((maps.saturated_fraction - 1.0).abs() < 1e-15);
    maps.flows.iter().for_each(|flow| assert!((flow - 1.0).abs() < 1e-9, "{flow}"));
}

#[test]
fn attention_on_one_token_alone_leaves_the_other_pairs_below_their_bound() {
    // every query sees itself alone, so nothing flows between different tokens although something could enter each
    let tokens = 5;
    let mut identity = vec![0.0; tokens * tokens];
    identity.iter_mut().step_by(tokens + 1).for_each(|value| *value = 1.0);
    let layers = vec![LayerAttention::new(identity, 1, tokens).expect("rows sum to 1"); 3];
    let maps = attention_flow(&layers, None, &AttentionFlowConfig::default(), &Cancellation::default())
        .expect("the layers fit");
    assert!((maps.saturated_fraction - 0.2).abs() < 1e-15);
}

#[test]
fn some_queries_are_the_rows_of_all_and_threads_do_not_matter() {
    let layers = random_layers(9, 3, 2, 10, 4);
    let all = flows(&layers);
    let some = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        pool.install(|| {
            attention_flow(&layers, Some(&[7, 2]), &AttentionFlowConfig::default(), &Cancellation::default())
        })
    };
    let [one, two] = [some(1), some(2)].map(|maps| maps.expect("the layers fit"));
    assert_eq!(one, two);
    assert_eq!(one.flows, [&all[70..80], &all[20..30]].concat());
}

#[test]
fn what_cannot_be_solved_is_named() {
    let layers = random_layers(1, 3, 1, 4, 2);
    let config = AttentionFlowConfig::default();
    let go = Cancellation::default();
    assert_eq!(attention_flow(&[], None, &config, &go), Err(ExplainError::Empty { what: "list of layers" }));
    assert_eq!(attention_flow(&layers, Some(&[]), &config, &go), Err(ExplainError::Empty { what: "list of queries" }));
    let outside = ExplainError::OutOfRange { what: "token", index: 4, count: 4 };
    assert_eq!(attention_flow(&layers, Some(&[1, 4]), &config, &go), Err(outside));
    let mixed = [layers[0].clone(), random_layers(1, 1, 1, 5, 2).remove(0)];
    assert!(matches!(
        attention_flow(&mixed, None, &config, &go),
        Err(ExplainError::ValueCount { found: 5, expected: 4, .. })
    ));
    let setting = attention_flow(&layers, None, &AttentionFlowConfig { residual: 1.5, ..config.clone() }, &go);
    assert_eq!(setting.expect_err("1.5 is no share").to_string(), "invalid setting: residual is 1.5, expected 0 to 1");
    let stop = Cancellation::default();
    stop.cancel();
    assert!(matches!(attention_flow(&layers, None, &config, &stop), Err(ExplainError::Cancelled { total: 16, .. })));
}
