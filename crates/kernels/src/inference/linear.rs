//! Affine map with activation and residual.

use super::{Activations, Scratch, padded, padded_vector};
use crate::{
    Activation,
    arch::{self, Kernel, LANES, Level, Multiply, Simd},
    math::normal,
};

/// Rows that go through a product at once, a multiple of the rows that it holds in registers.
const ROWS: usize = 56;

/// `x · W + b`, then an activation.
#[derive(Debug)]
pub struct Linear {
    inputs: usize,
    outputs: usize,
    activation: Activation,
    weight: Activations,
    bias: Activations,
}

impl Linear {
    /// Packs the weights, `[inputs, outputs]` with one bias for each output, row-major.
    ///
    /// # Panics
    ///
    /// If there are no outputs, or the weights are no whole number of inputs.
    pub fn new(weight: &[f32], bias: &[f32], activation: Activation) -> Self {
        let outputs = bias.len();
        assert!(outputs > 0 && !weight.is_empty(), "an empty linear map");
        assert!(weight.len().is_multiple_of(outputs), "{} weights for {outputs} outputs", weight.len());
        let inputs = weight.len() / outputs;
        let mut packed = Activations::zeroed(Multiply::packed_length(1, inputs, outputs));
        Multiply::pack(Level::chosen(), &mut packed, 1, inputs, padded(outputs), |_, input, output| {
            if output < outputs { weight[input * outputs + output] } else { 0.0 }
        });
        Self { inputs, outputs, activation, weight: packed, bias: padded_vector(bias) }
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Maps every row of `x`; the residual, of the output's length, is added behind the activation.
    ///
    /// # Panics
    ///
    /// If the lengths do not fit.
    pub fn run(&self, x: &[f32], residual: Option<&[f32]>, scratch: &mut Scratch, output: &mut [f32]) {
        let (input_row, output_row) = (padded(self.inputs), padded(self.outputs));
        let rows = x.len() / input_row;
        assert_eq!(x.len(), rows * input_row, "rows of {} inputs", self.inputs);
        assert_eq!(output.len(), rows * output_row, "{rows} rows of {} outputs", self.outputs);
        assert!(residual.is_none_or(|residual| residual.len() == output.len()), "the residual of a linear map");
        scratch.inputs.reserve(ROWS * self.inputs.next_multiple_of(LANES));
        let chunks = x.chunks(ROWS * input_row).zip(output.chunks_mut(ROWS * output_row)).enumerate();
        for (index, (x, output)) in chunks {
            let residual = residual.map(|residual| &residual[index * ROWS * output_row..][..output.len()]);
            arch::run(Chunk { linear: self, x, residual, blocks: &mut scratch.inputs, output });
        }
    }
}

struct Chunk<'a> {
    linear: &'a Linear,
    x: &'a [f32],
    residual: Option<&'a [f32]>,
    /// The rows in blocks of sixteen columns.
    blocks: &'a mut [f32],
    output: &'a mut [f32],
}

impl Kernel for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { linear, x, residual, blocks, output } = self;
        let outputs = padded(linear.outputs);
        let rows = output.len() / outputs;
        for (row, x) in x.chunks_exact(padded(linear.inputs)).enumerate() {
            for (block, values) in x.chunks(LANES).enumerate() {
                simd.store(&mut blocks[(block * rows + row) * LANES..][..LANES], simd.load(values));
            }
        }
        Multiply {
            input: blocks,
            channels: linear.inputs,
            plane: rows * LANES,
            row: 0,
            step: LANES,
            taps: &[0],
            weight: &linear.weight,
            bias: Some(&linear.bias),
            rows: 1,
            columns: rows,
            outputs,
            output,
            output_row: 0,
            output_step: outputs,
        }
        .run(simd);
        match linear.activation {
            Activation::Identity => {}
            Activation::Relu => for_each(simd, output, |x| simd.max(x, simd.splat(0.0))),
            Activation::Gelu => for_each(simd, output, |x| simd.multiply(x, normal(simd, x).distribution)),
        }
        if let Some(residual) = residual {
            for (values, residual) in output.chunks_mut(LANES).zip(residual.chunks(LANES)) {
                let sum = simd.add(simd.load(values), simd.load(residual));
                simd.store(values, sum);
            }
        }
    }
}

#[inline(always)]
fn for_each<S: Simd>(simd: S, values: &mut [f32], function: impl Fn(S::Vector) -> S::Vector) {
    for values in values.chunks_mut(LANES) {
        let result = function(simd.load(values));
        simd.store(values, result);
    }
}
