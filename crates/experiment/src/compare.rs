//! What a network costs beside the large ones.

use serde::Serialize;
use tinylsa_model::networks::{MobileNetConfig, NetworkConfig, ResNetConfig, SwinConfig, VggConfig, VitConfig};
use tinylsa_model::{Cost, ImageShape, ModelConfig};
use tinylsa_settings::{InvalidSetting, UsageError};

use crate::evaluation::SplitName;
use crate::finished::FinishedRun;

/// A network of ours, and what its own run measured.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnNetwork {
    /// What the network is called in the comparison.
    pub name: String,
    /// Its layers.
    pub model: NetworkConfig,
    /// What its run measured, a fraction; none without a run.
    pub accuracy: Option<f64>,
    /// On which images the run measured.
    pub split: Option<SplitName>,
}

/// A network beside the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedNetwork {
    /// What it is called.
    pub network: String,
    /// Height and width of its images in pixels.
    pub image_size: [usize; 2],
    /// Trained numbers.
    pub parameters: usize,
    /// Multiply-accumulate operations of one image.
    pub macs: usize,
    /// Parameters as a multiple of the first network's.
    pub parameters_ratio: f64,
    /// Multiply-accumulate operations as a multiple of the first network's.
    pub macs_ratio: f64,
    /// Bytes of the weights in `f32`.
    pub bytes: usize,
    /// What the run of this network measured, a fraction; baselines are counted, not trained.
    pub accuracy: Option<f64>,
    /// On which images.
    pub split: Option<SplitName>,
}

impl OwnNetwork {
    /// A network that nobody trained yet.
    pub fn untrained(model: impl Into<NetworkConfig>) -> Self {
        let model = model.into();
        Self { name: model.network_kind().title().to_owned(), model, accuracy: None, split: None }
    }

    /// The network of a finished run.
    ///
    /// # Errors
    /// If its config does not say everything about the images.
    pub fn of_run(run: &FinishedRun) -> Result<Self, InvalidSetting> {
        let FinishedRun { folder, config, evaluation, .. } = run;
        let model = config.model.network()?;
        Ok(Self {
            name: format!("{}, {}", model.network_kind().title(), folder.display()),
            model,
            accuracy: Some(evaluation.accuracy),
            split: Some(evaluation.split),
        })
    }
}

/// Counts what networks of ours cost, then what the large ones cost for as many classes on colour images of
/// `baseline_size` pixels in height and width. Ratios are those to the first network.
///
/// # Errors
/// [`UsageError`] if there is no network, if they have different numbers of classes, or if the large ones do not take
/// images of this size.
pub fn compare(ours: &[OwnNetwork], baseline_size: usize) -> Result<Vec<ComparedNetwork>, UsageError> {
    let first = ours.first().ok_or_else(|| UsageError("there is no network to compare".to_owned()))?;
    let (first_cost, classes) = (first.model.cost(), first.model.classes());
    if let Some(other) = ours.iter().find(|other| other.model.classes() != classes) {
        let text = format!("{} has {} classes, {} has {classes}", other.name, other.model.classes(), first.name);
        return Err(UsageError(text));
    }
    let of_ours = ours.iter().map(|OwnNetwork { name, model, accuracy, split }| ComparedNetwork {
        accuracy: *accuracy,
        split: *split,
        ..counted(name, [model.input().height, model.input().width], &model.cost(), &first_cost)
    });
    let mut compared: Vec<ComparedNetwork> = of_ours.collect();
    for (name, cost) in large_costs(baseline_size, classes) {
        let cost = cost.map_err(|error| UsageError(format!("--baseline-size: of {name}, {error}")))?;
        compared.push(counted(name, [baseline_size; 2], &cost, &first_cost));
    }
    Ok(compared)
}

/// What the large networks cost on colour images of a side, in the order of their papers.
fn large_costs(side: usize, classes: usize) -> Vec<(&'static str, Result<Cost, InvalidSetting>)> {
    fn cost(config: impl Into<NetworkConfig>) -> Result<Cost, InvalidSetting> {
        let config = config.into();
        config.validate()?;
        Ok(config.cost())
    }
    let input = ImageShape { channels: 3, height: side, width: side };
    vec![
        ("VGG-19", cost(VggConfig { input, classes, ..VggConfig::vgg19(false) })),
        ("ResNet-18", cost(ResNetConfig { input, classes, ..ResNetConfig::resnet18() })),
        ("ResNet-50", cost(ResNetConfig { input, classes, ..ResNetConfig::resnet50() })),
        ("MobileNetV3-Small", cost(MobileNetConfig { input, classes, ..MobileNetConfig::v3_small() })),
        ("ViT-B/16", cost(VitConfig { input, classes, ..VitConfig::vit_b16() })),
        ("Swin-T", cost(SwinConfig { input, classes, ..SwinConfig::swin_t() })),
    ]
}

fn counted(network: &str, image_size: [usize; 2], cost: &Cost, first: &Cost) -> ComparedNetwork {
    let (parameters, macs) = (cost.parameters(), cost.macs());
    ComparedNetwork {
        network: network.to_owned(),
        image_size,
        parameters,
        macs,
        parameters_ratio: parameters as f64 / first.parameters() as f64,
        macs_ratio: macs as f64 / first.macs() as f64,
        bytes: parameters * size_of::<f32>(),
        accuracy: None,
        split: None,
    }
}

#[cfg(test)]
mod tests {
    use tinylsa_model::TinyCnnLsaConfig;

    use super::*;

    #[test]
    fn ratios_are_those_to_the_first_network() {
        let ours = [OwnNetwork::untrained(TinyCnnLsaConfig::default())];
        let compared = compare(&ours, 224).unwrap();
        assert_eq!(compared.len(), 1 + large_costs(224, 10).len());
        assert_eq!((compared[0].parameters_ratio, compared[0].macs_ratio), (1.0, 1.0));
        for large in &compared[1..] {
            let parameters = large.parameters_ratio * compared[0].parameters as f64;
            assert!((parameters / large.parameters as f64 - 1.0).abs() < 1e-12, "{large:?}");
            assert!(large.parameters_ratio > 3.0 && large.accuracy.is_none(), "{large:?}");
            assert_eq!(large.bytes, 4 * large.parameters);
        }
    }

    #[test]
    fn networks_of_other_classes_and_impossible_sizes_are_refused() {
        let nine = TinyCnnLsaConfig { classes: 9, ..TinyCnnLsaConfig::default() };
        let ours = [OwnNetwork::untrained(TinyCnnLsaConfig::default()), OwnNetwork::untrained(nine)];
        assert!(compare(&ours, 224).unwrap_err().to_string().contains("has 9 classes"));
        assert!(compare(&ours[..1], 225).unwrap_err().to_string().starts_with("--baseline-size: "));
        assert!(compare(&[], 224).unwrap_err().to_string().contains("no network"));
    }
}
