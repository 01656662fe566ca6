//! One step: gradients to the host, clipped, then every weight and its average.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};
use tinylsa_kernels::ExponentialAverage;
use tinylsa_model::{HostTensor, ModulePath, State, TinyCnnLsa, values_of};

use crate::optimizer::{OptimizerConfig, OptimizerState, Update};

/// The gradient of every weight by its path.
pub(crate) struct HostGradients(BTreeMap<String, Vec<f32>>);

impl HostGradients {
    pub(crate) fn of(model: &TinyCnnLsa, gradients: &Gradients) -> Self {
        let mut reader = GradientReader { path: ModulePath::default(), gradients, values: BTreeMap::new() };
        model.visit(&mut reader);
        Self(reader.values)
    }

    /// The Euclidean norm of all gradients together, summed in the order of the paths.
    pub(crate) fn norm(&self) -> f64 {
        self.0.values().map(|values| sum_of_squares(values)).sum::<f64>().sqrt()
    }

    /// Shortens all gradients together to the norm `longest`, if they are longer.
    pub(crate) fn clip(&mut self, norm: f64, longest: f64) {
        if norm <= longest {
            return;
        }
        let scale = (longest / norm) as f32;
        for value in self.0.values_mut().flatten() {
            *value *= scale;
        }
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

impl StepRule<'_> {
    pub(crate) fn apply(self, model: TinyCnnLsa) -> TinyCnnLsa {
        model.map(&mut StepMapper { path: ModulePath::default(), rule: self })
    }

    /// Changes the weights if they have a gradient, and the average towards them. Returns whether they changed.
    fn change(&mut self, name: String, shape: &[usize], weights: &mut [f32]) -> bool {
        let gradient = self.gradients.0.get(&name);
        if let Some(gradient) = gradient {
            let moments = self.state.entry(name.clone()).or_default();
            let (fraction, step) = (self.fraction, self.step);
            self.optimizer.update(Update { shape, weights, gradient, moments, fraction, step });
        }
        let average =
            self.average.entry(name).or_insert_with(|| HostTensor { shape: shape.to_vec(), values: weights.to_vec() });
        ExponentialAverage { decay: self.decay }.update(&mut average.values, weights);
        gradient.is_some()
    }
}

struct StepMapper<'a> {
    path: ModulePath,
    rule: StepRule<'a>,
}

impl ModuleMapper for StepMapper<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let tensor = parameter.val();
        let shape: [usize; D] = tensor.dims();
        let mut weights = values_of(&tensor);
        if !self.rule.change(self.path.name(), &shape, &mut weights) {
            return parameter;
        }
        let changed = Tensor::from_data(TensorData::new(weights, shape), &tensor.device()).require_grad();
        parameter.map(|_| changed)
    }
}

struct GradientReader<'a> {
    path: ModulePath,
    gradients: &'a Gradients,
    values: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for GradientReader<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let tensor = parameter.val();
        if !tensor.is_require_grad() {
            return;
        }
        if let Some(gradient) = tensor.grad(self.gradients) {
            self.values.insert(self.path.name(), values_of(&gradient));
        }
    }
}
