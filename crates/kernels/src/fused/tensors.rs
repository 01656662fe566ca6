//! From a tensor of any device to one of the Flex backend, and back.

use crate::arch::Buffer;
use burn::{
    backend::{
        BackendTensor, DispatchAutodiffContext, DispatchDevice, DispatchTensor, DispatchTensorKind,
        flex::{FlexTensor, Layout},
    },
    tensor::{DType, Shape, Tensor},
};
use std::sync::atomic::{AtomicBool, Ordering};

static REFERENCES: AtomicBool = AtomicBool::new(false);

/// Makes every operation of this process run its reference from now on, or the fused path again where there is one: the
/// way to find out whether a result depends on the fused operations.
pub fn use_references(yes: bool) {
    REFERENCES.store(yes, Ordering::Relaxed);
}

/// Whether the fused path can take a tensor: `f32` on the Flex device, with or without automatic differentiation.
pub(crate) fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    let device = tensor.device().inner();
    let on_flex = matches!(device.as_dispatch(), DispatchDevice::Flex(_));
    on_flex && tensor.dtype() == DType::F32 && !REFERENCES.load(Ordering::Relaxed)
}

/// The values of a tensor that [`FlexTensor::to_contiguous`] returned.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of f32 is a slice")
}

/// A tensor from memory of the pool.
pub(crate) fn shaped(buffer: Buffer, shape: Shape) -> FlexTensor {
    debug_assert_eq!(buffer.len(), shape.num_elements());
    FlexTensor::new(buffer.into_bytes(), Layout::contiguous(shape), DType::F32)
}

/// A tensor from memory of the pool.
pub(crate) fn tensor<const D: usize>(buffer: Buffer, shape: [usize; D]) -> FlexTensor {
    shaped(buffer, Shape::from(shape))
}

/// A copy of values as a tensor.
pub(crate) fn copied(values: &[f32], shape: impl Into<Shape>) -> FlexTensor {
    let mut buffer = Buffer::new(values.len());
    buffer.copy_from_slice(values);
    shaped(buffer, shape.into())
}

/// A copy of a vector as a tensor.
pub(crate) fn vector(values: &[f32]) -> FlexTensor {
    copied(values, [values.len()])
}

/// Whether a tensor has `f32` on the Flex device, without automatic differentiation.
pub(crate) fn is_plain<const D: usize>(tensor: &Tensor<D>) -> bool {
    takes(tensor) && !tensor.device().is_autodiff()
}

/// The primitive of a tensor that [`is_plain`].
pub(crate) fn into_flex<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    match tensor.into_dispatch().kind {
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => tensor,
        other => unreachable!("the primitive of a tensor on another device: {other:?}"),
    }
}

/// The way back from [`into_flex`].
pub(crate) fn from_flex<const D: usize>(tensor: FlexTensor) -> Tensor<D> {
    Tensor::from_dispatch(DispatchTensor {
        kind: DispatchTensorKind::Flex(BackendTensor::Float(tensor)),
        autodiff: DispatchAutodiffContext::Disabled,
    })
}
