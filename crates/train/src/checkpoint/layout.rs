use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use tinylsa_model::{HostTensor, ModulePath, State};

use super::error::CheckpointError;
use crate::optimizer::{OptimizerConfig, OptimizerState};

/// The parts of a checkpoint, which are the first parts of its tensors' names.
pub(super) const WEIGHTS: &str = "weights";
pub(super) const AVERAGE: &str = "average";
pub(super) const FIRST: &str = "first";
pub(super) const SECOND: &str = "second";

/// The tensors that a checkpoint of a plan holds, no more and no fewer, with their shapes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Layout(BTreeMap<String, Vec<usize>>);

impl Layout {
    /// Of a network on a device with automatic differentiation.
    pub(crate) fn of(model: &impl Module, optimizer: &OptimizerConfig) -> Self {
        let mut parameters = Parameters::default();
        model.visit(&mut parameters);
        let mut layout = BTreeMap::new();
        for Parameter { name, shape, is_trained } in parameters.found {
            layout.insert(full_name(WEIGHTS, &name), shape.clone());
            layout.insert(full_name(AVERAGE, &name), shape.clone());
            if is_trained {
                let lengths = optimizer.moment_lengths(&shape);
                layout.insert(full_name(FIRST, &name), vec![lengths.first]);
                layout.insert(full_name(SECOND, &name), vec![lengths.second]);
            }
        }
        Self(layout)
    }

    /// The moments before the first step, also of weights that no step may give a gradient.
    pub(crate) fn moments(&self) -> OptimizerState {
        let mut moments = OptimizerState::new();
        for (full_name, shape) in &self.0 {
            let zeros = || vec![0.0; shape.iter().product()];
            match full_name.split_once('/') {
                Some((FIRST, name)) => moments.entry(name.to_owned()).or_default().first = zeros(),
                Some((SECOND, name)) => moments.entry(name.to_owned()).or_default().second = zeros(),
                Some(_) | None => {}
            }
        }
        moments
    }

    /// Refuses missing, other and misshapen tensors, and values that no training run comes to.
    pub(super) fn check(&self, state: &State) -> Result<(), CheckpointError> {
        for (name, expected) in &self.0 {
            let tensor = state.get(name).ok_or_else(|| CheckpointError::Missing { name: name.clone() })?;
            if &tensor.shape != expected {
                let (name, found, expected) = (name.clone(), tensor.shape.clone(), expected.clone());
                return Err(CheckpointError::Shape { name, found, expected });
            }
        }
        if let Some(name) = state.keys().find(|name| !self.0.contains_key(*name)) {
            return Err(CheckpointError::Unexpected { name: name.clone() });
        }
        state.iter().try_for_each(|(name, tensor)| check_values(name, tensor))
    }
}

pub(super) fn full_name(part: &str, name: &str) -> String {
    format!("{part}/{name}")
}

/// Refuses values that are not finite, and mean squares below zero.
pub(super) fn check_values(name: &str, tensor: &HostTensor) -> Result<(), CheckpointError> {
    let is_square = name.strip_prefix(SECOND).is_some_and(|rest| rest.starts_with('/'));
    let expected = if is_square { "a finite number of at least 0" } else { "a finite number" };
    let is_possible = |value: f32| value.is_finite() && (!is_square || value >= 0.0);
    match tensor.values.iter().position(|&value| !is_possible(value)) {
        None => Ok(()),
        Some(position) => {
            let value = tensor.values[position];
            Err(CheckpointError::Value { name: name.to_owned(), position, value, expected })
        }
    }
}

struct Parameter {
    name: String,
    shape: Vec<usize>,
    is_trained: bool,
}

#[derive(Default)]
struct Parameters {
    path: ModulePath,
    found: Vec<Parameter>,
}

impl ModuleVisitor for Parameters {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let tensor = parameter.val();
        let (name, shape) = (self.path.name(), tensor.dims().to_vec());
        self.found.push(Parameter { name, shape, is_trained: tensor.is_require_grad() });
    }
}
