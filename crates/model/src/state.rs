use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use thiserror::Error;

use crate::path::ModulePath;

/// A tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its values in row-major order.
    pub values: Vec<f32>,
}

/// Every float tensor of a module by its path, such as `blocks.0.expand.weight`.
pub type State = BTreeMap<String, HostTensor>;

/// A state that does not fit a module.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StateError {
    /// The module has a tensor that the state lacks.
    #[error("the tensor {name} is missing")]
    Missing {
        /// The tensor's path.
        name: String,
    },
    /// The state has a tensor that the module lacks.
    #[error("the tensor {name} belongs to no part of the module")]
    Unexpected {
        /// The tensor's path.
        name: String,
    },
    /// A tensor has another shape than the module's.
    #[error("the tensor {name} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The tensor's path.
        name: String,
        /// The shape in the state.
        found: Vec<usize>,
        /// The shape in the module.
        expected: Vec<usize>,
    },
}

/// Reads every float tensor of a module back to the host. Running statistics of burn's own layers, which a plain visit
/// returns as they were one forward pass ago, are up to date.
pub fn state_of(module: &impl Module) -> State {
    let mut reader = Reader { path: ModulePath::default(), gradients: None, state: State::new() };
    // Taking a module out of training is what makes burn finish the updates of its running statistics.
    module.valid().visit(&mut reader);
    reader.state
}

/// Reads the gradient of every float tensor that has one back to the host, under the tensor's path.
pub fn gradients_of(module: &impl Module, gradients: &Gradients) -> State {
    let mut reader = Reader { path: ModulePath::default(), gradients: Some(gradients), state: State::new() };
    module.visit(&mut reader);
    reader.state
}

/// Puts a state into a module. Devices and gradient settings stay those of the module. Other clones of the module keep
/// their own tensors.
///
/// # Errors
/// [`StateError`] if the names or shapes differ.
pub fn with_state<M: Module>(module: M, state: &State) -> Result<M, StateError> {
    with_owned_state(module, state.clone())
}

/// The same as [`with_state`], without a copy of the values.
///
/// # Errors
/// [`StateError`] if the names or shapes differ.
#[expect(clippy::needless_pass_by_value, reason = "the module is replaced by the one that is returned")]
pub fn with_owned_state<M: Module>(module: M, state: State) -> Result<M, StateError> {
    let mut writer = Writer { path: ModulePath::default(), state, error: None };
    let module = apart(&module).map(&mut writer);
    if let Some(error) = writer.error {
        return Err(error);
    }
    match writer.state.into_keys().next() {
        Some(name) => Err(StateError::Unexpected { name }),
        None => Ok(module),
    }
}

/// The module with running statistics of its own: clones of a module share those of burn's layers, so that writing to
/// one would change the others.
fn apart<M: Module>(module: &M) -> M {
    let is_in_training = module.devices().iter().any(Device::is_autodiff);
    if is_in_training { module.valid().train() } else { module.valid() }
}

/// The values of a tensor, in row-major order.
pub fn values_of<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    let data = tensor.clone().into_data();
    match data.as_slice::<f32>() {
        Ok(values) => values.to_vec(),
        Err(_) => data.iter::<f32>().collect(),
    }
}

struct Reader<'a> {
    path: ModulePath,
    /// Read instead of the tensors' own values, if given.
    gradients: Option<&'a Gradients>,
    state: State,
}

impl ModuleVisitor for Reader<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let tensor = parameter.val();
        let (shape, values) = match self.gradients {
            None => (tensor.dims().to_vec(), values_of(&tensor)),
            Some(gradients) => {
                let Some(gradient) = tensor.is_require_grad().then(|| tensor.grad(gradients)).flatten() else { return };
                (gradient.dims().to_vec(), values_of(&gradient))
            }
        };
        self.state.insert(self.path.name(), HostTensor { shape, values });
    }
}

struct Writer {
    path: ModulePath,
    /// What has found no place yet.
    state: State,
    error: Option<StateError>,
}

impl Writer {
    fn tensor_for<const D: usize>(&mut self, old: &Tensor<D>) -> Result<Tensor<D>, StateError> {
        let name = self.path.name();
        let Some(host) = self.state.remove(&name) else {
            return Err(StateError::Missing { name });
        };
        let expected = old.dims().to_vec();
        if host.shape != expected {
            return Err(StateError::Shape { name, found: host.shape, expected });
        }
        let new = Tensor::from_data(TensorData::new(host.values, host.shape), &old.device());
        Ok(if old.is_require_grad() { new.require_grad() } else { new })
    }
}

impl ModuleMapper for Writer {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return parameter;
        }
        match self.tensor_for(&parameter.val()) {
            Ok(tensor) => parameter.map(|_| tensor),
            Err(error) => {
                self.error = Some(error);
                parameter
            }
        }
    }
}
