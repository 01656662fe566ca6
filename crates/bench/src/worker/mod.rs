//! Our side of the [protocol](super::protocol): the processes of this program that are measured.

mod block;
mod explain;
mod infer;
mod tokens;
mod train;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub(crate) use block::BlockLength;
pub(crate) use explain::{ExplainCase, ExplainJob};
pub(crate) use infer::{Form, InferJob};
pub use tokens::Passes;
pub(crate) use tokens::TokensJob;
pub(crate) use train::{PREPARATION, TrainJob};

/// What a process of ours does.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Job {
    Train(Box<TrainJob>),
    Infer(InferJob),
    Tokens(TokensJob),
    Explain(ExplainJob),
}

pub(crate) fn serve(job: &str) -> Result<()> {
    match serde_json::from_str(job).context("failed to read the job of a process that is measured")? {
        Job::Train(job) => train::serve(&job),
        Job::Infer(job) => infer::serve(&job),
        Job::Tokens(job) => tokens::serve(&job),
        Job::Explain(job) => explain::serve(&job),
    }
}
