use rand::RngExt;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};

use super::LimeConfig;
use crate::error::ExplainError;
use crate::execution::{Cancellation, Execution};
use crate::masker::{CoalitionValues, Coalitions};
use crate::surrogate::fit_ridge;

const MEMBERS: Purpose = Purpose::new("lime coalition");

/// Which coalitions LIME evaluates, and with which weights they enter the ridge regression.
///
/// The first coalition is full; in the others every segment is shown with probability ½. A coalition of `k` of `M`
/// segments has the cosine distance `1 − √(k / M)` to the full one, and the weight `√exp(−d² / σ²)`.
#[derive(Clone, Debug)]
pub struct LimePlan {
    coalitions: Coalitions,
    distances: Vec<f64>,
    weights: Vec<f64>,
    penalty: f64,
    folds: usize,
    cancellation: Cancellation,
}

/// The linear model that LIME fits around an image, for each output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimeSolution {
    /// The number of segments.
    pub players: usize,
    /// The number of outputs.
    pub outputs: usize,
    /// Coefficients `[outputs, players]`.
    pub coefficients: Vec<f64>,
    /// Intercepts `[outputs]`: what the linear model says of the image with everything hidden.
    pub intercepts: Vec<f64>,
    /// What the linear model says of the whole image, `[outputs]`.
    pub local_predictions: Vec<f64>,
    /// What the scorer says of the whole image, `[outputs]`.
    pub scores: Vec<f64>,
    /// Weighted R² over the coalitions of the fit, `[outputs]`. Optimistic. `None` where the values do not vary.
    pub r2_in_sample: Vec<Option<f64>>,
    /// Weighted R² over coalitions that were left out of the fit, by cross-validation, `[outputs]`.
    pub r2_held_out: Vec<Option<f64>>,
    /// How many coalitions were evaluated.
    pub evaluations: usize,
    /// Whether the coalitions determine the coefficients. Where they do not, the penalty alone chooses among linear
    /// functions that fit equally well.
    pub determined: bool,
}

/// The least sum of the weights of the coalitions that hide something: that of the whole image, which hides nothing.
const LEAST_WEIGHT: f64 = 1.0;

impl LimeSolution {
    /// The coefficients `[players]` of one output.
    ///
    /// # Errors
    /// If there is no such output.
    pub fn of(&self, output: usize) -> Result<&[f64], ExplainError> {
        crate::error::require_index("output", output, self.outputs)?;
        Ok(&self.coefficients[output * self.players..(output + 1) * self.players])
    }
}

impl LimePlan {
    /// Draws the coalitions from the seed of the execution.
    ///
    /// # Errors
    /// If there are no players, a setting is out of range, there are no more samples than players, which cannot determine
    /// a coefficient for each and the intercept, the kernel leaves next to no weight to all coalitions but the full one,
    /// the regression would take more memory than is allowed, or the execution is cancelled.
    pub fn new(players: usize, config: &LimeConfig, execution: &Execution) -> Result<Self, ExplainError> {
        config.validate()?;
        if players == 0 {
            return Err(ExplainError::Empty { what: "list of players" });
        }
        if config.samples <= players {
            return Err(ExplainError::Underdetermined { rows: config.samples, unknowns: players + 1 });
        }
        // the features and their weighted copy, with what a fold takes; then the normal equations and their factor
        execution.require_memory("the regression of LIME", "samples", [3, config.samples, players])?;
        execution.require_memory("the equations of LIME", "the number of segments", [3, players, players])?;
        let mut coalitions = Coalitions::new(players);
        coalitions.push_players(0..players);
        for index in 1..config.samples {
            execution.cancellation.check("coalitions", index, config.samples)?;
            let draw = Draw { seed: execution.seed, purpose: MEMBERS, epoch: 0, index: index as u64 };
            let mut generator = draw.generator();
            coalitions.push_players((0..players).filter(|_| generator.random::<bool>()));
        }
        let distance = |row| 1.0 - (coalitions.size(row) as f64 / players as f64).sqrt();
        let distances: Vec<f64> = (0..coalitions.len()).map(distance).collect();
        let weight = |distance: &f64| (-distance.powi(2) / config.kernel_width.powi(2)).exp().sqrt();
        let weights: Vec<f64> = distances.iter().map(weight).collect();
        let hides = |row: &usize| coalitions.size(*row) < players;
        let weight: f64 = (0..weights.len()).filter(hides).map(|row| weights[row]).sum();
        if weight < LEAST_WEIGHT {
            let (kernel_width, samples) = (config.kernel_width, config.samples);
            return Err(ExplainError::KernelWidth { kernel_width, weight, samples });
        }
        let cancellation = execution.cancellation.clone();
        Ok(Self { coalitions, distances, weights, penalty: config.penalty, folds: config.folds, cancellation })
    }

    /// The coalitions whose values are needed, the full one first.
    pub fn coalitions(&self) -> &Coalitions {
        &self.coalitions
    }

    /// The cosine distance of every coalition to the full one.
    pub fn distances(&self) -> &[f64] {
        &self.distances
    }

    /// The weight of every coalition.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The linear model, given the value of every coalition.
    ///
    /// # Errors
    /// If there is not one row of values for each coalition, the penalty is 0 and the coalitions do not determine the
    /// coefficients, or the execution of the plan is cancelled.
    pub fn solve(&self, values: &CoalitionValues) -> Result<LimeSolution, ExplainError> {
        let surrogate = fit_ridge(&self.coalitions, &self.weights, values, self.penalty, &self.cancellation)?;
        let outputs = values.outputs();
        Ok(LimeSolution {
            players: self.coalitions.players(),
            outputs,
            local_predictions: (0..outputs).map(|output| surrogate.predict(&self.coalitions, 0, output)).collect(),
            scores: values.of(0).to_vec(),
            r2_in_sample: surrogate.weighted_r2(&self.coalitions, &self.weights, values)?,
            r2_held_out: self.held_out_r2(values)?,
            coefficients: surrogate.coefficients,
            intercepts: surrogate.intercepts,
            evaluations: values.len(),
            determined: surrogate.determined,
        })
    }

    /// Fits the coalitions outside each fold, and pools what the fits leave unexplained inside it; `None` where a fit is
    /// not possible or the values do not vary.
    fn held_out_r2(&self, values: &CoalitionValues) -> Result<Vec<Option<f64>>, ExplainError> {
        let outputs = values.outputs();
        let rows = 0..self.weights.len();
        let weighted_mean = |output: usize| {
            let sum: f64 = rows.clone().map(|row| self.weights[row] * values.of(row)[output]).sum();
            sum / self.weights.iter().sum::<f64>()
        };
        let means: Vec<f64> = (0..outputs).map(weighted_mean).collect();
        let mut residuals = vec![0.0; outputs];
        let mut spreads = vec![0.0; outputs];
        let mut scales = vec![0.0; outputs];
        for fold in 0..self.folds {
            // A weight of 0 leaves a coalition out of the fit.
            let weights: Vec<f64> =
                rows.clone().map(|row| if row % self.folds == fold { 0.0 } else { self.weights[row] }).collect();
            if weights.iter().all(|&weight| weight == 0.0) {
                return Ok(vec![None; outputs]);
            }
            let surrogate = match fit_ridge(&self.coalitions, &weights, values, self.penalty, &self.cancellation) {
                // what is left without the fold determines nothing that could be held against it
                Err(ExplainError::Underdetermined { .. }) => return Ok(vec![None; outputs]),
                fitted => fitted?,
            };
            for row in rows.clone().skip(fold).step_by(self.folds) {
                for (output, &value) in values.of(row).iter().enumerate() {
                    let weight = self.weights[row];
                    residuals[output] += weight * (value - surrogate.predict(&self.coalitions, row, output)).powi(2);
                    spreads[output] += weight * (value - means[output]).powi(2);
                    scales[output] += weight * value.powi(2);
                }
            }
        }
        let r2 = |output: usize| {
            (spreads[output] > 1e-24 * scales[output]).then(|| 1.0 - residuals[output] / spreads[output])
        };
        Ok((0..outputs).map(r2).collect())
    }
}
