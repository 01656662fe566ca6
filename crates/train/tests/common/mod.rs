//! A network of stock burn layers and images of seven colours, for the tests of a learner that knows neither.

#![allow(dead_code, reason = "each test program takes what it needs")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tinylsa_data::{AugmentationConfig, Dataset, DatasetName, MixingConfig, Split};
use tinylsa_model::{Classifier, ImageShape, InvalidSetting, ModelConfig};
use tinylsa_random::{Draw, Purpose};
use tinylsa_train::{
    DistillationConfig, EmaConfig, EpochRecord, KeptEpoch, OptimizerConfig, OptimizerKind, Progress, ScheduleConfig,
    Silent, TrainConfig, Trained, TrainingOutcome, TrainingPlan, train,
};

pub(crate) const CLASSES: usize = 7;

/// An epoch of AdamW in small batches, without augmentation, mixing and teachers.
pub(crate) fn plain_recipe() -> TrainConfig {
    TrainConfig {
        epochs: 1,
        steps: None,
        batch_size: 8,
        label_smoothing: 0.0,
        gradient_norm: 1.0,
        norm_momentum: 0.1,
        keep: KeptEpoch::Best,
        patience: 0,
        checkpoint_steps: 0,
        prefetch: 0,
        initial_weights: None,
        schedule: ScheduleConfig { warmup_epochs: 0.0, last_fraction: 0.0 },
        ema: EmaConfig { decay: 0.9, warmup: 10.0 },
        optimizer: OptimizerConfig::new(OptimizerKind::Adamw),
        augmentation: AugmentationConfig::none(),
        mixing: MixingConfig::none(),
        distillation: DistillationConfig::default(),
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConvNetConfig {
    pub(crate) input: ImageShape,
    pub(crate) classes: usize,
    pub(crate) batch_norm: bool,
    pub(crate) dropout: f64,
}

#[derive(Module, Debug)]
pub(crate) struct ConvNet {
    entry: Conv2d,
    norm: Option<BatchNorm>,
    second: Conv2d,
    dropout: Dropout,
    head: Linear,
    /// Trained weights that no image meets, so that they never have a gradient.
    spare: Option<Linear>,
    #[module(skip)]
    config: ConvNetConfig,
}

impl ModelConfig for ConvNetConfig {
    type Model = ConvNet;

    const KIND: &'static str = "test-conv-net";

    fn input(&self) -> ImageShape {
        self.input
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn init(&self, device: &Device) -> Result<ConvNet, InvalidSetting> {
        let convolution = |channels: [usize; 2]| {
            let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
            Conv2dConfig::new(channels, [3, 3]).with_stride([2, 2]).with_padding(padding).init(device)
        };
        Ok(ConvNet {
            entry: convolution([self.input.channels, 8]),
            norm: self.batch_norm.then(|| BatchNormConfig::new(8).init(device)),
            second: convolution([8, 16]),
            dropout: DropoutConfig::new(self.dropout).init(),
            head: LinearConfig::new(16, self.classes).init(device),
            spare: (!self.batch_norm).then(|| LinearConfig::new(3, 2).init(device)),
            config: self.clone(),
        })
    }
}

impl Classifier for ConvNet {
    type Config = ConvNetConfig;

    fn config(&self) -> &ConvNetConfig {
        &self.config
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.entry.forward(images);
        let x = relu(match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        });
        let x = relu(self.second.forward(x)).mean_dims(&[2, 3]).flatten::<2>(1, 3);
        self.head.forward(self.dropout.forward(x))
    }
}

/// With batch normalisation and dropout, and with neither, but weights that the forward pass leaves out.
pub(crate) fn stock_networks() -> [ConvNetConfig; 2] {
    let plain = ConvNetConfig {
        input: ImageShape { channels: 3, height: 32, width: 32 },
        classes: CLASSES,
        batch_norm: false,
        dropout: 0.0,
    };
    [ConvNetConfig { batch_norm: true, dropout: 0.25, ..plain.clone() }, plain]
}

pub(crate) fn class_names() -> [&'static str; CLASSES] {
    ["red", "green", "blue", "yellow", "cyan", "magenta", "white"]
}

/// Noisy images, each of the colour of its class (of its brightness, if they are grey).
pub(crate) fn coloured(shape: ImageShape, count: usize, seed: u64) -> Dataset {
    let mut generator = Draw { seed, purpose: Purpose::new("test/coloured"), epoch: 0, index: 0 }.generator();
    let labels: Vec<u32> = (0..count as u32).map(|index| index % CLASSES as u32).collect();
    let level = |label: u32, channel: usize| -> u8 {
        let bright = (label + 1) >> channel & 1 == 1;
        if shape.channels == 1 {
            30 * label as u8
        } else if bright {
            180
        } else {
            40
        }
    };
    let images = labels.iter().flat_map(|&label| (0..shape.channels).map(move |channel| level(label, channel)));
    let images: Vec<u8> = images
        .flat_map(|level| (0..shape.pixels()).map(|_| level + generator.random_range(0..40)).collect::<Vec<u8>>())
        .collect();
    Dataset {
        name: DatasetName::new("folder/colours"),
        split: Split::Train,
        shape,
        class_names: class_names().map(str::to_owned).into(),
        images,
        labels,
        masks: None,
    }
}

/// Two epochs of five steps.
pub(crate) fn plan<C: ModelConfig>(model: C, checkpoints: &Path) -> TrainingPlan<C> {
    let dataset = coloured(model.input(), 140, 1);
    let split = tinylsa_data::stratified_split(&dataset.labels, 35, 0).unwrap();
    let mut plan = TrainingPlan::new(model, dataset, split, checkpoints);
    plan.seed = 3;
    plan.train.epochs = 2;
    plan.train.batch_size = 20;
    plan.train.ema.decay = 0.5;
    plan
}

pub(crate) fn finished<M>(outcome: TrainingOutcome<M>) -> Trained<M> {
    match outcome {
        TrainingOutcome::Finished(trained) => *trained,
        TrainingOutcome::Interrupted { .. } => panic!("nobody asked for a stop"),
    }
}

pub(crate) fn trained<C: ModelConfig>(plan: &TrainingPlan<C>) -> Trained<C::Model> {
    finished(train(plan, &AtomicBool::new(false), &mut Silent).unwrap())
}

/// Asks for a stop after a number of steps.
pub(crate) struct StopAfter<'a> {
    pub(crate) steps: usize,
    pub(crate) stop: &'a AtomicBool,
}

impl Progress for StopAfter<'_> {
    fn step_done(&mut self, _images: usize, _loss: f64, _accuracy: f64) {
        self.steps -= 1;
        if self.steps == 0 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// The measurements without those of time and memory.
pub(crate) fn measured(history: &[EpochRecord]) -> Vec<EpochRecord> {
    let timeless = |record: &EpochRecord| EpochRecord {
        images_per_second: 0.0,
        seconds: 0.0,
        peak_memory: None,
        ..record.clone()
    };
    history.iter().map(timeless).collect()
}
