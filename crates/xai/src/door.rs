use burn::tensor::{DType, Tensor};

use crate::error::{ExplainError, require_shape};
use crate::execution::Execution;
use crate::image::Image;
use crate::scorer::{Scorer, Scores, check_scores, image_batch, read_scores};

/// How far two evaluations of an image in f32 may differ, relative to the largest of its scores. The order of summation
/// changes the last of seven digits, and a deep network some more.
const ROUNDING: f32 = 1e-3;

/// The same in half precision, whose three digits (bf16: two) a deep network wears down.
const HALF_ROUNDING: f32 = 5e-2;

/// The scores of an image, after a second evaluation in other company gave the same ones.
///
/// All methods rely on a scorer that gives an image the same scores in every batch. Dropout that is still on, or a batch
/// normalisation that uses the statistics of the batch, break that, and every map and every diagnostic of a scorer that
/// does would look like a result. So each method of this crate begins here: the image is scored beside a copy of itself
/// and again beside another image, four images in two batches. The scores may differ by rounding: by 0.001 of the largest
/// magnitude among them, or by 0.05 in half precision.
///
/// # Errors
/// [`ExplainError::UnstableScorer`] if the scores differ by more; if the call is cancelled, or the scores are not
/// `[batch, classes]`, NaN or plus infinity.
pub fn check_scorer<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    execution: &Execution,
) -> Result<Scores, ExplainError> {
    let beside_itself = beside_itself(scorer, image, execution)?;
    execution.cancellation.check("evaluations", 0, 1)?;
    let beside_another = scores_of(scorer, batch_of(&[&company(image), image], execution)?)?;
    let scores = beside_itself.scores.of(0);
    require_stable(scores, beside_another.scores.of(1), beside_itself.rounding)?;
    Scores::new(scores.to_vec(), scores.len())
}

/// [`check_scorer`] for the gradient methods: the second evaluation is one with automatic differentiation.
///
/// burn's `BatchNorm` and `Dropout` behave as in training as soon as the *images* lie on an autodiff device, unless
/// `valid` or `freeze` switched them off, wherever the weights lie. Such a model passes [`check_scorer`], whose images are
/// plain, and its gradients are those of another function.
///
/// The image is scored beside a copy of itself, plain, and beside another image, tracked. Only if that differs, the plain
/// batches of [`check_scorer`] tell which of the two is the reason.
///
/// # Errors
/// As [`check_scorer`], and [`ExplainError::TrainingBehaviour`] if the scores of the tracked image differ by more than
/// rounding from those of the plain one. A batch normalisation has then moved its running statistics once, which cannot be
/// undone from outside.
pub fn check_differentiable_scorer<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    execution: &Execution,
) -> Result<Scores, ExplainError> {
    Ok(pass_differentiable_door(scorer, image, &[], execution)?.plain)
}

/// What a scorer whose gradients may be asked for said of an image.
pub(crate) struct DifferentiableDoor {
    /// Of the image alone.
    plain: Scores,
    /// Of the image, then of the images that were handed over with it, as the gradient methods see them.
    pub(crate) tracked: Scores,
}

/// As [`check_differentiable_scorer`], with other images of the same shape in the tracked batch. They are company enough for
/// the image, unless all of them have its mean or its spread.
pub(crate) fn pass_differentiable_door<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    others: &[Image],
    execution: &Execution,
) -> Result<DifferentiableDoor, ExplainError> {
    let beside_itself = beside_itself(scorer, image, execution)?;
    execution.cancellation.check("evaluations", 0, 1)?;
    let other = (!others.iter().any(|other| is_other(other, image))).then(|| company(image));
    let images: Vec<&Image> = std::iter::once(image).chain(others).chain(&other).collect();
    let tracked = scores_of(scorer, batch_of(&images, execution)?.autodiff().require_grad())?.scores;
    let plain = beside_itself.scores.of(0);
    require_shape("the scores", &[images.len(), tracked.classes()], &[images.len(), plain.len()])?;
    if let Some(class) = first_difference(plain, tracked.of(0), beside_itself.rounding) {
        // a scorer that depends on the company of an image does so without automatic differentiation, too; both batches
        // are new ones, since a normalisation in training has moved its statistics by now
        check_scorer(scorer, image, execution)?;
        return Err(ExplainError::TrainingBehaviour { class, plain: plain[class], tracked: tracked.of(0)[class] });
    }
    let classes = plain.len();
    let mut tracked = tracked.into_values();
    tracked.truncate((1 + others.len()) * classes);
    let tracked = Scores::new(tracked, classes)?;
    Ok(DifferentiableDoor { plain: Scores::new(plain.to_vec(), classes)?, tracked })
}

/// Requires the two parts of a model to say of an image what the whole says.
///
/// # Errors
/// [`ExplainError::SplitScores`] if they do not.
pub(crate) fn require_same_scores(whole: &[f32], parts: &[f32]) -> Result<(), ExplainError> {
    require_shape("the scores of the head", &[parts.len()], &[whole.len()])?;
    match first_difference(whole, parts, ROUNDING) {
        Some(class) => Err(ExplainError::SplitScores { class, whole: whole[class], parts: parts[class] }),
        None => Ok(()),
    }
}

/// The scores of a batch, and how far they are rounded.
struct Scored {
    scores: Scores,
    rounding: f32,
}

/// The scores of an image twice in a batch, which are the same.
fn beside_itself<S: Scorer + ?Sized>(scorer: &S, image: &Image, execution: &Execution) -> Result<Scored, ExplainError> {
    execution.validate()?;
    execution.cancellation.check("evaluations", 0, 1)?;
    let scored = scores_of(scorer, batch_of(&[image, image], execution)?)?;
    require_stable(scored.scores.of(0), scored.scores.of(1), scored.rounding)?;
    Ok(scored)
}

fn require_stable(first: &[f32], second: &[f32], rounding: f32) -> Result<(), ExplainError> {
    match first_difference(first, second, rounding) {
        Some(class) => Err(ExplainError::UnstableScorer { class, first: first[class], second: second[class] }),
        None => Ok(()),
    }
}

fn batch_of(images: &[&Image], execution: &Execution) -> Result<Tensor<4>, ExplainError> {
    let fill = |index: usize, values: &mut [f32]| values.copy_from_slice(images[index].values());
    image_batch(images[0].shape(), 0..images.len(), execution, fill)
}

fn scores_of<S: Scorer + ?Sized>(scorer: &S, images: Tensor<4>) -> Result<Scored, ExplainError> {
    let [rows, ..] = images.dims();
    let scores = scorer.scores(images);
    let classes = check_scores(&scores, rows, 0)?;
    let rounding = match scores.dtype() {
        DType::F16 | DType::BF16 => HALF_ROUNDING,
        _ => ROUNDING,
    };
    Ok(Scored { scores: Scores::new(read_scores(scores, None)?, classes)?, rounding })
}

/// An image whose mean and spread are different from those of `image`, so that no statistic of a batch is the same
/// with either of them: half of it, or white if it is black.
fn company(image: &Image) -> Image {
    let is_black = image.values().iter().all(|&value| value == 0.0);
    image.map(|value| if is_black { 1.0 } else { 0.5 * value })
}

/// Whether mean and spread of an image are clearly others than those of `image`.
fn is_other(other: &Image, image: &Image) -> bool {
    let moments = |image: &Image| {
        let values = || image.values().iter().map(|&value| f64::from(value));
        let count = image.values().len() as f64;
        let mean = values().sum::<f64>() / count;
        (mean, (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt())
    };
    let ((mean, spread), (other_mean, other_spread)) = (moments(image), moments(other));
    let differ = |one: f64, another: f64| (one - another).abs() > 0.1 * one.abs().max(another.abs());
    differ(mean, other_mean) && differ(spread, other_spread)
}

/// The first class of which two lists of scores differ by more than rounding.
#[expect(clippy::float_cmp, reason = "two minus infinities, or two equal scores, need no tolerance")]
fn first_difference(first: &[f32], second: &[f32], rounding: f32) -> Option<usize> {
    let finite = first.iter().chain(second).filter(|score| score.is_finite());
    let tolerance = rounding * finite.fold(0.0_f32, |largest, score| largest.max(score.abs()));
    let differs = |(a, b): (&f32, &f32)| a != b && ((a - b).abs() > tolerance || !a.is_finite() || !b.is_finite());
    first.iter().zip(second).position(differs)
}
