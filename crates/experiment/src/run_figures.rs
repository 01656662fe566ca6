//! The figures of a run in its manifest.

use std::time::Instant;

use tinylsa_model::networks::Network;
use tinylsa_system::peak_memory;
use tinylsa_train::{EpochRecord, Trained};

use crate::evaluation::EvaluationReport;
use crate::folder::RunFigures;
use crate::machine::now;
use crate::statistics::Spread;

pub(crate) fn figures(trained: &Trained<Network>, evaluation: &EvaluationReport, started: Instant) -> RunFigures {
    RunFigures {
        finished: now(),
        training_seconds: trained.history.iter().map(|record| record.seconds).sum(),
        wall_seconds: started.elapsed().as_secs_f64(),
        images_per_second: median_speed(&trained.history),
        explanation_seconds: None,
        peak_memory: largest_memory(&trained.history),
        kept_epoch: trained.kept_epoch,
        accuracy: evaluation.accuracy,
    }
}

fn largest_memory(history: &[EpochRecord]) -> Option<u64> {
    history.iter().filter_map(|record| record.peak_memory).chain(peak_memory()).max()
}

fn median_speed(history: &[EpochRecord]) -> f64 {
    Spread::of(history.iter().map(|record| record.images_per_second)).median
}
