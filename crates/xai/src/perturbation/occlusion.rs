use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require, require_within};
use tinylsa_shape::ImageShape;

use crate::attribution::{Attribution, ExplainedScore, Targets};
use crate::door::check_scorer;
use crate::error::{ExplainError, require_count, require_shape};
use crate::execution::Execution;
use crate::image::Image;
use crate::masker::score_in_pipeline;
use crate::scorer::Scorer;

/// The window of occlusion and its steps, in pixels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OcclusionConfig {
    /// Height of the window.
    pub height: usize,
    /// Width of the window.
    pub width: usize,
    /// Rows from one window to the next, at most the height of the window.
    pub row_stride: usize,
    /// Columns from one window to the next, at most the width of the window.
    pub column_stride: usize,
}

impl Default for OcclusionConfig {
    /// Windows of 4 × 4 pixels in steps of 2: 169 evaluations of an image of 28 × 28.
    fn default() -> Self {
        Self { height: 4, width: 4, row_stride: 2, column_stride: 2 }
    }
}

impl OcclusionConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("height", self.height, 1..)?;
        require_within("width", self.width, 1..)?;
        require_within("row_stride", self.row_stride, 1..=self.height)?;
        require_within("column_stride", self.column_stride, 1..=self.width)
    }

    /// How many windows, and so evaluations besides that of the image itself, an image of this shape takes.
    ///
    /// # Errors
    /// [`InvalidSetting`] if a setting is out of range or the window is larger than the image.
    pub fn windows(&self, shape: ImageShape) -> Result<usize, InvalidSetting> {
        Ok(self.rows_of_windows(shape)? * self.columns_of_windows(shape)?)
    }

    fn rows_of_windows(&self, shape: ImageShape) -> Result<usize, InvalidSetting> {
        self.validate()?;
        require_fits("height", self.height, shape.height)?;
        Ok((shape.height - self.height).div_ceil(self.row_stride) + 1)
    }

    fn columns_of_windows(&self, shape: ImageShape) -> Result<usize, InvalidSetting> {
        self.validate()?;
        require_fits("width", self.width, shape.width)?;
        Ok((shape.width - self.width).div_ceil(self.column_stride) + 1)
    }
}

fn require_fits(key: &str, window: usize, image: usize) -> Result<(), InvalidSetting> {
    let expected = format!("at most {image}, the {key} of the image");
    require(key, window <= image, || window.to_string(), &expected)
}

/// Maps by occlusion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Occlusion {
    /// The score that each map explains.
    pub explained: Vec<ExplainedScore>,
    /// One map for each explained score. Every channel holds an equal share, so that [`Attribution::per_pixel`] is the
    /// mean fall of the score over the windows that cover a pixel.
    pub attributions: Vec<Attribution>,
    /// The explained scores of the image itself.
    pub scores: Vec<f64>,
    /// How many windows the image has.
    pub windows: usize,
    /// How many of them look the same hidden and shown: the score does not fall, and the model is not asked.
    pub inert_windows: usize,
}

/// Occlusion (Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2): a window slides
/// over the image, and shows the `replacement` in place of it, in every channel. The value of a pixel is the mean, over
/// the windows that cover it, of the fall of the explained score.
///
/// The mean is what Captum's `Occlusion` computes for a window over all channels: windows begin at multiples of the
/// stride, and the last one of a row or column is cut off at the edge. Values therefore do not sum to anything. A window
/// under which image and replacement are the same has a fall of 0 and costs nothing.
///
/// # Errors
/// If a setting is out of range or the window larger than the image, the replacement has another shape, the class does not
/// exist, the scorer gives the image other scores in another batch, more memory would be taken than is allowed, the call
/// is cancelled, or the scores are not `[batch, classes]` or the explained ones not finite.
///
#[doc = include_str!("../../docs/methods/occlusion.md")]
pub fn occlusion<S: Scorer + ?Sized>(
    scorer: &S,
    image: &Image,
    replacement: &Image,
    targets: impl Into<Targets>,
    config: &OcclusionConfig,
    execution: &Execution,
) -> Result<Occlusion, ExplainError> {
    let shape = image.shape();
    let windows = config.windows(shape)?;
    let in_a_row = config.columns_of_windows(shape)?;
    require_shape("the replacement", &replacement.shape().dims(), &shape.dims())?;
    let own = check_scorer(scorer, image, execution)?;
    let explained = targets.into().resolve(&own)?;
    execution.require_memory("the maps of occlusion", "the number of targets", [2, explained.len(), shape.pixels()])?;

    let window = |index: usize| Window::at(index, in_a_row, config, shape);
    let mut scores = vec![0.0; explained.len()];
    let mut sums = vec![vec![0.0_f64; shape.pixels()]; explained.len()];
    let mut covering = vec![0_u32; shape.pixels()];
    (0..windows).for_each(|index| window(index).for_each_pixel(|pixel| covering[pixel] += 1));
    let changing: Vec<usize> = (0..windows).filter(|&index| window(index).changes(image, replacement)).collect();
    // the image itself first, then every window that changes it
    let classes = score_in_pipeline(
        scorer,
        shape,
        changing.len() + 1,
        execution,
        |row, values| {
            values.copy_from_slice(image.values());
            if row > 0 {
                window(changing[row - 1]).hide(values, replacement);
            }
        },
        |row, found| {
            let found = explained.iter().map(|score| score.of(found)).collect::<Result<Vec<f64>, _>>()?;
            if row == 0 {
                scores = found;
                return Ok(());
            }
            let window = window(changing[row - 1]);
            for ((sums, score), found) in sums.iter_mut().zip(&scores).zip(found) {
                window.for_each_pixel(|pixel| sums[pixel] += score - found);
            }
            Ok(())
        },
    )?;
    require_count("list of classes", classes, own.classes())?;
    let attributions = explained.iter().zip(sums).map(|(&target, sums)| {
        let share = |(sum, &count): (f64, &u32)| (sum / f64::from(count) / shape.channels as f64) as f32;
        let plane: Vec<f32> = sums.into_iter().zip(&covering).map(share).collect();
        Attribution { values: plane.repeat(shape.channels), shape, target }
    });
    let inert_windows = windows - changing.len();
    Ok(Occlusion { attributions: attributions.collect(), explained, scores, windows, inert_windows })
}

/// A window cut off at the edges of the image.
struct Window {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    shape: ImageShape,
}

impl Window {
    fn at(index: usize, in_a_row: usize, config: &OcclusionConfig, shape: ImageShape) -> Self {
        let (top, left) = (index / in_a_row * config.row_stride, index % in_a_row * config.column_stride);
        Self {
            rows: top..(top + config.height).min(shape.height),
            columns: left..(left + config.width).min(shape.width),
            shape,
        }
    }

    fn for_each_pixel(&self, mut visit: impl FnMut(usize)) {
        for row in self.rows.clone() {
            self.columns.clone().for_each(|column| visit(row * self.shape.width + column));
        }
    }

    fn changes(&self, image: &Image, replacement: &Image) -> bool {
        let pixels = self.shape.pixels();
        let mut is_other = false;
        for channel in 0..self.shape.channels {
            self.for_each_pixel(|pixel| {
                let place = channel * pixels + pixel;
                is_other |= image.values()[place].to_bits() != replacement.values()[place].to_bits();
            });
        }
        is_other
    }

    fn hide(&self, values: &mut [f32], replacement: &Image) {
        let pixels = self.shape.pixels();
        for channel in 0..self.shape.channels {
            self.for_each_pixel(|pixel| {
                let place = channel * pixels + pixel;
                values[place] = replacement.values()[place];
            });
        }
    }
}
