use rand::RngExt;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};

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

/// A map of one gradient, with how much of it is decided by rounding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbedGradient {
    /// The map.
    pub attribution: Attribution,
    /// The share of the pixels, 0 to 1, whose value changes by more than [`UNSTABLE_CHANGE`] of the largest one when the
    /// image changes by at most [`PROBE_SIZE`] of its own largest one.
    pub unstable: f64,
}

/// [`input_gradient`], with the share of the pixels at which it is decided by rounding.
///
/// A score of maxima and `ReLU`s has no gradient where two arguments are exactly equal, but several one-sided ones, of
/// which automatic differentiation gives any. It happens on flat grounds: the windows of a maximum pooling then hold
/// equal values, and which of them counts as the largest is decided by their order or by rounding. Two more gradients
/// tell, at images that differ by random values of at most [`PROBE_SIZE`] of the largest value, four times the relative
/// precision of f32, with either sign: no tie is broken alike by both. The draws are always the same.
///
/// # Errors
/// As [`input_gradient`].
pub fn probed_input_gradient<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    target: Target,
    execution: &Execution,
) -> Result<ProbedGradient, ExplainError> {
    probe(scorer, image, target, execution, |_| 1.0)
}

/// [`input_times_gradient`], with the share of the pixels at which it is decided by rounding, as in
/// [`probed_input_gradient`]. Where the image is 0 the product is 0, whatever the gradient.
///
/// # Errors
/// As [`input_gradient`].
pub fn probed_input_times_gradient<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    target: Target,
    execution: &Execution,
) -> Result<ProbedGradient, ExplainError> {
    probe(scorer, image, target, execution, |index| image.values()[index])
}

/// By how much a pixel has to change to count as unstable, as a share of the largest magnitude of the map.
pub const UNSTABLE_CHANGE: f32 = 0.01;

/// How far a probe is from the image at most, as a share of the image's largest magnitude.
pub const PROBE_SIZE: f32 = 4.0 * f32::EPSILON;

/// The image with a draw added, and with the same subtracted: of a tie both cannot choose the same.
const PROBES: usize = 2;

const PROBE: Purpose = Purpose::new("probe of a gradient");

/// The gradient at the image times `factor(index)`, compared with the same at the probes.
fn probe<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    target: Target,
    execution: &Execution,
    factor: impl Fn(usize) -> f32,
) -> Result<ProbedGradient, ExplainError> {
    let target = target.resolve(&check_differentiable_scorer(scorer, image, execution)?)?;
    let magnitude = image.values().iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let size = PROBE_SIZE * if magnitude > 0.0 { magnitude } else { 1.0 };
    let pixels = image.shape().pixels();
    let (mut values, mut threshold) = (Vec::new(), 0.0);
    let mut is_unstable = vec![false; pixels];
    score_gradients(
        scorer,
        image.shape(),
        1 + PROBES,
        target,
        execution,
        |index, values| {
            values.copy_from_slice(image.values());
            if index > 0 {
                let mut generator = Draw { seed: 0, purpose: PROBE, epoch: 0, index: 0 }.generator();
                let size = if index == 1 { size } else { -size };
                for value in values {
                    *value += size * (2.0 * generator.random::<f32>() - 1.0);
                }
            }
        },
        |at| {
            let map = at.gradient.iter().enumerate().map(|(index, gradient)| gradient * factor(index));
            if at.index == 0 {
                values = map.collect();
                threshold = UNSTABLE_CHANGE * values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
                return;
            }
            for (index, (probed, value)) in map.zip(&values).enumerate() {
                is_unstable[index % pixels] |= (probed - value).abs() > threshold;
            }
        },
    )?;
    let unstable = is_unstable.iter().filter(|&&is_unstable| is_unstable).count() as f64 / pixels as f64;
    Ok(ProbedGradient { attribution: Attribution { values, shape: image.shape(), target }, unstable })
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
