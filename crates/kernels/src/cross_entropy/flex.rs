//! The cross-entropy as an operation of burn's Flex backend. It is a few thousand numbers, so that what counts is the
//! number of operations, not their speed; the sums are in `f64`.

use crate::{
    arch::Buffer,
    fused::{Tracked, copied, tensor, values},
    profile::{Cost, Phase, measured},
};
use burn::backend::{
    Flex, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    flex::FlexTensor,
};

struct Loss {
    value: FlexTensor,
    /// The gradient of the loss with respect to the logits.
    gradient: Vec<f32>,
}

fn loss(logits: &FlexTensor, targets: &FlexTensor) -> Loss {
    let shape = logits.shape();
    let [batch, classes] = [shape[0], shape[1]];
    let (logits, targets) = (logits.to_contiguous(), targets.to_contiguous());
    let mut total = 0.0;
    let mut gradient = Vec::with_capacity(batch * classes);
    for (row, targets) in values(&logits).chunks_exact(classes).zip(values(&targets).chunks_exact(classes)) {
        let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
        let normaliser = largest + sum.ln();
        let target_sum: f64 = targets.iter().copied().map(f64::from).sum();
        for (&logit, &target) in row.iter().zip(targets) {
            let target = f64::from(target);
            let log_probability = f64::from(logit) - normaliser;
            if target > 0.0 {
                total -= target * log_probability;
            }
            gradient.push(((target_sum * log_probability.exp() - target) / batch as f64) as f32);
        }
    }
    let mut value = Buffer::new(1);
    value[0] = (total / batch as f64) as f32;
    Loss { value: tensor(value, [1]), gradient }
}

fn measured_loss(logits: &FlexTensor, targets: &FlexTensor) -> Loss {
    let cost = Cost::elements(3 * logits.shape().num_elements());
    measured(Phase::Loss, cost, || loss(logits, targets))
}

pub(crate) fn forward(logits: &FlexTensor, targets: &FlexTensor) -> FlexTensor {
    measured_loss(logits, targets).value
}

pub(crate) fn tracked<C: CheckpointStrategy>(logits: Tracked, targets: Tracked) -> Tracked {
    let node = logits.node();
    let logits = logits.into_primitive();
    let Loss { value, gradient } = measured_loss(&logits, &targets.into_primitive());
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
            gradients.register::<Flex>(node.id, copied(&gradient, shape));
        }
    }
}
