//! What the networks and their files promise. One program: each test program would compile and link burn again.

#[cfg(feature = "networks")]
mod any_network;
mod common;
mod file;
mod inference;
mod network;
#[cfg(feature = "networks")]
mod networks;
mod pooling;
mod precision;
mod pytorch;
mod stock;
#[cfg(feature = "networks")]
mod torchvision;
