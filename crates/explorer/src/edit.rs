//! Edits of a region of an image: erased, blurred, shifted, or pasted from another image.

use serde::Deserialize;
use tinylsa_data::{ImageShape, to_unit};
use tinylsa_model::ModelConfig;

use crate::app::App;
use crate::refusal::Refusal;
use crate::subject::{ImageArgument, bytes};

/// The widest blur, in pixels.
const WIDEST_BLUR: f64 = 32.0;

/// An edit in a request. The mask is a byte for each pixel, 1 where it is edited, in base64.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum EditArgument {
    Erase {
        mask: String,
        #[serde(default)]
        fill: FillArgument,
    },
    Blur {
        mask: String,
        sigma: f64,
    },
    Shift {
        mask: String,
        dx: i32,
        dy: i32,
    },
    Paste {
        mask: String,
        from: ImageArgument,
        #[serde(default)]
        dx: i32,
        #[serde(default)]
        dy: i32,
    },
}

/// What takes the place of what is erased: a word, or a level from 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum FillArgument {
    Word(FillWord),
    Level(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FillWord {
    Black,
    /// The mean of the training images.
    Mean,
    /// The mean of the region itself, as the segment methods hide by default.
    SegmentMean,
}

impl Default for FillArgument {
    fn default() -> Self {
        Self::Word(FillWord::Black)
    }
}

/// An edit of an image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Edit {
    mask: Vec<bool>,
    change: Change,
}

#[derive(Clone, Debug, PartialEq)]
enum Change {
    /// A level for each channel, or the mean of the region.
    Erase(Option<Vec<f32>>),
    Blur(f64),
    Shift {
        dx: i32,
        dy: i32,
    },
    Paste {
        pixels: Vec<u8>,
        dx: i32,
        dy: i32,
    },
}

impl EditArgument {
    /// The edit of images of the model.
    ///
    /// # Errors
    /// If the mask is empty or not that of an image, or a number is out of range.
    pub(crate) fn edit(&self, app: &App) -> Result<Edit, Refusal> {
        let shape = app.metadata.config.input();
        let (text, change) = match self {
            Self::Erase { mask, fill } => (mask, Change::Erase(fill.levels(app)?)),
            Self::Blur { mask, sigma } => {
                if !(0.1..=WIDEST_BLUR).contains(sigma) {
                    return Err(Refusal::values(format!("sigma is {sigma}, expected 0.1 to {WIDEST_BLUR} pixels")));
                }
                (mask, Change::Blur(*sigma))
            }
            Self::Shift { mask, dx, dy } => (mask, Change::Shift { dx: *dx, dy: *dy }),
            Self::Paste { mask, from, dx, dy } => {
                (mask, Change::Paste { pixels: from.subject(app)?.pixels, dx: *dx, dy: *dy })
            }
        };
        let mask = bytes("the mask", text, shape.pixels())?;
        if let Some(other) = mask.iter().find(|&&inside| inside > 1) {
            return Err(Refusal::values(format!("the mask holds {other}, expected 0 and 1")));
        }
        let mask: Vec<bool> = mask.into_iter().map(|inside| inside == 1).collect();
        if !mask.contains(&true) {
            return Err(Refusal::values("the mask is empty, expected a pixel to edit"));
        }
        Ok(Edit { mask, change })
    }
}

impl FillArgument {
    fn levels(self, app: &App) -> Result<Option<Vec<f32>>, Refusal> {
        let channels = app.metadata.config.input().channels;
        match self {
            Self::Word(FillWord::Black) => Ok(Some(vec![0.0; channels])),
            Self::Level(level) => Ok(Some(vec![f32::from(level); channels])),
            Self::Word(FillWord::SegmentMean) => Ok(None),
            Self::Word(FillWord::Mean) => {
                let mean = app.settings.explain.shared.fill.mean.as_deref().unwrap_or_default();
                let of_channel = |channel: usize| mean.get(channel).or(mean.first()).map(|mean| 255.0 * mean);
                let levels: Option<Vec<f32>> = (0..channels).map(of_channel).collect();
                levels.map(Some).ok_or_else(|| Refusal::values("the mean of the training images is not known"))
            }
        }
    }
}

impl Edit {
    /// The image after the edit, levels 0 to 255.
    pub(crate) fn apply(&self, pixels: &[u8], shape: ImageShape) -> Vec<u8> {
        let mut edited = pixels.to_vec();
        let planes = edited.chunks_exact_mut(shape.pixels()).zip(pixels.chunks_exact(shape.pixels())).enumerate();
        for (channel, (new, old)) in planes {
            match &self.change {
                Change::Erase(levels) => {
                    let level = match levels {
                        Some(levels) => levels[channel],
                        None => self.mean(old),
                    };
                    self.inside().for_each(|pixel| new[pixel] = level.round() as u8);
                }
                Change::Blur(sigma) => {
                    let blurred = blurred(old, shape, *sigma);
                    self.inside().for_each(|pixel| new[pixel] = blurred[pixel]);
                }
                Change::Shift { dx, dy } => {
                    self.inside().for_each(|pixel| new[pixel] = 0);
                    self.moved(shape, *dx, *dy).for_each(|(from, to)| new[to] = old[from]);
                }
                Change::Paste { pixels, dx, dy } => {
                    let other = &pixels[channel * shape.pixels()..][..shape.pixels()];
                    self.moved(shape, *dx, *dy).for_each(|(from, to)| new[to] = other[from]);
                }
            }
        }
        edited
    }

    fn inside(&self) -> impl Iterator<Item = usize> {
        (0..self.mask.len()).filter(|&pixel| self.mask[pixel])
    }

    fn mean(&self, plane: &[u8]) -> f32 {
        let count = self.inside().count().max(1);
        self.inside().map(|pixel| f32::from(plane[pixel])).sum::<f32>() / count as f32
    }

    /// Each pixel of the region, and where it comes to lie within the image.
    fn moved(&self, shape: ImageShape, dx: i32, dy: i32) -> impl Iterator<Item = (usize, usize)> {
        let within = |place: usize, by: i32, extent: usize| {
            let moved = i64::try_from(place).ok()? + i64::from(by);
            usize::try_from(moved).ok().filter(|&moved| moved < extent)
        };
        self.inside().filter_map(move |pixel| {
            let column = within(pixel % shape.width, dx, shape.width)?;
            Some((pixel, within(pixel / shape.width, dy, shape.height)? * shape.width + column))
        })
    }
}

/// A plane behind a Gaussian blur; beyond the edge lies the nearest pixel.
fn blurred(plane: &[u8], shape: ImageShape, sigma: f64) -> Vec<u8> {
    let reach = (3.0 * sigma).ceil() as i64;
    let weights: Vec<f64> = (-reach..=reach).map(|step| (-0.5 * (step as f64 / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let along = |values: &[f64], across: bool| -> Vec<f64> {
        let at = |row: i64, column: i64| {
            let row = row.clamp(0, shape.height as i64 - 1) as usize;
            values[row * shape.width + column.clamp(0, shape.width as i64 - 1) as usize]
        };
        let value = |pixel: usize| {
            let (row, column) = ((pixel / shape.width) as i64, (pixel % shape.width) as i64);
            let steps = (-reach..=reach).zip(&weights);
            let weighted = steps
                .map(|(step, weight)| weight * if across { at(row, column + step) } else { at(row + step, column) });
            weighted.sum::<f64>() / sum
        };
        (0..values.len()).map(value).collect()
    };
    let values: Vec<f64> = plane.iter().map(|&level| f64::from(level)).collect();
    along(&along(&values, true), false).into_iter().map(|level| level.round() as u8).collect()
}

/// The change of every value of an image, on the scale from 0 to 1.
pub(crate) fn changes(before: &[u8], after: &[u8]) -> Vec<f64> {
    let pairs = to_unit(after).into_iter().zip(to_unit(before));
    pairs.map(|(after, before)| f64::from(after) - f64::from(before)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape::grey(3, 4);

    fn image() -> Vec<u8> {
        (1..=12).map(|level| 10 * level).collect()
    }

    fn edited(mask: &[usize], change: Change) -> Vec<u8> {
        let mask = (0..12).map(|pixel| mask.contains(&pixel)).collect();
        Edit { mask, change }.apply(&image(), SHAPE)
    }

    #[test]
    fn what_is_erased_takes_a_level_or_its_own_mean() {
        let black = edited(&[0, 1], Change::Erase(Some(vec![0.0])));
        assert_eq!((&black[..2], &black[2..]), (&[0, 0][..], &image()[2..]));
        assert_eq!(edited(&[0, 1], Change::Erase(None))[..3], [15, 15, 30]);
    }

    #[test]
    fn what_is_shifted_leaves_black_and_is_lost_beyond_the_edge() {
        let shifted = edited(&[2, 3], Change::Shift { dx: 1, dy: 1 });
        assert_eq!(shifted, [10, 20, 0, 0, 50, 60, 70, 30, 90, 100, 110, 120]);
        let nowhere = edited(&[5], Change::Shift { dx: 0, dy: 0 });
        assert_eq!(nowhere, image());
        assert_eq!(edited(&[0], Change::Shift { dx: i32::MIN, dy: i32::MAX })[0], 0);
    }

    #[test]
    fn what_is_pasted_lies_where_it_is_moved_to() {
        let other: Vec<u8> = (101..=112).collect();
        let pasted = edited(&[0, 1], Change::Paste { pixels: other, dx: 2, dy: 0 });
        assert_eq!(pasted[..5], [10, 20, 101, 102, 50]);
    }

    #[test]
    fn a_blur_changes_the_region_alone_and_keeps_what_is_even() {
        let blurred = edited(&[5], Change::Blur(1.0));
        assert!(blurred.iter().zip(image()).enumerate().all(|(pixel, (new, old))| pixel == 5 || *new == old));
        let even = vec![77; 12];
        let edit = Edit { mask: vec![true; 12], change: Change::Blur(5.0) };
        assert_eq!(edit.apply(&even, SHAPE), even);
    }
}
