//! Answers in JSON. Numbers that are none become null.

mod maps;
mod prediction;

pub(crate) use maps::{GridAnswer, MapsAnswer, floats};
pub(crate) use prediction::PredictionAnswer;
