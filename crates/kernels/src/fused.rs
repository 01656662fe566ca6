//! The way from a tensor of any device to the fused path, and back.

use crate::{
    Activation, AttentionBlockOptions, FeatureMap, NormOptions,
    arch::Buffer,
    attention_block::flex as attention_block,
    batch_norm::flex::{self as batch_norm, Trained},
    conv3x3::flex as conv3x3,
    cross_entropy::flex as cross_entropy,
    layer_norm::flex as layer_norm,
    linear::flex as linear,
    linear_attention::flex as linear_attention,
    positions::flex as positions,
    token_mean::flex as token_mean,
};
use burn::{
    backend::{
        Autodiff, Backend, BackendTensor, Dispatch, DispatchAutodiffContext, DispatchDevice, DispatchTensor,
        DispatchTensorKind, ExtensionType, Flex,
        autodiff::checkpoint::strategy::CheckpointStrategy,
        backend_extension,
        flex::{FlexTensor, Layout},
        tensor::FloatTensor,
    },
    tensor::{DType, Shape, Tensor},
};
use std::sync::atomic::{AtomicBool, Ordering};

/// A tensor of the Flex backend under automatic differentiation.
pub(crate) type Tracked = FloatTensor<Autodiff<Flex>>;

/// A tensor that an operation can do without.
#[derive(ExtensionType)]
pub(crate) enum Maybe<B: Backend> {
    /// It is there.
    Given(FloatTensor<B>),
    /// It is not.
    Absent,
}

/// The parameters of a transformer block; [`AttentionBlockParameters`](crate::AttentionBlockParameters) describes them.
#[derive(ExtensionType)]
pub(crate) struct BlockTensors<B: Backend> {
    pub attention_gamma: FloatTensor<B>,
    pub attention_beta: FloatTensor<B>,
    pub query_key_value_weight: FloatTensor<B>,
    pub query_key_value_bias: FloatTensor<B>,
    pub projection_weight: FloatTensor<B>,
    pub projection_bias: FloatTensor<B>,
    pub perceptron_gamma: FloatTensor<B>,
    pub perceptron_beta: FloatTensor<B>,
    pub expand_weight: FloatTensor<B>,
    pub expand_bias: FloatTensor<B>,
    pub contract_weight: FloatTensor<B>,
    pub contract_bias: FloatTensor<B>,
}

impl<B: Backend> Maybe<B> {
    fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Given(tensor) => Some(tensor),
            Self::Absent => None,
        }
    }
}

impl Maybe<Dispatch> {
    pub(crate) fn new<const D: usize>(tensor: Option<Tensor<D>>) -> Self {
        tensor.map_or(Self::Absent, |tensor| Self::Given(tensor.into_dispatch()))
    }
}

/// The fused operations on the primitives of a backend; the public functions describe them.
#[backend_extension(Autodiff, Flex)]
pub(crate) trait FusedOps: Backend {
    fn conv3x3(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize) -> FloatTensor<Self>;

    fn batch_norm_train(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        #[extension_type] residual: Maybe<Self>,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    fn batch_norm_eval(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        #[extension_type] residual: Maybe<Self>,
        options: NormOptions,
    ) -> FloatTensor<Self>;

    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
        activation: Activation,
    ) -> FloatTensor<Self>;

    fn layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;

    fn linear_attention(qkv: FloatTensor<Self>, heads: usize, feature_map: FeatureMap) -> FloatTensor<Self>;

    fn linear_attention_block(
        x: FloatTensor<Self>,
        #[extension_type] tensors: BlockTensors<Self>,
        options: AttentionBlockOptions,
    ) -> FloatTensor<Self>;

    fn add_positions(x: FloatTensor<Self>, positions: FloatTensor<Self>) -> FloatTensor<Self>;

    fn mean_tokens(x: FloatTensor<Self>) -> FloatTensor<Self>;

    fn cross_entropy(logits: FloatTensor<Self>, targets: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl FusedOps for Flex {
    fn conv3x3(x: FlexTensor, weight: FlexTensor, stride: usize) -> FlexTensor {
        conv3x3::forward(&x, &weight, stride)
    }

    fn batch_norm_train(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        residual: Maybe<Self>,
        options: NormOptions,
    ) -> Trained<FlexTensor> {
        batch_norm::train(&batch_norm::Inputs::new(&x, &gamma, &beta, residual.into_option().as_ref()), &options)
    }

    fn batch_norm_eval(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        mean: FlexTensor,
        variance: FlexTensor,
        residual: Maybe<Self>,
        options: NormOptions,
    ) -> FlexTensor {
        let inputs = batch_norm::Inputs::new(&x, &gamma, &beta, residual.into_option().as_ref());
        batch_norm::evaluate(&inputs, &mean, &variance, &options)
    }

    fn linear(x: FlexTensor, weight: FlexTensor, bias: Maybe<Self>, activation: Activation) -> FlexTensor {
        linear::forward(&x, &weight, bias.into_option().as_ref(), activation)
    }

    fn layer_norm(x: FlexTensor, gamma: FlexTensor, beta: FlexTensor, epsilon: f64) -> FlexTensor {
        layer_norm::forward(&x, &gamma, &beta, epsilon)
    }

    fn linear_attention(qkv: FlexTensor, heads: usize, feature_map: FeatureMap) -> FlexTensor {
        linear_attention::forward(&qkv, heads, feature_map)
    }

    fn linear_attention_block(
        x: FlexTensor,
        tensors: BlockTensors<Self>,
        options: AttentionBlockOptions,
    ) -> FlexTensor {
        attention_block::forward(&x, &tensors, &options)
    }

    fn add_positions(x: FlexTensor, positions: FlexTensor) -> FlexTensor {
        positions::forward(&x, &positions)
    }

    fn mean_tokens(x: FlexTensor) -> FlexTensor {
        token_mean::forward(&x)
    }

    fn cross_entropy(logits: FlexTensor, targets: FlexTensor) -> FlexTensor {
        cross_entropy::forward(&logits, &targets)
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn conv3x3(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize) -> FloatTensor<Self> {
        conv3x3::tracked::<C>(x, weight, stride)
    }

    fn batch_norm_train(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        residual: Maybe<Self>,
        options: NormOptions,
    ) -> Trained<FloatTensor<Self>> {
        batch_norm::train_tracked::<C>(x, gamma, beta, residual.into_option(), &options)
    }

    fn batch_norm_eval(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        residual: Maybe<Self>,
        options: NormOptions,
    ) -> FloatTensor<Self> {
        batch_norm::evaluate_tracked::<C>(x, [gamma, beta, mean, variance], residual.into_option(), &options)
    }

    fn linear(x: Tracked, weight: Tracked, bias: Maybe<Self>, activation: Activation) -> Tracked {
        linear::tracked::<C>(x, weight, bias.into_option(), activation)
    }

    fn layer_norm(x: Tracked, gamma: Tracked, beta: Tracked, epsilon: f64) -> Tracked {
        layer_norm::tracked::<C>(x, gamma, beta, epsilon)
    }

    fn linear_attention(qkv: Tracked, heads: usize, feature_map: FeatureMap) -> Tracked {
        linear_attention::tracked::<C>(qkv, heads, feature_map)
    }

    fn linear_attention_block(x: Tracked, tensors: BlockTensors<Self>, options: AttentionBlockOptions) -> Tracked {
        attention_block::tracked::<C>(x, tensors, &options)
    }

    fn add_positions(x: Tracked, positions: Tracked) -> Tracked {
        positions::tracked::<C>(x, positions)
    }

    fn mean_tokens(x: Tracked) -> Tracked {
        token_mean::tracked::<C>(x)
    }

    fn cross_entropy(logits: Tracked, targets: Tracked) -> Tracked {
        cross_entropy::tracked::<C>(logits, targets)
    }
}

static REFERENCES: AtomicBool = AtomicBool::new(false);

/// Makes every operation of this process run its reference from now on, or the fused path again where there is one: the
/// way to find out whether a result depends on the fused operations.
pub fn use_references(yes: bool) {
    REFERENCES.store(yes, Ordering::Relaxed);
}

/// Whether the fused path can take a tensor: `f32` on the Flex device, with or without automatic differentiation.
pub(crate) fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    let on_flex = match tensor.device().as_dispatch() {
        DispatchDevice::Flex(_) => true,
        DispatchDevice::Autodiff(device) => matches!(device.clone().inner(), DispatchDevice::Flex(_)),
        #[allow(unreachable_patterns)] // other backends are there when their features are
        _ => false,
    };
    on_flex && tensor.dtype() == DType::F32 && !REFERENCES.load(Ordering::Relaxed)
}

/// The values of a tensor that [`FlexTensor::to_contiguous`] returned.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of f32 is a slice")
}

/// A tensor from memory of the pool.
pub(crate) fn shaped(buffer: Buffer, shape: Shape) -> FlexTensor {
    debug_assert_eq!(buffer.len(), shape.num_elements());
    FlexTensor::new(buffer.into_bytes(), Layout::contiguous(shape), DType::F32)
}

/// A tensor from memory of the pool.
pub(crate) fn tensor<const D: usize>(buffer: Buffer, shape: [usize; D]) -> FlexTensor {
    shaped(buffer, Shape::from(shape))
}

/// A copy of a matrix as a tensor.
pub(crate) fn matrix(values: &[f32], shape: [usize; 2]) -> FlexTensor {
    let mut buffer = Buffer::new(values.len());
    buffer.copy_from_slice(values);
    tensor(buffer, shape)
}

/// A copy of a vector as a tensor.
pub(crate) fn vector(values: &[f32]) -> FlexTensor {
    let mut buffer = Buffer::new(values.len());
    buffer.copy_from_slice(values);
    tensor(buffer, [values.len()])
}

/// Whether a tensor has `f32` on the Flex device, without automatic differentiation.
pub(crate) fn is_plain<const D: usize>(tensor: &Tensor<D>) -> bool {
    takes(tensor) && !tensor.device().is_autodiff()
}

/// The primitive of a tensor that [`is_plain`].
pub(crate) fn into_flex<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    match tensor.into_dispatch().kind {
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => tensor,
        other => unreachable!("the primitive of a tensor on another device: {other:?}"),
    }
}

/// The way back from [`into_flex`].
pub(crate) fn from_flex<const D: usize>(tensor: FlexTensor) -> Tensor<D> {
    Tensor::from_dispatch(DispatchTensor {
        kind: DispatchTensorKind::Flex(BackendTensor::Float(tensor)),
        autodiff: DispatchAutodiffContext::Disabled,
    })
}
