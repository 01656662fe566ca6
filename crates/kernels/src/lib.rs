//! Fused CPU operations for burn with forward and backward passes.

#![deny(missing_docs)]
