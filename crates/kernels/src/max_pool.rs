//! 2×2 maximum pooling whose gradient does not depend on how equal values were rounded.

use burn::tensor::Tensor;

/// How far below the largest value of a pooling window another one counts as equal to it: `value` is tied with `largest`
/// if `largest − value < TIE_TOLERANCE · max(|largest|, 1)`.
///
/// Over a flat ground the four values of a window are equal in exact arithmetic, and all that distinguishes them is how a
/// Winograd convolution rounds at different places of its tiles. Without a tolerance that would decide where the gradient
/// goes.
///
/// **What it has to cover.** In the network that `tinylsa-model` ships, values that are equal in double precision lie at
/// most 1.5e-6 apart in single precision, in the unit of the rule: flat images, patches of noise on flat grounds, and 24
/// test images of Fashion-MNIST mixed with black, white and grey in five proportions, both pooled stages, with the portable
/// operations and with AVX2. The tolerance is more than six times that. `crates/model/tests/model/pooling.rs` keeps the margin.
///
/// **What it must not cover.** On the same test images one in 40 000 of the values that really differ lies within the
/// tolerance, and such a difference is worth 1e-5 in the function. Only where an image is almost flat (0.3 % of a garment
/// on a flat baseline, the very beginning of a path) is it one in a hundred.
///
/// **Why this scale.** What is pooled comes from a batch normalisation, so a channel's values before `gamma` have deviation
/// 1, and the rounding of the convolution is a multiple of that. Neither `gamma` nor the channel would be a better unit: with
/// a residual, the value is a sum whose other part has order one and its own rounding, and beside it a small `gamma` makes
/// differences that are lost in the sum anyway. A unit of `|largest|` alone would fail where a flat ground happens to lie near 0,
/// since rounding does not get smaller there. Far above 1 it is `|largest|` that rounding is proportional to. The exception
/// is a channel that hardly varies over a batch: a normalisation may magnify its rounding up to 1 / √ε times, beyond any
/// fixed tolerance.
pub const TIE_TOLERANCE: f32 = 1e-5;

/// 2×2 maximum pooling with stride 2 in stock burn operations, for any network. An odd last row or column is dropped.
///
/// The gradient of a window is shared equally among all values that are tied with the largest, within
/// [`TIE_TOLERANCE`]. burn's own pooling gives all of it to the first one. Both are subgradients where values are exactly
/// equal, but only the shared one treats equal values equally: it is the one that a mirrored, turned or permuted window
/// permutes, and over equal values it is the gradient of average pooling. The output is exactly the maximum.
///
/// Before a rectifier, rather than behind it, is the better place: `relu(max_pool2x2(x))` has the same values as
/// `max_pool2x2(relu(x))`, and hands no share to what the rectifier stops.
///
/// # Shapes
///
/// - `x`: `[batch, height, width, channels]`, channels-last as everything in this crate
/// - returns `[batch, height / 2, width / 2, channels]`
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use tinylsa_kernels::max_pool2x2;
///
/// let image = [[1.0_f32, 1.0], [1.0, -3.0]];
/// let x = Tensor::<2>::from_data(image, &Device::flex().autodiff()).reshape([1, 2, 2, 1]).require_grad();
/// let gradient = max_pool2x2(x.clone()).sum().backward();
/// let third = 1.0 / 3.0;
/// let expected = [third, third, third, 0.0];
/// assert_eq!(x.grad(&gradient).map(|x| x.to_data().iter::<f32>().collect()), Some(expected.to_vec()));
/// ```
///
/// A network of stock layers keeps its channels first and turns them around:
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// # use tinylsa_kernels::max_pool2x2;
/// # let x = Tensor::<4>::ones([2, 3, 6, 8], &Device::flex());
/// let pooled = max_pool2x2(x.permute([0, 2, 3, 1])).permute([0, 3, 1, 2]);
/// assert_eq!(pooled.dims(), [2, 3, 3, 4]);
/// ```
///
/// # Panics
///
/// If the height or the width is below 2.
pub fn max_pool2x2(x: Tensor<4>) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    assert!(height >= 2 && width >= 2, "max_pool2x2: 2×2 pooling of the input {:?} leaves nothing", x.dims());
    let (rows, columns) = (height / 2, width / 2);
    let pooled = [batch, rows, columns, channels];
    let windows: Tensor<6> =
        x.slice([0..batch, 0..2 * rows, 0..2 * columns]).reshape([batch, rows, 2, columns, 2, channels]);
    let values = windows.clone().detach();
    let largest = values.clone().max_dims(&[2, 4]);
    if !windows.is_autodiff() {
        return largest.reshape(pooled);
    }
    let tolerance = largest.clone().abs().clamp_min(1.0).mul_scalar(TIE_TOLERANCE);
    let tied = (largest.clone() - values.clone()).lower(tolerance);
    // none is tied with an infinite value
    let count = tied.clone().float().sum_dims(&[2, 4]).clamp_min(1.0);
    // A difference of 0, by which the gradient passes. It is subtracted, which keeps even the sign of a zero.
    let nothing = (values - windows).mask_fill(tied.bool_not(), 0.0).sum_dims(&[2, 4]) / count;
    (largest - nothing).reshape(pooled)
}
