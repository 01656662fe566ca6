//! Weighted linear surrogate models, the core that LIME and `KernelSHAP` share.
//!
//! Both methods describe a game by the linear function of coalition membership that fits sampled coalitions best under
//! some weights. LIME leaves the intercept free and adds a ridge penalty; `KernelSHAP` fixes the function at the empty and
//! the full coalition. Both come down to normal equations, which are formed and solved here in f64 by Cholesky
//! decomposition, with one right-hand side for each output.

mod normal_equations;
mod ridge;

pub(crate) use normal_equations::{NormalEquations, Solved};
pub(crate) use ridge::RidgeFit;
pub use ridge::{RidgeSurrogate, fit_ridge};
