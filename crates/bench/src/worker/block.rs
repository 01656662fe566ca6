//! Blocks of timings: when one is asked for, how long it lasts, and the yardstick beside it.

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tinylsa_kernels::multiply_adds;
use tinylsa_system::peak_memory;

use crate::protocol::{Block, PhaseSeconds};

/// How long the yardstick is held to the machine behind each block.
const YARDSTICK: Duration = Duration::from_millis(60);
/// Rounds of a stretch of it: about ten milliseconds.
const YARDSTICK_ROUNDS: usize = 2_500_000;

/// Says a line.
pub(super) fn tell(message: &impl Serialize) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", serde_json::to_string(message)?)?;
    Ok(output.flush()?)
}

/// Sleeps until a block is asked for; returns its batch size, or nothing at the end.
pub(super) fn next_block() -> Result<Option<usize>> {
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line)? == 0 {
        return Ok(None);
    }
    match line.trim().strip_prefix("go ").map(str::parse) {
        Some(Ok(batch_size)) => Ok(Some(batch_size)),
        _ => bail!("{line:?} asks for nothing, expected go BATCH_SIZE"),
    }
}

/// What runs in a block: pieces of work until its time is over.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct BlockLength {
    /// Seconds of a block.
    pub(crate) seconds: f64,
    /// Pieces of work of a block, at the least.
    pub(crate) least: usize,
}

impl BlockLength {
    pub(crate) fn is_over(&self, seconds: &[f64]) -> bool {
        seconds.len() >= self.least && seconds.iter().sum::<f64>() >= self.seconds
    }

    /// Does pieces of work until the block is over; returns the seconds of each.
    pub(super) fn fill(&self, mut work: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
        let mut seconds = Vec::new();
        while !self.is_over(&seconds) {
            let started = Instant::now();
            work()?;
            seconds.push(started.elapsed().as_secs_f64());
        }
        Ok(seconds)
    }
}

/// A block that is done, with the yardstick of the same moment.
pub(super) fn block(seconds: Vec<f64>, phases: Vec<PhaseSeconds>) -> Block {
    Block { seconds, peak_memory: peak_memory(), peak_flops: Some(yardstick()), phases, passes: Vec::new() }
}

/// The most that the threads of this process do together, in floating-point operations a second. It is the best of
/// several short stretches: threads that wake up or another program may spoil one of them.
fn yardstick() -> f64 {
    let threads = rayon::current_num_threads();
    let mut best = 0.0_f64;
    let started = Instant::now();
    while started.elapsed() < YARDSTICK {
        let stretch = Instant::now();
        let operations = (0..threads).into_par_iter().map(|_| multiply_adds(YARDSTICK_ROUNDS)).sum::<usize>();
        best = best.max(operations as f64 / stretch.elapsed().as_secs_f64());
    }
    best
}

/// What was counted since [`tinylsa_kernels::profile::start`], for all pieces of work together.
pub(super) fn counted() -> Vec<PhaseSeconds> {
    let profile = tinylsa_kernels::profile::stop();
    let phase = |operation: tinylsa_kernels::profile::OperationProfile| PhaseSeconds {
        name: operation.phase.name().to_owned(),
        seconds: operation.seconds,
        flops: operation.flops,
    };
    profile.operations.into_iter().map(phase).collect()
}

/// What we are.
pub(super) fn version() -> String {
    format!("tinylsa {}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_with_its_time_but_not_before_its_least_pieces() {
        let length = BlockLength { seconds: 1.0, least: 2 };
        assert!(!length.is_over(&[]));
        assert!(!length.is_over(&[5.0]));
        assert!(!length.is_over(&[0.1, 0.2]));
        assert!(length.is_over(&[0.5, 0.5]));
    }

    #[test]
    fn the_yardstick_measures_something() {
        assert!(yardstick() > 1e8);
    }
}
