//! LIME (Ribeiro, Singh and Guestrin 2016, "Why should I trust you?"), with the defaults of the authors' `lime_image`.

mod config;
mod explanation;
mod plan;

pub use config::LimeConfig;
pub use explanation::{LimeExplanation, LimeWarning, lime};
pub use plan::{LimePlan, LimeSolution};
