//! The fused normalisation as operations of burn's Flex backend.

use super::{
    NormOptions, apply,
    gradient::{self, ByOutput, InputAndResidual, Line, Sums},
    moments::{Moments, moments},
    plan::Plan,
};
use crate::{
    arch::Buffer,
    fused::{Tracked, tensor, values, vector},
    profile::{Cost, Phase, measured},
};
use burn::backend::{
    Flex, TensorMetadata,
    autodiff::{
        NodeId,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    flex::FlexTensor,
};

/// The tensors of a normalisation, contiguous.
#[derive(Clone, Debug)]
pub(crate) struct Inputs {
    x: FlexTensor,
    gamma: FlexTensor,
    beta: FlexTensor,
    residual: Option<FlexTensor>,
}

impl Inputs {
    pub(crate) fn new(x: &FlexTensor, gamma: &FlexTensor, beta: &FlexTensor, residual: Option<&FlexTensor>) -> Self {
        Self {
            x: x.to_contiguous(),
            gamma: gamma.to_contiguous(),
            beta: beta.to_contiguous(),
            residual: residual.map(FlexTensor::to_contiguous),
        }
    }

    fn plan(&self, moments: &Moments, options: &NormOptions) -> Plan {
        let shape = self.x.shape();
        let dims = [shape[0], shape[1], shape[2], shape[3]];
        Plan::new(dims, moments, values(&self.gamma), values(&self.beta), options)
    }

    fn apply(&self, plan: &Plan) -> FlexTensor {
        let (x, residual) = (values(&self.x), self.residual.as_ref().map(values));
        let output = measured(Phase::NormalisationForward, plan.cost(residual), || apply::apply(plan, x, residual));
        tensor(output, plan.output_shape())
    }
}

/// Output, mean and variance.
pub(crate) type Trained<T> = (T, T, T);

struct Forward {
    output: FlexTensor,
    moments: Moments,
    plan: Plan,
}

fn forward(inputs: &Inputs, options: &NormOptions) -> Forward {
    let shape = inputs.x.shape();
    let x = values(&inputs.x);
    let moments = measured(Phase::NormalisationForward, Cost::elements(x.len()), || moments(x, shape[0], shape[3]));
    let plan = inputs.plan(&moments, options);
    Forward { output: inputs.apply(&plan), moments, plan }
}

pub(crate) fn train(inputs: &Inputs, options: &NormOptions) -> Trained<FlexTensor> {
    let Forward { output, moments, .. } = forward(inputs, options);
    (output, vector(&moments.mean), vector(&moments.variance))
}

pub(crate) fn evaluate(inputs: &Inputs, mean: &FlexTensor, variance: &FlexTensor, options: &NormOptions) -> FlexTensor {
    inputs.apply(&inputs.plan(&given(mean, variance), options))
}

fn given(mean: &FlexTensor, variance: &FlexTensor) -> Moments {
    let (mean, variance) = (mean.to_contiguous(), variance.to_contiguous());
    Moments { mean: values(&mean).to_vec(), variance: values(&variance).to_vec() }
}

/// A residual that is absent takes part as a constant.
fn node_of_residual(residual: Option<&Tracked>, x: &Tracked) -> Tracked {
    residual.cloned().unwrap_or_else(|| Tracked::new(x.primitive().clone()))
}

pub(crate) fn train_tracked<C: CheckpointStrategy>(
    x: Tracked,
    gamma: Tracked,
    beta: Tracked,
    residual: Option<Tracked>,
    options: &NormOptions,
) -> Trained<Tracked> {
    let residual_node = node_of_residual(residual.as_ref(), &x).node();
    let nodes = [x.node(), gamma.node(), beta.node(), residual_node];
    let residual = residual.map(Tracked::into_primitive);
    let inputs = Inputs::new(x.primitive(), gamma.primitive(), beta.primitive(), residual.as_ref());
    drop((x, gamma, beta, residual));
    let Forward { output, moments, plan } = forward(&inputs, options);
    let output = match TrainBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(State { inputs, plan }, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    (output, Tracked::new(vector(&moments.mean)), Tracked::new(vector(&moments.variance)))
}

#[derive(Clone, Debug)]
struct State {
    inputs: Inputs,
    plan: Plan,
}

/// A normalisation with the statistics of its batch that is a part of a larger operation.
#[derive(Clone, Debug)]
pub(crate) struct Part(State);

/// What [`Part`] passes back.
pub(crate) struct PartGradients {
    pub input: Buffer,
    pub residual: Option<Buffer>,
    pub gamma: FlexTensor,
    pub beta: FlexTensor,
}

impl Part {
    /// The normalisation, and its output, mean and variance.
    pub(crate) fn forward(inputs: Inputs, options: &NormOptions) -> (Self, Trained<FlexTensor>) {
        let Forward { output, moments, plan } = forward(&inputs, options);
        (Self(State { inputs, plan }), (output, vector(&moments.mean), vector(&moments.variance)))
    }

    /// All gradients, from that of the output.
    pub(crate) fn backward(&self, gradient: &[f32]) -> PartGradients {
        let Self(State { inputs, plan }) = self;
        let (x, residual) = (values(&inputs.x), inputs.residual.as_ref().map(values));
        let sums = sums(plan, x, residual, gradient);
        let line = Line::of_batch_statistics(plan, &sums);
        let (gamma, beta) = (vector(&sums.product), vector(&sums.gradient));
        let Some(residual) = residual else {
            return PartGradients { input: of_input(plan, x, None, gradient, &line), residual: None, gamma, beta };
        };
        let InputAndResidual { input, residual } = both(plan, x, residual, gradient, &line);
        PartGradients { input, residual: Some(residual), gamma, beta }
    }
}

/// A normalisation with constant statistics and without pooling that is a part of a larger operation.
#[derive(Clone, Debug)]
pub(crate) struct Fixed(Plan);

impl Fixed {
    /// For results of these dimensions; the vectors are gamma, beta, mean and variance.
    pub(crate) fn new(dims: [usize; 4], vectors: [&FlexTensor; 4], options: &NormOptions) -> Self {
        let [gamma, beta, mean, variance] = vectors.map(FlexTensor::to_contiguous);
        Self(Plan::new(dims, &given(&mean, &variance), values(&gamma), values(&beta), options))
    }

    pub(crate) fn shape(&self) -> [usize; 4] {
        self.0.input_shape()
    }

    /// Normalises some images in place, of which `first` is the first.
    pub(crate) fn apply(&self, first: usize, images: &mut [f32], residual: Option<&[f32]>) {
        let start = first * self.0.image();
        apply::apply_in_place(&self.0, images, residual.map(|residual| &residual[start..start + images.len()]));
    }

    /// The gradients of what is normalised and, if asked for, of the residual, from the output and its gradient.
    pub(crate) fn gradients(&self, output: &[f32], gradient: &[f32], with_residual: bool) -> ByOutput {
        let cost = Cost::elements((3 + usize::from(with_residual)) * output.len());
        measured(Phase::NormalisationBackward, cost, || gradient::by_output(&self.0, output, gradient, with_residual))
    }
}

#[derive(Debug)]
struct TrainBackward;

impl Backward<Flex, 4> for TrainBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 4>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { inputs, plan } = ops.state;
        let output_gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [x_node, gamma_node, beta_node, residual_node] = ops.parents;
        let (x, residual) = (values(&inputs.x), inputs.residual.as_ref().map(values));
        let output_gradient = values(&output_gradient);
        let sums = sums(&plan, x, residual, output_gradient);
        let line = Line::of_batch_statistics(&plan, &sums);
        register_maps(
            &inputs,
            &plan,
            output_gradient,
            &line,
            [x_node, residual_node].map(|node| node.map(|node| node.id)),
            gradients,
        );
        if let Some(node) = gamma_node {
            gradients.register::<Flex>(node.id, vector(&sums.product));
        }
        if let Some(node) = beta_node {
            gradients.register::<Flex>(node.id, vector(&sums.gradient));
        }
    }
}

/// Registers the gradients of the input and of the residual, where they are asked for.
fn register_maps(
    inputs: &Inputs,
    plan: &Plan,
    gradient: &[f32],
    line: &Line,
    nodes: [Option<NodeId>; 2],
    gradients: &mut Gradients,
) {
    let (x, residual) = (values(&inputs.x), inputs.residual.as_ref().map(values));
    match (nodes, residual) {
        ([Some(x_node), Some(residual_node)], Some(residual)) => {
            let InputAndResidual { input, residual } = both(plan, x, residual, gradient, line);
            gradients.register::<Flex>(x_node, tensor(input, plan.input_shape()));
            gradients.register::<Flex>(residual_node, tensor(residual, plan.input_shape()));
        }
        ([x_node, residual_node], residual) => {
            if let Some(node) = x_node {
                let of_x = of_input(plan, x, residual, gradient, line);
                gradients.register::<Flex>(node, tensor(of_x, plan.input_shape()));
            }
            if let Some(node) = residual_node {
                gradients.register::<Flex>(node, of_residual(plan, x, residual, gradient));
            }
        }
    }
}

fn sums(plan: &Plan, x: &[f32], residual: Option<&[f32]>, gradient: &[f32]) -> Sums {
    let cost = plan.cost(residual);
    measured(Phase::NormalisationBackward, cost, || gradient::sums(plan, x, residual, gradient))
}

fn of_input(plan: &Plan, x: &[f32], residual: Option<&[f32]>, gradient: &[f32], line: &Line) -> Buffer {
    let cost = plan.cost(residual);
    measured(Phase::NormalisationBackward, cost, || gradient::of_input(plan, x, residual, gradient, line))
}

fn both(plan: &Plan, x: &[f32], residual: &[f32], gradient: &[f32], line: &Line) -> InputAndResidual {
    let cost = plan.cost(Some(residual));
    let compute = || gradient::of_input_and_residual(plan, x, residual, gradient, line);
    measured(Phase::NormalisationBackward, cost, compute)
}

fn of_residual(plan: &Plan, x: &[f32], residual: Option<&[f32]>, gradient: &[f32]) -> FlexTensor {
    let cost = plan.cost(residual);
    let compute = || gradient::before_activation(plan, x, residual, gradient);
    tensor(measured(Phase::NormalisationBackward, cost, compute), plan.input_shape())
}

pub(crate) fn evaluate_tracked<C: CheckpointStrategy>(
    x: Tracked,
    [gamma, beta, mean, variance]: [Tracked; 4],
    residual: Option<Tracked>,
    options: &NormOptions,
) -> Tracked {
    let residual_node = node_of_residual(residual.as_ref(), &x).node();
    let nodes = [x.node(), gamma.node(), beta.node(), mean.node(), variance.node(), residual_node];
    let residual = residual.map(Tracked::into_primitive);
    let inputs = Inputs::new(x.primitive(), gamma.primitive(), beta.primitive(), residual.as_ref());
    let plan = inputs.plan(&given(mean.primitive(), variance.primitive()), options);
    drop((x, gamma, beta, mean, variance, residual));
    let output = inputs.apply(&plan);
    match EvaluateBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(State { inputs, plan }, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

#[derive(Debug)]
struct EvaluateBackward;

impl Backward<Flex, 6> for EvaluateBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 6>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { inputs, plan } = ops.state;
        let output_gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [x_node, gamma_node, beta_node, mean_node, variance_node, residual_node] = ops.parents;
        let (x, residual) = (values(&inputs.x), inputs.residual.as_ref().map(values));
        let output_gradient = values(&output_gradient);
        let line = Line::of_constant_statistics(&plan);
        register_maps(
            &inputs,
            &plan,
            output_gradient,
            &line,
            [x_node, residual_node].map(|node| node.map(|node| node.id)),
            gradients,
        );
        if [&gamma_node, &beta_node, &mean_node, &variance_node].iter().all(|node| node.is_none()) {
            return;
        }
        let sums = sums(&plan, x, residual, output_gradient);
        // gradients of the mean, −scale · Σg, and of the variance, −½ · scale / deviation · Σ g · (x − mean) / deviation
        let channels = 0..plan.channels;
        let of_mean: Vec<_> = channels.clone().map(|c| -plan.scale[c] * sums.gradient[c]).collect();
        let of_variance: Vec<_> =
            channels.map(|c| -0.5 * plan.scale[c] * plan.inverse_deviation[c] * sums.product[c]).collect();
        for (node, gradient) in [
            (gamma_node, &sums.product),
            (beta_node, &sums.gradient),
            (mean_node, &of_mean),
            (variance_node, &of_variance),
        ] {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, vector(gradient));
            }
        }
    }
}
