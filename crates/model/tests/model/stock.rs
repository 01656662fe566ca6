//! Modules of stock burn layers, whose running statistics burn keeps in a way of its own.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use tinylsa_model::{ModuleLayer, module_layers, state_of, values_of, with_state};

#[derive(Module, Debug)]
struct Normed {
    norm: BatchNorm,
    head: Linear,
}

fn module(device: &Device) -> Normed {
    Normed { norm: BatchNormConfig::new(2).init(device), head: LinearConfig::new(2, 3).init(device) }
}

impl Normed {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.head.forward(self.norm.forward(x))
    }
}

/// Mean 2 and 20 of the two features; deviations from it of 1 and 2 on either side.
fn batch(device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(vec![1.0_f32, 18.0, 3.0, 22.0], [2, 2]), device)
}

#[test]
fn the_state_has_the_running_statistics_of_the_last_forward_pass() {
    let device = Device::flex().autodiff();
    let module = module(&device);
    let mut expected = [0.0_f32; 2];
    for _ in 0..3 {
        drop(module.forward(batch(&device)));
        expected = [0.9 * expected[0] + 0.1 * 2.0, 0.9 * expected[1] + 0.1 * 20.0];
        let found = &state_of(&module)["norm.running_mean"].values;
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-5), "{found:?}");
        assert_eq!(&state_of(&module)["norm.running_mean"].values, found, "reading changes nothing");
    }
}

/// A training step may run on any thread of a pool; burn keeps the updates of each thread apart until it is asked.
#[test]
fn forward_passes_on_several_threads_are_counted_one_after_the_other() {
    let device = Device::flex().autodiff();
    let module = module(&device);
    let mut expected = 0.0_f32;
    for _ in 0..4 {
        std::thread::scope(|scope| scope.spawn(|| drop(module.forward(batch(&device)))).join().unwrap());
        expected = 0.9 * expected + 0.1 * 2.0;
        let found = state_of(&module)["norm.running_mean"].values[0];
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}

#[test]
fn writing_a_state_leaves_the_clones_of_a_module_alone() {
    for device in [Device::flex(), Device::flex().autodiff()] {
        let module = module(&device);
        let before = state_of(&module);
        let mut changed = before.clone();
        changed.get_mut("norm.running_mean").unwrap().values = vec![5.0, 6.0];
        let other = with_state(module.clone(), &changed).unwrap();
        assert_eq!(state_of(&other), changed);
        assert_eq!(state_of(&module), before);
        assert_eq!(values_of(&other.forward(batch(&device))).len(), 6);
    }
}

#[test]
fn a_module_that_got_a_state_still_trains_what_it_trained() {
    let device = Device::flex().autodiff();
    let module = module(&device);
    let module = with_state(module.clone(), &state_of(&module)).unwrap();
    let gradients = module.forward(batch(&device)).powi_scalar(2).sum().backward();
    let names: Vec<String> = tinylsa_model::gradients_of(&module, &gradients).into_keys().collect();
    assert_eq!(names, ["head.bias", "head.weight", "norm.beta", "norm.gamma"]);
    assert!(state_of(&module)["norm.running_mean"].values[0] > 0.1, "the layer is in training");
}

#[test]
fn layers_come_in_the_order_of_the_module() {
    let layer = |name: &str, tensors: &[&str]| ModuleLayer {
        name: name.to_owned(),
        tensors: tensors.iter().map(|tensor| format!("{name}.{tensor}")).collect(),
    };
    let expected =
        [layer("norm", &["gamma", "beta", "running_mean", "running_var"]), layer("head", &["weight", "bias"])];
    assert_eq!(module_layers(&module(&Device::flex())), expected);
}
