use burn::tensor::Tensor;
use tinylsa_shape::ImageShape;

use crate::attribution::ExplainedScore;
use crate::error::{ExplainError, require_finite, require_index};
use crate::execution::Execution;
use crate::scorer::{Scorer, batch_scores, check_scores, image_batch, read_scores, read_tensor, require_finite_score};

/// The gradient of the score of one class with respect to one image.
pub(crate) struct ImageGradient<'a> {
    /// The image's index among those of the call.
    pub(crate) index: usize,
    /// One value for each of the image's.
    pub(crate) gradient: &'a [f32],
}

/// The gradients of the explained score with respect to each of `count` images of one shape, handed over in
/// ascending order; `fill(index, values)` writes an image into the zeroed `values` when its turn comes.
///
/// The gradient of the sum of a batch's scores is the gradient of each, since the scores of one image do not depend
/// on the others.
///
/// # Errors
/// If the call is cancelled, the class does not exist, or the scores or gradients are missing or not finite.
pub(crate) fn score_gradients<S: Scorer + ?Sized>(
    scorer: &S,
    shape: ImageShape,
    count: usize,
    explained: ExplainedScore,
    execution: &Execution,
    mut fill: impl FnMut(usize, &mut [f32]),
    mut receive: impl FnMut(ImageGradient),
) -> Result<(), ExplainError> {
    if count == 0 {
        return Err(ExplainError::Empty { what: "list of images" });
    }
    let size = shape.values();
    execution.in_batches("gradients", count, |batch| {
        let images = image_batch(shape, batch.clone(), execution, &mut fill)?.autodiff().require_grad();
        let scores = batch_scores(scorer, images.clone());
        let classes = check_scores(&scores, batch.len(), 0)?;
        for class in std::iter::once(explained.class).chain(explained.against) {
            require_index("class", class, classes)?;
        }
        if !scores.is_tracked() {
            return Err(ExplainError::NoGradient);
        }
        let of_class = |class: usize| {
            let of_class: Tensor<2> = scores.clone().slice([0..batch.len(), class..class + 1]);
            for score in read_scores(of_class.clone(), Some(class))? {
                require_finite_score(class, score)?;
            }
            Ok::<_, ExplainError>(of_class)
        };
        let mut differentiated = of_class(explained.class)?;
        if let Some(other) = explained.against {
            differentiated = differentiated - of_class(other)?;
        }
        let gradients = differentiated.sum().backward();
        let gradient = images.grad(&gradients).ok_or(ExplainError::NoGradient)?;
        let gradient = read_tensor("the gradient", gradient)?;
        require_finite("the gradient", &gradient)?;
        for (index, gradient) in batch.zip(gradient.chunks_exact(size)) {
            receive(ImageGradient { index, gradient });
        }
        Ok(())
    })
}
