//! A graph as it is put together, operation by operation.

mod builder;
mod operators;
mod types;

pub(crate) use builder::{GraphBuilder, Value};
pub(crate) use operators::Window;
