//! The scores of a few images, and the gradient of one.

use burn::tensor::{Tensor, TensorData};
use tinylsa_model::values_of;
use tinylsa_xai::{ExplainError, ExplainedScore, Image};

use crate::lanes::Desk;
use crate::refusal::Refusal;

/// The scores of images of one shape, at least one: the same bits as in the batch of any explanation.
pub(crate) fn scores_of(desk: &Desk, images: &[&Image]) -> Result<Vec<Vec<f32>>, Refusal> {
    // alone, an image would be multiplied in another order of summation than among others
    let batch: Vec<&Image> = if let [only] = images { vec![only, only] } else { images.to_vec() };
    let Some(first) = batch.first() else { return Ok(Vec::new()) };
    let [channels, height, width] = first.shape().dims();
    let values: Vec<f32> = batch.iter().flat_map(|image| image.values()).copied().collect();
    let data = TensorData::new(values, [batch.len(), channels, height, width]);
    let scores = desk.model.scores(Tensor::from_data(data, &desk.device));
    let [_, classes] = scores.dims();
    let values = values_of(&scores);
    if let Some(place) = values.iter().position(|score| score.is_nan() || *score == f32::INFINITY) {
        let (class, value) = (place % classes.max(1), values[place]);
        return Err(ExplainError::Score { class, value }.into());
    }
    Ok(values.chunks_exact(classes.max(1)).take(images.len()).map(<[f32]>::to_vec).collect())
}

/// The gradient of a score with respect to an image: the bits of the method `input-gradient`, without the passes by which the
/// method makes sure every time that the model is one that can be explained.
pub(crate) fn gradient_of(desk: &Desk, image: &Image, score: ExplainedScore) -> Result<Vec<f32>, Refusal> {
    let [channels, height, width] = image.shape().dims();
    let data = TensorData::new(image.values().to_vec(), [1, channels, height, width]);
    let tracked = Tensor::<4>::from_data(data, &desk.device).autodiff().require_grad();
    let scores = desk.model.differentiable_scores(Tensor::cat(vec![tracked.clone(), tracked.clone()], 0));
    let scores = scores.narrow(0, 0, 1);
    let of_class = |class: usize| scores.clone().slice([0..1, class..class + 1]);
    let differentiated = match score.against {
        None => of_class(score.class),
        Some(other) => of_class(score.class) - of_class(other),
    };
    let gradients = differentiated.sum().backward();
    let gradient = tracked.grad(&gradients).ok_or(ExplainError::NoGradient)?;
    Ok(values_of(&gradient))
}
