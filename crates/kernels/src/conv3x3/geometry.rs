use crate::profile::Cost;

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub stride: usize,
}

impl Geometry {
    /// What the convolution or one of its gradients costs.
    pub(super) fn cost(&self) -> Cost {
        let pixels = self.batch * self.output_height() * self.output_width();
        let elements = self.batch * self.height * self.width * self.inputs + pixels * self.outputs;
        Cost { flops: 2 * 9 * pixels * self.inputs * self.outputs, elements: elements + 9 * self.inputs * self.outputs }
    }

    pub(super) fn output_height(&self) -> usize {
        self.height.div_ceil(self.stride)
    }

    pub(super) fn output_width(&self) -> usize {
        self.width.div_ceil(self.stride)
    }

    pub(super) fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.height, self.width, self.inputs]
    }

    pub(super) fn weight_shape(&self) -> [usize; 4] {
        [self.outputs, self.inputs, 3, 3]
    }

    pub(super) fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.output_height(), self.output_width(), self.outputs]
    }
}
