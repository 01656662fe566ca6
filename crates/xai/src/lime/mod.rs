//! Local linear explanations (LIME).
