//! Shapley values of superpixels.
