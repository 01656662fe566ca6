use super::padded;

/// What a [`Convolution`](super::Convolution) is applied to, and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvolutionShape {
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// 1, or 2 to keep every second row and column.
    pub stride: usize,
    /// Whether negative results become 0.
    pub relu: bool,
    /// Whether 2×2 maximum pooling follows; the convolved rows and columns are even then.
    pub pool: bool,
}

impl ConvolutionShape {
    /// Rows and columns before the pooling.
    pub(super) fn convolved(&self) -> [usize; 2] {
        [self.height.div_ceil(self.stride), self.width.div_ceil(self.stride)]
    }

    /// Values of an image's input.
    pub fn input_length(&self) -> usize {
        self.height * self.width * padded(self.inputs)
    }

    /// Values of an image's output.
    pub fn output_length(&self) -> usize {
        let [rows, columns] = self.convolved();
        let divisor = if self.pool { 4 } else { 1 };
        rows * columns / divisor * padded(self.outputs)
    }
}
