//! Fused CPU operations for burn, with forward and backward passes.
//!
//! Training a small network on a CPU is mostly a fight against memory traffic: a 3×3 convolution over 16 or 32
//! channels is followed by a normalisation, an activation and a pooling whose arithmetic is negligible and whose
//! passes over the activations are not. A general backend runs each of them as an operation of its own, ten passes
//! for a batch normalisation alone, every pass into freshly allocated memory. This crate fuses them and gives each
//! fused operation a backward pass of its own, so that they count in training and not only at inference.
//!
//! Every operation is a plain function on [`Tensor`](burn::tensor::Tensor) and works on every burn device, with or
//! without automatic differentiation:
//!
//! * `f32` tensors on burn's Flex device run the fused path. Its instruction set (AVX-512, AVX2 with FMA, or portable
//!   Rust) is chosen at run time.
//! * Everything else runs the function of the same name that ends in `_reference`: the same mathematics in stock burn
//!   operations. The tests hold the fused path, forward and every gradient, against that twin.
//!
//! [`max_pool2x2`] has no fused path of its own. It is the pooling of the normalisation's reference, offered by itself
//! because its gradient treats equal values equally, which burn's own pooling does not.
//!
//! Activations are channels-last, `[batch, height, width, channels]`, so that tokens `[batch, height * width,
//! channels]` are a reshape that copies nothing.
//!
//! Results have the same bits at any number of threads: work is cut into pieces whose number depends on the shapes
//! alone, and partial sums are added in the order of the pieces.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use tinylsa_kernels::{Activation, NormOptions, batch_norm_train, conv3x3};
//!
//! let device = Device::flex().autodiff();
//! let images = Tensor::<4>::ones([2, 8, 8, 1], &device);
//! let weight = Tensor::<4>::ones([16, 1, 3, 3], &device).require_grad();
//! let (gamma, beta) = (Tensor::<1>::ones([16], &device), Tensor::<1>::zeros([16], &device));
//!
//! let features = conv3x3(images, weight.clone(), 1);
//! let options = NormOptions { activation: Activation::Relu, pool: true, ..NormOptions::default() };
//! let normalised = batch_norm_train(features, gamma, beta, None, &options);
//! assert_eq!(normalised.output.dims(), [2, 4, 4, 16]);
//!
//! let gradients = normalised.output.sum().backward();
//! assert_eq!(weight.grad(&gradients).map(|gradient| gradient.dims()), Some([16, 1, 3, 3]));
//! ```

#![deny(missing_docs, unsafe_code, unsafe_op_in_unsafe_fn)]
// only what is inlined into the entry point of an instruction set is compiled for it
#![allow(clippy::inline_always)]

mod activation;
#[allow(unsafe_code)]
mod arch;
mod attention_block;
mod batch_norm;
mod check;
mod conv3x3;
mod conv_norm;
mod cross_entropy;
mod depthwise3x3;
mod fused;
mod gate;
pub mod inference;
mod layer_norm;
mod linear;
mod linear_attention;
mod math;
mod max_pool;
mod partials;
mod peak;
mod positions;
pub mod profile;
mod residual_block;
mod softmax_pool;
mod token_mean;
mod update;

pub use activation::Activation;
pub use arch::{InstructionSetError, instruction_set, widest_instruction_set};
pub use attention_block::{
    AttentionBlockOptions, AttentionBlockParameters, GateParameters, LocalParameters, PerceptronParameters,
    linear_attention_block, linear_attention_block_reference,
};
pub use batch_norm::{
    BatchNormOutput, NormOptions, batch_norm_eval, batch_norm_eval_reference, batch_norm_train,
    batch_norm_train_reference,
};
pub use conv_norm::{conv_norm_eval, conv_norm_eval_reference};
pub use conv3x3::{conv3x3, conv3x3_reference};
pub use cross_entropy::{cross_entropy, cross_entropy_reference};
pub use depthwise3x3::{depthwise3x3, depthwise3x3_reference};
pub use fused::use_references;
pub use layer_norm::{layer_norm, layer_norm_reference};
pub use linear::{linear, linear_reference};
pub use linear_attention::{FeatureMap, LinearAttentionOptions, linear_attention, linear_attention_reference};
pub use max_pool::{TIE_TOLERANCE, max_pool2x2};
pub use peak::multiply_adds;
pub use positions::{add_positions, add_positions_reference};
pub use residual_block::{
    ConvNormParameters, ResidualBlockOutput, residual_block_train, residual_block_train_reference,
};
pub use softmax_pool::{softmax_pool, softmax_pool_reference};
pub use token_mean::{mean_tokens, mean_tokens_reference};
pub use update::{
    AdamW, AdamWState, ExponentialAverage, Nesterov, NesterovState, adamw, adamw_reference, exponential_average,
    exponential_average_reference, nesterov, nesterov_reference,
};

/// The examples of the README are tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
