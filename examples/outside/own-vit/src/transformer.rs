//! The network: patches of 5 × 5 pixels behind a class token, and blocks of attention and a perceptron.

use serde::{Deserialize, Serialize};
use tinylsa_model::burn;
use tinylsa_model::burn::module::{Initializer, Module, Param};
use tinylsa_model::burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use tinylsa_model::burn::tensor::activation::{gelu, softmax};
use tinylsa_model::burn::tensor::{Device, Tensor};
use tinylsa_model::{Classifier, ImageShape, InvalidSetting, ModelConfig};
use tinylsa_xai::{AttentionTap, TokenGrid};

/// 6 × 4 patches behind the class token.
pub const GRID: TokenGrid = TokenGrid { prefix: 1, rows: 6, columns: 4 };

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VitConfig {
    pub width: usize,
    pub heads: usize,
    pub blocks: usize,
}

#[derive(Module, Debug)]
pub struct Vit {
    patches: Linear,
    /// The class token `[1, 1, width]`.
    class_token: Param<Tensor<3>>,
    /// `[1, tokens, width]`
    positions: Param<Tensor<3>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
    #[module(skip)]
    config: VitConfig,
}

#[derive(Module, Debug)]
struct Block {
    norms: [LayerNorm; 2],
    /// Queries, keys, values, and the output of the heads.
    projections: [Linear; 4],
    perceptron: [Linear; 2],
}

impl ModelConfig for VitConfig {
    type Model = Vit;
    const KIND: &'static str = "own-vit";

    fn input(&self) -> ImageShape {
        ImageShape::grey(30, 20)
    }

    fn classes(&self) -> usize {
        3
    }

    fn init(&self, device: &Device) -> Result<Vit, InvalidSetting> {
        let width = self.width;
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        let norm = || LayerNormConfig::new(width).init(device);
        let tokens = |count| Initializer::Normal { mean: 0.0, std: 0.02 }.init([1, count, width], device);
        let block = |_| Block {
            norms: [norm(), norm()],
            projections: [(); 4].map(|()| linear(width, width)),
            perceptron: [linear(width, 2 * width), linear(2 * width, width)],
        };
        Ok(Vit {
            patches: linear(25, width),
            class_token: tokens(1),
            positions: tokens(25),
            blocks: (0..self.blocks).map(block).collect(),
            norm: norm(),
            head: linear(width, 3),
            config: self.clone(),
        })
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

impl Vit {
    /// Images `[batch, 1, 30, 20]` to logits `[batch, 3]`; the tap gets the attention of every block.
    pub fn tapped(&self, images: Tensor<4>, tap: &mut AttentionTap) -> Tensor<2> {
        let batch = images.dims()[0];
        let patches = images.reshape([batch, 6, 5, 4, 5]).permute([0, 1, 3, 2, 4]).reshape([batch, 24, 25]);
        let class_token = self.class_token.val().repeat_dim(0, batch);
        let mut tokens = Tensor::cat(vec![class_token, self.patches.forward(patches)], 1) + self.positions.val();
        for block in &self.blocks {
            tokens = tokens.clone() + block.attend(block.norms[0].forward(tokens), self.config.heads, tap);
            let [expand, reduce] = &block.perceptron;
            tokens = tokens.clone() + reduce.forward(gelu(expand.forward(block.norms[1].forward(tokens))));
        }
        self.head.forward(self.norm.forward(tokens.narrow(1, 0, 1)).squeeze_dim(1))
    }
}

impl Block {
    fn attend(&self, tokens: Tensor<3>, heads: usize, tap: &mut AttentionTap) -> Tensor<3> {
        let [batch, count, width] = tokens.dims();
        let [queries, keys, values, output] = &self.projections;
        let split =
            |part: &Linear| part.forward(tokens.clone()).reshape([batch, count, heads, width / heads]).swap_dims(1, 2);
        let scores = split(queries).matmul(split(keys).transpose()) / ((width / heads) as f64).sqrt();
        let attention = tap.record(softmax(scores, 3));
        output.forward(attention.matmul(split(values)).swap_dims(1, 2).reshape([batch, count, width]))
    }
}
