use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use tinylsa_kernels::{Activation, add_positions, mean_tokens};

use crate::attention::AttentionBlock;
use crate::config::TinyCnnLsaConfig;
use crate::initial::InitialWeights;
use crate::layers::{BatchStatistics, LayerNorm, Linear, Statistics};
use crate::stem::Stage;
use crate::trace::Trace;

/// A tiny convolutional network with linear self-attention.
///
/// Made by [`TinyCnnLsaConfig::init`]. `docs/model.md` gives the exact formula and the names of the tensors.
#[derive(Module, Debug)]
pub struct TinyCnnLsa {
    stages: Vec<Stage>,
    /// `[tokens, width]`
    positions: Param<Tensor<2>>,
    blocks: Vec<AttentionBlock>,
    norm: LayerNorm,
    head: Linear,
    #[module(skip)]
    config: TinyCnnLsaConfig,
}

/// What a forward pass in training returns.
#[derive(Debug)]
pub struct TrainingOutput {
    /// `[batch, classes]`
    pub logits: Tensor<2>,
    /// The statistics of every batch normalisation, in the order of the forward pass;
    /// [`TinyCnnLsa::update_running`] takes them.
    pub statistics: Vec<BatchStatistics>,
}

impl TinyCnnLsa {
    pub(crate) fn with_zero_weights(config: &TinyCnnLsaConfig, device: &Device) -> Self {
        let width = config.width();
        let inputs = std::iter::once(1).chain(config.stages.iter().map(|stage| stage.channels));
        Self {
            stages: inputs.zip(&config.stages).map(|(inputs, stage)| Stage::zeros(inputs, stage, device)).collect(),
            positions: Param::from_tensor(Tensor::zeros([config.tokens(), width], device)),
            blocks: (0..config.attention.blocks)
                .map(|_| AttentionBlock::zeros(width, &config.attention, device))
                .collect(),
            norm: LayerNorm::ones(width, device),
            head: Linear::zeros(width, config.classes, device),
            config: config.clone(),
        }
    }

    /// The same network with the initial weights of `seed`, each drawn by its own name: He's normal distribution
    /// (2015) for the convolutions, a normal distribution of variance 1 / inputs for the linear layers, 0.02 for the
    /// positions.
    #[must_use]
    pub fn with_initial_weights(self, seed: u64) -> Self {
        self.map(&mut InitialWeights::new(seed))
    }

    /// The config that the network was made from.
    pub fn config(&self) -> &TinyCnnLsaConfig {
        &self.config
    }

    /// Logits in evaluation, with the running statistics of the batch normalisations.
    ///
    /// # Shapes
    /// - images: `[batch, 1, image_size, image_size]`, 0 is black and 1 is white
    /// - output: `[batch, classes]`
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let tokens = self.tokens(images, &mut Statistics::Running);
        let tokens = self.blocks.iter().fold(tokens, |x, block| block.forward(x));
        self.classify(tokens)
    }

    /// Logits in training, with the statistics of the batch.
    ///
    /// # Shapes
    /// - images: `[batch, 1, image_size, image_size]`, 0 is black and 1 is white
    pub fn forward_training(&self, images: Tensor<4>) -> TrainingOutput {
        let mut statistics = Vec::new();
        let tokens = self.tokens(images, &mut Statistics::Batch(&mut statistics));
        let tokens = self.blocks.iter().fold(tokens, |x, block| block.forward(x));
        TrainingOutput { logits: self.classify(tokens), statistics }
    }

    /// The logits of [`TinyCnnLsa::forward`], with what every attention layer did.
    ///
    /// # Shapes
    /// - images: `[batch, 1, image_size, image_size]`, 0 is black and 1 is white
    pub fn forward_traced(&self, images: Tensor<4>) -> Trace {
        let mut tokens = self.tokens(images, &mut Statistics::Running);
        let mut layers = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let (output, layer) = block.forward_traced(tokens);
            tokens = output;
            layers.push(layer);
        }
        Trace { logits: self.classify(tokens), layers, grid_size: self.config.grid_size() }
    }

    /// The gradient of one class's logit, for each picture its own class, with respect to the attention of every
    /// layer, the first layer first. Every entry of A counts as free, the values V of the layer as fixed: with the
    /// context `A · V`, the gradient is `∂logit/∂context · Vᵀ`. Class-specific attention maps are weighted by it
    /// (Chefer et al. 2021, "Generic attention-model explainability").
    ///
    /// The weights of the network are on a plain device; so are the images and the result.
    ///
    /// # Shapes
    /// - images: `[batch, 1, image_size, image_size]`, 0 is black and 1 is white
    /// - classes: `batch` numbers below the number of classes
    /// - each entry of the output: `[batch, heads, tokens, tokens]`
    ///
    /// # Panics
    /// If there is not exactly one class for each picture, or one of them does not exist.
    pub fn attention_gradients(&self, images: Tensor<4>, classes: &[usize]) -> Vec<Tensor<4>> {
        let batch = images.dims()[0];
        assert_eq!(classes.len(), batch, "one class for each of the {batch} pictures");
        let device = images.device();
        let mut tokens = self.tokens(images, &mut Statistics::Running);
        let mut layers = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let probe = Tensor::zeros(tokens.dims(), &device).autodiff().require_grad();
            let (output, values) = block.forward_probed(tokens, probe.clone());
            tokens = output;
            layers.push((block, probe, values));
        }
        let gradients = self.sum_of_logits(tokens, classes).backward();
        let of_layer = |(block, probe, values): (&AttentionBlock, Tensor<3>, Tensor<4>)| {
            let context = probe.grad(&gradients).unwrap_or_else(|| probe.zeros_like().inner());
            let values = if values.is_autodiff() { values.inner() } else { values };
            block.mixing().split_heads(context).matmul(values.transpose())
        };
        layers.into_iter().map(of_layer).collect()
    }

    /// The sum over the pictures of the logit of each one's class.
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
        let mut seen = statistics.into_iter();
        let stages = self.stages.into_iter().map(|stage| stage.update_running(&mut seen, momentum)).collect();
        Self { stages, ..self }
    }

    /// The stem, then the positions: `[batch, tokens, width]`.
    fn tokens(&self, images: Tensor<4>, statistics: &mut Statistics<'_>) -> Tensor<3> {
        let [batch, channels, height, width] = images.dims();
        let size = self.config.image_size;
        assert_eq!(
            [channels, height, width],
            [1, size, size],
            "TinyCnnLsa takes images of shape [batch, 1, {size}, {size}]"
        );
        // One channel: channels first and channels last are the same memory.
        let pixels = images.reshape([batch, size, size, 1]);
        let normalised = (pixels - self.config.input_mean) / self.config.input_deviation;
        let map = self.stages.iter().fold(normalised, |x, stage| stage.forward(x, statistics));
        add_positions(map.reshape([batch, self.config.tokens(), self.config.width()]), self.positions.val())
    }

    /// Mean over the normalised tokens, then the linear head: `[batch, classes]`.
    fn classify(&self, tokens: Tensor<3>) -> Tensor<2> {
        let pooled = mean_tokens(self.norm.forward(tokens));
        self.head.forward(pooled.unsqueeze_dim(1), Activation::Identity).squeeze_dim(1)
    }
}
