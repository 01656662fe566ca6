use rand::RngExt;
use serde::{Deserialize, Serialize};
use tinylsa_random::{Draw, Purpose};

use super::LimeConfig;
use crate::error::ExplainError;
use crate::execution::{Cancellation, Execution};
use crate::masker::{CoalitionValues, Coalitions, Players, SampledPlan, growing, relative_standard_error};
use crate::surrogate::{RidgeFit, fit_ridge};

const MEMBERS: Purpose = Purpose::new("lime coalition");

/// Which coalitions LIME evaluates, and with which weights they enter the ridge regression.
///
/// The first coalition is full; in the others every segment is shown with probability ½. A coalition of `k` of `M`
/// segments has the cosine distance `1 − √(k / M)` to the full one, and the weight `√exp(−d² / σ²)`. Segments that are
/// always shown count in both `k` and `M`. The first coalitions of a larger budget are those of a smaller one.
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
    /// Standard errors of the coefficients, `[outputs, players]`: by how much they differ between draws of coalitions.
    pub standard_errors: Vec<f64>,
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

/// How many coalitions the first look at the standard errors takes, at least, and for each coefficient and the intercept:
/// the residuals of a fit to few more coalitions than unknowns are small whatever the errors are.
const FIRST_SAMPLES: usize = 50;
const FIRST_SAMPLES_A_COEFFICIENT: usize = 4;

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

    /// The standard errors `[players]` of the coefficients of one output.
    ///
    /// # Errors
    /// If there is no such output.
    pub fn standard_errors_of(&self, output: usize) -> Result<&[f64], ExplainError> {
        crate::error::require_index("output", output, self.outputs)?;
        Ok(&self.standard_errors[output * self.players..(output + 1) * self.players])
    }

    /// The same linear model over all segments, where those that are no players have the coefficient 0.
    pub(super) fn among_segments(self, players: &Players) -> Self {
        Self {
            players: players.all_segments(),
            coefficients: players.spread(&self.coefficients, self.outputs),
            standard_errors: players.spread(&self.standard_errors, self.outputs),
            ..self
        }
    }

    /// The linear model of a game without players, given the value of its only coalition: a constant.
    pub(super) fn without_players(values: &CoalitionValues) -> Self {
        let (outputs, only) = (values.outputs(), values.of(0).to_vec());
        Self {
            players: 0,
            outputs,
            coefficients: Vec::new(),
            standard_errors: Vec::new(),
            intercepts: only.clone(),
            local_predictions: only.clone(),
            scores: only,
            r2_in_sample: vec![None; outputs],
            r2_held_out: vec![None; outputs],
            evaluations: values.len(),
            determined: true,
        }
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
        Self::beside(0, players, config, execution)
    }

    /// As [`LimePlan::new`], of the players of an image that has more segments, which are always shown.
    pub(super) fn beside(
        always_shown: usize,
        players: usize,
        config: &LimeConfig,
        execution: &Execution,
    ) -> Result<Self, ExplainError> {
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
        let segments = (always_shown + players) as f64;
        let distance = |row| 1.0 - ((always_shown + coalitions.size(row)) as f64 / segments).sqrt();
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
        values.require_rows(&self.coalitions)?;
        self.solve_first(values)
    }

    fn fit(&self, values: &CoalitionValues) -> Result<RidgeFit, ExplainError> {
        let (rows, weights) = (self.coalitions.first(values.len()), &self.weights[..values.len()]);
        RidgeFit::new(&rows, weights, values, self.penalty, &self.cancellation)
    }

    /// Fits the coalitions outside each fold, and pools what the fits leave unexplained inside it; `None` where a fit is
    /// not possible or the values do not vary.
    fn held_out_r2(&self, values: &CoalitionValues) -> Result<Vec<Option<f64>>, ExplainError> {
        let outputs = values.outputs();
        let rows = 0..values.len();
        let coalitions = self.coalitions.first(values.len());
        let all = &self.weights[..values.len()];
        let weighted_mean = |output: usize| {
            let sum: f64 = rows.clone().map(|row| self.weights[row] * values.of(row)[output]).sum();
            sum / all.iter().sum::<f64>()
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
            let surrogate = match fit_ridge(&coalitions, &weights, values, self.penalty, &self.cancellation) {
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

impl SampledPlan for LimePlan {
    type Solution = LimeSolution;

    fn coalitions(&self) -> &Coalitions {
        &self.coalitions
    }

    fn stops(&self) -> Vec<usize> {
        let first = FIRST_SAMPLES_A_COEFFICIENT * (self.coalitions.players() + 1);
        growing(first.max(FIRST_SAMPLES).max(self.folds), self.coalitions.len())
    }

    fn relative_standard_error(&self, values: &CoalitionValues) -> Result<Option<f64>, ExplainError> {
        let fit = self.fit(values)?;
        let errors = fit.standard_errors(&self.weights[..values.len()], &self.cancellation)?;
        Ok(relative_standard_error(&errors, &fit.surrogate.coefficients, self.coalitions.players()))
    }

    fn solve_first(&self, values: &CoalitionValues) -> Result<LimeSolution, ExplainError> {
        let fit = self.fit(values)?;
        let (rows, weights) = (self.coalitions.first(values.len()), &self.weights[..values.len()]);
        let (outputs, surrogate) = (values.outputs(), &fit.surrogate);
        Ok(LimeSolution {
            players: self.coalitions.players(),
            outputs,
            local_predictions: (0..outputs).map(|output| surrogate.predict(&rows, 0, output)).collect(),
            scores: values.of(0).to_vec(),
            r2_in_sample: surrogate.weighted_r2(&rows, weights, values)?,
            r2_held_out: self.held_out_r2(values)?,
            coefficients: surrogate.coefficients.clone(),
            standard_errors: fit.standard_errors(weights, &self.cancellation)?,
            intercepts: surrogate.intercepts.clone(),
            evaluations: values.len(),
            determined: surrogate.determined,
        })
    }

    fn weights_of_first(&self, coalitions: usize) -> Vec<f64> {
        self.weights[..coalitions].to_vec()
    }
}
