//! The layers of any module, by the names of its tensors.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::path::ModulePath;

/// A layer of a module and its tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleLayer {
    /// The path of the layer, such as `blocks.0.expand`; that of the tensor if it lies in no layer.
    pub name: String,
    /// The paths of its float tensors, those of [`state_of`](crate::state_of).
    pub tensors: Vec<String>,
}

/// The layers that hold tensors themselves, in the order in which the module declares them.
pub fn module_layers(module: &impl Module) -> Vec<ModuleLayer> {
    let mut reader = Reader::default();
    module.visit(&mut reader);
    reader.layers
}

#[derive(Default)]
struct Reader {
    path: ModulePath,
    layers: Vec<ModuleLayer>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, _parameter: &Param<Tensor<D>>) {
        let tensor = self.path.name();
        let name = tensor.rsplit_once('.').map_or(tensor.as_str(), |(layer, _)| layer).to_owned();
        match self.layers.iter_mut().find(|layer| layer.name == name) {
            Some(layer) => layer.tensors.push(tensor),
            None => self.layers.push(ModuleLayer { name, tensors: vec![tensor] }),
        }
    }
}
