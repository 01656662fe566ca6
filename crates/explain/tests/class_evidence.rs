//! What each token adds to a logit, and what the head reads of rollout and flow.

use burn::tensor::{Device, Tensor};
use rand::RngExt;
use tinylsa_explain::{
    Background, Elements, ExplainConfig, Explainable, ExplainedTinyCnnLsa, Explainer, ExplanationError, FromFunction,
    ImageExplanation, ImageToExplain, Maps, MethodExplanation, MethodId, Request, RequestedClass,
};
use tinylsa_model::{
    AttentionConfig, BranchStart, FeatureMap, HeadConfig, HeadKind, ImageShape, StageConfig, TinyCnnLsa,
    TinyCnnLsaConfig, state_of, with_state,
};
use tinylsa_random::{Draw, Purpose};
use tinylsa_xai::{Execution, Image};

const SHAPE: ImageShape = ImageShape { channels: 2, height: 12, width: 8 };
const TOKENS: usize = 6;
const CLASSES: usize = 3;

fn random(purpose: &str, count: usize) -> Vec<f32> {
    let mut generator = Draw { seed: 2, purpose: Purpose::new(purpose), epoch: 0, index: 0 }.generator();
    (0..count).map(|_| generator.random_range(0.0..1.0)).collect()
}

/// A network with 3 × 2 tokens whose every weight is away from 0.
fn network(kind: HeadKind) -> TinyCnnLsa {
    let config = TinyCnnLsaConfig {
        input: SHAPE,
        classes: CLASSES,
        input_mean: vec![0.5; 2],
        input_deviation: vec![0.3; 2],
        stages: vec![StageConfig { channels: 12, stride: 2, residual_blocks: 0, pool: true }],
        attention: AttentionConfig {
            heads: 2,
            key_width: Some(4),
            mlp_width: 0,
            feature_map: FeatureMap::SharpExp,
            gate: true,
            local: true,
            branch_start: BranchStart::ZeroScales,
            ..AttentionConfig::default()
        },
        head: HeadConfig { kind, key_width: 5 },
        ..TinyCnnLsaConfig::default()
    };
    let model = config.init(&Device::flex()).unwrap();
    let mut state = state_of(&model);
    for (name, tensor) in &mut state {
        for (value, shake) in tensor.values.iter_mut().zip(random(name, tensor.shape.iter().product())) {
            *value += if name == "class_attention.queries" { 8.0 * shake - 4.0 } else { 0.5 * shake };
        }
    }
    with_state(model, &state).unwrap()
}

fn explain(
    model: &dyn Explainable,
    target: RequestedClass,
    against: Option<usize>,
    methods: &[&str],
) -> Result<ImageExplanation, ExplanationError> {
    let (config, background) = (ExplainConfig::default(), Background::default());
    let execution = Execution::default();
    let explainer = Explainer { model, config: &config, background: &background, execution };
    let methods: Vec<MethodId> = methods.iter().map(|name| MethodId::named(name).unwrap()).collect();
    let class_names = ["a", "b", "c"].map(str::to_owned);
    let request = Request { target, against, ..Request::new(&methods, &class_names) };
    let image = Image::new(random("image", SHAPE.values()), SHAPE).unwrap();
    explainer.explain(ImageToExplain::new("image", image), &request)
}

/// The values of the tokens and the map of the pixels.
fn values_and_map(method: &MethodExplanation) -> (Vec<f64>, Vec<f32>) {
    let Maps::Pixels(map) = &method.maps else { panic!("the evidence is a map of pixels") };
    let segments = map.segments.as_ref().expect("tokens are segments");
    assert_eq!(segments.values.len(), TOKENS);
    (segments.values.clone(), map.attribution.values.clone())
}

fn tensor<'a>(method: &'a MethodExplanation, name: &str) -> &'a [f64] {
    let tensor = method.evidence.iter().find(|tensor| tensor.name == name).unwrap();
    let Elements::F64(values) = &tensor.elements else { panic!("{name} is of 64-bit numbers") };
    values
}

fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{found}, expected {expected}");
}

#[test]
fn the_values_of_the_tokens_sum_to_the_logit_less_its_bias() {
    for kind in [HeadKind::Mean, HeadKind::ClassAttention] {
        let model = ExplainedTinyCnnLsa::from(network(kind));
        for class in 0..CLASSES {
            let found = explain(&model, RequestedClass::Class(class), None, &["class-evidence"]).unwrap();
            let (values, map) = values_and_map(&found.methods[0]);
            let expected = f64::from(found.logits[class]) - tensor(&found.methods[0], "biases")[class];
            assert_near(values.iter().sum(), expected);
            assert_near(map.iter().copied().map(f64::from).sum(), expected);
            // a token covers 4 × 4 pixels of two channels
            assert_near(f64::from(map[0]) * 32.0, values[0]);
            assert_near(f64::from(map[SHAPE.values() - 1]) * 32.0, values[TOKENS - 1]);
        }
    }
}

#[test]
fn a_contrast_is_the_difference_of_two_maps() {
    let model = ExplainedTinyCnnLsa::from(network(HeadKind::ClassAttention));
    let values = |class, against| {
        let found = explain(&model, RequestedClass::Class(class), against, &["class-evidence"]).unwrap();
        values_and_map(&found.methods[0]).0
    };
    let difference = values(2, None).into_iter().zip(values(0, None)).map(|(one, other)| one - other);
    for (found, expected) in values(2, Some(0)).into_iter().zip(difference) {
        assert_near(found, expected);
    }
}

#[test]
fn rollout_and_flow_are_read_as_the_class_reads_the_tokens() {
    let model = ExplainedTinyCnnLsa::from(network(HeadKind::ClassAttention));
    let methods = ["class-evidence", "attention-rollout", "attention-flow"];
    let of_class = |class| {
        let found = explain(&model, RequestedClass::Class(class), None, &methods).unwrap();
        let by_name = |name: &str| found.methods.iter().find(|method| method.method.name() == name).unwrap();
        let attention = tensor(by_name("class-evidence"), "class_attention");
        let weights = attention[class * TOKENS..(class + 1) * TOKENS].to_vec();
        let Maps::Rollout(rollout) = &by_name("attention-rollout").maps else { panic!("no rollout") };
        for (column, &found) in rollout.pooled.iter().enumerate() {
            let rows = rollout.matrix.rows().zip(&weights);
            assert_near(found, rows.map(|(row, weight)| weight * row[column]).sum());
        }
        let Maps::Flow(flow) = &by_name("attention-flow").maps else { panic!("no flow") };
        assert_near(flow.pooled.iter().sum(), 1.0);
        (rollout.pooled.clone(), flow.pooled.clone())
    };
    let ((rollout, flow), (other_rollout, other_flow)) = (of_class(0), of_class(1));
    assert!(rollout != other_rollout && flow != other_flow, "classes read the tokens alike");
}

#[test]
fn a_model_whose_scores_are_no_sums_over_tokens_is_refused() {
    let model = FromFunction(|images: Tensor<4>| images.mean_dims(&[2, 3]).flatten::<2>(1, 3).repeat_dim(1, 2));
    let error = explain(&model, RequestedClass::Class(0), None, &["class-evidence"]).unwrap_err();
    assert!(error.to_string().starts_with("class-evidence needs scores that are sums over tokens"), "{error}");
}
