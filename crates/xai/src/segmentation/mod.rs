//! Partitions of an image into segments, the players of LIME and of the Shapley methods.
//!
//! A [`Segmentation`] always covers the image, every pixel belongs to exactly one segment, and no segment is empty:
//! whatever would break one of these is an error when it is made, so that the methods need not check. Labels count
//! from 0. (A label that counts from 1 leaves segment 0 empty, or the last segment never hidden: a known fault of
//! `lime_image` with SLIC.)
//!
#![doc = include_str!("../../docs/methods/segmentation.md")]

mod config;
mod error;
mod grid;
mod slic;

use tinylsa_shape::ImageShape;

use crate::execution::Cancellation;

pub use config::{GridConfig, SegmentationConfig, SegmentationKind};
pub use error::SegmentationError;
pub use slic::SlicConfig;

/// A partition of the pixels of an image into segments labelled `0..count`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segmentation {
    height: usize,
    width: usize,
    labels: Vec<usize>,
    sizes: Vec<usize>,
}

impl Segmentation {
    /// The partition in which pixel `row * width + column` has the given label.
    ///
    /// # Errors
    /// [`SegmentationError`] if the image has no pixels, the number of labels is not `height * width`, or a label
    /// below the largest is used by no pixel.
    pub fn from_labels(height: usize, width: usize, labels: Vec<usize>) -> Result<Self, SegmentationError> {
        require_length("the label map", labels.len(), require_pixels(1, height, width)?)?;
        let count = labels.iter().max().map_or(0, |largest| largest.saturating_add(1));
        // With more labels than pixels one of the first `pixels + 1` labels is unused: enough counters to find it.
        let mut sizes = vec![0; count.min(labels.len() + 1)];
        for &label in &labels {
            if let Some(size) = sizes.get_mut(label) {
                *size += 1;
            }
        }
        match sizes.iter().position(|&size| size == 0) {
            Some(segment) => Err(SegmentationError::EmptySegment { segment, count }),
            None => Ok(Self { height, width, labels, sizes }),
        }
    }

    /// The partition whose segment `k` holds the pixels that are true in `masks[k]`.
    ///
    /// # Errors
    /// [`SegmentationError`] if a mask has the wrong length, two masks overlap, a pixel is in none of them, or a mask
    /// is empty.
    pub fn from_masks(height: usize, width: usize, masks: &[Vec<bool>]) -> Result<Self, SegmentationError> {
        let pixels = require_pixels(1, height, width)?;
        for mask in masks {
            require_length("a segment's mask", mask.len(), pixels)?;
        }
        if masks.is_empty() {
            return Err(SegmentationError::Uncovered { row: 0, column: 0 });
        }
        let mut owners: Vec<Option<usize>> = vec![None; pixels];
        for (segment, mask) in masks.iter().enumerate() {
            if !mask.contains(&true) {
                return Err(SegmentationError::EmptySegment { segment, count: masks.len() });
            }
            for (pixel, _) in mask.iter().enumerate().filter(|(_, inside)| **inside) {
                if let Some(first) = owners[pixel].replace(segment) {
                    let (row, column) = (pixel / width, pixel % width);
                    return Err(SegmentationError::Overlap { row, column, first, second: segment });
                }
            }
        }
        let labels: Result<Vec<usize>, SegmentationError> = owners
            .into_iter()
            .enumerate()
            .map(|(pixel, owner)| {
                owner.ok_or(SegmentationError::Uncovered { row: pixel / width, column: pixel % width })
            })
            .collect();
        Self::from_labels(height, width, labels?)
    }

    /// A regular grid of `rows * columns` cells whose sides differ by at most one pixel, numbered row by row.
    ///
    /// # Errors
    /// [`SegmentationError::Grid`] if a cell would be empty.
    pub fn grid(height: usize, width: usize, rows: usize, columns: usize) -> Result<Self, SegmentationError> {
        require_pixels(1, height, width)?;
        Self::from_labels(height, width, grid::labels(height, width, rows, columns)?)
    }

    /// SLIC superpixels (Achanta et al. 2012, "SLIC superpixels compared to state-of-the-art superpixel methods",
    /// algorithm 1) of an image of this shape: connected, at least one, at most `config.segments`, the
    /// same for the same image, in whatever unit its values are.
    ///
    /// # Errors
    /// [`SegmentationError`] if the image has no pixels, a value that is not finite, or not
    /// `channels * height * width` values, if the config is out of range, or if it is cancelled.
    pub fn slic(
        image: &[f32],
        shape: impl Into<ImageShape>,
        config: &SlicConfig,
        cancellation: &Cancellation,
    ) -> Result<Self, SegmentationError> {
        config.validate()?;
        let ImageShape { channels, height, width } = shape.into();
        require_length("the image", image.len(), require_pixels(channels.max(1), height, width)?)?;
        if let Some((index, value)) = image.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(SegmentationError::NotFinite { index, value: value.to_string() });
        }
        Self::from_labels(height, width, slic::labels(image, height, width, config, cancellation)?)
    }

    /// Height of the image in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Width of the image in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many segments there are, at least one.
    pub fn count(&self) -> usize {
        self.sizes.len()
    }

    /// The segment of every pixel, row by row.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// How many pixels every segment holds.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The map `[height, width]` that shows every segment in its value.
    ///
    /// # Errors
    /// [`SegmentationError::Length`] unless there is one value for each segment.
    pub fn paint(&self, values: &[f64]) -> Result<Vec<f64>, SegmentationError> {
        require_length("the list of segment values", values.len(), self.count())?;
        Ok(self.labels.iter().map(|&label| values[label]).collect())
    }

    /// The map `[height, width]` in which every segment's value is shared equally by its pixels, so that the sum of
    /// the map is the sum of the values. This is the map that scores of completeness and ranking are meant for.
    ///
    /// # Errors
    /// [`SegmentationError::Length`] unless there is one value for each segment.
    pub fn spread(&self, values: &[f64]) -> Result<Vec<f64>, SegmentationError> {
        require_length("the list of segment values", values.len(), self.count())?;
        Ok(self.labels.iter().map(|&label| values[label] / self.sizes[label] as f64).collect())
    }

    /// The mean over every segment of each channel of an image `[channels, height, width]`, as `[channels, count]`.
    ///
    /// # Errors
    /// [`SegmentationError::Length`] unless the image has a whole number of channels, at least one.
    pub fn means(&self, image: &[f32]) -> Result<Vec<f32>, SegmentationError> {
        let pixels = self.labels.len();
        let channels = image.len() / pixels;
        // at most the length of the image, unless that is less than one channel
        require_length("the image", image.len(), channels.max(1) * pixels)?;
        let mut means = Vec::with_capacity(channels * self.count());
        for plane in image.chunks_exact(pixels) {
            let mut sums = vec![0.0_f64; self.count()];
            for (&label, &value) in self.labels.iter().zip(plane) {
                sums[label] += f64::from(value);
            }
            means.extend(sums.iter().zip(&self.sizes).map(|(sum, &size)| (sum / size as f64) as f32));
        }
        Ok(means)
    }
}

/// Requires at least one pixel; returns the number of values of an image of that size.
fn require_pixels(channels: usize, height: usize, width: usize) -> Result<usize, SegmentationError> {
    if height == 0 || width == 0 {
        return Err(SegmentationError::NoPixels { height, width });
    }
    let values = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
    values.ok_or(SegmentationError::TooLarge { channels, height, width })
}

fn require_length(what: &'static str, found: usize, expected: usize) -> Result<(), SegmentationError> {
    if found == expected { Ok(()) } else { Err(SegmentationError::Length { what, found, expected }) }
}
