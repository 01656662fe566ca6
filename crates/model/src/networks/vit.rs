//! Vision Transformer (Dosovitskiy et al. 2021, "An image is worth 16x16 words").

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use tinylsa_kernels::Activation;
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_shape::ImageShape;

use super::convolution::{Convolution, ConvolutionShape};
use super::implement_model_config;
use super::torchvision::{Torchvision, TorchvisionConfig};
use super::transformer::{EncoderParts, EncoderShape};
use crate::classifier::Classifier;
use crate::cost::{Cost, LayerCost};
use crate::images::config_of_images;
use crate::layers::{LayerNorm, Linear};
use crate::mixing::{join_heads, softmax_attention};

/// What the normalisations add to a variance, as in the reference implementations.
const EPSILON: f64 = 1e-6;

config_of_images! {
    /// The config of a [`Vit`].
    pub struct VitConfig {
        /// Rows and columns of a patch, which divide the image's.
        pub patch: usize,
        /// Width of a token.
        pub width: usize,
        /// Number of blocks.
        pub blocks: usize,
        /// Heads of a block; they share the width evenly.
        pub heads: usize,
        /// Hidden units of the perceptrons.
        pub mlp_width: usize,
    }
}

impl VitConfig {
    /// Base with patches of 16 × 16 (table 1), for coloured images of 224 × 224 and 1000 classes: torchvision's `vit_b_16`.
    pub fn vit_b16() -> Self {
        Self {
            input: ImageShape { channels: 3, height: 224, width: 224 },
            classes: 1000,
            input_mean: vec![0.485, 0.456, 0.406],
            input_deviation: vec![0.229, 0.224, 0.225],
            patch: 16,
            width: 768,
            blocks: 12,
            heads: 12,
            mlp_width: 3072,
        }
    }

    /// Tiny (Touvron et al. 2021, "Training data-efficient image transformers", table 1).
    pub fn vit_tiny() -> Self {
        Self { width: 192, heads: 3, mlp_width: 768, ..Self::vit_b16() }
    }

    /// The form of a network for small grey images of ten classes: patches of 4 × 4.
    #[must_use]
    pub fn small(self) -> Self {
        Self {
            input: ImageShape::grey(28, 28),
            classes: 10,
            input_mean: vec![0.286],
            input_deviation: vec![0.353],
            patch: 4,
            ..self
        }
    }

    /// Rows and columns of patches.
    pub fn grid(&self) -> [usize; 2] {
        [self.input.height / self.patch, self.input.width / self.patch]
    }

    fn patches(&self) -> ConvolutionShape {
        ConvolutionShape::patches(self.input.channels, self.width, self.patch)
    }

    /// The patches and the token of the class.
    fn tokens(&self) -> usize {
        self.grid().iter().product::<usize>() + 1
    }

    fn encoder(&self) -> EncoderShape {
        let &Self { width, mlp_width: hidden, .. } = self;
        EncoderShape { tokens: self.tokens(), width, hidden, seen: self.tokens() }
    }

    /// What each layer costs for one image.
    pub fn cost(&self) -> Cost {
        let (width, tokens) = (self.width, self.tokens());
        let mut layers = vec![
            self.patches().cost("patches", self.input, 1),
            LayerCost::new("class_token", &[1, width], width, 0),
            LayerCost::new("positions", &[tokens, width], tokens * width, 0),
        ];
        layers.extend((0..self.blocks).flat_map(|block| self.encoder().costs(&format!("blocks.{block}"), 0)));
        layers.push(LayerCost::new("norm", &[tokens, width], 2 * width, 0));
        layers.push(LayerCost::linear("head", 1, width, self.classes));
        Cost { layers }
    }
}

impl TorchvisionConfig for VitConfig {
    fn torchvision(&self) -> Torchvision {
        let mut table = Torchvision::default();
        table.convolution("patches", "conv_proj");
        table.tensor("class_token", "class_token");
        table.tensor("positions", "encoder.pos_embedding");
        for block in 0..self.blocks {
            let key = format!("encoder.layers.encoder_layer_{block}");
            let (name, key) = (|part: &str| format!("blocks.{block}.{part}"), |part: &str| format!("{key}.{part}"));
            table.layer_norm(&name("attention_norm"), &key("ln_1"));
            table.matrix(&name("query_key_value.weight"), &key("self_attention.in_proj_weight"));
            table.tensor(&name("query_key_value.bias"), &key("self_attention.in_proj_bias"));
            table.linear(&name("projection"), &key("self_attention.out_proj"));
            table.layer_norm(&name("perceptron_norm"), &key("ln_2"));
            table.perceptron(&name("perceptron"), &key("mlp"), [0, 3]);
        }
        table.layer_norm("norm", "encoder.ln");
        table.linear("head", "heads.head");
        table
    }
}

impl VitConfig {
    /// Checks every range, and that the sizes fit together.
    fn check(&self) -> Result<(), InvalidSetting> {
        self.images().validate()?;
        let ImageShape { height, width, .. } = self.input;
        require_within("patch", self.patch, 1..=1024)?;
        require(
            "patch",
            height.is_multiple_of(self.patch) && width.is_multiple_of(self.patch),
            || self.patch.to_string(),
            &format!("a divisor of {height} and {width}, the sides of an image"),
        )?;
        require_within("width", self.width, 1..=8192)?;
        require_within("blocks", self.blocks, 1..=64)?;
        require_within("heads", self.heads, 1..=64)?;
        require(
            "heads",
            self.width.is_multiple_of(self.heads),
            || self.heads.to_string(),
            &format!("a divisor of the width {}", self.width),
        )?;
        require_within("mlp_width", self.mlp_width, 1..=32_768)
    }
}

implement_model_config!(VitConfig, Vit, "vit");

/// An encoder of transformer blocks over patches and a token of the class, which a linear layer reads at the end.
#[derive(Module, Debug)]
pub struct Vit {
    patches: Convolution,
    /// `[1, 1, width]`
    class_token: Param<Tensor<3>>,
    /// `[1, tokens, width]`
    positions: Param<Tensor<3>>,
    blocks: Vec<EncoderParts>,
    norm: LayerNorm,
    head: Linear,
    #[module(skip)]
    config: VitConfig,
}

impl Vit {
    fn zeros(config: &VitConfig, device: &Device) -> Self {
        let (width, tokens) = (config.width, config.tokens());
        let blocks = (0..config.blocks).map(|_| EncoderParts::zeros(config.encoder(), EPSILON, device));
        Self {
            patches: Convolution::new(&config.patches(), true, device),
            class_token: Param::from_tensor(Tensor::zeros([1, 1, width], device)),
            positions: Param::from_tensor(Tensor::zeros([1, tokens, width], device)),
            blocks: blocks.collect(),
            norm: LayerNorm::new(width, EPSILON, device),
            head: Linear::new(width, config.classes, device),
            config: config.clone(),
        }
    }

    /// The logits, and the attention of every block. Token 0 is that of the class; the patches follow row by row.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    /// - output: `[batch, classes]`, and `[batch, heads, tokens, tokens]` a block, whose rows sum to 1
    pub fn forward_traced(&self, images: Tensor<4>) -> VitTrace {
        let mut attentions = Vec::with_capacity(self.blocks.len());
        let logits = self.forward_attended(images, |attention| {
            attentions.push(attention.clone());
            attention
        });
        VitTrace { logits, attentions }
    }

    /// The logits, with what `attend` makes of the attention of every block in its place.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    /// - attention: `[batch, heads, tokens, tokens]`
    /// - output: `[batch, classes]`
    pub fn forward_attended(&self, images: Tensor<4>, mut attend: impl FnMut(Tensor<4>) -> Tensor<4>) -> Tensor<2> {
        let patches = self.patches.forward(self.config.images().normalised(images));
        let [batch, rows, columns, width] = patches.dims();
        let class = self.class_token.val().expand([batch, 1, width]);
        let tokens = Tensor::cat(vec![class, patches.reshape([batch, rows * columns, width])], 1);
        let mut x = tokens + self.positions.val();
        for block in &self.blocks {
            let [queries, keys, values] = block.projections(block.attention_norm.forward(x.clone()), self.config.heads);
            let attention = attend(softmax_attention(queries, keys));
            x = x + block.projection.forward(join_heads(attention.matmul(values)), Activation::Identity);
            x = x.clone() + block.perceptron.forward(block.perceptron_norm.forward(x));
        }
        let class = self.norm.forward(x.narrow(1, 0, 1)).reshape([batch, width]);
        self.head.forward(class, Activation::Identity)
    }
}

/// What a traced forward pass returns.
#[derive(Clone, Debug)]
pub struct VitTrace {
    /// `[batch, classes]`
    pub logits: Tensor<2>,
    /// Of each block, `[batch, heads, tokens, tokens]`.
    pub attentions: Vec<Tensor<4>>,
}

impl Classifier for Vit {
    type Config = VitConfig;

    fn config(&self) -> &VitConfig {
        &self.config
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward_attended(images, |attention| attention)
    }

    fn draws_random_numbers(&self) -> bool {
        false
    }
}
