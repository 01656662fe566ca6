//! The networks that a program knows by their names.

use burn::module::{Module, ModuleMapper, ModuleVisitor};
use burn::tensor::{Device, Tensor};
use serde::de::{Deserialize as _, DeserializeSeed, Deserializer};
use tinylsa_settings::InvalidSetting;
use tinylsa_shape::ImageShape;

use super::{MobileNet, MobileNetConfig, ResNet, ResNetConfig, Swin, SwinConfig, Vgg, VggConfig, Vit, VitConfig};
use crate::classifier::{Classifier, ModelConfig, TrainingOutput};
use crate::config::TinyCnnLsaConfig;
use crate::cost::Cost;
use crate::file::ModelFileError;
use crate::images::{ConfigOfImages, ImageKeys};
use crate::init_error::InitError;
use crate::layers::BatchStatistics;
use crate::modules::ModuleLayer;
use crate::network::TinyCnnLsa;
use crate::predictor::Predictor;
use crate::shapes::TensorShapes;
use crate::state::State;

/// Devices, as burn collects them.
type Devices = Vec<Device>;

/// Makes the enumerations of the networks: a variant for each, and every function of the traits handed on to it.
macro_rules! networks {
    ($($network:ident, $config:ident, $title:literal, $small:expr;)*) => {
        /// The kinds of networks that a program knows by their names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum NetworkKind {
            $(
                #[doc = concat!("[`", stringify!($network), "`](crate::networks::", stringify!($network), ").")]
                $network,
            )*
        }

        /// The config of any of the networks.
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(untagged)]
        pub enum NetworkConfig {
            $(
                #[doc = concat!("That of a [`", stringify!($network), "`](crate::networks::", stringify!($network), ").")]
                $network($config),
            )*
        }

        /// A network of one of the kinds, as its own type.
        #[derive(Clone, Debug)]
        #[expect(clippy::large_enum_variant, reason = "a program holds few of them, and their tensors lie elsewhere")]
        pub enum AnyNetwork {
            $(
                #[doc = concat!("[`", stringify!($network), "`](crate::networks::", stringify!($network), ").")]
                $network($network),
            )*
        }

        impl NetworkKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$network),*];

            /// The names of all kinds, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($config::KIND),*];

            /// The name in configs and model files.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$network => $config::KIND,)*
                }
            }

            /// The name for people.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$network => $title,)*
                }
            }

            /// The form of the network for small images, of which it says nothing.
            pub fn small(self) -> NetworkConfig {
                let config = match self {
                    $(Self::$network => NetworkConfig::$network($small),)*
                };
                config.with_image_keys(ImageKeys::default())
            }
        }

        impl<'de> DeserializeSeed<'de> for NetworkKind {
            type Value = NetworkConfig;

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<NetworkConfig, D::Error> {
                match self {
                    $(Self::$network => $config::deserialize(deserializer).map(NetworkConfig::$network),)*
                }
            }
        }

        impl NetworkConfig {
            /// Which kind of network it is of.
            pub const fn network_kind(&self) -> NetworkKind {
                match self {
                    $(Self::$network(_) => NetworkKind::$network,)*
                }
            }

            /// What each layer costs for one image.
            pub fn cost(&self) -> Cost {
                match self {
                    $(Self::$network(config) => config.cost(),)*
                }
            }
        }

        impl ConfigOfImages for NetworkConfig {
            fn image_keys(&self) -> ImageKeys {
                match self {
                    $(Self::$network(config) => config.image_keys(),)*
                }
            }

            fn with_image_keys(self, keys: ImageKeys) -> Self {
                match self {
                    $(Self::$network(config) => Self::$network(config.with_image_keys(keys)),)*
                }
            }
        }

        impl ModelConfig for NetworkConfig {
            type Model = Network;

            const KIND: &'static str = "tinycnn-lsa, vgg, resnet, mobilenet-v3, vit or swin";

            fn kind(&self) -> &'static str {
                self.network_kind().name()
            }

            fn of_kind(kind: String, config: serde_json::Value) -> Result<Self, ModelFileError> {
                match NetworkKind::named(&kind) {
                    Some(known) => known.deserialize(config).map_err(ModelFileError::Metadata),
                    None => Err(ModelFileError::Kind { found: kind, expected: Self::KIND }),
                }
            }

            fn input(&self) -> ImageShape {
                match self {
                    $(Self::$network(config) => config.input,)*
                }
            }

            fn classes(&self) -> usize {
                match self {
                    $(Self::$network(config) => config.classes,)*
                }
            }

            fn init(&self, device: &Device) -> Result<Network, InvalidSetting> {
                match self {
                    $(Self::$network(config) => config.init(device).map(Network::from),)*
                }
            }

            fn validate(&self) -> Result<(), InvalidSetting> {
                match self {
                    $(Self::$network(config) => ModelConfig::validate(config),)*
                }
            }

            fn init_with_seed(&self, seed: u64, device: &Device) -> Result<Network, InitError> {
                match self {
                    $(Self::$network(config) => config.init_with_seed(seed, device).map(Network::from),)*
                }
            }

            fn init_for_loading(&self, device: &Device) -> Result<Network, InitError> {
                match self {
                    $(Self::$network(config) => config.init_for_loading(device).map(Network::from),)*
                }
            }

            fn known_cost(&self) -> Option<Cost> {
                Some(self.cost())
            }

            fn known_shapes(&self) -> Option<TensorShapes> {
                match self {
                    $(Self::$network(config) => config.known_shapes(),)*
                }
            }

            fn known_training_memory(&self, batch_size: usize) -> Option<u64> {
                match self {
                    $(Self::$network(config) => config.known_training_memory(batch_size),)*
                }
            }

            fn uses_burn_operations(&self) -> bool {
                match self {
                    $(Self::$network(config) => config.uses_burn_operations(),)*
                }
            }

            fn require_usable(&self, state: &State) -> Result<(), ModelFileError> {
                match self {
                    $(Self::$network(config) => config.require_usable(state),)*
                }
            }
        }

        $(
            impl From<$config> for NetworkConfig {
                fn from(config: $config) -> Self {
                    Self::$network(config)
                }
            }

            impl From<$network> for Network {
                fn from(network: $network) -> Self {
                    let config = Classifier::config(&network).clone().into();
                    Self { config, network: AnyNetwork::$network(network) }
                }
            }
        )*

        /// Its tensors have the names that they have in the network itself.
        impl Module for Network {
            fn collect_devices(&self, devices: Devices) -> Devices {
                match &self.network {
                    $(AnyNetwork::$network(network) => network.collect_devices(devices),)*
                }
            }

            fn fork(self, device: &Device) -> Self {
                match self.network {
                    $(AnyNetwork::$network(network) => network.fork(device).into(),)*
                }
            }

            fn to_device(self, device: &Device) -> Self {
                match self.network {
                    $(AnyNetwork::$network(network) => network.to_device(device).into(),)*
                }
            }

            fn train(self) -> Self {
                match self.network {
                    $(AnyNetwork::$network(network) => network.train().into(),)*
                }
            }

            fn valid(&self) -> Self {
                match &self.network {
                    $(AnyNetwork::$network(network) => network.valid().into(),)*
                }
            }

            fn materialize(self) -> Self {
                match self.network {
                    $(AnyNetwork::$network(network) => network.materialize().into(),)*
                }
            }

            fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
                match &self.network {
                    $(AnyNetwork::$network(network) => network.visit(visitor),)*
                }
            }

            fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
                match self.network {
                    $(AnyNetwork::$network(network) => network.map(mapper).into(),)*
                }
            }
        }

        impl Classifier for Network {
            type Config = NetworkConfig;

            fn config(&self) -> &NetworkConfig {
                &self.config
            }

            fn forward(&self, images: Tensor<4>) -> Tensor<2> {
                match &self.network {
                    $(AnyNetwork::$network(network) => network.forward(images),)*
                }
            }

            fn forward_training(&self, images: Tensor<4>) -> TrainingOutput {
                match &self.network {
                    $(AnyNetwork::$network(network) => network.forward_training(images),)*
                }
            }

            fn update_running(self, statistics: Vec<BatchStatistics>, momentum: f64) -> Self {
                match self.network {
                    $(AnyNetwork::$network(network) => network.update_running(statistics, momentum).into(),)*
                }
            }

            fn draws_random_numbers(&self) -> bool {
                match &self.network {
                    $(AnyNetwork::$network(network) => network.draws_random_numbers(),)*
                }
            }

            fn predictor(&self) -> Box<dyn Predictor> {
                match &self.network {
                    $(AnyNetwork::$network(network) => network.predictor(),)*
                }
            }

            fn layers(&self) -> Vec<ModuleLayer> {
                match &self.network {
                    $(AnyNetwork::$network(network) => network.layers(),)*
                }
            }
        }
    };
}

// A network is known to configs, files and commands by a line here: its module, its config, its name for people, and the form for
// small images that a config has that names the kind alone.
networks! {
    TinyCnnLsa, TinyCnnLsaConfig, "TinyCNN + LSA", TinyCnnLsaConfig::default();
    Vgg, VggConfig, "VGG", VggConfig::vgg19_small();
    ResNet, ResNetConfig, "ResNet", ResNetConfig::resnet20();
    MobileNet, MobileNetConfig, "MobileNetV3", MobileNetConfig::v3_small().small();
    Vit, VitConfig, "ViT", VitConfig::vit_tiny().small();
    Swin, SwinConfig, "Swin", SwinConfig::swin_small_images();
}

/// Any of the networks, for programs to which a config or a file says which.
///
/// ```
/// use burn::tensor::Device;
/// use tinylsa_model::networks::{Network, NetworkKind, ResNetConfig};
/// use tinylsa_model::{Classifier, ModelConfig, ModelFile};
///
/// let device = Device::flex();
/// let network = Network::from(ResNetConfig::resnet20().init(&device)?);
/// let bytes = network.to_safetensors(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], "digits")?;
/// let loaded = Network::from_safetensors(&bytes, &device)?;
/// assert_eq!(loaded.model.config().network_kind(), NetworkKind::ResNet);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network {
    network: AnyNetwork,
    config: NetworkConfig,
}

impl NetworkKind {
    /// The kind of this name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

impl Network {
    /// The network as its own type.
    pub fn any(&self) -> &AnyNetwork {
        &self.network
    }
}

impl Default for NetworkConfig {
    fn default() -> Self {
        TinyCnnLsaConfig::default().into()
    }
}
