use rand::RngExt;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_shape::ImageShape;

use crate::attribution::{Attribution, ExplainedScore, Targets};
use crate::door::check_scorer;
use crate::error::{ExplainError, require_count, require_shape};
use crate::execution::Execution;
use crate::gradients::{Moments, relative_norm};
use crate::image::Image;
use crate::masker::score_in_pipeline;
use crate::resize::upsample;
use crate::scorer::Scorer;
use crate::watch::ExplainStep;

const MASK: Purpose = Purpose::new("rise mask");

/// Masks between two looks at the error, which nothing depends on.
const LOOK: usize = 256;

/// How RISE runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RiseConfig {
    /// How many masks are drawn, at least 2.
    pub masks: usize,
    /// Rows of cells of a mask before it is upsampled.
    pub rows: usize,
    /// Columns of cells.
    pub columns: usize,
    /// The probability with which a cell is shown.
    pub probability: f64,
}

impl Default for RiseConfig {
    /// 4000 masks of 7 × 7 cells, half of them shown, as in the paper.
    fn default() -> Self {
        Self { masks: 4000, rows: 7, columns: 7, probability: 0.5 }
    }
}

impl RiseConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("masks", self.masks, 2..=10_000_000)?;
        require_within("rows", self.rows, 1..)?;
        require_within("columns", self.columns, 1..)?;
        require_within("probability", self.probability, 0.01..=0.99)
    }

    /// As [`RiseConfig::validate`], for images of this shape.
    fn validate_for(&self, shape: ImageShape) -> Result<(), InvalidSetting> {
        self.validate()?;
        for (key, cells, pixels) in [("rows", self.rows, shape.height), ("columns", self.columns, shape.width)] {
            let expected = format!("at most {pixels}, as many {key} as the image has pixels");
            require(key, cells <= pixels, || cells.to_string(), &expected)?;
        }
        Ok(())
    }

    /// Mask number `index`, `[height, width]`, between 0 (hidden) and 1 (shown).
    ///
    /// The grid is upsampled to one cell more than the image holds in each direction, and cut at a random offset of less
    /// than one cell, so that the borders of cells lie anywhere.
    fn mask(&self, seed: u64, index: usize, shape: ImageShape) -> Vec<f64> {
        let mut generator = Draw { seed, purpose: MASK, epoch: 0, index: index as u64 }.generator();
        let shown = |_| if generator.random::<f64>() < self.probability { 1.0 } else { 0.0 };
        let grid: Vec<f64> = (0..self.rows * self.columns).map(shown).collect();
        let (cell_height, cell_width) = (shape.height.div_ceil(self.rows), shape.width.div_ceil(self.columns));
        let (top, left) = (generator.random_range(0..cell_height), generator.random_range(0..cell_width));
        let (height, width) = ((self.rows + 1) * cell_height, (self.columns + 1) * cell_width);
        let large = upsample(&grid, [self.rows, self.columns], [height, width]);
        let row = |row: usize| &large[(top + row) * width + left..(top + row) * width + left + shape.width];
        (0..shape.height).flat_map(row).copied().collect()
    }
}

/// Maps by RISE, with what the sampling leaves open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rise {
    /// The score that each map explains.
    pub explained: Vec<ExplainedScore>,
    /// One map for each explained score. Every channel holds an equal share, so that [`Attribution::per_pixel`] is the
    /// mean score while a pixel is shown.
    pub attributions: Vec<Attribution>,
    /// The standard error of each pixel, `[height, width]`, for each map.
    pub standard_errors: Vec<Vec<f32>>,
    /// The Euclidean norm of the standard errors over that of the map's deviation from its own mean; `None` if the map has
    /// one value everywhere. Near 1 or above, the differences of the map are noise.
    pub relative_standard_errors: Vec<Option<f64>>,
    /// How many masks were drawn.
    pub masks: usize,
}

/// RISE (Petsiuk, Das and Saenko 2018, "RISE: randomized input sampling for explanation of black-box models", equation 6):
/// `S(λ) = 1 / (N p) Σᵢ f(I ⊙ Mᵢ) Mᵢ(λ)`, the mean score of images whose pixel `λ` is shown, over `N` random masks `Mᵢ`
/// that show a pixel with probability `p`. Where a mask hides, the image fades into the `replacement`, black in the paper.
///
/// The map has the level of the score itself: only the differences within a map mean something. They are small beside
/// it, so that the standard errors matter. The paper explains probabilities, whose level is between 0 and 1.
///
/// # Errors
/// If a setting is out of range or there are more cells than pixels, the replacement has another shape, the class does not
/// exist, the scorer gives the image other scores in another batch, more memory would be taken than is allowed, the call
/// is cancelled, or the scores are not `[batch, classes]` or the explained ones not finite.
///
#[doc = include_str!("../../docs/methods/rise.md")]
pub fn rise<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    replacement: &Image,
    targets: impl Into<Targets>,
    config: &RiseConfig,
    execution: &Execution,
) -> Result<Rise, ExplainError> {
    let shape = image.shape();
    config.validate_for(shape)?;
    require_shape("the replacement", &replacement.shape().dims(), &shape.dims())?;
    let own = check_scorer(scorer, image, execution)?;
    let explained = targets.into().resolve(&own)?;
    execution.require_memory("the maps of RISE", "the number of targets", [3, explained.len(), shape.pixels()])?;

    let mask = |index: usize| config.mask(execution.seed, index, shape);
    let mut moments: Vec<Moments> = explained.iter().map(|_| Moments::new(shape.pixels())).collect();
    let classes = score_in_pipeline(
        scorer,
        shape,
        config.masks,
        execution,
        |index, values| {
            let mask = mask(index);
            let ends = image.values().iter().zip(replacement.values());
            for ((value, (&shown, &hidden)), share) in values.iter_mut().zip(ends).zip(mask.iter().cycle()) {
                *value = (share * f64::from(shown) + (1.0 - share) * f64::from(hidden)) as f32;
            }
        },
        |index, found| {
            let mask = mask(index);
            for (score, moments) in explained.iter().zip(&mut moments) {
                let weight = score.of(found)? / config.probability;
                moments.add(mask.iter().map(|share| weight * share));
            }
            if (index + 1).is_multiple_of(LOOK) {
                let relative_standard_error = moments.first().and_then(relative_error_of);
                let (done, most) = (index + 1, config.masks);
                execution.watch.tell(ExplainStep::Estimate { what: "masks", done, most, relative_standard_error });
            }
            Ok(())
        },
    )?;
    require_count("list of classes", classes, own.classes())?;
    let attributions = explained.iter().zip(&moments).map(|(&target, moments)| {
        let plane: Vec<f32> = moments.mean.iter().map(|value| (value / shape.channels as f64) as f32).collect();
        Attribution { values: plane.repeat(shape.channels), shape, target }
    });
    let attributions = attributions.collect();
    let errors: Vec<Vec<f64>> = moments.iter().map(Moments::standard_error).collect();
    Ok(Rise {
        relative_standard_errors: moments.iter().map(relative_error_of).collect(),
        standard_errors: errors.iter().map(|errors| errors.iter().map(|&error| error as f32).collect()).collect(),
        attributions,
        explained,
        masks: config.masks,
    })
}

/// The norm of the standard errors of a map over that of its deviation from its own mean.
fn relative_error_of(moments: &Moments) -> Option<f64> {
    let level = moments.mean.iter().sum::<f64>() / moments.mean.len() as f64;
    let deviation: Vec<f64> = moments.mean.iter().map(|value| value - level).collect();
    relative_norm(&moments.standard_error(), &deviation)
}
