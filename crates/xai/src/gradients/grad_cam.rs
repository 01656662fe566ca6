use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::attribution::{Attribution, ExplainedScore, Target};
use crate::door::{check_differentiable_scorer, require_same_scores};
use crate::error::{ExplainError, require_finite, require_index, require_shape};
use crate::execution::Execution;
use crate::image::Image;
use crate::resize::upsample;
use crate::scorer::{Scorer, check_scores, image_batch, read_tensor};

/// A model cut in two behind its last feature maps.
///
/// `head(features(images))` must be what the scorer says of the images; [`grad_cam`] checks it.
#[derive(Debug)]
pub struct SplitScorer<'a, S: ?Sized, F, H> {
    /// The whole model.
    pub scorer: &'a S,
    /// Images `[batch, channels, height, width]` to feature maps `[batch, maps, rows, columns]`.
    pub features: F,
    /// Feature maps to scores `[batch, classes]`.
    pub head: H,
}

/// How Grad-CAM runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GradCamConfig {
    /// Whether negative values of the map become 0, as in the paper: what speaks against the class is then not shown.
    pub rectify: bool,
}

impl Default for GradCamConfig {
    /// With the rectifier of the paper.
    fn default() -> Self {
        Self { rectify: true }
    }
}

/// A map by Grad-CAM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradCam {
    /// The map upsampled to the image. Every channel holds an equal share, so that
    /// [`Attribution::per_pixel`] is the upsampled map.
    pub attribution: Attribution,
    /// The map `[rows, columns]` itself, as fine as the feature maps are.
    pub map: Vec<f32>,
    /// Rows and columns of the map.
    pub size: [usize; 2],
    /// The weight of every feature map: the mean of the gradient over its positions.
    pub weights: Vec<f64>,
}

/// Grad-CAM (Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks via gradient-based localization",
/// equations 1 and 2): `ReLU(Σₖ αₖ Aᵏ)` with `αₖ` the mean over the positions of the gradient of the explained score with
/// respect to feature map `Aᵏ`, upsampled to the image by bilinear interpolation.
///
/// Only the head is differentiated, so that the cost is one forward pass, one backward pass through the head, and the
/// images that check the scorer.
///
/// # Errors
/// If the class does not exist, the scorer gives the image other scores in another batch or with tracked images, the two
/// parts give other scores than the scorer ([`ExplainError::SplitScores`]), there are no feature maps or one is not
/// finite, the scores carry no gradient of them, the call is cancelled, or the explained score or a gradient is not
/// finite.
///
#[doc = include_str!("../../docs/methods/grad-cam.md")]
pub fn grad_cam<S, F, H>(
    model: &SplitScorer<'_, S, F, H>,
    image: &Image,
    target: Target,
    config: &GradCamConfig,
    execution: &Execution,
) -> Result<GradCam, ExplainError>
where
    S: Scorer + ?Sized,
    F: Fn(Tensor<4>) -> Tensor<4>,
    H: Fn(Tensor<4>) -> Tensor<2>,
{
    let whole = check_differentiable_scorer(model.scorer, image, execution)?;
    let in_parts = |images: Tensor<4>| (model.head)((model.features)(images));
    let split = check_differentiable_scorer(&in_parts, image, execution)?;
    require_same_scores(whole.of(0), split.of(0))?;
    let explained = target.resolve(&whole)?;
    execution.cancellation.check("gradients", 0, 1)?;

    // a pair, since a single row is multiplied in another order of summation than the same row among others
    let images = image_batch(image.shape(), 0..2, execution, |_, values| values.copy_from_slice(image.values()))?;
    let maps = (model.features)(images).inner();
    let [rows_of_batch, maps_each, rows, columns] = maps.dims();
    require_shape("the feature maps", &[rows_of_batch, maps_each, rows, columns], &[2, maps_each, rows, columns])?;
    if maps_each * rows * columns == 0 {
        return Err(ExplainError::Empty { what: "list of feature maps" });
    }
    let gradient = head_gradient(&model.head, maps.clone(), explained)?;
    let activations = read_tensor("the feature maps", maps)?;
    require_finite("the feature maps", &activations)?;

    let positions = rows * columns;
    let mean = |map: &[f32]| map.iter().copied().map(f64::from).sum::<f64>() / positions as f64;
    let weights: Vec<f64> = gradient.chunks_exact(positions).take(maps_each).map(mean).collect();
    let mut map = vec![0.0_f64; positions];
    for (weight, activation) in weights.iter().zip(activations.chunks_exact(positions)) {
        map.iter_mut().zip(activation).for_each(|(sum, &value)| *sum += weight * f64::from(value));
    }
    if config.rectify {
        for value in &mut map {
            *value = value.max(0.0);
        }
    }
    let shape = image.shape();
    let plane = upsample(&map, [rows, columns], [shape.height, shape.width]);
    let plane: Vec<f32> = plane.iter().map(|value| (value / shape.channels as f64) as f32).collect();
    Ok(GradCam {
        attribution: Attribution { values: plane.repeat(shape.channels), shape, target: explained },
        map: map.into_iter().map(|value| value as f32).collect(),
        size: [rows, columns],
        weights,
    })
}

/// The gradient of the explained score with respect to the feature maps of a batch, of which the rows do not depend on
/// each other.
fn head_gradient(
    head: impl Fn(Tensor<4>) -> Tensor<2>,
    maps: Tensor<4>,
    explained: ExplainedScore,
) -> Result<Vec<f32>, ExplainError> {
    let maps = maps.autodiff().require_grad();
    let rows = maps.dims()[0];
    let scores = head(maps.clone());
    let classes = check_scores(&scores, rows, 0)?;
    require_index("class", explained.class, classes)?;
    if !scores.is_tracked() {
        return Err(ExplainError::NoGradient);
    }
    let of_class = |class: usize| scores.clone().slice([0..rows, class..class + 1]);
    let difference = match explained.against {
        None => of_class(explained.class),
        Some(other) => of_class(explained.class) - of_class(other),
    };
    let gradients = difference.sum().backward();
    let gradient = read_tensor("the gradient", maps.grad(&gradients).ok_or(ExplainError::NoGradient)?)?;
    require_finite("the gradient", &gradient)?;
    Ok(gradient)
}
