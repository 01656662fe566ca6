//! Two convolutions with normalisations and the way around them (He et al. 2016, "Deep residual learning for image recognition").

pub(crate) mod flex;
mod parts;
mod reference;

pub use parts::{ConvNormParameters, ResidualBlockOutput};
pub use reference::residual_block_train_reference;

use crate::{
    NormOptions, batch_norm,
    fused::{self, FusedOps},
};
use burn::{backend::Dispatch, tensor::Tensor};

/// `pool(activation(norm(conv(activation(norm(conv(x))))) + x))`, as [`conv3x3`](crate::conv3x3) of stride 1 and
/// [`batch_norm_train`](crate::batch_norm_train) compute it, to the same bits. In one operation the gradients that meet at `x` are
/// added while the last of them is written. The pooling of the options is that at the end.
///
/// # Shapes
///
/// - `x`: `[batch, height, width, channels]`
/// - returns `[batch, height, width, channels]`, or half the height and width if pooled
///
/// # Panics
///
/// If the shapes do not fit, `x` is empty, or pooling would leave nothing.
pub fn residual_block_train(
    x: Tensor<4>,
    [first, second]: [ConvNormParameters; 2],
    options: &NormOptions,
) -> ResidualBlockOutput {
    let channels = x.dims()[3];
    for ConvNormParameters { weight, gamma, beta } in [&first, &second] {
        let (found, expected) = (weight.dims(), [channels, channels, 3, 3]);
        assert!(found == expected, "residual_block_train: the weight has shape {found:?}, expected {expected:?}");
        batch_norm::check_inputs("residual_block_train", &x, [gamma, beta], None, options);
    }
    let takes = |ConvNormParameters { weight, gamma, beta }: &ConvNormParameters| {
        fused::takes(weight) && batch_norm::takes(&x, [gamma, beta], None, options)
    };
    if !takes(&first) || !takes(&second) {
        return residual_block_train_reference(x, [first, second], options);
    }
    let (output, first_mean, first_variance, second_mean, second_variance) = Dispatch::residual_block_train(
        x.into_dispatch(),
        first.weight.into_dispatch(),
        first.gamma.into_dispatch(),
        first.beta.into_dispatch(),
        second.weight.into_dispatch(),
        second.gamma.into_dispatch(),
        second.beta.into_dispatch(),
        *options,
    );
    let statistics = [[first_mean, first_variance], [second_mean, second_variance]];
    ResidualBlockOutput {
        output: Tensor::from_dispatch(output),
        statistics: statistics.map(|of_norm| of_norm.map(Tensor::from_dispatch)),
    }
}
