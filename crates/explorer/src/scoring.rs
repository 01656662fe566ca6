//! The scores of a few images.

use burn::tensor::{Tensor, TensorData};
use tinylsa_model::values_of;
use tinylsa_xai::{ExplainError, Image};

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
