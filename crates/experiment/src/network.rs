//! The network of a config. What a network takes from its images, a config may leave out.

use serde::{Deserialize, Serialize};
use tinylsa_data::{ChannelStatistics, ImageForm, ImageShape};
use tinylsa_model::{AttentionConfig, HeadConfig, ModelConfig, StageConfig, TinyCnnLsaConfig};
use tinylsa_settings::InvalidSetting;

/// The largest side that a network takes is 2 to this power.
const MOST_HALVINGS: u32 = 10;
/// The smallest side that a network takes is 2 to this power.
const LEAST_HALVINGS: u32 = 2;

/// The network: its kind, and one table for each kind. A table that is left out stands for the kind's defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSection {
    /// Which kind.
    pub kind: ModelKind,
    /// `TinyCNN` + LSA.
    #[serde(rename = "tinycnn-lsa", default)]
    pub tinycnn_lsa: TinyCnnLsaSection,
}

/// The kinds of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelKind {
    /// A convolutional stem and linear self-attention.
    #[serde(rename = "tinycnn-lsa")]
    TinycnnLsa,
}

/// A [`TinyCnnLsaConfig`] whose facts about the images may be left out. Those are then taken from the images, and the
/// resolved config of a run says them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TinyCnnLsaSection {
    /// Channels, height and width of an image; left out, those of the images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<ImageShape>,
    /// Number of classes; left out, that of the images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Mean of each channel; left out, that of the images that are trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_mean: Option<Vec<f32>>,
    /// Standard deviation of each channel; left out, that of the images that are trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_deviation: Option<Vec<f32>>,
    /// Whether learned positions are added to the tokens.
    pub positions: bool,
    /// The convolutional stem.
    pub stages: Vec<StageConfig>,
    /// The attention blocks.
    pub attention: AttentionConfig,
    /// Residual blocks behind the attention.
    pub closing_blocks: usize,
    /// From the tokens to the logits.
    pub head: HeadConfig,
}

impl Default for TinyCnnLsaSection {
    /// The layers of [`TinyCnnLsaConfig::default`], for images of any kind.
    fn default() -> Self {
        let TinyCnnLsaConfig { positions, stages, attention, closing_blocks, head, .. } = TinyCnnLsaConfig::default();
        Self {
            input: None,
            classes: None,
            input_mean: None,
            input_deviation: None,
            positions,
            stages,
            attention,
            closing_blocks,
            head,
        }
    }
}

impl ModelKind {
    /// The name in configs, which is also that of the kind's table, and in model files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TinycnnLsa => TinyCnnLsaConfig::KIND,
        }
    }
}

impl ModelSection {
    /// The network of a config that says everything about the images, as the config in a run directory does.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the first key that is left out.
    pub fn network(&self) -> Result<TinyCnnLsaConfig, InvalidSetting> {
        let network = match self.kind {
            ModelKind::TinycnnLsa => self.tinycnn_lsa.network(),
        };
        network.map_err(|error| error.within(self.kind.name()).within("model"))
    }

    /// The section with what it leaves out: the form of the images, mean and deviation of their channels.
    #[must_use]
    pub fn completed(&self, form: ImageForm, statistics: &ChannelStatistics) -> Self {
        match self.kind {
            ModelKind::TinycnnLsa => Self { tinycnn_lsa: self.tinycnn_lsa.completed(form, statistics), ..self.clone() },
        }
    }

    /// Whether the section leaves out mean or deviation.
    pub(crate) fn lacks_statistics(&self) -> bool {
        match self.kind {
            ModelKind::TinycnnLsa => {
                self.tinycnn_lsa.input_mean.is_none() || self.tinycnn_lsa.input_deviation.is_none()
            }
        }
    }

    /// What the section says of the images' form.
    pub(crate) fn given_form(&self) -> GivenForm {
        match self.kind {
            ModelKind::TinycnnLsa => GivenForm { input: self.tinycnn_lsa.input, classes: self.tinycnn_lsa.classes },
        }
    }

    /// The number of attention blocks.
    pub(crate) fn attention_blocks(&self) -> usize {
        match self.kind {
            ModelKind::TinycnnLsa => self.tinycnn_lsa.attention.blocks,
        }
    }

    /// Checks every range; what is left out is fine.
    pub(crate) fn validate(&self) -> Result<(), InvalidSetting> {
        match self.kind {
            ModelKind::TinycnnLsa => self.tinycnn_lsa.validate().map_err(|error| error.within(self.kind.name())),
        }
    }
}

/// The form of the images, as far as a config gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GivenForm {
    pub(crate) input: Option<ImageShape>,
    pub(crate) classes: Option<usize>,
}

/// Mean and deviation of images that nothing is known of, for what does not depend on them, such as the cost of a network.
pub(crate) fn unknown_statistics(channels: usize) -> ChannelStatistics {
    ChannelStatistics { mean: vec![0.5; channels], deviation: vec![0.5; channels] }
}

impl TinyCnnLsaSection {
    fn network(&self) -> Result<TinyCnnLsaConfig, InvalidSetting> {
        Ok(TinyCnnLsaConfig {
            input: self.input.ok_or_else(|| absent("input", "the shape of the images"))?,
            classes: self.classes.ok_or_else(|| absent("classes", "the number of classes of the images"))?,
            input_mean: self.input_mean.clone().ok_or_else(|| absent("input_mean", "the mean of each channel"))?,
            input_deviation: self
                .input_deviation
                .clone()
                .ok_or_else(|| absent("input_deviation", "the standard deviation of each channel"))?,
            positions: self.positions,
            stages: self.stages.clone(),
            attention: self.attention.clone(),
            closing_blocks: self.closing_blocks,
            head: self.head.clone(),
        })
    }

    fn completed(&self, form: ImageForm, statistics: &ChannelStatistics) -> Self {
        let given = self.clone();
        Self {
            input: given.input.or(Some(form.shape)),
            classes: given.classes.or(Some(form.classes)),
            input_mean: given.input_mean.or_else(|| Some(statistics.mean.clone())),
            input_deviation: given.input_deviation.or_else(|| Some(statistics.deviation.clone())),
            positions: given.positions,
            stages: given.stages,
            attention: given.attention,
            closing_blocks: given.closing_blocks,
            head: given.head,
        }
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        let channels = [&self.input_mean, &self.input_deviation].into_iter().flatten().map(Vec::len).next();
        let shape = self.input.unwrap_or_else(|| self.smallest_input(channels.unwrap_or(1).max(1)));
        let form = ImageForm { shape, classes: self.classes.unwrap_or(2) };
        self.completed(form, &unknown_statistics(shape.channels)).network()?.validate()
    }

    /// The smallest square image that all stages divide, to check the stages on before the images are known.
    fn smallest_input(&self, channels: usize) -> ImageShape {
        let halvings: u32 = self.stages.iter().map(|stage| u32::from(stage.stride == 2) + u32::from(stage.pool)).sum();
        let side = 1 << halvings.clamp(LEAST_HALVINGS, MOST_HALVINGS);
        ImageShape { channels, height: side, width: side }
    }
}

fn absent(key: &str, what: &str) -> InvalidSetting {
    InvalidSetting {
        key: key.to_owned(),
        found: "absent".to_owned(),
        expected: format!("{what}, which only a source whose images are known or a finished run can leave out here"),
    }
}

impl From<TinyCnnLsaConfig> for ModelSection {
    fn from(config: TinyCnnLsaConfig) -> Self {
        let TinyCnnLsaConfig {
            input,
            classes,
            input_mean,
            input_deviation,
            positions,
            stages,
            attention,
            closing_blocks,
            head,
        } = config;
        let tinycnn_lsa = TinyCnnLsaSection {
            input: Some(input),
            classes: Some(classes),
            input_mean: Some(input_mean),
            input_deviation: Some(input_deviation),
            positions,
            stages,
            attention,
            closing_blocks,
            head,
        };
        Self { kind: ModelKind::TinycnnLsa, tinycnn_lsa }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(section: TinyCnnLsaSection) -> ModelSection {
        ModelSection { kind: ModelKind::TinycnnLsa, tinycnn_lsa: section }
    }

    #[test]
    fn what_is_left_out_is_taken_from_the_images_and_what_is_given_stays() {
        let form = ImageForm { shape: ImageShape { channels: 3, height: 32, width: 48 }, classes: 7 };
        let statistics = ChannelStatistics { mean: vec![0.1, 0.2, 0.3], deviation: vec![0.4, 0.5, 0.6] };
        let left_out = section(TinyCnnLsaSection::default());
        left_out.validate().unwrap();
        let error = left_out.network().unwrap_err();
        assert_eq!((error.key.as_str(), error.found.as_str()), ("model.tinycnn-lsa.input", "absent"));
        let network = left_out.completed(form, &statistics).network().unwrap();
        assert_eq!((network.input, network.classes), (form.shape, 7));
        assert_eq!((network.input_mean, network.input_deviation), (statistics.mean.clone(), vec![0.4, 0.5, 0.6]));

        let given = ModelSection::from(TinyCnnLsaConfig::default());
        assert_eq!(given.completed(form, &statistics), given);
        assert_eq!(given.network().unwrap(), TinyCnnLsaConfig::default());
    }

    #[test]
    fn layers_are_checked_before_the_images_are_known() {
        let mut wrong = TinyCnnLsaSection::default();
        wrong.stages[1].stride = 3;
        assert_eq!(section(wrong).validate().unwrap_err().key, "tinycnn-lsa.stages.1.stride");
        let mut deep = TinyCnnLsaSection::default();
        deep.stages.iter_mut().for_each(|stage| (stage.stride, stage.pool) = (2, true));
        section(deep).validate().unwrap();
        let statistics = TinyCnnLsaSection { input_mean: Some(vec![0.5; 3]), ..TinyCnnLsaSection::default() };
        section(statistics).validate().unwrap();
        let beyond = TinyCnnLsaSection { input_mean: Some(vec![0.5, 1.5]), ..TinyCnnLsaSection::default() };
        assert_eq!(section(beyond).validate().unwrap_err().key, "tinycnn-lsa.input_mean.1");
    }
}
