//! How an attention block grows with the number of tokens.

use anyhow::Result;
use serde::Serialize;
use tinylsa_model::AttentionKind;
use tracing::info;

use super::rounds::interleaved;
use super::table::{megabytes, table};
use super::worker::{Job, Passes, TokensJob};
use super::{Plan, all_ready, contestant, cores};

/// Height and width of the grids: 49, 196 and 784 tokens.
const GRIDS: [usize; 3] = [7, 14, 28];
const BATCH_SIZE: usize = 16;
const LEAST_PASSES: usize = 3;

/// What the attention blocks came to.
#[derive(Debug, Serialize)]
pub(crate) struct TokensReport {
    blocks: Vec<BlockReport>,
}

/// One block of one kind on one grid.
#[derive(Debug, Serialize)]
struct BlockReport {
    tokens: usize,
    kind: AttentionKind,
    passes: Passes,
    batch_size: usize,
    threads: usize,
    milliseconds: f64,
    /// The most memory that the passes took, in bytes, beyond weights and pictures.
    memory: Option<u64>,
}

pub(super) fn run(plan: &Plan) -> Result<TokensReport> {
    let mut blocks = Vec::new();
    for &threads in &plan.threads_or(&[cores()]) {
        for &batch_size in &plan.batch_sizes_or(&[BATCH_SIZE]) {
            for passes in [Passes::Forward, Passes::ForwardAndBackward] {
                for grid in GRIDS {
                    info!("attention over {} tokens, threads: {threads}", grid * grid);
                    let jobs = [AttentionKind::Linear, AttentionKind::Softmax].map(|kind| TokensJob {
                        grid,
                        width: plan.config.model.network().width(),
                        attention: plan.config.model.network().attention.clone(),
                        kind,
                        passes,
                        batch_size,
                        threads,
                        block: plan.block(LEAST_PASSES),
                    });
                    blocks.extend(measure(plan, &jobs)?);
                }
            }
        }
    }
    Ok(TokensReport { blocks })
}

/// Both kinds in turn.
fn measure(plan: &Plan, jobs: &[TokensJob]) -> Result<Vec<BlockReport>> {
    let mut contestants =
        jobs.iter().map(|job| contestant("tinylsa", &Job::Tokens(job.clone()))).collect::<Result<Vec<_>>>()?;
    let ready = all_ready(&mut contestants)?;
    let batch_size = jobs.first().map_or(1, |job| job.batch_size);
    let measured = interleaved(&mut contestants, batch_size, plan.rounds)?;
    let reports = jobs.iter().zip(&ready).zip(&measured).map(|((job, ready), measured)| BlockReport {
        tokens: job.grid * job.grid,
        kind: job.kind,
        passes: job.passes,
        batch_size: job.batch_size,
        threads: job.threads,
        milliseconds: 1e3 * measured.seconds().median,
        memory: measured.peak_memory().zip(ready.memory).map(|(most, before)| most.saturating_sub(before)),
    });
    Ok(reports.collect())
}

impl TokensReport {
    /// For people.
    pub(crate) fn in_words(&self) -> String {
        let row = |block: &BlockReport| {
            let kind = match block.kind {
                AttentionKind::Linear => "linear",
                AttentionKind::Softmax => "softmax",
            };
            let passes = match block.passes {
                Passes::Forward => "forward",
                Passes::ForwardAndBackward => "forward and backward",
            };
            [
                format!("{kind}, {passes}"),
                block.tokens.to_string(),
                block.threads.to_string(),
                block.batch_size.to_string(),
                format!("{:.2}", block.milliseconds),
                megabytes(block.memory),
            ]
        };
        table(["attention block", "tokens", "threads", "batch", "ms", "MB"], self.blocks.iter().map(row).collect())
    }
}
