//! What a network must offer to be trained, evaluated, saved and loaded. None of it is about our own network.

use std::fmt::Debug;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tinylsa_settings::InvalidSetting;
use tinylsa_shape::ImageShape;

use crate::cost::Cost;
use crate::file::{ModelFileError, require_sound};
use crate::init_error::InitError;
use crate::layers::BatchStatistics;
use crate::modules::{ModuleLayer, module_layers};
use crate::predictor::{PixelError, Predictor};
use crate::random::with_burn_seed;
use crate::shapes::TensorShapes;
use crate::state::{State, state_of, values_of};

/// Images of a forward pass.
const BATCH: usize = 250;

/// An image classifier: a burn module from images to logits, made from a config.
///
/// A module of stock burn layers implements it in a few lines; everything that has a default works for it. It can then
/// be trained, stopped and resumed to the same bits (`tinylsa-train`), evaluated, and saved to and loaded from a file
/// that describes itself ([`ModelFile`](crate::ModelFile)).
///
/// ```
/// use burn::module::{Module, Param};
/// use burn::tensor::{Device, Tensor};
/// use serde::{Deserialize, Serialize};
/// use tinylsa_model::{Classifier, ImageShape, InvalidSetting, ModelConfig, ModelFile};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// struct LinearConfig { height: usize, width: usize, classes: usize }
///
/// #[derive(Module, Debug)]
/// struct LinearClassifier {
///     weight: Param<Tensor<2>>,
///     #[module(skip)]
///     config: LinearConfig,
/// }
///
/// impl ModelConfig for LinearConfig {
///     type Model = LinearClassifier;
///     const KIND: &'static str = "linear";
///     fn input(&self) -> ImageShape { ImageShape::grey(self.height, self.width) }
///     fn classes(&self) -> usize { self.classes }
///     fn init(&self, device: &Device) -> Result<LinearClassifier, InvalidSetting> {
///         let weight = Param::from_tensor(Tensor::zeros([self.input().values(), self.classes], device));
///         Ok(LinearClassifier { weight, config: self.clone() })
///     }
/// }
///
/// impl Classifier for LinearClassifier {
///     type Config = LinearConfig;
///     fn config(&self) -> &LinearConfig { &self.config }
///     fn forward(&self, images: Tensor<4>) -> Tensor<2> { images.flatten(1, 3).matmul(self.weight.val()) }
/// }
///
/// let device = Device::flex();
/// let model = LinearConfig { height: 4, width: 6, classes: 3 }.init(&device)?;
/// let bytes = model.to_safetensors(&["round", "square", "star"], "shapes")?;
/// let loaded = LinearClassifier::from_safetensors(&bytes, &device)?;
/// assert_eq!(loaded.metadata.class_names[2], "star");
/// assert_eq!(loaded.model.predictor().logits(&[0.5; 24])?, [0.0; 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # State
/// The state of a network is its float tensors, by their paths: weights and running statistics. It is what files and
/// checkpoints hold; integers and booleans come from the config.
///
/// # Layers that change themselves, or draw random numbers
/// burn's `BatchNorm` keeps its running statistics in the module and updates them during a forward pass on a device
/// with automatic differentiation, with a momentum of its own. [`state_of`] returns them up to date, and a training run
/// saves and restores them like weights. `Dropout` draws from burn's generator, which is one for the whole process:
/// a training run seeds it before each step by the run's seed and the number of the step, and holds a lock meanwhile, so
/// that the result depends neither on interruptions nor on other training runs of the process.
pub trait Classifier: Module + Sync + 'static {
    /// The config that the network is made from.
    type Config: ModelConfig<Model = Self>;

    /// The config that this network was made from.
    fn config(&self) -> &Self::Config;

    /// Logits, before any softmax, in evaluation.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    /// - output: `[batch, classes]`
    fn forward(&self, images: Tensor<4>) -> Tensor<2>;

    /// Logits in training, on a device with automatic differentiation, and the statistics that the network wants back
    /// in [`Classifier::update_running`]. The default is [`Classifier::forward`], without statistics.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, values from 0 to 1
    fn forward_training(&self, images: Tensor<4>) -> TrainingOutput {
        TrainingOutput { logits: self.forward(images), statistics: Vec::new() }
    }

    /// Moves the running statistics towards those of a training batch by the fraction `momentum`. The default is for
    /// networks that return no statistics: it changes nothing.
    ///
    /// # Panics
    /// The default panics if there are statistics, because they would be lost.
    #[must_use]
    fn update_running(self, statistics: Vec<BatchStatistics>, momentum: f64) -> Self {
        assert!(statistics.is_empty(), "a network that returns statistics takes them back");
        let _ = momentum;
        self
    }

    /// Whether a forward pass in training draws from burn's generator, as `Dropout` does. Training runs of networks
    /// that do wait for each other at every step; the default is to be on the safe side.
    fn draws_random_numbers(&self) -> bool {
        true
    }

    /// The network in evaluation, made ready to be asked many times. The default asks [`Classifier::forward`].
    fn predictor(&self) -> Box<dyn Predictor> {
        Box::new(ForwardPredictor::new(self))
    }

    /// The layers that have tensors, from the input to the output. The default takes the modules in the order in which
    /// the network declares them.
    fn layers(&self) -> Vec<ModuleLayer> {
        module_layers(self)
    }
}

/// The config of a [`Classifier`]: plain data from which the network is made, and which goes into its files.
pub trait ModelConfig: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The network that is made from it.
    type Model: Classifier<Config = Self>;

    /// The name of the kind of network in files and configs, such as `tinycnn-lsa`. No other kind has it.
    const KIND: &'static str;

    /// The kind of this network. An enumeration of networks says that of the one it holds.
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    /// The config of a network of a kind, as a file holds it. An enumeration of networks takes more than one kind.
    ///
    /// # Errors
    /// [`ModelFileError`] if it is another kind, or what is there is no config of it.
    fn of_kind(kind: String, config: serde_json::Value) -> Result<Self, ModelFileError> {
        if kind != Self::KIND {
            return Err(ModelFileError::Kind { found: kind, expected: Self::KIND });
        }
        serde_json::from_value(config).map_err(ModelFileError::Metadata)
    }

    /// The images that the network takes.
    fn input(&self) -> ImageShape;

    /// The number of classes, the length of the logits.
    fn classes(&self) -> usize;

    /// Makes the network with initial weights on `device`.
    ///
    /// # Errors
    /// [`InvalidSetting`] if the config does not validate.
    fn init(&self, device: &Device) -> Result<Self::Model, InvalidSetting>;

    /// Checks every range, before anything is made. The default accepts everything.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the first key that does not fit.
    fn validate(&self) -> Result<(), InvalidSetting> {
        Ok(())
    }

    /// Makes the network with the initial weights of a seed. The default seeds burn's generator, from which burn's own
    /// layers draw, and calls [`ModelConfig::init`].
    ///
    /// # Errors
    /// [`InitError`] if the config does not validate, or as [`with_burn_seed`].
    fn init_with_seed(&self, seed: u64, device: &Device) -> Result<Self::Model, InitError> {
        let model = with_burn_seed(seed, device, || {
            let model = self.init(device)?;
            // burn draws a parameter when it is first read; reading all of them here makes that happen now.
            drop(state_of(&model));
            Ok::<_, InvalidSetting>(model)
        })?;
        Ok(model?)
    }

    /// Makes a network whose tensors are about to be replaced, so that their values do not matter.
    ///
    /// # Errors
    /// As [`ModelConfig::init_with_seed`].
    fn init_for_loading(&self, device: &Device) -> Result<Self::Model, InitError> {
        self.init_with_seed(0, device)
    }

    /// What the network costs, if that is known.
    fn known_cost(&self) -> Option<Cost> {
        None
    }

    /// The shapes of the network's tensors, if they are known without making it. A file is compared with them before
    /// its tensors are read.
    fn known_shapes(&self) -> Option<TensorShapes> {
        None
    }

    /// About how many bytes a training step takes with batches of this size, if that is known.
    fn known_training_memory(&self, batch_size: usize) -> Option<u64> {
        let _ = batch_size;
        None
    }

    /// Whether burn's own operations, whose last bits depend on the processor, take part in the result. The default is
    /// that they do.
    fn uses_burn_operations(&self) -> bool {
        true
    }

    /// Refuses tensors that are finite but that the network cannot compute with.
    ///
    /// # Errors
    /// [`ModelFileError::Value`] names the first such value.
    fn require_usable(&self, state: &State) -> Result<(), ModelFileError> {
        require_sound(state)
    }
}

/// What a forward pass in training returns.
#[derive(Debug)]
pub struct TrainingOutput {
    /// `[batch, classes]`
    pub logits: Tensor<2>,
    /// The statistics of every batch normalisation, in the order of the forward pass;
    /// [`Classifier::update_running`] takes them.
    pub statistics: Vec<BatchStatistics>,
}

/// The [`Predictor`] of a network that has no other: its forward pass, on the device of its weights.
///
/// The last bits of an image's logits may depend on the number of images that it is asked for with.
#[derive(Debug)]
pub struct ForwardPredictor<M> {
    model: M,
    device: Device,
}

impl<M: Classifier> ForwardPredictor<M> {
    /// Takes a copy of the network out of training: on a device without automatic differentiation, where burn's layers
    /// evaluate.
    pub fn new(model: &M) -> Self {
        let model = model.valid();
        let device = model.devices().into_iter().next().unwrap_or_else(Device::flex);
        Self { model, device }
    }
}

impl<M: Classifier> Predictor for ForwardPredictor<M> {
    fn input(&self) -> ImageShape {
        self.model.config().input()
    }

    fn classes(&self) -> usize {
        self.model.config().classes()
    }

    fn logits(&self, pixels: &[f32]) -> Result<Vec<f32>, PixelError> {
        let input = self.input();
        let images = PixelError::require_images(pixels, input)?;
        let [channels, height, width] = input.dims();
        let mut logits = Vec::with_capacity(images * self.classes());
        for batch in pixels.chunks(BATCH * input.values()) {
            let shape = [batch.len() / input.values(), channels, height, width];
            let images = Tensor::from_data(TensorData::new(batch.to_vec(), shape), &self.device);
            logits.extend(values_of(&self.model.forward(images)));
        }
        Ok(logits)
    }
}
