//! Explanations by the gradient of a score with respect to the picture.
