//! VGG (Simonyan and Zisserman 2015, "Very deep convolutional networks for large-scale image recognition").

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Device, Tensor};
use tinylsa_kernels::{Activation, NormOptions, max_pool2x2};
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_shape::ImageShape;

use super::convolution::{Convolution, ConvolutionShape};
use super::dropped;
use super::implement_model_config;
use super::norm::{BatchNorm, RELU};
use super::torchvision::{Torchvision, TorchvisionConfig};
use crate::classifier::{Classifier, TrainingOutput};
use crate::cost::{Cost, LayerCost};
use crate::images::config_of_images;
use crate::layers::{BatchStatistics, Linear, Statistics};
use crate::running::with_running_towards;

config_of_images! {
    /// The config of a [`Vgg`].
    pub struct VggConfig {
        /// Channels of the 3×3 convolutions, stage by stage. 2×2 maximum pooling ends a stage, unless its map is a single row
        /// or column.
        pub stages: Vec<Vec<usize>>,
        /// Whether a batch normalisation follows each convolution.
        pub batch_norm: bool,
        /// Rows and columns that the last map is averaged to.
        pub grid: usize,
        /// Hidden units of the linear layers between the last map and the classes.
        pub hidden: Vec<usize>,
        /// Probability with which a hidden unit is left out in training.
        pub dropout: f64,
    }
}

impl VggConfig {
    /// Column E of the paper's table 1, for coloured images of 224 × 224 and 1000 classes: torchvision's `vgg19` or, with
    /// batch normalisation, `vgg19_bn`.
    pub fn vgg19(batch_norm: bool) -> Self {
        let stage = |channels: usize, convolutions: usize| vec![channels; convolutions];
        Self {
            input: ImageShape { channels: 3, height: 224, width: 224 },
            classes: 1000,
            input_mean: vec![0.485, 0.456, 0.406],
            input_deviation: vec![0.229, 0.224, 0.225],
            stages: vec![stage(64, 2), stage(128, 2), stage(256, 4), stage(512, 4), stage(512, 4)],
            batch_norm,
            grid: 7,
            hidden: vec![4096; 2],
            dropout: 0.5,
        }
    }

    /// The form for small grey images of ten classes: the same convolutions with batch normalisation, the mean of the last
    /// map, and one linear layer in place of three.
    pub fn vgg19_small() -> Self {
        Self {
            input: ImageShape::grey(28, 28),
            classes: 10,
            input_mean: vec![0.286],
            input_deviation: vec![0.353],
            grid: 1,
            hidden: Vec::new(),
            dropout: 0.0,
            ..Self::vgg19(true)
        }
    }

    /// Values of the last map of an image as the linear layers take them.
    fn flat(&self) -> usize {
        let channels = self.stages.iter().flatten().next_back().copied().unwrap_or(self.input.channels);
        channels * self.grid * self.grid
    }

    /// What each layer costs for one image.
    pub fn cost(&self) -> Cost {
        let mut layers = Vec::new();
        let mut map = self.input;
        for (stage, channels) in self.stages.iter().enumerate() {
            for (index, &outputs) in channels.iter().enumerate() {
                let shape = ConvolutionShape::new(map.channels, outputs, 3, 1);
                let further = if self.batch_norm { 3 } else { 1 };
                layers.push(shape.cost(&format!("stages.{stage}.{index}"), map, further));
                map = shape.output(map);
            }
            map = pooled(map);
        }
        let mut inputs = self.flat();
        for (index, &outputs) in self.hidden.iter().enumerate() {
            layers.push(LayerCost::linear(&format!("hidden.{index}"), 1, inputs, outputs));
            inputs = outputs;
        }
        layers.push(LayerCost::linear("head", 1, inputs, self.classes));
        Cost { layers }
    }
}

/// What 2×2 pooling leaves of a map; all of one that is a single row or column.
fn pooled(map: ImageShape) -> ImageShape {
    if map.height.min(map.width) < 2 {
        return map;
    }
    ImageShape { height: map.height / 2, width: map.width / 2, ..map }
}

impl TorchvisionConfig for VggConfig {
    fn torchvision(&self) -> Torchvision {
        let mut table = Torchvision::default();
        let mut layer = 0;
        for (stage, channels) in self.stages.iter().enumerate() {
            for index in 0..channels.len() {
                let name = format!("stages.{stage}.{index}");
                table.convolution(&format!("{name}.convolution"), &format!("features.{layer}"));
                if self.batch_norm {
                    layer += 1;
                    table.batch_norm(&format!("{name}.norm"), &format!("features.{layer}"));
                }
                // behind it the rectifier
                layer += 2;
            }
            // the pooling
            layer += 1;
        }
        for index in 0..self.hidden.len() {
            // a linear layer, a rectifier and a dropout
            table.linear(&format!("hidden.{index}"), &format!("classifier.{}", 3 * index));
        }
        table.linear("head", &format!("classifier.{}", 3 * self.hidden.len()));
        table
    }
}

impl VggConfig {
    /// Checks every range, and that the sizes fit together.
    fn check(&self) -> Result<(), InvalidSetting> {
        self.images().validate()?;
        require("stages", !self.stages.is_empty(), || "empty".to_owned(), "at least one stage")?;
        for (stage, channels) in self.stages.iter().enumerate() {
            let key = format!("stages.{stage}");
            require(&key, !channels.is_empty(), || "empty".to_owned(), "at least one convolution")?;
            for (index, &channels) in channels.iter().enumerate() {
                require_within(&format!("{key}.{index}"), channels, 1..=4096)?;
            }
        }
        require_within("grid", self.grid, 1..=64)?;
        for (index, &units) in self.hidden.iter().enumerate() {
            require_within(&format!("hidden.{index}"), units, 1..=16_384)?;
        }
        require_within("dropout", self.dropout, 0.0..=0.95)
    }
}

implement_model_config!(VggConfig, Vgg, "vgg");

/// A stack of 3×3 convolutions with maximum pooling between its stages, then linear layers.
#[derive(Module, Debug)]
pub struct Vgg {
    stages: Vec<Vec<Layer>>,
    hidden: Vec<Linear>,
    head: Linear,
    #[module(skip)]
    config: VggConfig,
}

/// A convolution, perhaps a batch normalisation, and a rectifier.
#[derive(Module, Debug)]
struct Layer {
    convolution: Convolution,
    norm: Option<BatchNorm>,
}

impl Layer {
    fn forward(&self, x: Tensor<4>, pool: bool, statistics: &mut Statistics<'_>) -> Tensor<4> {
        let convolved = self.convolution.forward(x);
        match &self.norm {
            Some(norm) => norm.forward(convolved, None, &NormOptions { pool, ..RELU }, statistics),
            // the rectifier of the maximum is the maximum of the rectified
            None if pool => relu(max_pool2x2(convolved)),
            None => relu(convolved),
        }
    }
}

impl Vgg {
    fn zeros(config: &VggConfig, device: &Device) -> Self {
        let mut inputs = config.input.channels;
        let mut layer = |&outputs: &usize| {
            let shape = ConvolutionShape::new(inputs, outputs, 3, 1);
            inputs = outputs;
            Layer {
                convolution: Convolution::new(&shape, true, device),
                norm: config.batch_norm.then(|| BatchNorm::new(outputs, device)),
            }
        };
        let stages = config.stages.iter().map(|channels| channels.iter().map(&mut layer).collect()).collect();
        let mut inputs = config.flat();
        let hidden = config.hidden.iter().map(|&outputs| {
            let layer = Linear::new(inputs, outputs, device);
            inputs = outputs;
            layer
        });
        Self {
            stages,
            hidden: hidden.collect(),
            head: Linear::new(inputs, config.classes, device),
            config: config.clone(),
        }
    }

    /// The last map, before it is averaged.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    /// - output: `[batch, channels', height', width']`
    pub fn feature_map(&self, images: Tensor<4>) -> Tensor<4> {
        self.features(images, &mut Statistics::Running).permute([0, 3, 1, 2])
    }

    /// From the last map to the logits.
    ///
    /// # Shapes
    /// - map: as [`Vgg::feature_map`] gives it
    /// - output: `[batch, classes]`
    pub fn forward_from_features(&self, map: Tensor<4>) -> Tensor<2> {
        self.classify(map, &Statistics::Running)
    }

    /// `[batch, height', width', channels']`
    fn features(&self, images: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<4> {
        let mut x = self.config.images().normalised(images);
        for stage in &self.stages {
            for (index, layer) in stage.iter().enumerate() {
                let [_, height, width, _] = x.dims();
                let pool = index + 1 == stage.len() && height.min(width) >= 2;
                x = layer.forward(x, pool, statistics);
            }
        }
        x
    }

    fn classify(&self, map: Tensor<4>, statistics: &Statistics<'_>) -> Tensor<2> {
        let [_, _, height, width] = map.dims();
        let grid = self.config.grid;
        let averaged = if [height, width] == [grid; 2] { map } else { adaptive_avg_pool2d(map, [grid; 2]) };
        let mut x = averaged.flatten(1, 3);
        for layer in &self.hidden {
            x = layer.forward(x, Activation::Relu);
            if matches!(statistics, Statistics::Batch(_)) {
                x = dropped(x, self.config.dropout);
            }
        }
        self.head.forward(x, Activation::Identity)
    }
}

impl Classifier for Vgg {
    type Config = VggConfig;

    fn config(&self) -> &VggConfig {
        &self.config
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward_from_features(self.feature_map(images))
    }

    fn forward_training(&self, images: Tensor<4>) -> TrainingOutput {
        let mut seen = Vec::new();
        let statistics = &mut Statistics::Batch(&mut seen);
        let map = self.features(images, statistics).permute([0, 3, 1, 2]);
        let logits = self.classify(map, statistics);
        TrainingOutput { logits, statistics: seen }
    }

    fn update_running(self, statistics: Vec<BatchStatistics>, momentum: f64) -> Self {
        with_running_towards(self, statistics, momentum)
    }

    fn draws_random_numbers(&self) -> bool {
        self.config.dropout > 0.0 && !self.config.hidden.is_empty()
    }
}
