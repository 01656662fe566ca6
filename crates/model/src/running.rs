//! Running statistics of any network whose normalisations keep them as tensors.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

use crate::layers::BatchStatistics;
use crate::path::ModulePath;

/// Moves the tensors `running_mean` and `running_variance` towards the statistics of a batch by the fraction `momentum`.
/// The module declares its normalisations in the order of its forward pass, which is that of the statistics.
pub(crate) fn with_running_towards<M: Module>(module: M, statistics: Vec<BatchStatistics>, momentum: f64) -> M {
    module.map(&mut Towards { statistics, momentum, means: 0, variances: 0, path: ModulePath::default() })
}

struct Towards {
    statistics: Vec<BatchStatistics>,
    momentum: f64,
    means: usize,
    variances: usize,
    path: ModulePath,
}

impl ModuleMapper for Towards {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let seen = match self.path.last() {
            "running_mean" => {
                self.means += 1;
                self.statistics.get(self.means - 1).map(|seen| &seen.mean)
            }
            "running_variance" => {
                self.variances += 1;
                self.statistics.get(self.variances - 1).map(|seen| &seen.variance)
            }
            _ => None,
        };
        let Some(seen) = seen else { return parameter };
        let seen = seen.clone().detach() * self.momentum;
        parameter.map(|old| {
            let seen = seen.reshape(old.dims());
            (old.detach() * (1.0 - self.momentum) + seen).detach()
        })
    }
}
