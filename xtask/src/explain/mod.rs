//! Explains pictures, scores the explanations, and writes both down.

mod method;
pub(crate) mod result;

pub(crate) use method::{ALL_METHODS, Family, Method};
