//! Scores of an explanation.
