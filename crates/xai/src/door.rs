use burn::tensor::{DType, Tensor};

use crate::error::ExplainError;
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
    Ok(pass_door(scorer, image, execution)?.scores)
}

/// [`check_scorer`], and the same images once more with automatic differentiation: the gradient methods begin here.
///
/// burn's `BatchNorm` and `Dropout` behave as in training as soon as the *images* lie on an autodiff device, unless
/// `valid` or `freeze` switched them off, wherever the weights lie. Such a model passes [`check_scorer`], whose images are
/// plain, and its gradients are those of another function.
///
/// # Errors
/// As [`check_scorer`], and [`ExplainError::TrainingBehaviour`] if the scores of tracked images differ by more than
/// rounding from those of plain ones. A batch normalisation has then moved its running statistics once, which cannot be
/// undone from outside.
pub fn check_differentiable_scorer<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    execution: &Execution,
) -> Result<Scores, ExplainError> {
    let passed = pass_door(scorer, image, execution)?;
    execution.cancellation.check("evaluations", 0, 1)?;
    let images = pair_of_images([&company(image), image], execution)?.autodiff().require_grad();
    let tracked = scores_of_pair(scorer, images)?;
    for row in 0..2 {
        let (plain, tracked) = (passed.beside_another.scores.of(row), tracked.scores.of(row));
        if let Some(class) = first_difference(plain, tracked, passed.beside_another.rounding) {
            return Err(ExplainError::TrainingBehaviour { class, plain: plain[class], tracked: tracked[class] });
        }
    }
    Ok(passed.scores)
}

/// Requires the two parts of a model to say of an image what the whole says.
///
/// # Errors
/// [`ExplainError::SplitScores`] if they do not.
pub(crate) fn require_same_scores(whole: &[f32], parts: &[f32]) -> Result<(), ExplainError> {
    crate::error::require_shape("the scores of the head", &[parts.len()], &[whole.len()])?;
    match first_difference(whole, parts, ROUNDING) {
        Some(class) => Err(ExplainError::SplitScores { class, whole: whole[class], parts: parts[class] }),
        None => Ok(()),
    }
}

/// What the scorer said of an image in different company.
struct Passed {
    scores: Scores,
    beside_another: PairScores,
}

fn pass_door<S: Scorer + ?Sized>(scorer: &S, image: &Image, execution: &Execution) -> Result<Passed, ExplainError> {
    execution.validate()?;
    execution.cancellation.check("evaluations", 0, 1)?;
    let other = company(image);
    let beside_itself = scores_of_pair(scorer, pair_of_images([image, image], execution)?)?;
    execution.cancellation.check("evaluations", 0, 1)?;
    let beside_another = scores_of_pair(scorer, pair_of_images([&other, image], execution)?)?;
    let first = beside_itself.scores.of(0);
    for second in [beside_itself.scores.of(1), beside_another.scores.of(1)] {
        if let Some(class) = first_difference(first, second, beside_itself.rounding) {
            return Err(ExplainError::UnstableScorer { class, first: first[class], second: second[class] });
        }
    }
    Ok(Passed { scores: Scores::new(first.to_vec(), first.len())?, beside_another })
}

/// The scores of two images in one batch, and how far they are rounded.
struct PairScores {
    scores: Scores,
    rounding: f32,
}

fn pair_of_images(pair: [&Image; 2], execution: &Execution) -> Result<Tensor<4>, ExplainError> {
    image_batch(pair[0].shape(), 0..2, execution, |index, values| values.copy_from_slice(pair[index].values()))
}

fn scores_of_pair<S: Scorer + ?Sized>(scorer: &S, images: Tensor<4>) -> Result<PairScores, ExplainError> {
    let scores = scorer.scores(images);
    let classes = check_scores(&scores, 2, 0)?;
    let rounding = match scores.dtype() {
        DType::F16 | DType::BF16 => HALF_ROUNDING,
        _ => ROUNDING,
    };
    Ok(PairScores { scores: Scores::new(read_scores(scores, None)?, classes)?, rounding })
}

/// An image whose mean and spread are different from those of `image`, so that no statistic of a batch is the same
/// with either of them: half of it, or white if it is black.
fn company(image: &Image) -> Image {
    let is_black = image.values().iter().all(|&value| value == 0.0);
    image.map(|value| if is_black { 1.0 } else { 0.5 * value })
}

/// The first class of which two lists of scores differ by more than rounding.
#[expect(clippy::float_cmp, reason = "two minus infinities, or two equal scores, need no tolerance")]
fn first_difference(first: &[f32], second: &[f32], rounding: f32) -> Option<usize> {
    let finite = first.iter().chain(second).filter(|score| score.is_finite());
    let tolerance = rounding * finite.fold(0.0_f32, |largest, score| largest.max(score.abs()));
    let differs = |(a, b): (&f32, &f32)| a != b && ((a - b).abs() > tolerance || !a.is_finite() || !b.is_finite());
    first.iter().zip(second).position(differs)
}
