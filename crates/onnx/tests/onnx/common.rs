//! Networks with random tensors, and their ONNX files in another runtime.

use std::collections::BTreeMap;

use rand::RngExt;
use rten::{Model, Value};
use tinylsa_model::burn::tensor::{Device, Tensor, TensorData};
use tinylsa_model::networks::{AnyNetwork, Network, NetworkConfig};
use tinylsa_model::{Classifier, ImageShape, ModelConfig, ModelMetadata, Trace, state_of, values_of, with_owned_state};
use tinylsa_onnx::{OnnxOptions, to_onnx};
use tinylsa_random::{Draw, Purpose};

/// Tensors by the names of the outputs.
pub(crate) type Outputs = BTreeMap<String, Output>;

/// The shape and the values of an output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Output {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

impl Output {
    fn of<const D: usize>(tensor: &Tensor<D>) -> Self {
        Self { shape: tensor.dims().to_vec(), values: values_of(tensor) }
    }

    pub(crate) fn largest(&self) -> f32 {
        self.values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
    }

    /// The largest difference from another.
    pub(crate) fn apart(&self, other: &Self) -> f32 {
        assert_eq!(self.shape, other.shape);
        self.values.iter().zip(&other.values).fold(0.0, |apart, (left, right)| apart.max((left - right).abs()))
    }
}

/// A network of the config with every tensor away from where training begins, so that nothing is 0 or 1.
pub(crate) fn shaken(config: &NetworkConfig) -> Network {
    let network = config.init(&Device::flex()).unwrap();
    let mut state = state_of(&network);
    for (index, (name, tensor)) in state.iter_mut().enumerate() {
        let mut generator = Draw { seed: 3, purpose: Purpose::new("shake"), epoch: 0, index: index as u64 }.generator();
        let [least, most] = if name.ends_with("running_variance") { [-0.5, 0.5] } else { [-0.2, 0.2] };
        tensor.values.iter_mut().for_each(|value| *value += generator.random_range(least..most));
    }
    with_owned_state(network, state).unwrap()
}

pub(crate) fn metadata(config: &NetworkConfig) -> ModelMetadata<NetworkConfig> {
    let names: Vec<String> = (0..config.classes()).map(|class| format!("class {class}")).collect();
    ModelMetadata::new(config, &names, "drawn")
}

/// The pixels of so many images.
pub(crate) fn pixels(input: ImageShape, count: usize) -> Vec<f32> {
    let mut generator = Draw { seed: 4, purpose: Purpose::new("images"), epoch: 0, index: 0 }.generator();
    (0..count * input.values()).map(|_| generator.random_range(0.0..1.0)).collect()
}

fn shape_of(input: ImageShape, count: usize) -> Vec<usize> {
    [&[count], &input.dims()[..]].concat()
}

/// What the network itself gives, with its attention and evidence where it has them.
pub(crate) fn ours(network: &Network, count: usize) -> Outputs {
    let input = network.config().input();
    let images = TensorData::new(pixels(input, count), shape_of(input, count));
    let images = || Tensor::<4>::from_data(images.clone(), &Device::flex());
    let mut attentions = Vec::new();
    let mut outputs = Outputs::from([("logits".to_owned(), Output::of(&network.forward(images())))]);
    match network.any() {
        AnyNetwork::TinyCnnLsa(network) => {
            let Trace { layers, readout, .. } = network.forward_traced(images());
            attentions.extend(layers.into_iter().map(|layer| layer.attention));
            outputs.insert("class_attention".to_owned(), Output::of(&readout.attention));
            outputs.insert("class_evidence".to_owned(), Output::of(&readout.evidence));
        }
        AnyNetwork::Vit(network) => attentions.extend(network.forward_traced(images()).attentions),
        AnyNetwork::Swin(network) => {
            network.forward_attended(images(), |attention| {
                attentions.push(attention.clone());
                attention
            });
        }
        AnyNetwork::Vgg(_) | AnyNetwork::ResNet(_) | AnyNetwork::MobileNet(_) => (),
    }
    let named = attentions.iter().enumerate().map(|(layer, attention)| (format!("attention.{layer}"), attention));
    outputs.extend(named.map(|(name, attention)| (name, Output::of(attention))));
    outputs
}

/// What another runtime makes of the file.
pub(crate) fn theirs(bytes: Vec<u8>, input: ImageShape, count: usize) -> Outputs {
    let model = Model::load(bytes).unwrap();
    let images = Value::from_shape(shape_of(input, count), pixels(input, count)).unwrap();
    let ids = model.output_ids().to_vec();
    let input = model.node_id("images").unwrap();
    let names = ids.iter().map(|&id| model.node_info(id).unwrap().name().unwrap().to_owned());
    let values = model.run(vec![(input, images.into())], &ids, None).unwrap();
    let output = |(name, value): (String, Value)| {
        let output = match name.as_str() {
            "logits" => with_shape::<2>(value),
            "class_attention" | "class_evidence" => with_shape::<3>(value),
            _ => with_shape::<4>(value),
        };
        (name, output)
    };
    names.zip(values).map(output).collect()
}

fn with_shape<const D: usize>(value: Value) -> Output {
    let (shape, values) = value.into_shape_vec::<f32, D>().unwrap();
    Output { shape: shape.to_vec(), values }
}

pub(crate) fn file(network: &Network, attention: bool) -> Vec<u8> {
    to_onnx(network, &metadata(network.config()), OnnxOptions { attention }).unwrap()
}
