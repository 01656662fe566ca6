//! TinyCnnLsa: a tiny convolutional network with linear self-attention.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
