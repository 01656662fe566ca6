use rand::seq::index::sample;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};

use super::probe::{Probe, relevances};
use super::statistics::{pearson, spearman};
use crate::error::ExplainError;
use crate::execution::Cancellation;
use crate::scorer::Scorer;
use crate::segmentation::Segmentation;
use tinylsa_shape::ImageShape;

const SUBSET: Purpose = Purpose::new("faithfulness subset");
const CELLS: Purpose = Purpose::new("mu fidelity cells");

/// Settings of the faithfulness correlation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaithfulnessConfig {
    /// How many subsets are drawn.
    pub subsets: usize,
    /// How many pixels each of them holds; all of them on a smaller image.
    pub pixels: usize,
}

impl Default for FaithfulnessConfig {
    /// 100 subsets of 224 pixels, as in Quantus.
    fn default() -> Self {
        Self { subsets: 100, pixels: 224 }
    }
}

impl FaithfulnessConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("subsets", self.subsets, 2..=1_000_000)?;
        require_within("pixels", self.pixels, 1..)
    }
}

/// Settings of μFidelity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MuFidelityConfig {
    /// Rows and columns of the grid whose cells are replaced.
    pub grid: usize,
    /// The fraction of cells in each subset.
    pub fraction: f64,
    /// How many subsets are drawn.
    pub samples: usize,
}

impl Default for MuFidelityConfig {
    /// A 9 x 9 grid, a fifth of the cells, 200 subsets, as in Xplique.
    fn default() -> Self {
        Self { grid: 9, fraction: 0.2, samples: 200 }
    }
}

impl MuFidelityConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("grid", self.grid, 2..)?;
        require_within("fraction", self.fraction, 1e-6..=1.0)?;
        require_within("samples", self.samples, 2..=1_000_000)
    }
}

/// How far a class score falls when random subsets of pixels are replaced. The subsets do not depend on a map: the model is
/// asked once, and any number of maps is scored on the same answers.
#[derive(Clone, Debug)]
pub struct ProbedSubsets {
    pixels: usize,
    /// The numbers of the pixels of each subset, in ascending order.
    subsets: Vec<Vec<usize>>,
    falls: Vec<f64>,
    cancellation: Cancellation,
}

impl ProbedSubsets {
    /// Asks the model. Costs `subsets + 1` forward passes.
    ///
    /// # Errors
    /// If a setting is out of range, the subsets take more memory than is allowed, the class does not exist, the scorer
    /// gives the image other scores in another batch, the call is cancelled, or the scores are not `[batch, classes]` or
    /// those of the class not finite.
    pub fn ask<S: Scorer + ?Sized>(probe: &Probe<'_, S>, config: &FaithfulnessConfig) -> Result<Self, ExplainError> {
        config.validate()?;
        let (pixels, seed) = (probe.pixels(), probe.execution.seed);
        let size = config.pixels.min(pixels);
        probe.execution.require_memory("the subsets of pixels", "subsets", [config.subsets, size])?;
        let cancellation = probe.execution.cancellation.clone();
        let subset = |index: usize| {
            cancellation.check("subsets", index, config.subsets)?;
            let draw = Draw { seed, purpose: SUBSET, epoch: 0, index: index as u64 };
            let mut subset = sample(&mut draw.generator(), pixels, size).into_vec();
            subset.sort_unstable();
            Ok(subset)
        };
        let subsets = (0..config.subsets).into_par_iter().map(subset).collect::<Result<Vec<_>, ExplainError>>()?;
        let falls = probe.falls(&probe.baseline_image()?, &subsets, |subset| subset.iter().copied())?;
        Ok(Self { pixels, subsets, falls, cancellation })
    }

    /// The faithfulness correlation of a map `[height, width]` on the answers: see [`faithfulness_correlation`].
    ///
    /// # Errors
    /// If the map does not fit the image or is not finite, or the call is cancelled.
    pub fn faithfulness_correlation(&self, map: &[f32]) -> Result<Option<f64>, ExplainError> {
        let map = relevances(map, self.pixels)?;
        let relevance = |(index, subset): (usize, &Vec<usize>)| {
            self.cancellation.check("subsets", index, self.subsets.len())?;
            Ok(subset.iter().map(|&pixel| map[pixel]).sum())
        };
        let sums = self.subsets.iter().enumerate().map(relevance).collect::<Result<Vec<f64>, ExplainError>>()?;
        Ok(pearson(&sums, &self.falls))
    }
}

/// How far a class score falls when random subsets of the cells of a grid are replaced, asked once for any number of maps.
#[derive(Clone, Debug)]
pub struct ProbedCells {
    cells: Segmentation,
    /// The numbers of the cells of each subset, in ascending order.
    subsets: Vec<Vec<usize>>,
    falls: Vec<f64>,
    cancellation: Cancellation,
}

impl ProbedCells {
    /// Asks the model. Costs `samples + 1` forward passes.
    ///
    /// # Errors
    /// As [`ProbedSubsets::ask`], and if the grid has more rows or columns than the image has pixels.
    pub fn ask<S: Scorer + ?Sized>(probe: &Probe<'_, S>, config: &MuFidelityConfig) -> Result<Self, ExplainError> {
        config.validate()?;
        let ImageShape { height, width, .. } = probe.image.shape();
        let (cells, seed) = (Segmentation::grid(height, width, config.grid, config.grid)?, probe.execution.seed);
        let size = ((cells.count() as f64 * config.fraction).round() as usize).max(1);
        probe.execution.require_memory("the subsets of cells", "samples", [config.samples, size])?;
        let mut members = vec![Vec::new(); cells.count()];
        for (pixel, &cell) in cells.labels().iter().enumerate() {
            members[cell].push(pixel);
        }
        let cancellation = probe.execution.cancellation.clone();
        let subset = |index: usize| {
            cancellation.check("subsets", index, config.samples)?;
            let draw = Draw { seed, purpose: CELLS, epoch: 0, index: index as u64 };
            let mut subset = sample(&mut draw.generator(), cells.count(), size).into_vec();
            subset.sort_unstable();
            Ok(subset)
        };
        let subsets = (0..config.samples).into_par_iter().map(subset).collect::<Result<Vec<_>, ExplainError>>()?;
        let falls = probe.falls(&probe.baseline_image()?, &subsets, |subset| {
            subset.iter().flat_map(|&cell| members[cell].iter().copied())
        })?;
        Ok(Self { cells, subsets, falls, cancellation })
    }

    /// The μFidelity of a map `[height, width]` on the answers: see [`mu_fidelity`].
    ///
    /// # Errors
    /// If the map does not fit the image or is not finite, or the call is cancelled.
    pub fn mu_fidelity(&self, map: &[f32]) -> Result<Option<f64>, ExplainError> {
        let map = relevances(map, self.cells.labels().len())?;
        let mut of_cells = vec![0.0; self.cells.count()];
        for (&cell, relevance) in self.cells.labels().iter().zip(map) {
            of_cells[cell] += relevance;
        }
        let relevance = |(index, subset): (usize, &Vec<usize>)| {
            self.cancellation.check("subsets", index, self.subsets.len())?;
            Ok(subset.iter().map(|&cell| of_cells[cell]).sum())
        };
        let sums = self.subsets.iter().enumerate().map(relevance).collect::<Result<Vec<f64>, ExplainError>>()?;
        Ok(spearman(&sums, &self.falls))
    }
}

/// Faithfulness correlation (Bhatt, Weller and Moura 2020, "Evaluating and aggregating feature-based model
/// explanations", equation 1): Pearson's correlation over random subsets of pixels between the sum of their relevance
/// and the fall of the class score when they are replaced by the baseline. `None` if one of the two does not vary.
///
/// Costs `subsets + 1` forward passes. [`ProbedSubsets`] scores several maps of one image for the same price.
///
/// # Errors
/// If the map `[height, width]` does not fit the image or is not finite, or as [`ProbedSubsets::ask`].
pub fn faithfulness_correlation<S: Scorer + ?Sized>(
    probe: &Probe<'_, S>,
    map: &[f32],
    config: &FaithfulnessConfig,
) -> Result<Option<f64>, ExplainError> {
    relevances(map, probe.pixels())?;
    ProbedSubsets::ask(probe, config)?.faithfulness_correlation(map)
}

/// μFidelity (Bhatt et al. 2020 in the form of Fel et al. 2021, "Look at the variance!"): Spearman's correlation over
/// random subsets of the cells of a grid between the sum of their relevance and the fall of the class score when they
/// are replaced by the baseline. `None` if one of the two does not vary.
///
/// Costs `samples + 1` forward passes. [`ProbedCells`] scores several maps of one image for the same price.
///
/// # Errors
/// If the map `[height, width]` does not fit the image or is not finite, or as [`ProbedCells::ask`].
pub fn mu_fidelity<S: Scorer + ?Sized>(
    probe: &Probe<'_, S>,
    map: &[f32],
    config: &MuFidelityConfig,
) -> Result<Option<f64>, ExplainError> {
    relevances(map, probe.pixels())?;
    ProbedCells::ask(probe, config)?.mu_fidelity(map)
}
