//! Scores the explanations of several pictures and ranks the methods.

mod config;

pub(crate) use config::ScoresConfig;
