//! Networks of stock burn layers, explained as any classifier is.

use std::error::Error;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use tinylsa_explain::scores::{ImageSample, ScoreColumn, Scoring, Verdict};
use tinylsa_explain::{
    Background, ExplainConfig, Explainable, ExplainedClassifier, Explainer, ExplanationError, FixedQueryConfig,
    ImageExplanation, ImageToExplain, Maps, MethodId, RandomisedModel, Request, RequestedClass,
};
use tinylsa_model::{Classifier, ImageShape, InvalidSetting, ModelConfig, ModuleLayer, state_of, values_of};
use tinylsa_xai::{
    AttentionTap, AttributionKind, Baseline, Execution, ExplainError, GradCamConfig, Image, Probe, ScoreKind,
    ScoreScale, SplitScorer, Target, TokenGrid, grad_cam, gradient_rollout, infidelity, input_gradient,
    trace_attention,
};

const SHAPE: ImageShape = ImageShape { channels: 3, height: 6, width: 4 };
const CLASSES: usize = 3;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ConvConfig {
    /// Whether [`Classifier::layers`] leaves the head out.
    forgets_a_layer: bool,
}

#[derive(Module, Debug)]
struct ConvNet {
    convolution: Conv2d,
    norm: BatchNorm,
    dropout: Dropout,
    head: Linear,
    #[module(skip)]
    config: ConvConfig,
}

impl ModelConfig for ConvConfig {
    type Model = ConvNet;
    const KIND: &'static str = "test-conv";

    fn input(&self) -> ImageShape {
        SHAPE
    }

    fn classes(&self) -> usize {
        CLASSES
    }

    fn init(&self, device: &Device) -> Result<ConvNet, InvalidSetting> {
        Ok(ConvNet {
            convolution: Conv2dConfig::new([3, 5], [3, 3]).init(device),
            norm: BatchNormConfig::new(5).init(device),
            dropout: DropoutConfig::new(0.5).init(),
            head: LinearConfig::new(5 * 4 * 2, CLASSES).init(device),
            config: self.clone(),
        })
    }
}

impl Classifier for ConvNet {
    type Config = ConvConfig;

    fn config(&self) -> &ConvConfig {
        &self.config
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.scores(self.features(images))
    }

    fn layers(&self) -> Vec<ModuleLayer> {
        let mut layers = tinylsa_model::module_layers(self);
        if self.config.forgets_a_layer {
            layers.pop();
        }
        layers
    }
}

impl ConvNet {
    fn features(&self, images: Tensor<4>) -> Tensor<4> {
        relu(self.norm.forward(self.convolution.forward(images)))
    }

    fn scores(&self, maps: Tensor<4>) -> Tensor<2> {
        self.head.forward(self.dropout.forward(maps).flatten(1, 3))
    }
}

/// Patches of 2 × 2 pixels behind a class token, one layer of attention with two heads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct VitConfig {}

#[derive(Module, Debug)]
struct Vit {
    patches: Linear,
    queries: Linear,
    keys: Linear,
    values: Linear,
    head: Linear,
    #[module(skip)]
    config: VitConfig,
}

impl ModelConfig for VitConfig {
    type Model = Vit;
    const KIND: &'static str = "test-vit";

    fn input(&self) -> ImageShape {
        SHAPE
    }

    fn classes(&self) -> usize {
        CLASSES
    }

    fn init(&self, device: &Device) -> Result<Vit, InvalidSetting> {
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        Ok(Vit {
            patches: linear(12, 4),
            queries: linear(4, 4),
            keys: linear(4, 4),
            values: linear(4, 4),
            head: linear(4, CLASSES),
            config: self.clone(),
        })
    }
}

impl Vit {
    fn tapped(&self, images: Tensor<4>, tap: &mut AttentionTap) -> Tensor<2> {
        let batch = images.dims()[0];
        let patches = images.reshape([batch, 3, 3, 2, 2, 2]).permute([0, 2, 4, 1, 3, 5]).reshape([batch, 6, 12]);
        let tokens = self.patches.forward(patches);
        let tokens = Tensor::cat(vec![tokens.clone().mean_dim(1), tokens], 1);
        let heads = |part: &Linear| part.forward(tokens.clone()).reshape([batch, 7, 2, 2]).swap_dims(1, 2);
        let scores = heads(&self.queries).matmul(heads(&self.keys).transpose()) * 4.0;
        let attention = tap.record(softmax(scores, 3));
        let mixed = attention.matmul(heads(&self.values)).swap_dims(1, 2).reshape([batch, 7, 4]);
        self.head.forward((tokens + mixed).narrow(1, 0, 1).squeeze_dim::<2>(1))
    }
}

impl Classifier for Vit {
    type Config = VitConfig;

    fn config(&self) -> &VitConfig {
        &self.config
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.tapped(images, &mut AttentionTap::default())
    }
}

const GRID: TokenGrid = TokenGrid { prefix: 1, rows: 3, columns: 2 };

fn image() -> Image {
    let level = |index: usize| (index * 37 % 64) as f32 / 64.0;
    Image::new((0..SHAPE.values()).map(level).collect(), SHAPE).unwrap()
}

fn execution() -> Execution {
    Execution { device: Device::flex(), ..Execution::default() }
}

/// A network that has seen a batch, as training leaves it: on a device with automatic differentiation.
fn trained() -> ConvNet {
    let device = Device::flex().autodiff();
    let model = ConvConfig { forgets_a_layer: false }.init_with_seed(1, &device).unwrap();
    let values = (0..8 * SHAPE.values()).map(|index| (index * 29 % 101) as f32 / 101.0).collect::<Vec<f32>>();
    drop(model.forward(Tensor::from_data(TensorData::new(values, [8, 3, 6, 4]), &device)));
    model
}

fn explain(model: &dyn Explainable, methods: &[&str]) -> Result<ImageExplanation, ExplanationError> {
    let config = ExplainConfig::default().with(FixedQueryConfig { tokens: vec![2], ..FixedQueryConfig::default() });
    let background = Background::default();
    let explainer = Explainer { model, config: &config, background: &background, execution: execution() };
    let methods: Vec<MethodId> = methods.iter().map(|name| MethodId::named(name).unwrap()).collect();
    let class_names = ["a", "b", "c"].map(str::to_owned);
    let request = Request { target: RequestedClass::Class(1), ..Request::new(&methods, &class_names) };
    explainer.explain(ImageToExplain::new("image", image()), &request)
}

/// An error and its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn a_network_out_of_training_is_explained_in_evaluation() {
    let model = trained();
    let before = state_of(&model);
    let explained = ExplainedClassifier::new(&model);
    let found = explain(&explained, &["input-gradient"]).unwrap();
    assert_eq!(found.logits.len(), CLASSES);
    let Maps::Pixels(map) = &found.methods[0].maps else { panic!("a gradient is a map of pixels") };
    let valid = model.valid();
    let scorer = |images: Tensor<4>| valid.forward(images);
    let expected = input_gradient(&scorer, &image(), Target::Class(1), &execution()).unwrap();
    assert_eq!(map.attribution, expected);
    assert!(state_of(&model) == before && state_of(explained.model()) == before);
}

#[test]
fn layers_are_initialised_again_from_the_top() {
    let model = trained();
    let explained = ExplainedClassifier::new(&model);
    let copies = explained.randomised(9, &Device::flex()).unwrap();
    let names: Vec<&str> = copies.iter().map(|copy| copy.layers.as_str()).collect();
    assert_eq!(names, ["head", "head to norm", "all layers"]);
    let scores = |model: &dyn Explainable| {
        let images = Tensor::from_data(TensorData::new(image().values().to_vec(), [1, 3, 6, 4]), &Device::flex());
        values_of(&model.scores(images))
    };
    let found: Vec<Vec<f32>> = copies.iter().map(|copy| scores(copy.model.as_ref())).collect();
    assert!(found.windows(2).all(|pair| pair[0] != pair[1]));
    let fresh = model.config().init_with_seed(9, &Device::flex()).unwrap();
    assert_eq!(found[2], scores(&ExplainedClassifier::new(&fresh)), "the last copy is a network with initial weights");
    let again = explained.randomised(9, &Device::flex()).unwrap();
    assert_eq!(scores(again[0].model.as_ref()), found[0]);
    // a copy can be differentiated as the network can, for it is in evaluation, too
    let RandomisedModel { model, .. } = &copies[1];
    explain(model.as_ref(), &["input-gradient"]).unwrap();
}

#[test]
fn feature_maps_come_from_the_parts_of_the_network() {
    let model = trained();
    let error = explain(&ExplainedClassifier::new(&model), &["grad-cam"]).unwrap_err();
    assert!(error.to_string().starts_with("grad-cam needs feature maps"), "{error}");

    let explained = ExplainedClassifier::new(&model).with_feature_maps(ConvNet::features, ConvNet::scores);
    let found = explain(&explained, &["grad-cam"]).unwrap();
    let Maps::Pixels(map) = &found.methods[0].maps else { panic!("Grad-CAM gives a map of pixels") };
    let valid = model.valid();
    let split = SplitScorer {
        scorer: &|images: Tensor<4>| valid.forward(images),
        features: |images| valid.features(images),
        head: |maps| valid.scores(maps),
    };
    let expected = grad_cam(&split, &image(), Target::Class(1), &GradCamConfig::default(), &execution()).unwrap();
    assert_eq!(map.attribution, expected.attribution);
    let copies = explained.randomised(4, &Device::flex()).unwrap();
    explain(copies[0].model.as_ref(), &["grad-cam"]).unwrap();

    // parts of which one forgets the rectifier are not the network
    let wrong: fn(&ConvNet, Tensor<4>) -> Tensor<4> = |model, images| model.convolution.forward(images);
    let error = explain(&ExplainedClassifier::new(&model).with_feature_maps(wrong, ConvNet::scores), &["grad-cam"]);
    let causes = chain(&error.unwrap_err());
    assert!(causes.contains("the two parts must be the model"), "{causes}");
}

#[test]
fn a_tensor_without_a_layer_is_named() {
    let model = ConvConfig { forgets_a_layer: true }.init_with_seed(1, &Device::flex()).unwrap();
    let error = ExplainedClassifier::new(&model).randomised(9, &Device::flex()).unwrap_err();
    assert_eq!(error.to_string(), "the tensor head.bias belongs to no layer of the network");
}

#[test]
fn attention_comes_from_the_forward_pass_of_the_network() {
    let model = VitConfig {}.init_with_seed(3, &Device::flex()).unwrap();
    let methods = ["self-attention", "attention-rollout", "gradient-rollout", "attention-flow", "fixed-query"];
    let error = explain(&ExplainedClassifier::new(&model), &methods).unwrap_err();
    assert_eq!(error.to_string(), "self-attention needs attention, which the model does not give");

    let explained = ExplainedClassifier::new(&model).with_attention(GRID, Vit::tapped);
    let found = explain(&explained, &methods).unwrap();
    let Maps::Rollout(rollout) = &found.methods[2].maps else { panic!("{:?} is no rollout", found.methods[2].maps) };
    let valid = model.valid();
    let forward = |images: Tensor<4>, tap: &mut AttentionTap| valid.tapped(images, tap);
    let traced = trace_attention(&forward, &image(), Target::Class(1), &execution()).unwrap();
    let expected = gradient_rollout(&traced.layers, &traced.gradients, &execution().cancellation).unwrap();
    assert_eq!(rollout.pooled, expected.pooled(GRID).unwrap());
    assert!(rollout.pooled.iter().any(|&value| value > 0.0));
    assert!(tinylsa_explain::draw(&found, &execution().cancellation).unwrap().len() == methods.len() + 1);

    let copies = explained.randomised(4, &Device::flex()).unwrap();
    assert_eq!(copies.len(), 5);
    explain(copies[4].model.as_ref(), &methods).unwrap();
}

#[test]
fn a_grid_that_is_not_that_of_the_tokens_is_refused() {
    let model = VitConfig {}.init_with_seed(3, &Device::flex()).unwrap();
    let explained = ExplainedClassifier::new(&model).with_attention(TokenGrid::new(3, 2), Vit::tapped);
    let error = explain(&explained, &["attention-rollout"]).unwrap_err();
    let causes = chain(&error);
    assert!(causes.contains('7') && causes.contains('6'), "{causes}");
    let nothing: fn(&Vit, Tensor<4>, &mut AttentionTap) -> Tensor<2> = |model, images, _| model.forward(images);
    let silent = ExplainedClassifier::new(&model).with_attention(GRID, nothing);
    let causes = chain(&explain(&silent, &["attention-rollout"]).unwrap_err());
    assert!(causes.contains(&ExplainError::Empty { what: "list of recorded layers" }.to_string()), "{causes}");
}

/// Infidelity asks about every value of an image, the other scores about its pixels.
#[test]
fn colour_images_are_scored() {
    let explained = ExplainedClassifier::new(&trained());
    let mut config = ExplainConfig::default();
    config.shared.fill.mean = Some(vec![0.5]);
    config.scores.deletion.steps = 8;
    config.scores.faithfulness.pixels = 5;
    config.scores.mu_fidelity.grid = 3;
    config.scores.infidelity.largest_side = 3;
    let background = Background::default();
    let explainer = Explainer { model: &explained, config: &config, background: &background, execution: execution() };
    let class_names = ["a", "b", "c"].map(str::to_owned);
    let methods = [MethodId::named("input-gradient").unwrap()];
    let request = Request::new(&methods, &class_names);
    let explanation = explainer.explain(ImageToExplain::new("image", image()), &request).unwrap();
    let mut scoring = Scoring::new(&explainer, 1).unwrap();
    scoring.add(&explanation).unwrap();
    let table = scoring.table().unwrap();
    assert_eq!(table.methods, ["random", "sobel", "input-gradient"]);
    let randomised = table.scores.iter().filter(|column| column.kind == ScoreKind::ParameterRandomisation);
    assert_eq!(
        randomised.map(|column| column.variant.as_str()).collect::<Vec<_>>(),
        [
            "head",
            "head, lit pixels",
            "head to norm",
            "head to norm, lit pixels",
            "all layers",
            "all layers, lit pixels"
        ]
    );

    let Maps::Pixels(map) = &explanation.methods[0].maps else { panic!("a gradient is a map of pixels") };
    let execution = Execution { seed: explanation.seed, ..execution() };
    let probe = Probe {
        scorer: &|images: Tensor<4>| explained.scores(images),
        image: &explanation.image,
        target: explanation.target.into(),
        scale: ScoreScale::Logits,
        baseline: Baseline::Black,
        fill: &config.shared.fill,
        execution: &execution,
    };
    let kind = AttributionKind::Sensitivity;
    let found = infidelity(&probe, &map.attribution.values, kind, &config.scores.infidelity).unwrap();
    let expected = found.scaled.unwrap();
    let column = table.scores.iter().find(|column| column.kind == ScoreKind::Infidelity).unwrap();
    assert_eq!(column.variant, "black, logits");
    let found = column.entries[2].mean.as_ref().unwrap().mean;
    assert!((found - expected).abs() <= 1e-12 * expected, "{found} is not {expected}");

    // the controls have every score that they can have: they depend on no parameter, and noise not even on the image
    let of = |kind: ScoreKind, method: usize| {
        let column = table.scores.iter().find(|column| column.kind == kind && column.headline).unwrap();
        column.entries[method].mean.as_ref().unwrap().mean
    };
    assert!(of(ScoreKind::MaxSensitivity, 0) == 0.0 && of(ScoreKind::MaxSensitivity, 1) > 0.0);
    for control in [0, 1] {
        assert!((of(ScoreKind::ParameterRandomisation, control) - 1.0).abs() < 1e-12);
    }
    assert_eq!(table.overall.methods.len(), 3, "{:?}", table.overall);
    assert_eq!(table.controls, ["random", "sobel", "input-gradient"]);
    assert_eq!((table.sample, table.images), (ImageSample::Chosen, 1));
    let of_one_image = |column: &ScoreColumn| {
        column.entries.iter().flat_map(|entry| &entry.against).all(|against| against.verdict == Verdict::Undecided)
    };
    assert!(table.scores.iter().all(of_one_image), "one image decides nothing");
}
