//! From the normalised tokens to the logits.

use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use tinylsa_kernels::{Activation, linear, mean_tokens, softmax_pool};

use crate::architecture::{ClassAttentionSpec, HeadSpec, QueriesSpec};
use crate::layers::Linear;
use crate::trace::Readout;

/// The attention of a query of each class over the tokens: `A_cj = softmax_j(q_c · k_j / √key width)`.
#[derive(Module, Debug)]
pub(crate) struct ClassAttention {
    keys: Linear,
    /// `[1, classes, key width]`. With one of the first dimension they are no matrix, which Muon would make orthogonal.
    queries: Param<Tensor<3>>,
}

impl ClassAttention {
    /// Queries of 0, with which every token counts the same.
    pub(crate) fn zeros(spec: &HeadSpec, device: &Device) -> Option<Self> {
        let ClassAttentionSpec { keys, queries } = spec.class_attention.as_ref()?;
        let &QueriesSpec { classes, key_width, .. } = queries;
        let queries = Param::from_tensor(Tensor::zeros([1, classes, key_width], device));
        Some(Self { keys: Linear::zeros(keys, device), queries })
    }

    /// `q_c · k_j / √key width`.
    ///
    /// # Shapes
    /// - tokens: `[batch, tokens, width]`, normalised
    /// - output: `[batch, tokens, classes]`
    fn scores(&self, tokens: Tensor<3>) -> Tensor<3> {
        let queries = self.queries.val().squeeze_dim::<2>(0);
        let scale = (queries.dims()[1] as f64).sqrt();
        let keys = self.keys.forward(tokens, Activation::Identity);
        linear(keys, queries.transpose() / scale, None, Activation::Identity)
    }

    /// A, how much each class counts each token.
    ///
    /// # Shapes
    /// - tokens: `[batch, tokens, width]`, normalised
    /// - output: `[batch, classes, tokens]`
    fn attention(&self, tokens: Tensor<3>) -> Tensor<3> {
        softmax(self.scores(tokens).transpose(), 2)
    }
}

/// The logits, `[batch, classes]`, of normalised tokens, `[batch, tokens, width]`.
pub(crate) fn logits(class_attention: Option<&ClassAttention>, head: &Linear, tokens: Tensor<3>) -> Tensor<2> {
    match class_attention {
        None => {
            let pooled = mean_tokens(tokens);
            head.forward(pooled, Activation::Identity)
        }
        // the rows of the attention sum to 1, so that the bias of each token is that of the logit
        Some(class_attention) => {
            let of_tokens = head.forward(tokens.clone(), Activation::Identity);
            softmax_pool(class_attention.scores(tokens), of_tokens)
        }
    }
}

/// How [`logits`] come from the tokens.
pub(crate) fn readout(class_attention: Option<&ClassAttention>, head: &Linear, tokens: Tensor<3>) -> Readout {
    let (weight, bias) = head.parameters();
    let [batch, count, _] = tokens.dims();
    let attention = match class_attention {
        None => Tensor::ones([batch, bias.dims()[0], count], &tokens.device()) / count as f64,
        Some(class_attention) => class_attention.attention(tokens.clone()),
    };
    let of_tokens = tokens.matmul(weight.unsqueeze_dim(0)).transpose();
    Readout { evidence: attention.clone() * of_tokens, attention, bias }
}
