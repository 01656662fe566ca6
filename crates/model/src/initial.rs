use burn::module::{ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use rand::distr::Distribution;
use rand_distr::StandardNormal;
use tinylsa_random::{Draw, Purpose};

use crate::config::BranchStart;
use crate::path::ModulePath;

/// A network with the initial weights of a seed.
#[cfg(feature = "networks")]
pub(crate) fn with_initial_weights<M: burn::module::Module>(network: M, seed: u64) -> M {
    network.map(&mut InitialWeights::new(seed, BranchStart::Random))
}

/// Draws every weight by its name, so that a weight does not depend on the others or on their order.
pub(crate) struct InitialWeights {
    seed: u64,
    branch_start: BranchStart,
    path: ModulePath,
}

impl InitialWeights {
    pub(crate) fn new(seed: u64, branch_start: BranchStart) -> Self {
        Self { seed, branch_start, path: ModulePath::default() }
    }

    /// Whether the weight is the last of a block's branch.
    fn ends_branch(&self) -> bool {
        self.path.name().starts_with("blocks.") && matches!(self.path.parent(), Some("projection" | "contract"))
    }

    fn normal<const D: usize>(&self, like: &Tensor<D>, deviation: f32) -> Tensor<D> {
        let purpose = Purpose::new(&format!("initial weights {}", self.path.name()));
        let mut generator = Draw { seed: self.seed, purpose, epoch: 0, index: 0 }.generator();
        let count = like.shape().num_elements();
        let values: Vec<f32> =
            (0..count).map(|_| deviation * Distribution::<f32>::sample(&StandardNormal, &mut generator)).collect();
        Tensor::from_data(TensorData::new(values, like.shape()), &like.device())
    }
}

impl ModuleMapper for InitialWeights {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape: [usize; D] = parameter.val().dims();
        let deviation = match (self.path.last(), shape.as_slice()) {
            ("weight", _) if self.branch_start == BranchStart::ZeroWeights && self.ends_branch() => {
                return parameter.map(|weight| redrawn(&weight, weight.zeros_like()));
            }
            ("queries", _) => return parameter.map(|queries| redrawn(&queries, queries.zeros_like())),
            // nine values are added up for each of a depthwise convolution
            ("weight", &[1, 3, 3, _]) if self.path.parent() == Some("local") => 1.0 / 3.0,
            ("weight", &[_, inputs, height, width]) => (2.0 / (inputs * height * width) as f32).sqrt(),
            ("weight" | "reduction", &[inputs, _]) => (1.0 / inputs as f32).sqrt(),
            ("positions", _) => 0.02,
            // A residual block begins as the identity (Goyal et al. 2017): the last scale of its branch is zero.
            ("gamma", _) if self.path.parent() == Some("second") => {
                return parameter.map(|gamma| redrawn(&gamma, gamma.zeros_like()));
            }
            _ => return parameter,
        };
        parameter.map(|weight| redrawn(&weight, self.normal(&weight, deviation)))
    }
}

/// `new` with the gradient setting of `old`.
fn redrawn<const D: usize>(old: &Tensor<D>, new: Tensor<D>) -> Tensor<D> {
    if old.is_require_grad() { new.require_grad() } else { new }
}
