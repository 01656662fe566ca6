//! Training, evaluation and exact resumption of the classifier.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
