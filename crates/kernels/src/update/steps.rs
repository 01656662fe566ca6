//! What an update is told, and what it keeps of a parameter.

use burn::tensor::Tensor;

/// A step of `AdamW` (Loshchilov and Hutter, 2019).
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Step size.
    pub learning_rate: f64,
    /// Decay of the mean of the gradients.
    pub beta_1: f64,
    /// Decay of the mean of their squares.
    pub beta_2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Decoupled decay: the parameter shrinks by `learning_rate · weight_decay`.
    pub weight_decay: f64,
    /// Number of this step, from 1 on, for the correction of the bias towards 0.
    pub step: usize,
}

/// A parameter and the running means that `AdamW` keeps of its gradient. Before the first step both are zeros.
#[derive(Clone, Debug)]
pub struct AdamWState<const D: usize> {
    /// The parameter.
    pub parameter: Tensor<D>,
    /// Mean of the gradients.
    pub mean: Tensor<D>,
    /// Mean of their squares.
    pub mean_square: Tensor<D>,
}

/// A step of stochastic gradient descent with Nesterov's momentum and coupled weight decay, as `PyTorch` defines it
/// (Sutskever et al., 2013).
#[derive(Clone, Copy, Debug)]
pub struct Nesterov {
    /// Step size.
    pub learning_rate: f64,
    /// Decay of the velocity.
    pub momentum: f64,
    /// The gradient grows by this part of the parameter.
    pub weight_decay: f64,
}

/// A parameter and its velocity. Before the first step the velocity is zeros.
#[derive(Clone, Debug)]
pub struct NesterovState<const D: usize> {
    /// The parameter.
    pub parameter: Tensor<D>,
    /// Decayed sum of the gradients.
    pub velocity: Tensor<D>,
}

/// A running average that forgets.
#[derive(Clone, Copy, Debug)]
pub struct ExponentialAverage {
    /// The share of the average that a step keeps.
    pub decay: f64,
}
