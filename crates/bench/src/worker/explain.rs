//! Explanations of one image, each in turn with the passes through the network that it cannot do without.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use tinylsa_model::{InferenceModel, TinyCnnLsa, values_of};
use tinylsa_system::peak_memory;
use tinylsa_xai::{
    AttentionFlowConfig, Cancellation, ExactShapleyConfig, Execution, Fill, FillConfig, Image,
    IntegratedGradientsConfig, KernelShapConfig, LayerAttention, LimeConfig, Masker, PathRule, Segmentation, Target,
    attention_flow, exact_shapley, integrated_gradients, kernel_shap, lime,
};

use super::block::{BlockLength, block, next_block, tell, version};
use crate::images::read_batch;
use crate::models::load_own;
use crate::protocol::{Block, Ready};
use tinylsa_experiment::machine::set_threads;

/// Batch sizes among which the best one is sought.
const BATCH_SIZES: [usize; 5] = [16, 32, 64, 128, 256];
/// Images of a trial while it is sought, at the most.
const TRIAL: usize = 512;
/// Rows and columns of the segments.
const SEGMENTS: usize = 4;
/// Coalitions of `KernelSHAP` beside the empty and the full one: the default of `shap` for 16 segments.
const KERNEL_EVALUATIONS: usize = 2 * SEGMENTS * SEGMENTS + 2048;
/// Tokens, and layers of attention, of the flow.
const FLOW: [usize; 2] = [49, 3];

/// An explanation whose cost is known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExplainCase {
    /// Integrated Gradients over this many steps, without refinement.
    IntegratedGradients { steps: usize },
    /// LIME over 16 segments.
    Lime { samples: usize },
    /// `KernelSHAP` over 16 segments, 2080 evaluations.
    KernelShap,
    /// Shapley values of 16 segments by enumeration.
    ExactShapley,
    /// Attention flow between all pairs of 49 tokens through three layers, which takes no pass.
    Flow,
}

/// How many passes an explanation cannot do without.
struct PassCount {
    forward: usize,
    backward: bool,
}

impl ExplainCase {
    fn passes(self) -> PassCount {
        let segments = SEGMENTS * SEGMENTS;
        match self {
            Self::IntegratedGradients { steps } => PassCount { forward: steps, backward: true },
            Self::Lime { samples } => PassCount { forward: samples, backward: false },
            Self::KernelShap => PassCount { forward: KERNEL_EVALUATIONS + 2, backward: false },
            Self::ExactShapley => PassCount { forward: 1 << segments, backward: false },
            Self::Flow => PassCount { forward: 0, backward: false },
        }
    }
}

/// An explanation that is measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct ExplainJob {
    /// A model.safetensors.
    pub(crate) model: PathBuf,
    /// Images as safetensors; the first one is explained.
    pub(crate) batch: PathBuf,
    pub(crate) case: ExplainCase,
    pub(crate) threads: usize,
    pub(crate) block: BlockLength,
}

struct Subject {
    /// For gradients.
    model: TinyCnnLsa,
    /// For scores.
    folded: InferenceModel,
    image: Image,
    masker: Masker,
    layers: Vec<LayerAttention>,
    device: Device,
}

pub(super) fn serve(job: &ExplainJob) -> Result<()> {
    set_threads(job.threads)?;
    let subject = Subject::read(job)?;
    let passes = job.case.passes();
    let best = if passes.forward == 0 { 1 } else { subject.best_batch_size(&passes) };
    tell(&Ready { version: version(), difference: None, memory: peak_memory(), batch_size: Some(best) })?;
    while let Some(batch_size) = next_block()? {
        let (mut seconds, mut alone) = (Vec::new(), Vec::new());
        while !job.block.is_over(&seconds) {
            let started = Instant::now();
            subject.explain(job.case, batch_size)?;
            seconds.push(started.elapsed().as_secs_f64());
            if passes.forward > 0 {
                alone.push(subject.seconds_of_passes(passes.forward, passes.backward, batch_size));
            }
        }
        tell(&Block { passes: alone, ..block(seconds, Vec::new()) })?;
    }
    Ok(())
}

impl Subject {
    fn read(job: &ExplainJob) -> Result<Self> {
        let images = read_batch(&job.batch)?;
        let shape = [images.shape[1], images.shape[2], images.shape[3]];
        let image = Image::new(images.values[..shape.iter().product()].to_vec(), shape)?;
        let segmentation = Segmentation::grid(shape[1], shape[2], SEGMENTS, SEGMENTS)?;
        // hidden behind a constant that no pixel has, so that every segment is in the game, as it is in the peers'
        let fill = FillConfig { kind: Fill::Black, black: vec![-1.0], ..FillConfig::default() };
        let masker = Masker::new(image.clone(), segmentation, &fill, &Execution::default())?;
        let layers = (0..FLOW[1]).map(uneven_layer).collect::<Result<_>>()?;
        let model = load_own(&job.model)?.model;
        Ok(Self { folded: model.for_inference(), model, image, masker, layers, device: Device::flex() })
    }

    fn explain(&self, case: ExplainCase, batch_size: usize) -> Result<()> {
        let scorer = |images: Tensor<4>| self.folded.forward(images);
        let execution = Execution { device: self.device.clone(), batch_size, ..Execution::default() };
        let (masker, target) = (&self.masker, Target::Predicted);
        match case {
            ExplainCase::IntegratedGradients { steps } => {
                // the rule of the peer
                let config = IntegratedGradientsConfig {
                    rule: PathRule::GaussLegendre,
                    steps,
                    tolerance: f64::INFINITY,
                    map_tolerance: f64::INFINITY,
                    maximum_steps: steps,
                };
                let baseline = Image::filled(0.0, self.image.shape())?;
                let scorer = |images: Tensor<4>| self.model.forward(images);
                integrated_gradients(&scorer, &self.image, &[baseline], Target::Predicted, &config, &execution)?;
            }
            ExplainCase::Lime { samples } => {
                let config = LimeConfig { samples, tolerance: 0.0, ..LimeConfig::default() };
                lime(&scorer, masker, target, &config, &execution)?;
            }
            ExplainCase::KernelShap => {
                let config = KernelShapConfig { evaluations: KERNEL_EVALUATIONS, tolerance: 0.0 };
                kernel_shap(&scorer, masker, target, &config, &execution)?;
            }
            ExplainCase::ExactShapley => {
                let config = ExactShapleyConfig { limit: SEGMENTS * SEGMENTS };
                exact_shapley(&scorer, masker, target, &config, &execution)?;
            }
            ExplainCase::Flow => {
                attention_flow(&self.layers, None, &AttentionFlowConfig::default(), &Cancellation::default())?;
            }
        }
        Ok(())
    }

    /// Seconds of passes of `count` images through the network, with the images on the host before and the results
    /// on the host behind.
    fn seconds_of_passes(&self, count: usize, backward: bool, batch_size: usize) -> f64 {
        let started = Instant::now();
        for first in (0..count).step_by(batch_size) {
            let images = self.images(batch_size.min(count - first));
            if backward {
                let images = images.autodiff().require_grad();
                let scores = self.model.forward(images.clone());
                let gradients = scores.narrow(1, 0, 1).sum().backward();
                std::hint::black_box(images.grad(&gradients).map(|gradient| values_of(&gradient)));
            } else {
                std::hint::black_box(values_of(&self.folded.forward(images)));
            }
        }
        started.elapsed().as_secs_f64()
    }

    fn images(&self, count: usize) -> Tensor<4> {
        let [channels, height, width] = self.image.shape().dims();
        let pixels = self.image.values().repeat(count);
        Tensor::from_data(TensorData::new(pixels, [count, channels, height, width]), &self.device)
    }

    /// The batch size at which the passes are quickest; the smallest of those that take them all at once.
    fn best_batch_size(&self, passes: &PassCount) -> usize {
        let trial = passes.forward.min(TRIAL);
        let largest = trial.next_power_of_two();
        let backward = passes.backward;
        let cost = |batch_size: usize| {
            self.seconds_of_passes(batch_size, backward, batch_size);
            let tries = (0..3).map(|_| self.seconds_of_passes(trial, backward, batch_size));
            tries.fold(f64::INFINITY, f64::min)
        };
        let sizes = BATCH_SIZES.into_iter().filter(|&batch_size| batch_size <= largest);
        let costs = sizes.map(|batch_size| (batch_size, cost(batch_size)));
        costs.min_by(|left, right| left.1.total_cmp(&right.1)).map_or(trial, |best| best.0)
    }
}

/// One head of attention with rows about as uneven as those of a network.
fn uneven_layer(index: usize) -> Result<LayerAttention> {
    let tokens = FLOW[0];
    let waves = (0..tokens * tokens).map(|place| (2.0 * (12.9898 * (place + 7919 * index) as f64).sin()).exp());
    let mut values: Vec<f64> = waves.collect();
    for row in values.chunks_exact_mut(tokens) {
        let sum: f64 = row.iter().sum();
        for value in row {
            *value /= sum;
        }
    }
    Ok(LayerAttention::new(values, 1, tokens)?)
}
