//! How an attention block grows with the number of tokens.

use anyhow::Result;
use serde::Serialize;
use tinylsa_model::AttentionKind;
use tracing::info;

use crate::models::require_own;
use crate::plan::{Plan, all_ready, cores};
use crate::rounds::interleaved;
use crate::worker::{Job, Passes, TokensJob};

/// Height and width of the grids: 49, 196 and 784 tokens.
const GRIDS: [usize; 3] = [7, 14, 28];
const BATCH_SIZE: usize = 16;
const LEAST_PASSES: usize = 3;

/// What the attention blocks came to.
#[derive(Debug, Serialize)]
pub struct TokensReport {
    /// Every block that was measured.
    pub blocks: Vec<BlockReport>,
}

/// One block of one kind on one grid.
#[derive(Debug, Serialize)]
pub struct BlockReport {
    /// How many tokens there are.
    pub tokens: usize,
    /// The kind of attention.
    pub kind: AttentionKind,
    /// Which passes were measured.
    pub passes: Passes,
    /// Images of a pass.
    pub batch_size: usize,
    /// Threads of the process.
    pub threads: usize,
    /// Milliseconds of the passes, the median over the blocks.
    pub milliseconds: f64,
    /// The most memory that the passes took, in bytes, beyond weights and images.
    pub memory: Option<u64>,
}

pub(super) fn run(plan: &Plan) -> Result<TokensReport> {
    let network = require_own(plan.subject()?.network)?;
    let mut blocks = Vec::new();
    for &threads in &plan.threads_or(&[cores()]) {
        for &batch_size in &plan.batch_sizes_or(&[BATCH_SIZE]) {
            for passes in [Passes::Forward, Passes::ForwardAndBackward] {
                for grid in GRIDS {
                    info!("attention over {} tokens, threads: {threads}", grid * grid);
                    let jobs = [AttentionKind::Linear, AttentionKind::Softmax].map(|kind| TokensJob {
                        grid,
                        width: network.width(),
                        attention: network.attention.clone(),
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
        jobs.iter().map(|job| plan.contestant("tinylsa", &Job::Tokens(job.clone()))).collect::<Result<Vec<_>>>()?;
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
