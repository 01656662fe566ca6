use burn::tensor::{Device, Tensor};

use crate::attention::matrix::LayerAttention;
use crate::attribution::{ExplainedScore, Target};
use crate::door::check_differentiable_scorer;
use crate::error::{ExplainError, require_finite, require_index, require_shape};
use crate::execution::Execution;
use crate::image::Image;
use crate::scorer::{check_scores, image_batch, read_tensor};

/// What a model hands its attention matrices to on the way; see [`trace_attention`].
#[derive(Debug, Default)]
pub struct AttentionTap {
    /// The device of the images while matrices are recorded; none while the model only scores.
    device: Option<Device>,
    layers: Vec<TappedLayer>,
}

/// The attention of a layer, and zeros that were added to it.
#[derive(Debug)]
struct TappedLayer {
    attention: Tensor<4>,
    zeros: Tensor<4>,
}

impl AttentionTap {
    /// Takes note of the attention `[batch, heads, tokens, tokens]` of a layer, after its softmax and before it is
    /// multiplied with the values, and returns what the layer must go on with.
    ///
    /// The returned tensor has the same values. It is the sum with tracked zeros: the gradient with respect to these is
    /// the gradient with respect to the attention, through all layers behind it.
    #[must_use]
    pub fn record(&mut self, attention: Tensor<4>) -> Tensor<4> {
        let Some(device) = &self.device else { return attention };
        let zeros = Tensor::<4>::zeros(attention.dims(), device).autodiff().require_grad();
        self.layers.push(TappedLayer { attention: attention.clone().inner(), zeros: zeros.clone() });
        attention + zeros
    }
}

/// The attention of a model on one image, and the gradients of a score with respect to it: what
/// [`gradient_rollout`](crate::gradient_rollout) takes.
#[derive(Clone, Debug, PartialEq)]
pub struct TracedAttention {
    /// The attention of each layer, in the order in which they were recorded.
    pub layers: Vec<LayerAttention>,
    /// The gradient of the explained score with respect to each layer's attention, `[heads, tokens, tokens]`.
    pub gradients: Vec<Vec<f64>>,
    /// The score that was differentiated.
    pub explained: ExplainedScore,
}

/// The attention of every layer on an image with the gradients of a score: `forward(images, tap)` is the model's forward
/// pass, in which every layer hands its attention to [`AttentionTap::record`] and goes on with what that returns.
///
/// ```
/// use tinylsa_xai::burn::tensor::{Tensor, activation::softmax};
/// use tinylsa_xai::attention::{AttentionTap, gradient_rollout, trace_attention};
/// use tinylsa_xai::{Execution, Image, Target};
///
/// // two pixels are two tokens; one head attends by their brightness, and the score is the first token's output
/// let forward = |images: Tensor<4>, tap: &mut AttentionTap| -> Tensor<2> {
///     let tokens: Tensor<3> = images.flatten(1, 2).swap_dims(1, 2);
///     let attention = softmax(tokens.clone().matmul(tokens.clone().transpose()), 2);
///     let attention = tap.record(attention.unsqueeze_dim(1));
///     attention.squeeze_dim::<3>(1).matmul(tokens).narrow(1, 0, 1).squeeze_dim(1)
/// };
/// let image = Image::new(vec![0.2, 0.9], [1, 1, 2])?;
/// let execution = Execution::default();
/// let traced = trace_attention(&forward, &image, Target::Class(0), &execution)?;
/// // the score is A·v, so that its gradient with respect to the first row is v
/// assert!((traced.gradients[0][1] - 0.9).abs() < 1e-6 && traced.gradients[0][2] == 0.0);
/// let rollout = gradient_rollout(&traced.layers, &traced.gradients, &execution.cancellation)?;
/// assert_eq!(rollout.of_query(1)?, [0.0, 0.0]);
/// # Ok::<(), tinylsa_xai::ExplainError>(())
/// ```
///
/// # Errors
/// If nothing was recorded, a matrix is none of attention, the class does not exist, the model gives the image other
/// scores in another batch or with tracked images, a score does not depend on a recorded matrix, the call is cancelled,
/// or the explained score or a gradient is not finite.
pub fn trace_attention<M: Fn(Tensor<4>, &mut AttentionTap) -> Tensor<2>>(
    forward: &M,
    image: &Image,
    target: Target,
    execution: &Execution,
) -> Result<TracedAttention, ExplainError> {
    let scorer = |images: Tensor<4>| forward(images, &mut AttentionTap::default());
    let explained = target.resolve(&check_differentiable_scorer(&scorer, image, execution)?)?;
    execution.cancellation.check("gradients", 0, 1)?;
    // a pair, since a single row is multiplied in another order of summation than the same row among others
    let images = image_batch(image.shape(), 0..2, execution, |_, values| values.copy_from_slice(image.values()))?;
    let mut tap = AttentionTap { device: Some(execution.device.clone()), layers: Vec::new() };
    let scores = forward(images, &mut tap);
    let classes = check_scores(&scores, 2, 0)?;
    require_index("class", explained.class, classes)?;
    if tap.layers.is_empty() {
        return Err(ExplainError::Empty { what: "list of recorded layers" });
    }
    if !scores.is_tracked() {
        return Err(ExplainError::NoGradient);
    }
    let of_class = |class: usize| scores.clone().slice([0..2, class..class + 1]);
    let difference = match explained.against {
        None => of_class(explained.class),
        Some(other) => of_class(explained.class) - of_class(other),
    };
    let gradients = difference.sum().backward();
    let mut traced = TracedAttention { layers: Vec::new(), gradients: Vec::new(), explained };
    for layer in tap.layers {
        let [batch, heads, tokens, keys] = layer.attention.dims();
        require_shape("attention", &[batch, heads, tokens, keys], &[2, heads, tokens, tokens])?;
        let of_image = |batch: Tensor<4>| batch.narrow(0, 0, 1).reshape([heads, tokens, tokens]);
        let gradient = layer.zeros.grad(&gradients).ok_or(ExplainError::NoGradient)?;
        let gradient = read_tensor("the gradient", of_image(gradient))?;
        require_finite("the gradient", &gradient)?;
        traced.layers.push(LayerAttention::from_tensor(of_image(layer.attention))?);
        traced.gradients.push(gradient.into_iter().map(f64::from).collect());
    }
    Ok(traced)
}
