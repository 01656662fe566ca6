//! The cross-entropy as an operation of burn's Flex backend. It is a few thousand numbers, so that what counts is the
//! number of operations, not their speed; the sums are in `f64`.

use crate::{
    arch::Buffer,
    fused::{Tracked, matrix, tensor, values},
    profile::{Cost, Phase, measured},
};
use burn::{
    backend::{
        Flex, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        flex::FlexTensor,
    },
    tensor::DType,
};

struct Loss {
    value: FlexTensor,
    /// The gradient of the loss with respect to the logits.
    gradient: Vec<f32>,
}

fn labels_of(labels: &FlexTensor) -> Vec<i64> {
    let labels = labels.to_contiguous();
    match labels.dtype() {
        DType::I64 => labels.as_slice::<i64>().map(<[i64]>::to_vec),
        DType::I32 => labels.as_slice::<i32>().map(|labels| labels.iter().copied().map(i64::from).collect()),
        _ => None,
    }
    .expect("the wrapper sends labels of 32 or 64 bits only")
}

fn loss(logits: &FlexTensor, labels: &FlexTensor, smoothing: f64) -> Loss {
    let shape = logits.shape();
    let [batch, classes] = [shape[0], shape[1]];
    let logits = logits.to_contiguous();
    let mut total = 0.0;
    let mut gradient = Vec::with_capacity(batch * classes);
    let spread = smoothing / classes as f64;
    for (row, label) in values(&logits).chunks_exact(classes).zip(labels_of(labels)) {
        let label = usize::try_from(label).ok().filter(|&label| label < classes);
        let label = label.unwrap_or_else(|| panic!("cross_entropy: a label is not one of {classes} classes"));
        let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
        let normaliser = largest + sum.ln();
        for (class, &logit) in row.iter().enumerate() {
            let target = spread + if class == label { 1.0 - smoothing } else { 0.0 };
            let log_probability = f64::from(logit) - normaliser;
            if target > 0.0 {
                total -= target * log_probability;
            }
            gradient.push(((log_probability.exp() - target) / batch as f64) as f32);
        }
    }
    let mut value = Buffer::new(1);
    value[0] = (total / batch as f64) as f32;
    Loss { value: tensor(value, [1]), gradient }
}

fn measured_loss(logits: &FlexTensor, labels: &FlexTensor, smoothing: f64) -> Loss {
    let cost = Cost::elements(2 * logits.shape().num_elements());
    measured(Phase::Loss, cost, || loss(logits, labels, smoothing))
}

pub(crate) fn forward(logits: &FlexTensor, labels: &FlexTensor, smoothing: f64) -> FlexTensor {
    measured_loss(logits, labels, smoothing).value
}

pub(crate) fn tracked<C: CheckpointStrategy>(logits: Tracked, labels: &FlexTensor, smoothing: f64) -> Tracked {
    let node = logits.node();
    let logits = logits.into_primitive();
    let Loss { value, gradient } = measured_loss(&logits, labels, smoothing);
    match CrossEntropyBackward.prepare::<C>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let shape = logits.shape();
            prepared.finish(State { gradient, shape: [shape[0], shape[1]] }, value)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(value),
    }
}

#[derive(Clone, Debug)]
struct State {
    gradient: Vec<f32>,
    shape: [usize; 2],
}

#[derive(Debug)]
struct CrossEntropyBackward;

impl Backward<Flex, 1> for CrossEntropyBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { mut gradient, shape } = ops.state;
        let outer = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [node] = ops.parents;
        if let Some(node) = node {
            for value in &mut gradient {
                *value *= values(&outer)[0];
            }
            gradients.register::<Flex>(node.id, matrix(&gradient, shape));
        }
    }
}
