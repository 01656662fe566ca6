use rand::RngExt;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require, require_within};

use super::probe::{Probe, copy_pixels};
use crate::error::{ExplainError, require_count, require_finite};
use crate::scorer::Scorer;
use tinylsa_shape::ImageShape;

const SQUARE: Purpose = Purpose::new("infidelity square");

/// What the values of an attribution mean, which decides how they answer to a perturbation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttributionKind {
    /// Shares of the score, such as integrated gradients, SHAP and LIME: removing some values is expected to lower the
    /// score by their sum.
    #[default]
    Contribution,
    /// Score per unit of input, such as the plain gradient: lowering values is expected to lower the score by the
    /// product.
    Sensitivity,
}

/// Settings of infidelity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InfidelityConfig {
    /// The largest side of the squares that are replaced, in pixels; the side of each is drawn from 1 to this.
    pub largest_side: usize,
    /// How many squares are drawn, at least 2: a single one is predicted perfectly by some scale.
    pub samples: usize,
    /// What the values of the attribution mean.
    pub kind: AttributionKind,
}

impl Default for InfidelityConfig {
    /// 200 squares of up to a quarter of a 28 x 28 image's width.
    fn default() -> Self {
        Self { largest_side: 7, samples: 200, kind: AttributionKind::Contribution }
    }
}

impl InfidelityConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("largest_side", self.largest_side, 1..)?;
        require_within("samples", self.samples, 2..=1_000_000)
    }
}

/// How far an attribution is from predicting what perturbations do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Infidelity {
    /// `E[(Iᵀa − (f(x) − f(x − I)))²]`. Lower is better.
    pub plain: f64,
    /// The same for `βa`, which compares the shape of attributions of different scale. Lower is better. `None` if no
    /// square changes the score: the scale 0 then makes every map perfect.
    pub scaled: Option<f64>,
    /// The scale `β = Σ Iᵀa · Δf / Σ (Iᵀa)²` for which it is smallest, 0 if all `Iᵀa` are.
    pub scale: f64,
}

/// A square of pixels, at every position and side equally likely to lie anywhere within the image.
struct Square {
    top: usize,
    left: usize,
    side: usize,
}

/// Infidelity (Yeh et al. 2019, "On the (in)fidelity and sensitivity of explanations", definition 2.1, with the optimal
/// scale of its section 2.3) of an attribution with a value for each of the image's, under independent square
/// removals: each puts the baseline into one square of the untouched image. Costs `samples + 1` forward passes.
///
/// # Errors
/// If the attribution does not fit the image or is not finite, a setting is out of range or the squares are larger
/// than the image, the class does not exist, the scorer gives the image other scores in another batch, the call is
/// cancelled, or the scores are not `[batch, classes]` or those of the class not finite.
pub fn infidelity<S: Scorer + ?Sized>(
    probe: &Probe<'_, S>,
    attribution: &[f32],
    config: &InfidelityConfig,
) -> Result<Infidelity, ExplainError> {
    config.validate()?;
    let (image, seed) = (probe.image, probe.execution.seed);
    let ImageShape { height, width, .. } = image.shape();
    let fits = config.largest_side <= height.min(width);
    require("largest_side", fits, || config.largest_side.to_string(), "no more than the image's height and width")?;
    require_count("the attribution", attribution.len(), image.values().len())?;
    require_finite("the attribution", attribution)?;
    let baseline = probe.baseline_image()?;

    let square = |index: usize| {
        let draw = Draw { seed, purpose: SQUARE, epoch: 0, index: index as u64 };
        let mut generator = draw.generator();
        let side = generator.random_range(1..=config.largest_side);
        let top = generator.random_range(0..=height - side);
        Square { top, left: generator.random_range(0..=width - side), side }
    };
    let scores = probe.class_scores(config.samples + 1, |row, values| {
        values.copy_from_slice(image.values());
        if row > 0 {
            let square = square(row - 1);
            copy_pixels(values, &baseline, |pixel| square.holds(pixel, width));
        }
    })?;
    let predicted = |index: usize| {
        probe.execution.cancellation.check("squares", index, config.samples)?;
        let square = square(index);
        let pairs = image.values().iter().zip(baseline.values());
        let term = |(position, (&value, (&shown, &hidden))): (usize, (&f32, (&f32, &f32)))| match config.kind {
            _ if !square.holds(position % (height * width), width) => 0.0,
            AttributionKind::Contribution => f64::from(value),
            AttributionKind::Sensitivity => f64::from(value) * (f64::from(shown) - f64::from(hidden)),
        };
        Ok(attribution.iter().zip(pairs).enumerate().map(term).sum::<f64>())
    };
    let predictions = (0..config.samples).map(predicted).collect::<Result<Vec<f64>, ExplainError>>()?;
    let falls: Vec<f64> = scores[1..].iter().map(|score| scores[0] - score).collect();
    let products: f64 = predictions.iter().zip(&falls).map(|(prediction, fall)| prediction * fall).sum();
    let squares: f64 = predictions.iter().map(|prediction| prediction * prediction).sum();
    let scale = if squares > 0.0 { products / squares } else { 0.0 };
    let mean_square = |scale: f64| {
        let errors = predictions.iter().zip(&falls).map(|(prediction, fall)| (scale * prediction - fall).powi(2));
        errors.sum::<f64>() / config.samples as f64
    };
    let varies = falls.iter().any(|&fall| fall != 0.0);
    Ok(Infidelity { plain: mean_square(1.0), scaled: varies.then(|| mean_square(scale)), scale })
}

impl Square {
    fn holds(&self, pixel: usize, width: usize) -> bool {
        let (row, column) = (pixel / width, pixel % width);
        (self.top..self.top + self.side).contains(&row) && (self.left..self.left + self.side).contains(&column)
    }
}
