use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::{InvalidSetting, require, require_within};

use super::probe::Probe;
use crate::error::{ExplainError, require_count, require_finite};
use crate::execution::Cancellation;
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
}

impl Default for InfidelityConfig {
    /// 200 squares of up to a quarter of a 28 x 28 image's width.
    fn default() -> Self {
        Self { largest_side: 7, samples: 200 }
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
    /// The same for `βa`, which compares the shape of attributions of different scale. Lower is better. It is blind to
    /// the sign: a map whose every value has the wrong one is as good as the right map, with a negative scale. `None` if
    /// no square changes the score: the scale 0 then makes every map perfect.
    pub scaled: Option<f64>,
    /// The scale `β = Σ Iᵀa · Δf / Σ (Iᵀa)²` for which it is smallest, 0 if all `Iᵀa` are.
    pub scale: f64,
}

/// A square of pixels.
#[derive(Clone, Copy, Debug)]
struct Square {
    top: usize,
    left: usize,
    side: usize,
}

impl Square {
    /// The numbers of its pixels in an image of this width, in ascending order.
    fn pixels(self, width: usize) -> impl Iterator<Item = usize> {
        let rows = self.top..self.top + self.side;
        rows.flat_map(move |row| (self.left..self.left + self.side).map(move |column| row * width + column))
    }
}

/// How far a class score falls when random squares are replaced. The squares do not depend on an attribution: the model is
/// asked once, and any number of attributions is scored on the same answers.
#[derive(Clone, Debug)]
pub struct ProbedSquares {
    shape: ImageShape,
    squares: Vec<Square>,
    falls: Vec<f64>,
    /// The image minus the baseline, `[channels, height, width]`.
    differences: Vec<f64>,
    cancellation: Cancellation,
}

impl ProbedSquares {
    /// Asks the model. The side of a square is drawn first, then where it lies within the image. Costs `samples + 1`
    /// forward passes.
    ///
    /// # Errors
    /// If a setting is out of range or the squares are larger than the image, the class does not exist, the scorer gives
    /// the image other scores in another batch, the call is cancelled, or the scores are not `[batch, classes]` or those
    /// of the class not finite.
    pub fn ask<S: Scorer + ?Sized>(probe: &Probe<'_, S>, config: &InfidelityConfig) -> Result<Self, ExplainError> {
        config.validate()?;
        let (image, seed) = (probe.image, probe.execution.seed);
        let shape = image.shape();
        let ImageShape { height, width, .. } = shape;
        let fits = config.largest_side <= height.min(width);
        require("largest_side", fits, || config.largest_side.to_string(), "no more than the image's height and width")?;
        let square = |index: usize| {
            let draw = Draw { seed, purpose: SQUARE, epoch: 0, index: index as u64 };
            let mut generator = draw.generator();
            let side = generator.random_range(1..=config.largest_side);
            let top = generator.random_range(0..=height - side);
            Square { top, left: generator.random_range(0..=width - side), side }
        };
        let squares: Vec<Square> = (0..config.samples).into_par_iter().map(square).collect();
        let baseline = probe.baseline_image()?;
        let falls = probe.falls(&baseline, &squares, |square| square.pixels(width))?;
        let pairs = image.values().iter().zip(baseline.values());
        let differences = pairs.map(|(&shown, &hidden)| f64::from(shown) - f64::from(hidden)).collect();
        Ok(Self { shape, squares, falls, differences, cancellation: probe.execution.cancellation.clone() })
    }

    /// The infidelity of an attribution `[channels, height, width]` whose values mean `kind`, on the answers: see
    /// [`infidelity`].
    ///
    /// # Errors
    /// If the attribution does not fit the image or is not finite, or the call is cancelled.
    pub fn infidelity(&self, attribution: &[f32], kind: AttributionKind) -> Result<Infidelity, ExplainError> {
        require_attribution(attribution, self.shape)?;
        let effect = |position: usize| match kind {
            AttributionKind::Contribution => f64::from(attribution[position]),
            AttributionKind::Sensitivity => f64::from(attribution[position]) * self.differences[position],
        };
        let predicted = |(index, square): (usize, &Square)| {
            self.cancellation.check("squares", index, self.squares.len())?;
            let of_channel = |channel: usize| {
                square.pixels(self.shape.width).map(move |pixel| channel * self.shape.pixels() + pixel)
            };
            Ok((0..self.shape.channels).flat_map(of_channel).map(effect).sum::<f64>())
        };
        let predictions = self.squares.iter().enumerate().map(predicted).collect::<Result<Vec<f64>, ExplainError>>()?;
        let products: f64 = predictions.iter().zip(&self.falls).map(|(prediction, fall)| prediction * fall).sum();
        let squares: f64 = predictions.iter().map(|prediction| prediction * prediction).sum();
        let scale = if squares > 0.0 { products / squares } else { 0.0 };
        let mean_square = |scale: f64| {
            let errors =
                predictions.iter().zip(&self.falls).map(|(prediction, fall)| (scale * prediction - fall).powi(2));
            errors.sum::<f64>() / self.falls.len() as f64
        };
        let varies = self.falls.iter().any(|&fall| fall != 0.0);
        Ok(Infidelity { plain: mean_square(1.0), scaled: varies.then(|| mean_square(scale)), scale })
    }
}

/// Infidelity (Yeh et al. 2019, "On the (in)fidelity and sensitivity of explanations", definition 2.1, with the optimal
/// scale of its section 2.3) of an attribution `[channels, height, width]` whose values mean `kind`, under independent
/// square removals: each puts the baseline into one square of the untouched image.
///
/// Costs `samples + 1` forward passes. [`ProbedSquares`] scores several attributions of one image for the same price.
///
/// # Errors
/// If the attribution does not fit the image or is not finite, or as [`ProbedSquares::ask`].
pub fn infidelity<S: Scorer + ?Sized>(
    probe: &Probe<'_, S>,
    attribution: &[f32],
    kind: AttributionKind,
    config: &InfidelityConfig,
) -> Result<Infidelity, ExplainError> {
    require_attribution(attribution, probe.image.shape())?;
    ProbedSquares::ask(probe, config)?.infidelity(attribution, kind)
}

/// Requires a finite value for each of the image's.
fn require_attribution(attribution: &[f32], shape: ImageShape) -> Result<(), ExplainError> {
    require_count("the attribution", attribution.len(), shape.values())?;
    require_finite("the attribution", attribution)
}
