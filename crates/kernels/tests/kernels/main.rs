//! What the operations promise. One program, since each would compile and link burn again; what counts or chooses for a
//! whole process has one of its own beside it.

mod attention_block;
mod batch_norm;
#[path = "../common/mod.rs"]
mod common;
mod conv3x3;
mod conv_norm;
mod depthwise3x3;
mod pooling;
mod residual_block;
mod shapes;
mod tokens;
mod update;
