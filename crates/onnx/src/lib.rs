//! Image classifiers of `tinylsa-model` as ONNX files, which ONNX Runtime, browsers and many other programs run.
//!
//! [`to_onnx`] writes the forward pass in evaluation, operation by operation, from the config of a network and its tensors:
//! our own network in every config, and the compared ones, VGG, residual networks, MobileNetV3, the Vision Transformer and
//! Swin. The graph takes any number of images with values from 0 to 1, since the normalisation is part of it, as it is part of
//! the network.
//!
//! ```
//! use tinylsa_model::burn::tensor::Device;
//! use tinylsa_model::networks::{Network, NetworkConfig};
//! use tinylsa_model::{ModelConfig, ModelMetadata, TinyCnnLsaConfig};
//! use tinylsa_onnx::{OnnxOptions, to_onnx, to_proto};
//!
//! let config = NetworkConfig::from(TinyCnnLsaConfig { classes: 3, ..TinyCnnLsaConfig::default() });
//! let network: Network = config.init(&Device::flex())?;
//! let metadata = ModelMetadata::new(&config, &["round", "square", "star"], "shapes");
//!
//! let options = OnnxOptions { attention: true };
//! let bytes = to_onnx(&network, &metadata, options)?;
//! assert_eq!(bytes, to_onnx(&network, &metadata, options)?);
//!
//! let graph = to_proto(&network, &metadata, options)?.graph.unwrap_or_default();
//! let outputs: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
//! assert_eq!(outputs, ["logits", "attention.0", "class_attention", "class_evidence"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is in a file
//!
//! The tensors of the network keep their names and, with one exception, their layout: the weight of a local convolution is
//! `[width, 1, 3, 3]`. Batch normalisations are not folded into the convolutions before them; runtimes do that as they load
//! the graph. An operation is called after the layer that it belongs to. Every operator is of version 18 of ONNX's own set.
//!
//! With [`OnnxOptions::attention`] the outputs behind `logits` are `attention.<layer>` `[batch, heads, tokens, tokens]`, which
//! linear attention forms for this purpose alone, and for our own network `class_attention` and `class_evidence` `[batch,
//! classes, tokens]`. Swin shows its last stage, as its explanations do: the layers before it have other tokens.
//!
//! The metadata say the kind and config of the network, its classes, what it was trained on, the temperature that calibrates
//! it, and what its input and outputs are. [`proto`] has the messages that a file is made of, declared after the published
//! schema.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod attention;
mod error;
mod export;
mod graph;
mod layers;
mod networks;
pub mod proto;

pub use error::OnnxError;
pub use export::{IR_VERSION, OPSET, OnnxOptions, to_onnx, to_proto};

/// The example of the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
