//! The operators of ONNX that the networks are made of, in the forms of version 18.

use super::builder::{GraphBuilder, Value};
use crate::proto::{ATTRIBUTE_FLOAT, ATTRIBUTE_INT, ATTRIBUTE_INTS, AttributeProto};

/// How a kernel or a pooling goes over a map: the same in both directions.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) side: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl Window {
    /// How long what comes out of a side of this length is.
    pub(crate) fn output(self, length: usize) -> usize {
        (length + 2 * self.padding).saturating_sub(self.side) / self.stride + 1
    }

    fn attributes(self) -> Vec<AttributeProto> {
        let Self { side, stride, padding } = self;
        vec![
            integers("kernel_shape", &[side as i64; 2]),
            integers("strides", &[stride as i64; 2]),
            integers("pads", &[padding as i64; 4]),
        ]
    }
}

fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i: Some(value), r#type: ATTRIBUTE_INT, ..AttributeProto::default() }
}

fn integers(name: &str, values: &[i64]) -> AttributeProto {
    let (name, ints) = (name.to_owned(), values.to_vec());
    AttributeProto { name, ints, r#type: ATTRIBUTE_INTS, ..AttributeProto::default() }
}

fn float(name: &str, value: f64) -> AttributeProto {
    let (name, f) = (name.to_owned(), Some(value as f32));
    AttributeProto { name, f, r#type: ATTRIBUTE_FLOAT, ..AttributeProto::default() }
}

/// Makes functions of operators of one or two tensors without settings.
macro_rules! operators {
    ($($(#[$about:meta])* $function:ident($($operand:ident),*) = $operator:literal;)*) => {
        impl GraphBuilder<'_> {
            $(
                $(#[$about])*
                pub(crate) fn $function(&mut self, name: &str, $($operand: &Value),*) -> Value {
                    self.node($operator, name, &[$($operand),*], Vec::new())
                }
            )*
        }
    };
}

operators! {
    add(left, right) = "Add";
    subtract(left, right) = "Sub";
    multiply(left, right) = "Mul";
    divide(left, right) = "Div";
    matmul(left, right) = "MatMul";
    minimum(left, right) = "Min";
    relu(x) = "Relu";
    exp(x) = "Exp";
    erf(x) = "Erf";
    sigmoid(x) = "Sigmoid";
    softplus(x) = "Softplus";
    /// `x · min(max(x / 6 + 1/2, 0), 1)`.
    hard_swish(x) = "HardSwish";
    /// The mean of every channel of a map: `[batch, channels, 1, 1]`.
    mean_of_map(x) = "GlobalAveragePool";
}

impl GraphBuilder<'_> {
    /// A number.
    pub(crate) fn scalar(&mut self, name: &str, value: f64) -> Value {
        self.floats(name, &[], &[value as f32])
    }

    /// The product with a number.
    pub(crate) fn multiply_by(&mut self, name: &str, x: &Value, factor: f64) -> Value {
        let factor = self.scalar(&format!("{name}.factor"), factor);
        self.multiply(name, x, &factor)
    }

    /// The quotient by a number.
    pub(crate) fn divide_by(&mut self, name: &str, x: &Value, divisor: f64) -> Value {
        let divisor = self.scalar(&format!("{name}.divisor"), divisor);
        self.divide(name, x, &divisor)
    }

    /// The sum with a number.
    pub(crate) fn add_number(&mut self, name: &str, x: &Value, number: f64) -> Value {
        let number = self.scalar(&format!("{name}.number"), number);
        self.add(name, x, &number)
    }

    /// Values below the least become that, values above the most that.
    pub(crate) fn clip(&mut self, name: &str, x: &Value, [least, most]: [f64; 2]) -> Value {
        let least = self.scalar(&format!("{name}.least"), least);
        let most = self.scalar(&format!("{name}.most"), most);
        self.node("Clip", name, &[x, &least, &most], Vec::new())
    }

    /// `min(max(x / 6 + 1/2, 0), 1)`.
    pub(crate) fn hard_sigmoid(&mut self, name: &str, x: &Value) -> Value {
        self.node("HardSigmoid", name, &[x], vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)])
    }

    /// The values in another shape. A dimension of 0 stays as it is, one of −1 is what remains.
    pub(crate) fn reshape(&mut self, name: &str, x: &Value, shape: &[i64]) -> Value {
        let shape = self.integers(&format!("{name}.shape"), &[shape.len()], shape);
        self.node("Reshape", name, &[x, &shape], Vec::new())
    }

    /// The dimensions in another order.
    pub(crate) fn transpose(&mut self, name: &str, x: &Value, order: &[i64]) -> Value {
        self.node("Transpose", name, &[x], vec![integers("perm", order)])
    }

    /// Parts of these sizes along a dimension, by their names.
    pub(crate) fn split<const N: usize>(
        &mut self,
        name: &str,
        x: &Value,
        dimension: i64,
        parts: [(&str, usize); N],
    ) -> [Value; N] {
        let sizes = self.integers(&format!("{name}.sizes"), &[N], &parts.map(|(_, size)| size as i64));
        let names = parts.map(|(part, _)| format!("{name}.{part}"));
        self.node_of_many("Split", name, &[x, &sizes], names, vec![integer("axis", dimension)])
    }

    /// Tensors one behind the other along a dimension.
    pub(crate) fn concatenate(&mut self, name: &str, parts: &[&Value], dimension: i64) -> Value {
        self.node("Concat", name, parts, vec![integer("axis", dimension)])
    }

    /// The entries with these numbers along a dimension; one number alone takes the dimension away.
    pub(crate) fn gather(&mut self, name: &str, x: &Value, numbers: &Value, dimension: i64) -> Value {
        self.node("Gather", name, &[x, numbers], vec![integer("axis", dimension)])
    }

    /// The length of the first dimension, as a list of one number.
    pub(crate) fn batch_of(&mut self, name: &str, x: &Value) -> Value {
        self.node("Shape", name, &[x], vec![integer("start", 0), integer("end", 1)])
    }

    /// The tensor repeated along dimensions of length 1.
    pub(crate) fn expand(&mut self, name: &str, x: &Value, shape: &Value) -> Value {
        self.node("Expand", name, &[x, shape], Vec::new())
    }

    /// Every `step`-th row and column of a map.
    pub(crate) fn every(&mut self, name: &str, x: &Value, step: usize) -> Value {
        let starts = self.integers(&format!("{name}.starts"), &[2], &[0, 0]);
        let ends = self.integers(&format!("{name}.ends"), &[2], &[i64::from(i32::MAX); 2]);
        let dimensions = self.integers(&format!("{name}.dimensions"), &[2], &[2, 3]);
        let steps = self.integers(&format!("{name}.steps"), &[2], &[step as i64; 2]);
        self.node("Slice", name, &[x, &starts, &ends, &dimensions, &steps], Vec::new())
    }

    /// So many channels of zeros before and behind those of a map.
    pub(crate) fn pad_channels(&mut self, name: &str, x: &Value, [before, behind]: [usize; 2]) -> Value {
        let pads = [0, before as i64, 0, 0, 0, behind as i64, 0, 0];
        let pads = self.integers(&format!("{name}.pads"), &[pads.len()], &pads);
        let zero = self.scalar(&format!("{name}.zero"), 0.0);
        self.node("Pad", name, &[x, &pads, &zero], Vec::new())
    }

    /// The sum along a dimension, which stays with the length 1 or goes.
    pub(crate) fn sum(&mut self, name: &str, x: &Value, dimension: i64, stays: bool) -> Value {
        self.reduce("ReduceSum", name, x, dimension, stays)
    }

    /// The mean along a dimension, which goes.
    pub(crate) fn mean(&mut self, name: &str, x: &Value, dimension: i64) -> Value {
        self.reduce("ReduceMean", name, x, dimension, false)
    }

    /// The softmax along the last dimension.
    pub(crate) fn softmax(&mut self, name: &str, x: &Value) -> Value {
        self.node("Softmax", name, &[x], vec![integer("axis", -1)])
    }

    /// Layer normalisation over the last dimension.
    pub(crate) fn layer_normalization(&mut self, name: &str, inputs: [&Value; 3], epsilon: f64) -> Value {
        self.node("LayerNormalization", name, &inputs, vec![integer("axis", -1), float("epsilon", epsilon)])
    }

    /// Batch normalisation with running statistics: the map, scale, shift, mean and variance of the channels.
    pub(crate) fn batch_normalization(&mut self, name: &str, inputs: [&Value; 5], epsilon: f64) -> Value {
        self.node("BatchNormalization", name, &inputs, vec![float("epsilon", epsilon)])
    }

    /// A cross-correlation of a map with filters, and perhaps a bias; the channels are cut into groups.
    pub(crate) fn conv(&mut self, name: &str, inputs: &[&Value], window: Window, groups: usize) -> Value {
        let mut attributes = window.attributes();
        attributes.push(integer("group", groups as i64));
        self.node("Conv", name, inputs, attributes)
    }

    /// The maximum over each window of a map.
    pub(crate) fn max_pool(&mut self, name: &str, x: &Value, window: Window) -> Value {
        self.node("MaxPool", name, &[x], window.attributes())
    }

    fn reduce(&mut self, operator: &str, name: &str, x: &Value, dimension: i64, stays: bool) -> Value {
        let dimensions = self.integers(&format!("{name}.dimension"), &[1], &[dimension]);
        self.node(operator, name, &[x, &dimensions], vec![integer("keepdims", i64::from(stays))])
    }
}
