use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::environment::Environment;
use super::error::CheckpointError;

/// A line of `metrics.jsonl`: what one epoch measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Steps made up to its end.
    pub step: usize,
    /// Mean loss over the training images as they were seen, augmented and with smoothed labels.
    pub train_loss: f64,
    /// Share of those images that were classified correctly as they were seen. Of a mixed image its own label counts, however
    /// little of it is left.
    pub train_accuracy: f64,
    /// Mean negative log-likelihood of the validation images, by the averaged weights.
    pub validation_loss: f64,
    /// Share of validation images that the averaged weights classify correctly.
    pub validation_accuracy: f64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Training images a second, validation and checkpoints left out.
    pub images_per_second: f64,
    /// Seconds of the epoch, validation included.
    pub seconds: f64,
    /// The largest amount of memory that the process held so far, in bytes, where the system says.
    pub peak_memory: Option<u64>,
}

/// Where a training run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counters {
    /// SHA-256 of what the experiment is.
    pub(crate) experiment: String,
    /// What computes.
    pub(crate) environment: Environment,
    /// Epochs that are finished.
    pub(crate) epoch: usize,
    /// Batches of the current epoch that are finished.
    pub(crate) batch: usize,
    /// Steps made.
    pub(crate) step: usize,
    /// Of the current epoch.
    pub(crate) running: Running,
    /// One entry a finished epoch.
    pub(crate) history: Vec<EpochRecord>,
    /// The checksum of the best checkpoint that belongs with this one; none in the best one itself.
    pub(crate) best: Option<String>,
}

/// Sums over the finished batches of the current epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Running {
    pub(crate) images: usize,
    pub(crate) correct: usize,
    pub(crate) loss: f64,
    pub(crate) seconds: f64,
}

/// What a plan says about the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// Of the whole training.
    pub(crate) steps: usize,
    pub(crate) steps_per_epoch: usize,
    pub(crate) batch_size: usize,
}

impl Schedule {
    /// Epochs, of which the last may be a part of one.
    pub(crate) fn epochs(&self) -> usize {
        self.steps.div_ceil(self.steps_per_epoch)
    }

    /// Steps made by the end of the epoch of this number, counted from 1.
    pub(crate) fn steps_through(&self, epoch: usize) -> usize {
        self.steps.min(epoch * self.steps_per_epoch)
    }

    /// Steps of the epoch of this number, counted from 1.
    pub(crate) fn steps_of(&self, epoch: usize) -> usize {
        self.steps_through(epoch) - self.steps_through(epoch - 1)
    }
}

impl Counters {
    /// Before the first step of an experiment.
    pub(crate) fn at_the_start(experiment: String) -> Self {
        Self {
            experiment,
            environment: Environment::here(),
            epoch: 0,
            batch: 0,
            step: 0,
            running: Running::default(),
            history: Vec::new(),
            best: None,
        }
    }

    /// Refuses counters that no training run of this schedule comes to.
    pub(crate) fn check(&self, schedule: &Schedule) -> Result<(), CheckpointError> {
        let epochs = schedule.epochs();
        require("the number of finished epochs", self.epoch, self.epoch <= epochs, &format!("at most {epochs}"))?;
        let most = schedule.steps_of(self.epoch + 1);
        let expected = format!("at most {most} in epoch {}", self.epoch + 1);
        require("the number of finished batches", self.batch, self.batch <= most, &expected)?;
        let steps = schedule.steps_through(self.epoch) + self.batch;
        let expected = format!("{steps} after {} epochs and {} batches", self.epoch, self.batch);
        require("the number of steps", self.step, self.step == steps && steps > 0, &expected)?;
        let entries = self.history.len();
        require("the number of measured epochs", entries, entries == self.epoch, &self.epoch.to_string())?;
        for (index, record) in self.history.iter().enumerate() {
            record.check(index + 1, schedule.steps_through(index + 1))?;
        }
        self.running.check(self.batch * schedule.batch_size)
    }
}

impl Running {
    fn check(&self, images: usize) -> Result<(), CheckpointError> {
        let Self { images: found, correct, loss, seconds } = *self;
        require("the number of images of the current epoch", found, found == images, &images.to_string())?;
        require("the number of correct images", correct, correct <= images, &format!("at most {images}"))?;
        require("the sum of the losses", loss, loss.is_finite(), "a finite number")?;
        require("the time of the current epoch", seconds, is_time(seconds), "a time in seconds")
    }
}

impl EpochRecord {
    fn check(&self, epoch: usize, steps: usize) -> Result<(), CheckpointError> {
        let named = |name: &str| format!("{name} of measured epoch {epoch}");
        require(&named("the number"), self.epoch, self.epoch == epoch, &epoch.to_string())?;
        require(&named("the number of steps"), self.step, self.step == steps, &steps.to_string())?;
        for (name, share) in
            [("the training accuracy", self.train_accuracy), ("the validation accuracy", self.validation_accuracy)]
        {
            require(&named(name), share, (0.0..=1.0).contains(&share), "0 to 1")?;
        }
        for (name, value) in [
            ("the training loss", self.train_loss),
            ("the validation loss", self.validation_loss),
            ("the learning rate", self.learning_rate),
            ("the speed", self.images_per_second),
        ] {
            require(&named(name), value, value.is_finite(), "a finite number")?;
        }
        require(&named("the time"), self.seconds, is_time(self.seconds), "a time in seconds")
    }
}

fn is_time(seconds: f64) -> bool {
    seconds.is_finite() && seconds >= 0.0
}

fn require<T: Display>(counter: &str, found: T, holds: bool, expected: &str) -> Result<(), CheckpointError> {
    if holds {
        return Ok(());
    }
    Err(CheckpointError::Counter {
        counter: counter.to_owned(),
        found: found.to_string(),
        expected: expected.to_owned(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const SCHEDULE: Schedule = Schedule { steps: 12, steps_per_epoch: 4, batch_size: 10 };

    fn record(epoch: usize) -> EpochRecord {
        EpochRecord {
            epoch,
            step: 4 * epoch,
            train_loss: 0.5,
            train_accuracy: 0.75,
            validation_loss: 0.25,
            validation_accuracy: 0.5,
            learning_rate: 0.1,
            images_per_second: 100.0,
            seconds: 1.0,
            peak_memory: None,
        }
    }

    /// One epoch and two batches into the schedule.
    pub(in super::super) fn counters() -> Counters {
        Counters {
            epoch: 1,
            batch: 2,
            step: 6,
            running: Running { images: 20, correct: 15, loss: 0.1 + 0.2, seconds: 1.5 },
            history: vec![record(1)],
            ..Counters::at_the_start("digest".to_owned())
        }
    }

    #[test]
    fn counters_of_every_stage_of_a_run_are_accepted() {
        counters().check(&SCHEDULE).unwrap();
        let finished = Counters {
            epoch: 3,
            batch: 0,
            step: 12,
            running: Running::default(),
            history: vec![record(1), record(2), record(3)],
            ..counters()
        };
        finished.check(&SCHEDULE).unwrap();
        let running = Running { images: 40, ..counters().running };
        Counters { batch: 4, step: 8, running, ..counters() }.check(&SCHEDULE).unwrap();
    }

    #[test]
    fn counters_that_contradict_the_plan_or_each_other_are_refused_by_name() {
        let check = |change: fn(&mut Counters), expected: &str| {
            let mut changed = counters();
            change(&mut changed);
            assert_eq!(changed.check(&SCHEDULE).unwrap_err().to_string(), expected);
        };
        check(|it| it.epoch = 4, "the number of finished epochs is 4, expected at most 3");
        check(
            |it| it.epoch = usize::MAX,
            &format!("the number of finished epochs is {}, expected at most 3", usize::MAX),
        );
        check(|it| it.batch = 1_000_000, "the number of finished batches is 1000000, expected at most 4 in epoch 2");
        check(
            |it| it.step = usize::MAX,
            &format!("the number of steps is {}, expected 6 after 1 epochs and 2 batches", usize::MAX),
        );
        check(|it| it.step = 5, "the number of steps is 5, expected 6 after 1 epochs and 2 batches");
        check(|it| it.history.clear(), "the number of measured epochs is 0, expected 1");
        check(|it| it.history[0].epoch = 2, "the number of measured epoch 1 is 2, expected 1");
        check(|it| it.history[0].step = 5, "the number of steps of measured epoch 1 is 5, expected 4");
        check(
            |it| it.history[0].validation_accuracy = 1.5,
            "the validation accuracy of measured epoch 1 is 1.5, expected 0 to 1",
        );
        check(
            |it| it.history[0].train_loss = f64::INFINITY,
            "the training loss of measured epoch 1 is inf, expected a finite number",
        );
        check(|it| it.running.images = 30, "the number of images of the current epoch is 30, expected 20");
        check(|it| it.running.correct = 21, "the number of correct images is 21, expected at most 20");
        check(|it| it.running.loss = f64::NAN, "the sum of the losses is NaN, expected a finite number");
        check(|it| it.running.seconds = -1.0, "the time of the current epoch is -1, expected a time in seconds");
        check(
            |it| (it.epoch, it.batch, it.step) = (3, 2, 14),
            "the number of finished batches is 2, expected at most 0 in epoch 4",
        );
    }
}
