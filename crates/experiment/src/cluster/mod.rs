//! Work that is cut into numbered tasks, and the cluster that runs them.
//!
//! A task is a call of this program with its number: a trial of a sweep, or a shard of an explanation. It may be started
//! anywhere and any number of times: what is finished is left as it is, what was begun is resumed, and a lock keeps two
//! processes out of one directory. So a cluster needs nothing but a way to start commands. [`submit`] is that way for
//! Slurm; `docs/clusters.md` names others.

mod array;
mod script;
mod slurm;

pub use array::array_of;
pub use script::{ArrayJob, quoted};
pub use slurm::{Submission, has_submissions, submit};
