//! Networks as ONNX files: what an independent runtime makes of them, and what is in them.

mod common;
mod file;
mod networks;
