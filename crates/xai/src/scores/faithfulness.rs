use rand::seq::index::sample;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require_within};

use super::probe::{Probe, copy_pixels};
use super::statistics::{pearson, spearman};
use crate::error::ExplainError;
use crate::scorer::Scorer;
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

/// Faithfulness correlation (Bhatt, Weller and Moura 2020, "Evaluating and aggregating feature-based model
/// explanations", equation 1): Pearson's correlation over random subsets of pixels between the sum of their relevance
/// and the fall of the class score when they are replaced by the baseline. Costs `subsets + 1` forward passes; `None`
/// if one of the two does not vary.
///
/// # Errors
/// If the map `[height, width]` does not fit the image or is not finite, a setting is out of range, the class does
/// not exist, the scorer gives the image other scores in another batch, the call is cancelled, or the scores are not
/// `[batch, classes]` or those of the class not finite.
pub fn faithfulness_correlation<S: Scorer + ?Sized>(
    probe: &Probe<'_, S>,
    map: &[f32],
    config: &FaithfulnessConfig,
) -> Result<Option<f64>, ExplainError> {
    config.validate()?;
    let (pixels, seed) = (probe.pixels(), probe.execution.seed);
    let subset = |index: usize| {
        let draw = Draw { seed, purpose: SUBSET, epoch: 0, index: index as u64 };
        let mut chosen = vec![false; pixels];
        for pixel in sample(&mut draw.generator(), pixels, config.pixels.min(pixels)) {
            chosen[pixel] = true;
        }
        chosen
    };
    let pairs = relevance_and_fall(probe, map, config.subsets, subset)?;
    Ok(pearson(&pairs.relevances, &pairs.falls))
}

/// μFidelity (Bhatt et al. 2020 in the form of Fel et al. 2021, "Look at the variance!"): Spearman's correlation over
/// random subsets of the cells of a grid between the sum of their relevance and the fall of the class score when they
/// are replaced by the baseline. Costs `samples + 1` forward passes; `None` if one of the two does not vary.
///
/// # Errors
/// As [`faithfulness_correlation`], and if the grid has more rows or columns than the image has pixels.
pub fn mu_fidelity<S: Scorer + ?Sized>(
    probe: &Probe<'_, S>,
    map: &[f32],
    config: &MuFidelityConfig,
) -> Result<Option<f64>, ExplainError> {
    config.validate()?;
    let ImageShape { height, width, .. } = probe.image.shape();
    let cells = crate::segmentation::Segmentation::grid(height, width, config.grid, config.grid)?;
    let seed = probe.execution.seed;
    let count = ((cells.count() as f64 * config.fraction).round() as usize).max(1);
    let subset = |index: usize| {
        let draw = Draw { seed, purpose: CELLS, epoch: 0, index: index as u64 };
        let mut chosen = vec![false; cells.count()];
        for cell in sample(&mut draw.generator(), cells.count(), count) {
            chosen[cell] = true;
        }
        cells.labels().iter().map(|&cell| chosen[cell]).collect()
    };
    let pairs = relevance_and_fall(probe, map, config.samples, subset)?;
    Ok(spearman(&pairs.relevances, &pairs.falls))
}

struct Pairs {
    relevances: Vec<f64>,
    falls: Vec<f64>,
}

/// The sum of relevance in each subset, and the fall of the class score when the subset is replaced.
fn relevance_and_fall<S: Scorer + ?Sized>(
    probe: &Probe<'_, S>,
    map: &[f32],
    count: usize,
    subset: impl Fn(usize) -> Vec<bool> + Sync,
) -> Result<Pairs, ExplainError> {
    let map = probe.map(map)?;
    let (image, baseline) = (probe.image, probe.baseline_image()?);
    let scores = probe.class_scores(count + 1, |row, values| {
        values.copy_from_slice(image.values());
        if row > 0 {
            let chosen = subset(row - 1);
            copy_pixels(values, &baseline, |pixel| chosen[pixel]);
        }
    })?;
    let relevance = |index: usize| {
        probe.execution.cancellation.check("subsets", index, count)?;
        let chosen = subset(index);
        Ok(map.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(relevance, _)| relevance).sum())
    };
    Ok(Pairs {
        relevances: (0..count).map(relevance).collect::<Result<_, ExplainError>>()?,
        falls: scores[1..].iter().map(|score| scores[0] - score).collect(),
    })
}
