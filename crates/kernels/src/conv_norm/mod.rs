//! A 3×3 convolution and the normalisation behind it with constant statistics, as a network in evaluation runs them.

pub(crate) mod flex;
mod reference;

pub use reference::conv_norm_eval_reference;

use crate::{
    ConvNormParameters, NormOptions, batch_norm, batch_norm_eval, check, conv3x3,
    fused::{self, FusedOps, Maybe},
};
use burn::{backend::Dispatch, tensor::Tensor};

/// `activation(norm(conv(x)) + residual)`, as [`conv3x3`](crate::conv3x3) and [`batch_norm_eval`](crate::batch_norm_eval) compute
/// it, to the same values. In one operation an image is normalised while it is in the cache, and what the convolution gave
/// is not kept.
///
/// That is for parameters and statistics that are constants, and without pooling; where one of them is tracked, or the options
/// ask for pooling, the two operations follow each other.
///
/// # Shapes
///
/// - `x`: `[batch, height, width, in]`
/// - `weight` of the parameters: `[out, in, 3, 3]`; the other parameters, mean and variance: `[out]`
/// - `residual`: `[batch, ceil(height / stride), ceil(width / stride), out]`
/// - returns the shape of the residual, or half the height and width of it if pooled
///
/// # Panics
///
/// If the shapes do not fit, `x` is empty, the stride is neither 1 nor 2, or pooling would leave nothing.
pub fn conv_norm_eval(
    x: Tensor<4>,
    parameters: ConvNormParameters,
    [mean, variance]: [Tensor<1>; 2],
    residual: Option<Tensor<4>>,
    stride: usize,
    options: &NormOptions,
) -> Tensor<4> {
    let ConvNormParameters { weight, gamma, beta } = parameters;
    let vectors = [&gamma, &beta, &mean, &variance];
    let is_constant = !weight.is_tracked() && vectors.iter().all(|vector| !vector.is_tracked());
    let takes = batch_norm::takes(&x, [&gamma, &beta], residual.as_ref(), options)
        && [&mean, &variance].into_iter().all(fused::takes)
        && fused::takes(&weight);
    if !is_constant || !takes || options.pool {
        return batch_norm_eval(conv3x3(x, weight, stride), gamma, beta, mean, variance, residual, options);
    }
    conv3x3::check("conv_norm_eval", &x, &weight, stride);
    let [batch, height, width, _] = x.dims();
    let dims = [batch, height.div_ceil(stride), width.div_ceil(stride), weight.dims()[0]];
    for (name, vector) in ["gamma", "beta", "mean", "variance"].into_iter().zip(vectors) {
        check::channels("conv_norm_eval", name, vector, &dims);
    }
    if let Some(residual) = &residual {
        let found = residual.dims();
        assert!(found == dims, "conv_norm_eval: the residual {found:?} differs from the output {dims:?}");
    }
    Tensor::from_dispatch(Dispatch::conv_norm_eval(
        x.into_dispatch(),
        weight.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        mean.into_dispatch(),
        variance.into_dispatch(),
        Maybe::new(residual),
        stride,
        *options,
    ))
}
