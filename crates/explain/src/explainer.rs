use anyhow::{Context, Result};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use serde::Serialize;
use serde_json::Value;
use tinylsa_model::{InferenceModel, TinyCnnLsa};
use tinylsa_random::{Draw, Purpose};
use tinylsa_system::available_memory;
use tinylsa_xai::{Cancellation, Execution, Picture};

use super::attention::{self, TracedAttention};
use super::config::ExplainConfig;
use super::result::{MethodMaps, TensorValues};
use super::{Family, Method, gradients, segments};

/// Explains pictures by any method: a model, the settings of the methods, and how to run.
#[derive(Clone, Debug)]
pub struct Explainer<'a> {
    pub model: &'a ExplainedNetwork,
    pub config: &'a ExplainConfig,
    /// The pictures over which expected gradients take their mean.
    pub background: &'a Background,
    /// Device, batch size and cancellation. Its seed is that of the run; every picture has its own.
    pub execution: Execution,
}

/// How explanations run on this machine: at most half of the memory that is available goes to what grows with the
/// settings of a method.
pub fn execution(device: Device, batch_size: usize, seed: u64, cancellation: Cancellation) -> Execution {
    let standard = Execution::default();
    let memory_limit = available_memory().map_or(standard.memory_limit, |bytes| bytes / 2);
    Execution { device, batch_size, seed, cancellation, memory_limit }
}

/// A network in the two forms that methods ask.
#[derive(Debug)]
pub struct ExplainedNetwork {
    /// Gives gradients and attention.
    pub network: TinyCnnLsa,
    /// Gives logits alone, the same but for rounding, and sooner.
    pub folded: InferenceModel,
}

impl From<TinyCnnLsa> for ExplainedNetwork {
    fn from(network: TinyCnnLsa) -> Self {
        Self { folded: network.for_inference(), network }
    }
}

/// The pictures over which expected gradients take their mean, and what they are.
#[derive(Clone, Debug)]
pub struct Background {
    pub pictures: Vec<Picture>,
    /// Such as "20 training pictures".
    pub description: String,
    /// What a reader must know if these are not the pictures that should have been taken.
    pub warning: Option<String>,
}

/// What one method found, without how long it took.
#[derive(Clone, Debug)]
pub struct Explained {
    pub maps: MethodMaps,
    pub diagnostics: Value,
    pub settings: Value,
    pub warnings: Vec<String>,
    pub evidence: Vec<(String, TensorValues)>,
}

/// A picture, the class to explain, and the seed of every draw.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub picture: &'a Picture,
    pub class: usize,
    pub seed: u64,
}

impl Explainer<'_> {
    /// Explains one picture by one method.
    ///
    /// # Errors
    /// What the method says; that it was cancelled.
    pub fn explain(&self, method: Method, question: Question<'_>) -> Result<Explained> {
        let traced = (method.family() == Family::Attention).then(|| self.trace(question.picture)).transpose()?;
        self.explain_traced(method, question, traced.as_ref())
    }

    /// [`Explainer::explain`] with the attention of the picture, which the attention methods need and share.
    pub fn explain_traced(
        &self,
        method: Method,
        question: Question<'_>,
        traced: Option<&TracedAttention>,
    ) -> Result<Explained> {
        match method.family() {
            Family::Attention => {
                let traced = traced.with_context(|| format!("{method} needs the attention of the picture"))?;
                attention::explain(self, method, question, traced)
            }
            Family::Gradients => gradients::explain(self, method, question),
            Family::Segments => segments::explain(self, method, question),
        }
    }

    /// The attention of every layer on one picture.
    pub fn trace(&self, picture: &Picture) -> Result<TracedAttention> {
        Ok(TracedAttention::new(&self.model.network, self.pair(picture))?)
    }

    /// The model as a function of images that can be differentiated.
    pub fn differentiable(&self) -> impl Fn(Tensor<4>) -> Tensor<2> {
        |images| self.model.network.forward(images)
    }

    /// The model as a function of images for methods that only ask for logits.
    pub fn scorer(&self) -> impl Fn(Tensor<4>) -> Tensor<2> {
        |images| self.model.folded.forward(images)
    }

    /// How to run a call about one picture.
    pub fn execution(&self, seed: u64) -> Execution {
        Execution { seed, ..self.execution.clone() }
    }

    /// A batch of the picture and a copy of it: a single row would be multiplied in another order of summation than
    /// the same row among others.
    pub fn pair(&self, picture: &Picture) -> Tensor<4> {
        let [channels, height, width] = picture.shape();
        let data = TensorData::new(picture.values().to_vec(), [1, channels, height, width]);
        let image = Tensor::from_data(data, &self.execution.device);
        Tensor::cat(vec![image.clone(), image], 0)
    }
}

/// The seed of a picture's explanations: by the name of the picture, so that it does not depend on the other pictures.
pub fn seed_of(run_seed: u64, id: &str) -> u64 {
    let purpose = Purpose::new(&format!("explanation of {id}"));
    Draw { seed: run_seed, purpose, epoch: 0, index: 0 }.generator().random()
}

/// A value as JSON without some of its fields, which are written as tensors.
pub(super) fn json_without(value: &impl Serialize, left_out: &[&str]) -> Result<Value> {
    let mut value = serde_json::to_value(value)?;
    if let Value::Object(fields) = &mut value {
        fields.retain(|name, _| !left_out.contains(&name.as_str()));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_has_a_seed_of_its_own() {
        assert_ne!(seed_of(0, "test-1"), seed_of(0, "test-2"));
        assert_ne!(seed_of(0, "test-1"), seed_of(1, "test-1"));
        assert_eq!(seed_of(7, "shirt"), seed_of(7, "shirt"));
    }
}
