//! Explanations of burn models and scores of explanations.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
