//! The training loop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use tinylsa_data::{Batch, BatchLoader, LoaderConfig};
use tinylsa_kernels::cross_entropy;
use tinylsa_model::{Classifier, ModelConfig, State, state_of, values_of, with_burn_seed, with_state};
use tinylsa_random::{Draw, Purpose};

use crate::checkpoint::{
    BEST_CHECKPOINT, Checkpoint, CheckpointError, CheckpointForm, Counters, EpochRecord, LAST_CHECKPOINT, Running,
    Schedule, SealedCheckpoint,
};
use crate::config::KeptEpoch;
use crate::continuation::{best_epoch, require_best, require_same, without_last};
use crate::error::TrainError;
use crate::optimizer::OptimizerState;
use crate::outcome::{Trained, TrainingOutcome};
use crate::plan::{InitialModel, TrainingPlan};
use crate::prediction::{Predictions, Views, argmax, predict};
use crate::progress::Progress;
use crate::step::{HostGradients, StepRule};
use crate::targets::{Teachers, targets};
use tinylsa_system::peak_memory;

/// What the network itself draws in a step, such as by dropout.
const STEP: Purpose = Purpose::new("train/step");

/// A training run that is ready: everything that can be wrong with its plan was checked, and nothing was written.
#[derive(Debug)]
pub struct Training<'a, C: ModelConfig> {
    plan: &'a TrainingPlan<C>,
    model: C::Model,
    teachers: Teachers,
    /// SHA-256 of the file that the weights begin with.
    initial_digest: Option<String>,
    average: State,
    optimizer: OptimizerState,
    counters: Counters,
    /// What its checkpoints are.
    form: CheckpointForm,
    /// The last checkpoint.
    saved: Option<PathBuf>,
}

/// Images between two looks at the stop flag while an epoch is measured.
const VALIDATION_CHUNK: usize = 1000;

struct StepResult {
    loss: f64,
    right: usize,
}

/// What the validation images came to.
struct Validated {
    predictions: Predictions,
    seconds: f64,
}

impl<'a, C: ModelConfig> Training<'a, C> {
    /// Begins with the initial weights.
    ///
    /// # Errors
    /// [`TrainError`] says what is wrong with the plan.
    pub fn start(plan: &'a TrainingPlan<C>) -> Result<Self, TrainError> {
        plan.check()?;
        let initial = plan.initial_model()?;
        let teachers = plan.teachers()?;
        let digest = plan.digest(&teachers, &initial)?;
        let InitialModel { model, sha256: initial_digest } = initial;
        let average = state_of(&model);
        let form = plan.checkpoint_form(digest, &model);
        let counters = Counters::at_the_start(form.experiment.clone());
        let optimizer = form.layout.moments();
        Ok(Self { plan, model, teachers, initial_digest, average, optimizer, counters, form, saved: None })
    }

    /// Resumes from the last checkpoint.
    ///
    /// # Errors
    /// [`TrainError`] also if there is no checkpoint, if it or the best one is damaged, or if another plan made them.
    pub fn resume(plan: &'a TrainingPlan<C>) -> Result<Self, TrainError> {
        plan.check()?;
        let teachers = plan.teachers()?;
        let initial = plan.initial_model()?;
        let digest = plan.digest(&teachers, &initial)?;
        let InitialModel { model: initial, sha256: initial_digest } = initial;
        let form = plan.checkpoint_form(digest, &initial);
        let path = plan.checkpoints.join(LAST_CHECKPOINT);
        let SealedCheckpoint { checkpoint, sha256 } =
            form.read(&path).map_err(|error| without_last(plan, &form, error))?;
        let Checkpoint { weights, average, optimizer, mut counters } = checkpoint;
        if counters.batch == 0 && best_epoch(&counters.history).is_some_and(|best| best.epoch == counters.epoch) {
            // A best checkpoint that was copied over the last one names none: it is its own best.
            counters.best = counters.best.or(Some(sha256));
        }
        if plan.train.keep == KeptEpoch::Best {
            require_best(plan, &form, &counters)?;
        }
        let model = with_state(initial, &weights)
            .map_err(|source| TrainError::CheckpointState { path: path.clone(), source })?;
        Ok(Self { plan, model, teachers, initial_digest, average, optimizer, counters, form, saved: Some(path) })
    }

    /// SHA-256 of each teacher's file in hexadecimal, in the order of the plan.
    pub fn teacher_digests(&self) -> impl Iterator<Item = String> {
        self.teachers.digests().map(str::to_owned)
    }

    /// SHA-256 of the file that the weights begin with, in hexadecimal; nothing if they are drawn.
    pub fn initial_digest(&self) -> Option<&str> {
        self.initial_digest.as_deref()
    }

    /// The epochs that are finished: those of the checkpoint that it was resumed from.
    pub fn history(&self) -> &[EpochRecord] {
        &self.counters.history
    }

    /// Trains to the end, or until `stop` is set, which is heeded after the step under way.
    ///
    /// # Errors
    /// [`TrainError`] says what is wrong; checkpoints that were written stay.
    pub fn run(
        mut self,
        stop: &AtomicBool,
        progress: &mut dyn Progress,
    ) -> Result<TrainingOutcome<C::Model>, TrainError> {
        self.create_directory()?;
        while self.counters.epoch < self.schedule().epochs() && !self.is_out_of_patience() {
            let mut asked = Instant::now();
            for batch in self.loader(progress)?.take(self.steps_left()) {
                self.advance(&batch, asked, progress)?;
                if stop.load(Ordering::Relaxed) {
                    return self.interrupted(progress);
                }
                self.checkpoint_if_due(progress)?;
                asked = Instant::now();
            }
            let Some(validated) = self.validate(stop)? else {
                return self.interrupted(progress);
            };
            self.finish_epoch(&validated, progress)?;
        }
        self.finished()
    }

    fn schedule(&self) -> Schedule {
        self.form.schedule
    }

    /// Steps that the current epoch still has.
    fn steps_left(&self) -> usize {
        self.schedule().steps_of(self.counters.epoch + 1) - self.counters.batch
    }

    fn create_directory(&self) -> Result<(), TrainError> {
        let directory = &self.plan.checkpoints;
        std::fs::create_dir_all(directory).map_err(|source| TrainError::CheckpointFile {
            action: "create the directory of",
            path: directory.join(LAST_CHECKPOINT),
            source,
        })
    }

    /// The rest of the current epoch.
    fn loader(&self, progress: &mut dyn Progress) -> Result<BatchLoader, TrainError> {
        let config = &self.plan.train;
        let images_left = self.steps_left() * config.batch_size;
        progress.epoch_started(self.counters.epoch + 1, self.schedule().epochs(), images_left);
        Ok(BatchLoader::new(
            Arc::clone(&self.plan.dataset),
            LoaderConfig {
                indices: Arc::clone(&self.plan.train_indices),
                batch_size: config.batch_size,
                seed: self.plan.seed,
                epoch: self.counters.epoch as u64,
                shuffle: true,
                augmentation: Some(config.augmentation.clone()),
                mixing: config.mixing.clone(),
                drop_last: true,
                first_batch: self.counters.batch,
                prefetch: config.prefetch,
            },
        )?)
    }

    /// A step on a batch that was asked for at this time.
    fn advance(&mut self, batch: &Batch, asked: Instant, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let result = self.step_in_pool(batch)?;
        self.counters.batch += 1;
        let running = &mut self.counters.running;
        running.images += batch.len();
        running.correct += result.right;
        running.loss += result.loss * batch.len() as f64;
        running.seconds += asked.elapsed().as_secs_f64();
        progress.step_done(batch.len(), result.loss, result.right as f64 / batch.len() as f64);
        Ok(())
    }

    /// A step on a thread of the pool, so that no operation is handed over to it anew. What a network draws itself is a
    /// function of seed and step, so that a resumed run draws the same.
    fn step_in_pool(&mut self, batch: &Batch) -> Result<StepResult, TrainError> {
        if !self.model.draws_random_numbers() {
            return rayon::scope(|_| self.step(batch));
        }
        let draw = Draw { seed: self.plan.seed, purpose: STEP, epoch: 0, index: self.counters.step as u64 };
        let seed = draw.generator().random();
        with_burn_seed(seed, &self.plan.device, || rayon::scope(|_| self.step(batch)))?
    }

    /// Forward, loss, backward, optimiser, average.
    fn step(&mut self, batch: &Batch) -> Result<StepResult, TrainError> {
        let config = &self.plan.train;
        let device = self.plan.device.clone().autodiff();
        let [channels, height, width] = self.plan.model.input().dims();
        let images = TensorData::new(batch.images.clone(), [batch.len(), channels, height, width]);
        let classes = self.plan.model.classes();
        let targets = targets(batch, classes, config.label_smoothing, &self.teachers, &config.distillation)?;

        let output = self.model.forward_training(Tensor::from_data(images, &device));
        let right = count_right(&values_of(&output.logits), &batch.labels);
        let targets = Tensor::from_data(TensorData::new(targets, [batch.len(), classes]), &device);
        let loss = cross_entropy(output.logits, targets);
        let loss_value = f64::from(values_of(&loss)[0]);
        self.require_finite("loss", loss_value)?;

        let mut gradients = HostGradients::of(&self.model, &loss.backward());
        let norm = gradients.norm();
        self.require_finite("norm of the gradients", norm)?;
        if config.gradient_norm > 0.0 {
            gradients.clip(norm, config.gradient_norm);
        }

        let fraction = self.fraction(self.counters.step);
        let decay = config.ema.decay_at(self.counters.step);
        self.counters.step += 1;
        let rule = StepRule {
            optimizer: &config.optimizer,
            state: &mut self.optimizer,
            average: &mut self.average,
            gradients: &gradients,
            fraction,
            step: self.counters.step,
            decay,
        };
        let model = self.model.clone().update_running(output.statistics, config.norm_momentum);
        self.model = rule.apply(model);
        Ok(StepResult { loss: loss_value, right })
    }

    fn fraction(&self, step: usize) -> f64 {
        let Schedule { steps, steps_per_epoch, .. } = self.schedule();
        self.plan.train.schedule.fraction(step, steps, steps_per_epoch)
    }

    fn require_finite(&self, what: &str, value: f64) -> Result<(), TrainError> {
        if value.is_finite() { Ok(()) } else { Err(self.not_finite(what, value, self.counters.step + 1)) }
    }

    fn not_finite(&self, what: &str, value: f64, step: usize) -> TrainError {
        let epoch = 1 + step.saturating_sub(1) / self.plan.steps_per_epoch();
        TrainError::NotFinite { what: what.to_owned(), value, step, epoch, checkpoint: self.saved.clone() }
    }

    /// What the averaged weights say of the validation images; nothing if `stop` was set before all were seen.
    fn validate(&mut self, stop: &AtomicBool) -> Result<Option<Validated>, TrainError> {
        let started = Instant::now();
        let plan = self.plan;
        let model = self.averaged_model(&self.average, &plan.checkpoints)?.predictor();
        let failed = |source| TrainError::Validation { epoch: self.counters.epoch + 1, source };
        let (mut probabilities, mut labels) = (Vec::new(), Vec::new());
        for chunk in plan.validation_indices.chunks(VALIDATION_CHUNK) {
            let of_chunk = predict(&*model, &plan.dataset, chunk, Views::Plain).map_err(failed)?;
            probabilities.extend_from_slice(of_chunk.probabilities());
            labels.extend_from_slice(of_chunk.labels());
            if stop.load(Ordering::Relaxed) && labels.len() < plan.validation_indices.len() {
                return Ok(None);
            }
        }
        let predictions = Predictions::new(plan.model.classes(), probabilities, labels).map_err(failed)?;
        Ok(Some(Validated { predictions, seconds: started.elapsed().as_secs_f64() }))
    }

    fn finish_epoch(&mut self, validated: &Validated, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let running = std::mem::take(&mut self.counters.running);
        let record = self.epoch_record(running, validated);
        let best =
            best_epoch(&self.counters.history).is_none_or(|best| record.validation_accuracy > best.validation_accuracy);
        self.counters.history.push(record.clone());
        self.counters.epoch += 1;
        self.counters.batch = 0;
        // The best is written first: were the process killed between the two, the last one would not know of it.
        if best {
            self.counters.best = None;
            let sha256 = self.write(BEST_CHECKPOINT, progress)?;
            self.counters.best = Some(sha256);
        }
        self.write(LAST_CHECKPOINT, progress)?;
        progress.epoch_finished(&record, best);
        Ok(())
    }

    fn epoch_record(&self, running: Running, validated: &Validated) -> EpochRecord {
        let Validated { predictions, seconds } = validated;
        let images = running.images as f64;
        EpochRecord {
            epoch: self.counters.epoch + 1,
            step: self.counters.step,
            train_loss: running.loss / images,
            train_accuracy: running.correct as f64 / images,
            validation_loss: predictions.nll(),
            validation_accuracy: predictions.accuracy(),
            learning_rate: self.plan.train.optimizer.learning_rate() * self.fraction(self.counters.step - 1),
            images_per_second: images / running.seconds.max(f64::MIN_POSITIVE),
            seconds: running.seconds + seconds,
            peak_memory: peak_memory(),
        }
    }

    fn is_out_of_patience(&self) -> bool {
        let patience = self.plan.train.patience;
        patience > 0
            && best_epoch(&self.counters.history).is_some_and(|best| self.counters.epoch - best.epoch >= patience)
    }

    fn checkpoint_if_due(&mut self, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let every = self.plan.train.checkpoint_steps;
        let ends_epoch = self.steps_left() == 0;
        if every > 0 && self.counters.step.is_multiple_of(every) && !ends_epoch {
            self.write(LAST_CHECKPOINT, progress)?;
        }
        Ok(())
    }

    /// Writes a checkpoint and returns the checksum that it carries.
    fn write(&mut self, name: &str, progress: &mut dyn Progress) -> Result<String, TrainError> {
        let path = self.plan.checkpoints.join(name);
        let checkpoint = Checkpoint {
            weights: state_of(&self.model),
            average: self.average.clone(),
            optimizer: self.optimizer.clone(),
            counters: self.counters.clone(),
        };
        let sha256 = checkpoint.write(&path).map_err(|error| match error {
            TrainError::Checkpoint { source: CheckpointError::Value { name, value, .. }, .. } => {
                self.not_finite(&format!("tensor {name}"), f64::from(value), self.counters.step)
            }
            other => other,
        })?;
        progress.checkpoint_written(&path);
        self.saved = Some(path);
        Ok(sha256)
    }

    fn interrupted(&mut self, progress: &mut dyn Progress) -> Result<TrainingOutcome<C::Model>, TrainError> {
        self.write(LAST_CHECKPOINT, progress)?;
        Ok(TrainingOutcome::Interrupted {
            checkpoint: self.plan.checkpoints.join(LAST_CHECKPOINT),
            epochs: self.counters.epoch,
            steps: self.counters.step,
        })
    }

    fn finished(self) -> Result<TrainingOutcome<C::Model>, TrainError> {
        let (model, kept_epoch) = match self.plan.train.keep {
            KeptEpoch::Best => {
                let path = self.plan.checkpoints.join(BEST_CHECKPOINT);
                let best = self.form.read(&path)?;
                require_same(&path, &best, &self.counters)?;
                (self.averaged_model(&best.checkpoint.average, &path)?, best.checkpoint.counters.epoch)
            }
            KeptEpoch::Last => (self.averaged_model(&self.average, &self.plan.checkpoints)?, self.counters.epoch),
        };
        Ok(TrainingOutcome::Finished(Box::new(Trained { model, kept_epoch, history: self.counters.history })))
    }

    /// The network with averaged weights, on the device without automatic differentiation.
    fn averaged_model(&self, average: &State, path: &Path) -> Result<C::Model, TrainError> {
        with_state(self.model.valid(), average)
            .map_err(|source| TrainError::CheckpointState { path: path.to_owned(), source })
    }
}

fn count_right(logits: &[f32], labels: &[u32]) -> usize {
    let classes = logits.len() / labels.len();
    let rows = logits.chunks_exact(classes);
    rows.zip(labels).filter(|&(row, &label)| argmax(row) == label as usize).count()
}
