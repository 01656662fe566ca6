//! The way from a tensor of any device to the fused path, and back.

use crate::{arch::Buffer, conv3x3};
use burn::{
    backend::{
        Autodiff, Backend, DispatchDevice, Flex,
        autodiff::checkpoint::strategy::CheckpointStrategy,
        backend_extension,
        flex::{FlexTensor, Layout},
        tensor::FloatTensor,
    },
    tensor::{DType, Shape, Tensor},
};

/// The fused operations on the primitives of a backend; the public functions describe them.
#[backend_extension(Autodiff, Flex)]
pub(crate) trait FusedOps: Backend {
    fn conv3x3(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize) -> FloatTensor<Self>;
}

impl FusedOps for Flex {
    fn conv3x3(x: FlexTensor, weight: FlexTensor, stride: usize) -> FlexTensor {
        conv3x3::flex::forward(&x, &weight, stride)
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn conv3x3(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize) -> FloatTensor<Self> {
        conv3x3::flex::tracked::<C>(x, weight, stride)
    }
}

/// Whether the fused path can take a tensor: `f32` on the Flex device, with or without automatic differentiation.
pub(crate) fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    let on_flex = match tensor.device().as_dispatch() {
        DispatchDevice::Flex(_) => true,
        DispatchDevice::Autodiff(device) => matches!(device.clone().inner(), DispatchDevice::Flex(_)),
        #[allow(unreachable_patterns)] // other backends are there when their features are
        _ => false,
    };
    on_flex && tensor.dtype() == DType::F32
}

/// The values of a tensor that [`FlexTensor::to_contiguous`] returned.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of f32 is a slice")
}

/// A tensor from memory of the pool.
pub(crate) fn tensor<const D: usize>(buffer: Buffer, shape: [usize; D]) -> FlexTensor {
    debug_assert_eq!(buffer.len(), shape.iter().product::<usize>());
    FlexTensor::new(buffer.into_bytes(), Layout::contiguous(Shape::from(shape)), DType::F32)
}
