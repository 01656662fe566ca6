//! Instruction sets and everything unsafe.
//!
//! A computation is a [`Kernel`] that is generic over a [`Simd`] token. [`run`] picks the widest instruction set that
//! the machine has, at run time, and runs the kernel compiled for it. All instruction sets work on vectors of sixteen
//! `f32`, so that data layouts do not depend on the machine; they differ in how many of them fit into registers.

mod level;
mod memory;
mod multiply;
mod outer;
mod portable;
mod simd;
#[cfg(target_arch = "x86_64")]
mod x86_avx2;
#[cfg(target_arch = "x86_64")]
mod x86_avx512;

#[cfg(test)]
pub(crate) use level::run_on;
pub use level::{InstructionSetError, instruction_set, widest_instruction_set};
pub(crate) use level::{Level, run};
pub(crate) use memory::Buffer;
pub(crate) use multiply::{Multiply, groups};
pub(crate) use outer::Outer;
pub(crate) use simd::{Kernel, LANES, Simd};
