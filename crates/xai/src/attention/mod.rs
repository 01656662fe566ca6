//! Explanations by the attention of a model.
