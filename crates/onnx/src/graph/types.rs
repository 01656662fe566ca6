//! What is said of the tensors that go into a graph and come out of it.

use crate::proto::{
    DimensionProto, Length, TENSOR_FLOAT, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

/// The name of the first dimension: the images of a batch.
const BATCH: &str = "batch";

/// The dimensions of a tensor that has a part for each image.
pub(crate) fn images_of(dims: &[usize]) -> Vec<DimensionProto> {
    let fixed = dims.iter().map(|&length| Length::Fixed(length as i64));
    let lengths = std::iter::once(Length::Named(BATCH.to_owned())).chain(fixed);
    lengths.map(|length| DimensionProto { value: Some(length) }).collect()
}

/// A tensor of floating-point numbers by its name.
pub(crate) fn described(name: &str, dim: Vec<DimensionProto>, about: String) -> ValueInfoProto {
    let tensor = TensorTypeProto { elem_type: TENSOR_FLOAT, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }), doc_string: about }
}
