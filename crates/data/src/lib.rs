//! Fashion-MNIST and synthetic garments: reading, downloading, augmenting and batching.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
