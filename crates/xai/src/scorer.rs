use burn::tensor::{DType, Tensor, TensorData};
use tinylsa_shape::ImageShape;

use crate::error::{ExplainError, require_index, require_shape};
use crate::execution::Execution;

/// Anything that maps images `[batch, channels, height, width]` to scores `[batch, classes]`, such as logits.
///
/// Every `Fn(Tensor<4>) -> Tensor<2>` is one, so a model is explained by handing over `|images| model.forward(images)`.
/// What the methods rely on:
///
/// - The model is in evaluation mode: dropout is off, and batch normalisation uses its running statistics, so that the
///   scores of an image do not depend on its neighbours in the batch. Every method asks for the scores of its image in
///   two different batches first ([`check_scorer`](crate::check_scorer)) and refuses a scorer that answers differently.
/// - No score is NaN or plus infinity. Minus infinity, by which a class is ruled out, is allowed for every class but
///   those that are explained.
/// - For gradients, the scores are computed from the images by burn's operations alone. The images arrive on an
///   autodiff device and require a gradient. The weights may stay on the plain device, where `model.valid()` puts them:
///   burn treats plain tensors as constants in an operation with tracked ones, so no gradient of the weights is ever
///   formed. Weights that are themselves tracked give the same attributions at a higher cost.
///
/// Whether logits or probabilities are explained is the scorer's choice; logits are the usual one.
pub trait Scorer {
    /// The scores `[batch, classes]` of the images `[batch, channels, height, width]`.
    fn scores(&self, images: Tensor<4>) -> Tensor<2>;
}

impl<F: Fn(Tensor<4>) -> Tensor<2>> Scorer for F {
    fn scores(&self, images: Tensor<4>) -> Tensor<2> {
        self(images)
    }
}

/// The scores of several images on the host. None of them is NaN or plus infinity.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    values: Vec<f32>,
    classes: usize,
}

impl Scores {
    /// Scores `[images, classes]`, row by row.
    pub(crate) fn new(values: Vec<f32>, classes: usize) -> Result<Self, ExplainError> {
        if classes == 0 {
            return Err(ExplainError::Empty { what: "list of classes" });
        }
        Ok(Self { values, classes })
    }

    pub(crate) fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.values.len() / self.classes
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The scores `[classes]` of one image.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn of(&self, image: usize) -> &[f32] {
        &self.values[image * self.classes..(image + 1) * self.classes]
    }

    /// The scores of one class, for every image in turn, all of them finite.
    ///
    /// # Errors
    /// If there is no such class, or it is ruled out for an image.
    pub fn of_class(&self, class: usize) -> Result<Vec<f32>, ExplainError> {
        require_index("class", class, self.classes)?;
        let of_class = self.values.iter().skip(class).step_by(self.classes);
        of_class.map(|&score| require_finite_score(class, score).map(|()| score)).collect()
    }

    /// The class with the highest score of one image; the first of several equal ones.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn predicted(&self, image: usize) -> usize {
        first_largest(self.of(image))
    }
}

/// The place of the largest of some values, at least one; the first of equal ones.
pub(crate) fn first_largest<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, place| if values[place] > values[best] { place } else { best })
}

/// The scores of a batch, of which a single image is accompanied by a copy of itself.
///
/// CPU backends multiply a single row by a matrix in another order of summation than the same row among others, which
/// changes the last bits of a wide linear layer. With the copy, the last batch of a call, or every batch at a batch size
/// of 1, has the same bits as any other.
pub(crate) fn batch_scores<S: Scorer + ?Sized>(scorer: &S, images: Tensor<4>) -> Tensor<2> {
    if images.dims()[0] != 1 {
        return scorer.scores(images);
    }
    let scores = scorer.scores(Tensor::cat(vec![images.clone(), images], 0));
    if scores.dims()[0] == 2 { scores.narrow(0, 0, 1) } else { scores }
}

/// A batch of images on the plain device.
///
/// # Errors
/// If it would take more memory than is allowed.
pub(crate) fn image_batch(
    shape: ImageShape,
    batch: std::ops::Range<usize>,
    execution: &Execution,
    mut fill: impl FnMut(usize, &mut [f32]),
) -> Result<Tensor<4>, ExplainError> {
    let ImageShape { channels, height, width } = shape;
    let rows = batch.len();
    execution.require_memory("a batch of images", "batch_size", [rows, channels, height, width])?;
    let mut values = vec![0.0; rows * channels * height * width];
    for (index, row) in batch.zip(values.chunks_exact_mut(channels * height * width)) {
        fill(index, row);
    }
    Ok(Tensor::from_data(TensorData::new(values, [rows, channels, height, width]), &execution.device))
}

/// Requires scores `[rows, classes]`, with as many classes as before where `known` is not 0; returns their number.
pub(crate) fn check_scores(scores: &Tensor<2>, rows: usize, known: usize) -> Result<usize, ExplainError> {
    let [found_rows, classes] = scores.dims();
    if classes == 0 {
        return Err(ExplainError::Empty { what: "list of classes" });
    }
    let expected = [rows, if known == 0 { classes } else { known }];
    require_shape("the scores", &[found_rows, classes], &expected)?;
    Ok(classes)
}

/// The values of scores `[batch, classes]`, or of the single column of `class` if one is named.
///
/// # Errors
/// If a score is NaN or plus infinity, or the device fails.
pub(crate) fn read_scores(scores: Tensor<2>, class: Option<usize>) -> Result<Vec<f32>, ExplainError> {
    let [_, classes] = scores.dims();
    let values = read_tensor("the scores", scores)?;
    // Minus infinity rules a class out, which is no reason not to explain another one.
    match values.iter().position(|&score| score.is_nan() || score == f32::INFINITY) {
        Some(position) => {
            let class = class.unwrap_or(position % classes.max(1));
            Err(ExplainError::Score { class, value: values[position] })
        }
        None => Ok(values),
    }
}

/// Requires the score of a class that is explained to be finite.
pub(crate) fn require_finite_score(class: usize, value: f32) -> Result<(), ExplainError> {
    if value.is_finite() { Ok(()) } else { Err(ExplainError::Score { class, value }) }
}

/// The values of a tensor in row-major order.
pub(crate) fn read_tensor<const D: usize>(what: &'static str, tensor: Tensor<D>) -> Result<Vec<f32>, ExplainError> {
    tensor
        .inner()
        .try_into_data_dtype(DType::F32)
        .map_err(|error| error.to_string())
        .and_then(|data| data.try_into_vec().map_err(|error| format!("{error:?}")))
        .map_err(|reason| ExplainError::Device { what, reason })
}
