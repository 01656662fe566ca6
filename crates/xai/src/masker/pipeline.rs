use std::ops::Range;

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use tinylsa_shape::ImageShape;

use crate::error::ExplainError;
use crate::execution::Execution;
use crate::scorer::{Scorer, batch_scores, check_scores, read_scores};

/// The scores of `count` images of one shape, made batch by batch by `fill(index, values)` and handed in ascending
/// order to `receive(index, scores)`; returns the number of classes.
///
/// While the scorer works on one batch, the next one is made by other threads of the current rayon pool, so that at most
/// two batches exist at a time and making them costs next to nothing beside the model.
///
/// # Errors
/// If there are no images, a batch of them would take more memory than is allowed, the call is cancelled, or the scores
/// are not `[batch, classes]`, NaN or plus infinity; the first error of `receive`.
pub(crate) fn score_in_pipeline<S: Scorer + ?Sized>(
    scorer: &S,
    shape: ImageShape,
    count: usize,
    execution: &Execution,
    fill: impl Fn(usize, &mut [f32]) + Sync,
    mut receive: impl FnMut(usize, &[f32]) -> Result<(), ExplainError>,
) -> Result<usize, ExplainError> {
    if count == 0 {
        return Err(ExplainError::Empty { what: "list of images" });
    }
    let ImageShape { channels, height, width } = shape;
    let batch_size = execution.batch_size.min(count);
    execution.require_memory("a batch of images", "batch_size", [batch_size, channels, height, width])?;
    let mut classes = 0;
    let mut prepared: Option<Vec<f32>> = None;
    execution.in_batches("evaluations", count, |batch| {
        let rows = batch.len();
        let values = prepared.take().unwrap_or_else(|| make(shape, batch.clone(), &fill));
        let next = batch.end..count.min(batch.end.saturating_add(execution.batch_size));
        let scores = rayon::in_place_scope(|scope| {
            if !next.is_empty() {
                scope.spawn(|_| prepared = Some(make(shape, next, &fill)));
            }
            let data = TensorData::new(values, [rows, channels, height, width]);
            let scores = batch_scores(scorer, Tensor::from_data(data, &execution.device));
            classes = check_scores(&scores, rows, classes)?;
            read_scores(scores, None)
        })?;
        batch.zip(scores.chunks_exact(classes)).try_for_each(|(index, scores)| receive(index, scores))
    })?;
    Ok(classes)
}

fn make(shape: ImageShape, batch: Range<usize>, fill: &(impl Fn(usize, &mut [f32]) + Sync)) -> Vec<f32> {
    let size = shape.values();
    let mut values = vec![0.0; batch.len() * size];
    values.par_chunks_exact_mut(size).zip(batch.into_par_iter()).for_each(|(values, index)| fill(index, values));
    values
}
