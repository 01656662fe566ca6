use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use tinylsa_kernels::add_positions;
use tinylsa_settings::InvalidSetting;

use crate::architecture::PositionsSpec;
use crate::attention::AttentionBlock;
use crate::classifier::TrainingOutput;
use crate::config::TinyCnnLsaConfig;
use crate::head::{ClassAttention, logits, readout};
use crate::initial::InitialWeights;
use crate::layers::{BatchStatistics, LayerNorm, Linear, Statistics};
use crate::running::with_running_towards;
use crate::stem::{ResidualBlock, Stage};
use crate::trace::Trace;

/// A tiny convolutional network with linear self-attention.
///
/// Made by [`TinyCnnLsaConfig::init`]. `docs/model.md` gives the exact formula and the names of the tensors.
#[derive(Module, Debug)]
pub struct TinyCnnLsa {
    stages: Vec<Stage>,
    /// `[tokens, width]`
    positions: Option<Param<Tensor<2>>>,
    blocks: Vec<AttentionBlock>,
    closing: Vec<ResidualBlock>,
    norm: LayerNorm,
    class_attention: Option<ClassAttention>,
    head: Linear,
    #[module(skip)]
    config: TinyCnnLsaConfig,
}

impl TinyCnnLsaConfig {
    /// Draws the initial weights (of seed 0; see [`TinyCnnLsa::with_initial_weights`]) on `device`.
    ///
    /// # Errors
    /// [`InvalidSetting`] if the config does not validate.
    pub fn init(&self, device: &Device) -> Result<TinyCnnLsa, InvalidSetting> {
        self.validate()?;
        Ok(TinyCnnLsa::zeros(self, device).with_initial_weights(0).materialize())
    }
}

impl TinyCnnLsa {
    /// The network of a valid config, with weights that are still to be set.
    pub(crate) fn zeros(config: &TinyCnnLsaConfig, device: &Device) -> Self {
        let architecture = config.architecture();
        let positions = |&PositionsSpec { tokens, width, .. }: &PositionsSpec| {
            Param::from_tensor(Tensor::zeros([tokens, width], device))
        };
        Self {
            stages: architecture.stages.iter().map(|stage| Stage::zeros(stage, device)).collect(),
            positions: architecture.positions.as_ref().map(positions),
            blocks: architecture.blocks.iter().map(|block| AttentionBlock::zeros(block, device)).collect(),
            closing: architecture.closing.iter().map(|block| ResidualBlock::zeros(block, device)).collect(),
            norm: LayerNorm::ones(&architecture.norm, device),
            class_attention: ClassAttention::zeros(&architecture.head, device),
            head: Linear::zeros(&architecture.head.linear, device),
            config: config.clone(),
        }
    }

    /// The same network with the initial weights of `seed`, each drawn by its own name: He's normal distribution
    /// (2015) for the convolutions, a normal distribution of variance 1 / inputs for the linear layers, 0.02 for the
    /// positions. The queries of the classes are 0, and so is the last scale of a residual block.
    #[must_use]
    pub fn with_initial_weights(self, seed: u64) -> Self {
        let branch_start = self.config.attention.branch_start;
        self.map(&mut InitialWeights::new(seed, branch_start))
    }

    /// The config that the network was made from.
    pub fn config(&self) -> &TinyCnnLsaConfig {
        &self.config
    }

    /// Logits in evaluation, with the running statistics of the batch normalisations.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    /// - output: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.logits(self.stem(images, &mut Statistics::Running), &mut Statistics::Running)
    }

    /// What the last convolution makes of the images in evaluation, the map that Grad-CAM explains: that of the last closing
    /// block, or, if there is none, of the last stage of the stem, which the attention blocks are given before the positions
    /// are added.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    /// - output: `[batch, width of the tokens, rows, columns]`, see [`TinyCnnLsaConfig::feature_map`]
    pub fn feature_map(&self, images: Tensor<4>) -> Tensor<4> {
        let map = self.stem(images, &mut Statistics::Running);
        if self.closing.is_empty() {
            return map.permute([0, 3, 1, 2]);
        }
        let shape = map.dims();
        self.attended(map, &mut Statistics::Running).reshape(shape).permute([0, 3, 1, 2])
    }

    /// The rest of [`TinyCnnLsa::forward`] behind [`TinyCnnLsa::feature_map`].
    ///
    /// # Shapes
    /// - map: `[batch, width of the tokens, rows, columns]`
    /// - output: `[batch, classes]`
    pub fn forward_from_features(&self, map: Tensor<4>) -> Tensor<2> {
        let map = map.permute([0, 2, 3, 1]);
        if self.closing.is_empty() {
            return self.logits(map, &mut Statistics::Running);
        }
        let [batch, rows, columns, width] = map.dims();
        self.classify(map.reshape([batch, rows * columns, width]))
    }

    /// Logits in training, with the statistics of the batch.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    pub fn forward_training(&self, images: Tensor<4>) -> TrainingOutput {
        let mut statistics = Vec::new();
        let seen = &mut Statistics::Batch(&mut statistics);
        let map = self.stem(images, seen);
        let logits = self.logits(map, seen);
        TrainingOutput { logits, statistics }
    }

    /// The logits of [`TinyCnnLsa::forward`], with what every attention layer did.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    pub fn forward_traced(&self, images: Tensor<4>) -> Trace {
        let map = self.stem(images, &mut Statistics::Running);
        let [_, rows, columns, _] = map.dims();
        let mut tokens = self.tokens(map);
        let mut layers = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let (output, layer) = block.forward_traced(tokens);
            tokens = output;
            layers.push(layer);
        }
        let tokens = self.norm.forward(self.closed(tokens, [rows, columns], &mut Statistics::Running));
        let readout = readout(self.class_attention.as_ref(), &self.head, tokens.clone());
        let logits = logits(self.class_attention.as_ref(), &self.head, tokens);
        Trace { logits, layers, readout, rows, columns }
    }

    /// The gradient of one class's logit, for each image its own class, with respect to the attention of every
    /// layer, the first layer first. Every entry of A counts as free, the values V of the layer as fixed: with the
    /// context `A · V`, the gradient is `∂logit/∂context · Vᵀ`. Class-specific attention maps are weighted by it
    /// (Chefer et al. 2021, "Generic attention-model explainability").
    ///
    /// The weights of the network are on a plain device; so are the images and the result.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    /// - classes: `batch` numbers below the number of classes
    /// - each entry of the output: `[batch, heads, tokens, tokens]`
    ///
    /// # Panics
    /// If there is not exactly one class for each image, or one of them does not exist.
    pub fn attention_gradients(&self, images: Tensor<4>, classes: &[usize]) -> Vec<Tensor<4>> {
        let batch = images.dims()[0];
        assert_eq!(classes.len(), batch, "one class for each of the {batch} images");
        let device = images.device();
        let map = self.stem(images, &mut Statistics::Running);
        let [_, rows, columns, _] = map.dims();
        let mut tokens = self.tokens(map);
        let mut layers = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let probe = Tensor::zeros(tokens.dims(), &device).autodiff().require_grad();
            let (output, values) = block.forward_probed(tokens, probe.clone());
            tokens = output;
            layers.push((block, probe, values));
        }
        let tokens = self.closed(tokens, [rows, columns], &mut Statistics::Running);
        let gradients = self.sum_of_logits(tokens, classes).backward();
        let of_layer = |(block, probe, values): (&AttentionBlock, Tensor<3>, Tensor<4>)| {
            let context = probe.grad(&gradients).unwrap_or_else(|| probe.zeros_like().inner());
            let values = if values.is_autodiff() { values.inner() } else { values };
            block.mixing().split_heads(context).matmul(values.transpose())
        };
        layers.into_iter().map(of_layer).collect()
    }

    /// The sum over the images of the logit of each one's class.
    fn sum_of_logits(&self, tokens: Tensor<3>, classes: &[usize]) -> Tensor<1> {
        let logits = self.classify(tokens);
        let device = logits.device();
        let mut chosen = vec![0.0_f32; classes.len() * self.config.classes];
        for (row, &class) in chosen.chunks_exact_mut(self.config.classes).zip(classes) {
            row[class] = 1.0;
        }
        (logits * Tensor::from_data(TensorData::new(chosen, [classes.len(), self.config.classes]), &device)).sum()
    }

    /// Moves the running statistics towards those of a training batch by the fraction `momentum`.
    #[must_use]
    pub fn update_running(self, statistics: Vec<BatchStatistics>, momentum: f64) -> Self {
        with_running_towards(self, statistics, momentum)
    }

    /// The normalised images through the stages: `[batch, rows, columns, width]`.
    fn stem(&self, images: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<4> {
        let normalised = self.config.images().normalised(images);
        self.stages.iter().fold(normalised, |x, stage| stage.forward(x, statistics))
    }

    /// The map as tokens with their positions, if there are any: `[batch, tokens, width]`.
    fn tokens(&self, map: Tensor<4>) -> Tensor<3> {
        let [batch, rows, columns, width] = map.dims();
        let tokens = map.reshape([batch, rows * columns, width]);
        match &self.positions {
            Some(positions) => add_positions(tokens, positions.val()),
            None => tokens,
        }
    }

    /// The tokens behind the residual blocks that follow the attention: `[batch, tokens, width]`.
    fn closed(&self, tokens: Tensor<3>, grid: [usize; 2], statistics: &mut Statistics<'_>) -> Tensor<3> {
        if self.closing.is_empty() {
            return tokens;
        }
        let ([batch, count, width], [rows, columns]) = (tokens.dims(), grid);
        let map = tokens.reshape([batch, rows, columns, width]);
        let closed = self.closing.iter().fold(map, |x, block| block.forward(x, statistics));
        closed.reshape([batch, count, width])
    }

    /// Everything behind the stem: `[batch, classes]`.
    fn logits(&self, map: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<2> {
        self.classify(self.attended(map, statistics))
    }

    /// The tokens as the head is given them: `[batch, tokens, width]`.
    fn attended(&self, map: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<3> {
        let [_, rows, columns, _] = map.dims();
        let tokens = self.blocks.iter().fold(self.tokens(map), |x, block| block.forward(x));
        self.closed(tokens, [rows, columns], statistics)
    }

    /// From the tokens behind the last layer before the head: `[batch, classes]`.
    fn classify(&self, tokens: Tensor<3>) -> Tensor<2> {
        logits(self.class_attention.as_ref(), &self.head, self.norm.forward(tokens))
    }
}
