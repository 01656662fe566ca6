//! `KernelSHAP` (Lundberg and Lee 2017, "A unified approach to interpreting model predictions", section 4.1).

mod plan;
mod solve;

pub use plan::{KernelShapConfig, KernelShapPlan};
