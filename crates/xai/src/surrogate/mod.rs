//! Weighted linear models fitted to the scores of masked pictures.
