//! What the learner promises. One program, since each would compile and link burn again; what switches the operations of a
//! whole process has one of its own beside it.

mod classifiers;
#[path = "../common/mod.rs"]
mod common;
mod initial_weights;
mod measures;
mod refusals;
mod training;
