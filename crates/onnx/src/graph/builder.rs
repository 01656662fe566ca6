//! Tensors and operations, each by a name of its own.

use std::collections::BTreeSet;

use tinylsa_model::{HostTensor, State, StateError};

use super::types::{described, images_of};
use crate::error::OnnxError;
use crate::proto::{AttributeProto, GraphProto, NodeProto, TENSOR_FLOAT, TENSOR_INT64, TensorProto};

/// A tensor of the graph, by its name.
#[derive(Clone, Debug)]
pub(crate) struct Value(String);

impl Value {
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

/// A graph that is being put together from the tensors of a network.
pub(crate) struct GraphBuilder<'a> {
    state: &'a State,
    /// The tensors of the network that the graph does not hold yet.
    unused: BTreeSet<&'a str>,
    graph: GraphProto,
}

impl<'a> GraphBuilder<'a> {
    pub(crate) fn new(name: &str, state: &'a State) -> Self {
        let graph = GraphProto { name: name.to_owned(), ..GraphProto::default() };
        Self { state, unused: state.keys().map(String::as_str).collect(), graph }
    }

    /// The graph, which holds every tensor of the network.
    ///
    /// # Errors
    /// [`StateError::Unexpected`] names a tensor that no operation uses.
    pub(crate) fn finished(self) -> Result<GraphProto, OnnxError> {
        match self.unused.first() {
            Some(&name) => Err(StateError::Unexpected { name: name.to_owned() }.into()),
            None => Ok(self.graph),
        }
    }

    /// What goes in: a tensor of these dimensions for each image.
    pub(crate) fn input(&mut self, name: &str, dims: &[usize], about: &str) -> Value {
        self.graph.input.push(described(name, images_of(dims), about.to_owned()));
        Value(name.to_owned())
    }

    /// Makes a tensor an output, under its own name: one of these dimensions for each image.
    pub(crate) fn output(&mut self, value: &Value, dims: &[usize], about: &str) {
        self.graph.output.push(described(value.name(), images_of(dims), about.to_owned()));
    }

    /// Whether the network has this tensor.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.state.contains_key(name)
    }

    /// The shape of a tensor of the network, whose dimensions are so many.
    ///
    /// # Errors
    /// [`StateError`] if there is none, or it has another number of dimensions.
    pub(crate) fn shape<const D: usize>(&self, name: &str) -> Result<[usize; D], OnnxError> {
        let shape = &self.host(name)?.shape;
        let other = || StateError::Shape { name: name.to_owned(), found: shape.clone(), expected: vec![0; D] };
        Ok(shape.as_slice().try_into().map_err(|_| other())?)
    }

    /// A tensor of the network, under the name that it has there.
    ///
    /// # Errors
    /// [`StateError::Missing`] if there is none.
    pub(crate) fn tensor(&mut self, name: &str) -> Result<Value, OnnxError> {
        let HostTensor { shape, values } = self.host(name)?;
        Ok(self.network_tensor(name, shape, values))
    }

    /// A tensor of the network in another layout, under the name that it has there.
    ///
    /// # Errors
    /// [`StateError::Missing`] if there is none.
    pub(crate) fn tensor_as(
        &mut self,
        name: &str,
        layout: impl FnOnce(&HostTensor) -> HostTensor,
    ) -> Result<Value, OnnxError> {
        let HostTensor { shape, values } = layout(self.host(name)?);
        Ok(self.network_tensor(name, &shape, &values))
    }

    /// A tensor that is none of the network's.
    pub(crate) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, shape, TENSOR_FLOAT, raw_data)
    }

    /// Integers, such as the dimensions of a tensor.
    pub(crate) fn integers(&mut self, name: &str, shape: &[usize], values: &[i64]) -> Value {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, shape, TENSOR_INT64, raw_data)
    }

    /// An operation with one result, which has the name of the operation.
    pub(crate) fn node(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&Value],
        attribute: Vec<AttributeProto>,
    ) -> Value {
        let outputs = vec![name.to_owned()];
        self.push(operator, name, inputs, outputs, attribute);
        Value(name.to_owned())
    }

    /// An operation with several results by their names.
    pub(crate) fn node_of_many<const N: usize>(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&Value],
        outputs: [String; N],
        attribute: Vec<AttributeProto>,
    ) -> [Value; N] {
        self.push(operator, name, inputs, outputs.to_vec(), attribute);
        outputs.map(Value)
    }

    fn host(&self, name: &str) -> Result<&'a HostTensor, OnnxError> {
        self.state.get(name).ok_or_else(|| StateError::Missing { name: name.to_owned() }.into())
    }

    /// A tensor that two operations use is held once.
    fn network_tensor(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        if self.unused.remove(name) { self.floats(name, shape, values) } else { Value(name.to_owned()) }
    }

    fn initializer(&mut self, name: &str, shape: &[usize], data_type: i32, raw_data: Vec<u8>) -> Value {
        let dims = shape.iter().map(|&length| length as i64).collect();
        self.graph.initializer.push(TensorProto { dims, data_type, name: name.to_owned(), raw_data });
        Value(name.to_owned())
    }

    fn push(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&Value],
        output: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        let input = inputs.iter().map(|input| input.name().to_owned()).collect();
        let (name, op_type) = (name.to_owned(), operator.to_owned());
        self.graph.node.push(NodeProto { input, output, name, op_type, attribute });
    }
}
