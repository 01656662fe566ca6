//! One step: gradients to the host, clipped, then every weight and its average.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Gradients;
use rayon::prelude::*;
use tinylsa_kernels::ExponentialAverage;
use tinylsa_model::{HostTensor, State, gradients_of, state_of, with_owned_state};

use crate::optimizer::{Moments, OptimizerConfig, OptimizerState, Update};

/// The gradient of every weight by its path.
pub(crate) struct HostGradients(State);

impl HostGradients {
    pub(crate) fn of(model: &impl Module, gradients: &Gradients) -> Self {
        Self(gradients_of(model, gradients))
    }

    /// The Euclidean norm of all gradients together, summed in the order of the paths.
    pub(crate) fn norm(&self) -> f64 {
        let squares: Vec<f64> = self.0.par_iter().map(|(_, gradient)| sum_of_squares(&gradient.values)).collect();
        squares.iter().sum::<f64>().sqrt()
    }

    /// Shortens all gradients together to the norm `longest`, if they are longer.
    pub(crate) fn clip(&mut self, norm: f64, longest: f64) {
        if norm <= longest {
            return;
        }
        let scale = (longest / norm) as f32;
        self.0.par_iter_mut().for_each(|(_, gradient)| gradient.values.iter_mut().for_each(|value| *value *= scale));
    }
}

/// Eight sums side by side, which do not wait for each other.
fn sum_of_squares(values: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    let (blocks, rest) = values.as_chunks::<8>();
    for block in blocks {
        for (sum, &value) in sums.iter_mut().zip(block) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>()
}

/// What changes the weights and their average in one step.
pub(crate) struct StepRule<'a> {
    pub(crate) optimizer: &'a OptimizerConfig,
    pub(crate) state: &'a mut OptimizerState,
    pub(crate) average: &'a mut State,
    pub(crate) gradients: &'a HostGradients,
    /// The schedule's fraction of the highest learning rate.
    pub(crate) fraction: f64,
    /// How many steps were made, this one included.
    pub(crate) step: usize,
    /// The share of the average that is kept.
    pub(crate) decay: f64,
}

/// One tensor and all that changes with it.
struct Job<'a> {
    weights: &'a mut HostTensor,
    average: &'a mut HostTensor,
    /// Gradient and moments; running statistics have none.
    trained: Option<(&'a [f32], &'a mut Moments)>,
}

impl StepRule<'_> {
    /// Changes the weights that have a gradient, and the average of all towards them. Tensors do not wait for each other:
    /// each is one task, and none depends on another.
    pub(crate) fn apply<M: Module>(self, model: M) -> M {
        let mut weights = state_of(&model);
        for name in self.gradients.0.keys() {
            self.state.entry(name.clone()).or_default();
        }
        for (name, weights) in &weights {
            self.average.entry(name.clone()).or_insert_with(|| weights.clone());
        }
        let mut moments: BTreeMap<&str, &mut Moments> =
            self.state.iter_mut().map(|(name, moments)| (name.as_str(), moments)).collect();
        let mut averages: BTreeMap<&str, &mut HostTensor> =
            self.average.iter_mut().map(|(name, average)| (name.as_str(), average)).collect();
        let jobs: Vec<Job<'_>> = weights
            .iter_mut()
            .filter_map(|(name, weights)| {
                let gradient = self.gradients.0.get(name).map(|gradient| gradient.values.as_slice());
                let trained = gradient.zip(moments.remove(name.as_str()));
                Some(Job { weights, average: averages.remove(name.as_str())?, trained })
            })
            .collect();
        let (optimizer, fraction, step) = (self.optimizer, self.fraction, self.step);
        let average_rule = ExponentialAverage { decay: self.decay };
        jobs.into_par_iter().for_each(|Job { weights, average, trained }| {
            if let Some((gradient, moments)) = trained {
                let HostTensor { shape, values } = &mut *weights;
                optimizer.update(Update { shape: &*shape, weights: values, gradient, moments, fraction, step });
            }
            average_rule.update(&mut average.values, &weights.values);
        });
        with_owned_state(model, weights).expect("a network takes its own tensors back")
    }
}
