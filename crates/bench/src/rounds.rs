//! Blocks of timings, in turn, and what they come to.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use crate::protocol::{Block, Contestant, ContestantError, PhaseSeconds};
use tinylsa_experiment::statistics::{Spread, percentile, sorted};

/// Between two blocks: long enough for the threads of the last one to fall asleep.
const PAUSE: Duration = Duration::from_millis(300);

/// The blocks of one contestant, in the order of the rounds.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) batch_size: usize,
    pub(crate) blocks: Vec<Block>,
}

/// How long a call takes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half of the calls take at most this long.
    pub median: f64,
    /// 95 % of the calls take at most this long.
    pub p95: f64,
}

/// Lets every contestant do a block in turn, round after round.
///
/// # Errors
/// If a contestant does not keep to the protocol.
pub(crate) fn interleaved(
    contestants: &mut [Contestant],
    batch_size: usize,
    rounds: usize,
) -> Result<Vec<Measured>, ContestantError> {
    let mut measured: Vec<Measured> = contestants
        .iter()
        .map(|contestant| Measured { name: contestant.name().to_owned(), batch_size, blocks: Vec::new() })
        .collect();
    for _ in 0..rounds {
        for (contestant, measured) in contestants.iter_mut().zip(&mut measured) {
            thread::sleep(PAUSE);
            measured.blocks.push(contestant.block(batch_size)?);
        }
    }
    Ok(measured)
}

impl Measured {
    /// Mean seconds of a piece of work, block by block.
    pub(crate) fn block_means(&self) -> Vec<f64> {
        self.blocks.iter().map(|block| block.seconds.iter().sum::<f64>() / block.seconds.len() as f64).collect()
    }

    /// Seconds of a piece of work, over the blocks.
    pub(crate) fn seconds(&self) -> Spread {
        Spread::of(self.block_means())
    }

    /// Images a second, over the blocks.
    pub(crate) fn images_per_s(&self) -> Spread {
        Spread::of(self.block_means().into_iter().map(|seconds| self.batch_size as f64 / seconds))
    }

    /// Milliseconds of a call, over all calls.
    pub(crate) fn latency_ms(&self) -> Latency {
        let calls = sorted(self.blocks.iter().flat_map(|block| &block.seconds).map(|seconds| 1e3 * seconds));
        Latency { median: percentile(&calls, 0.5), p95: percentile(&calls, 0.95) }
    }

    /// The most memory that the process held, in bytes.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        self.blocks.iter().filter_map(|block| block.peak_memory).max()
    }

    /// The most that the machine did on the same threads, in floating-point operations a second; nothing if it
    /// was not measured.
    pub(crate) fn peak_flops(&self) -> Option<f64> {
        self.blocks.iter().filter_map(|block| block.peak_flops).max_by(f64::total_cmp)
    }

    /// Seconds and operations of every phase in one piece of work, in the order of the first block.
    pub(crate) fn phases(&self) -> Vec<PhaseSeconds> {
        let mut seconds: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for block in &self.blocks {
            for phase in &block.phases {
                seconds.entry(&phase.name).or_default().push(phase.seconds / block.seconds.len() as f64);
            }
        }
        let Some(first) = self.blocks.first() else { return Vec::new() };
        let of_one = |phase: &PhaseSeconds| PhaseSeconds {
            name: phase.name.clone(),
            seconds: Spread::of(seconds[phase.name.as_str()].iter().copied()).median,
            flops: phase.flops / first.seconds.len() as u64,
        };
        first.phases.iter().map(of_one).collect()
    }
}

/// How many times as many images a second `ours` does as `theirs`: the ratio of the medians, and the least and the most
/// over the rounds.
pub(crate) fn speed_ratio(ours: &Measured, theirs: &Measured) -> Spread {
    let rounds = Spread::of(
        ours.block_means()
            .into_iter()
            .zip(theirs.block_means())
            .map(|(ours_seconds, their_seconds)| their_seconds / ours_seconds),
    );
    Spread { median: theirs.seconds().median / ours.seconds().median, ..rounds }
}

/// The contestant with the shortest median.
pub(crate) fn fastest<'a>(measured: impl IntoIterator<Item = &'a Measured>) -> Option<&'a Measured> {
    measured.into_iter().min_by(|left, right| left.seconds().median.total_cmp(&right.seconds().median))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(blocks: &[&[f64]]) -> Measured {
        let block = |seconds: &&[f64]| Block {
            seconds: seconds.to_vec(),
            peak_memory: None,
            peak_flops: Some(1e9),
            phases: vec![PhaseSeconds { name: "loss".to_owned(), seconds: seconds[0], flops: 10 }],
            passes: Vec::new(),
        };
        Measured { name: "x".to_owned(), batch_size: 6, blocks: blocks.iter().map(block).collect() }
    }

    #[test]
    fn throughput_is_the_median_over_blocks_and_latency_over_calls() {
        let measured = measured(&[&[1.0, 3.0], &[3.0, 3.0], &[1.0, 1.0]]);
        assert_eq!(measured.images_per_s(), Spread { median: 3.0, least: 2.0, most: 6.0 });
        assert!((measured.latency_ms().median - 2000.0).abs() < 1e-9);
        assert!((measured.latency_ms().p95 - 3000.0).abs() < 1e-9);
        assert_eq!(measured.peak_flops(), Some(1e9));
    }

    #[test]
    fn phases_are_told_for_one_piece_of_work() {
        let phases = measured(&[&[1.0, 3.0], &[3.0, 3.0]]).phases();
        assert_eq!(phases.len(), 1);
        assert!((phases[0].seconds - 1.0).abs() < 1e-12);
        assert_eq!(phases[0].flops, 5);
    }

    #[test]
    fn a_ratio_is_of_medians_and_spreads_over_the_rounds() {
        let ratio = speed_ratio(&measured(&[&[1.0], &[2.0], &[1.0]]), &measured(&[&[2.0], &[2.0], &[4.0]]));
        assert_eq!(ratio, Spread { median: 2.0, least: 1.0, most: 4.0 });
        let [slow, quick] = [measured(&[&[2.0]]), measured(&[&[1.0]])];
        assert_eq!(fastest([&slow, &quick]).map(|best| best.blocks[0].seconds[0]), Some(1.0));
    }
}
