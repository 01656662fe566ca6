use crate::attribution::{Attribution, Target};
use crate::door::check_differentiable_scorer;
use crate::error::ExplainError;
use crate::execution::Execution;
use crate::gradient::score_gradients;
use crate::image::Image;
use crate::scorer::Scorer;

/// The gradient of the class's score with respect to every input value (Simonyan et al. 2013).
///
/// It says to which values the score is sensitive, not which of them made it, and serves the other methods as a
/// control.
///
/// # Errors
/// If the class does not exist, the scorer gives the image other scores in another batch, the scores carry no
/// gradient, the call is cancelled, or the class's score or a gradient is not finite.
pub fn input_gradient<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    target: Target,
    execution: &Execution,
) -> Result<Attribution, ExplainError> {
    let target = target.resolve(&check_differentiable_scorer(scorer, image, execution)?)?;
    let mut values = Vec::new();
    score_gradients(
        scorer,
        image.shape(),
        1,
        target,
        execution,
        |_, values| values.copy_from_slice(image.values()),
        |at| values.extend_from_slice(at.gradient),
    )?;
    Ok(Attribution { values, shape: image.shape(), target })
}

/// The gradient multiplied by the input (Shrikumar et al. 2016), which is Integrated Gradients from a baseline of
/// zeros for a linear model, and the first term of a Taylor series for any other.
///
/// # Errors
/// As [`input_gradient`].
pub fn input_times_gradient<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    target: Target,
    execution: &Execution,
) -> Result<Attribution, ExplainError> {
    let mut attribution = input_gradient(scorer, image, target, execution)?;
    attribution.values.iter_mut().zip(image.values()).for_each(|(gradient, value)| *gradient *= value);
    Ok(attribution)
}

/// Explains every class in turn: `explain` is one of the gradient methods of this crate with all arguments but the
/// target.
///
/// A gradient belongs to one class, so that this costs as many explanations as there are classes.
///
/// # Errors
/// If the image cannot be scored, or as `explain`.
pub fn for_every_class<S: Scorer + ?Sized, T>(
    scorer: &S,
    image: &Image,
    execution: &Execution,
    mut explain: impl FnMut(Target) -> Result<T, ExplainError>,
) -> Result<Vec<T>, ExplainError> {
    let classes = check_differentiable_scorer(scorer, image, execution)?.classes();
    (0..classes)
        .map(|class| {
            execution.cancellation.check("classes", class, classes)?;
            explain(Target::Class(class))
        })
        .collect()
}
