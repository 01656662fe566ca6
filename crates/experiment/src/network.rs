//! The network of a config. What a network takes from its images, a config may leave out.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use tinylsa_data::{ChannelStatistics, ImageForm, ImageShape};
use tinylsa_model::networks::{NetworkConfig, NetworkKind};
use tinylsa_model::{ConfigOfImages, ImageKeys, ModelConfig};
use tinylsa_settings::InvalidSetting;

/// The key that names the kind, beside the tables of the kinds.
const KIND: &str = "kind";
/// All keys of the section, for the error about any other.
const KEYS: &[&str] = &keys();
/// Sides that an image can have, to check the layers on before the images are known.
const SIDES: std::ops::RangeInclusive<usize> = 4..=1024;

/// The network: its kind, and a table for each kind, of which that of the kind counts. A table that is left out stands for
/// the kind's form for small images.
///
/// Of the images the table may say nothing: shape and classes, mean and deviation of the channels are then taken from them,
/// and the resolved config of a run says them.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSection {
    network: NetworkConfig,
}

const fn keys() -> [&'static str; 1 + NetworkKind::NAMES.len()] {
    let mut keys = [KIND; 1 + NetworkKind::NAMES.len()];
    let mut place = 0;
    while place < NetworkKind::NAMES.len() {
        keys[place + 1] = NetworkKind::NAMES[place];
        place += 1;
    }
    keys
}

impl ModelSection {
    /// The kind of the network.
    pub fn kind(&self) -> NetworkKind {
        self.network.network_kind()
    }

    /// The network of a config that says everything about the images, as the config in a run directory does.
    ///
    /// # Errors
    /// [`InvalidSetting`] names the first key that is left out.
    pub fn network(&self) -> Result<NetworkConfig, InvalidSetting> {
        let ImageKeys { input, classes, mean, deviation } = self.network.image_keys();
        let keys = [
            ("input", input.is_some(), "the shape of the images"),
            ("classes", classes.is_some(), "the number of classes of the images"),
            ("input_mean", mean.is_some(), "the mean of each channel"),
            ("input_deviation", deviation.is_some(), "the standard deviation of each channel"),
        ];
        match keys.into_iter().find(|(_, is_given, _)| !is_given) {
            Some((key, _, what)) => Err(self.located(absent(key, what)).within("model")),
            None => Ok(self.network.clone()),
        }
    }

    /// The section with what it leaves out: the form of the images, mean and deviation of their channels.
    #[must_use]
    pub fn completed(&self, form: ImageForm, statistics: &ChannelStatistics) -> Self {
        let known = ImageKeys {
            input: Some(form.shape),
            classes: Some(form.classes),
            mean: Some(statistics.mean.clone()),
            deviation: Some(statistics.deviation.clone()),
        };
        let keys = self.network.image_keys().or(known);
        Self { network: self.network.clone().with_image_keys(keys) }
    }

    /// Whether the section leaves out mean or deviation.
    pub(crate) fn lacks_statistics(&self) -> bool {
        let keys = self.given();
        keys.mean.is_none() || keys.deviation.is_none()
    }

    /// What the section says of the images.
    pub(crate) fn given(&self) -> ImageKeys {
        self.network.image_keys()
    }

    /// Checks every range; what is left out is fine.
    pub(crate) fn validate(&self) -> Result<(), InvalidSetting> {
        let given = self.given();
        let classes = given.classes.unwrap_or(2);
        let on = |shape: ImageShape| {
            let form = ImageForm { shape, classes };
            self.completed(form, &unknown_statistics(shape.channels)).network.validate()
        };
        let checked = given.input.map_or_else(
            || {
                let channels = [&given.mean, &given.deviation].into_iter().flatten().map(Vec::len).next();
                let channels = channels.unwrap_or(1).max(1);
                let square = |side| on(ImageShape { channels, height: side, width: side });
                if SIDES.into_iter().any(|side| square(side).is_ok()) { Ok(()) } else { square(*SIDES.end()) }
            },
            on,
        );
        checked.map_err(|error| self.located(error))
    }

    fn located(&self, error: InvalidSetting) -> InvalidSetting {
        error.within(self.kind().name())
    }
}

fn absent(key: &str, what: &str) -> InvalidSetting {
    InvalidSetting {
        key: key.to_owned(),
        found: "absent".to_owned(),
        expected: format!("{what}, which only a source whose images are known or a finished run can leave out here"),
    }
}

/// Mean and deviation of images that nothing is known of, for what does not depend on them, such as the cost of a network.
pub(crate) fn unknown_statistics(channels: usize) -> ChannelStatistics {
    ChannelStatistics { mean: vec![0.5; channels], deviation: vec![0.5; channels] }
}

impl<C: Into<NetworkConfig>> From<C> for ModelSection {
    fn from(config: C) -> Self {
        Self { network: config.into() }
    }
}

/// The kind and its table alone.
impl Serialize for ModelSection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.kind().name();
        let mut section = serializer.serialize_map(Some(2))?;
        section.serialize_entry(KIND, kind)?;
        section.serialize_entry(kind, &self.network)?;
        section.end()
    }
}

/// The tables of other kinds are read, so that a mistake in one is told, and left out.
impl<'de> Deserialize<'de> for ModelSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SectionVisitor)
    }
}

struct SectionVisitor;

impl<'de> Visitor<'de> for SectionVisitor {
    type Value = ModelSection;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a table with the kind of the network and the tables of kinds")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ModelSection, A::Error> {
        let (mut kind, mut tables) = (None, Vec::<NetworkConfig>::new());
        while let Some(key) = map.next_key::<String>()? {
            if key == KIND {
                kind = Some(map.next_value::<NamedKind>()?.0);
                continue;
            }
            let of = NetworkKind::named(&key).ok_or_else(|| A::Error::unknown_field(&key, KEYS))?;
            tables.push(map.next_value_seed(of)?);
        }
        let kind = kind.ok_or_else(|| A::Error::missing_field(KIND))?;
        let own = tables.into_iter().find(|table| table.network_kind() == kind);
        Ok(ModelSection { network: own.unwrap_or_else(|| kind.small()) })
    }
}

/// A kind by its name.
struct NamedKind(NetworkKind);

impl<'de> Deserialize<'de> for NamedKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        NetworkKind::named(&name).map(Self).ok_or_else(|| D::Error::unknown_variant(&name, NetworkKind::NAMES))
    }
}

#[cfg(test)]
mod tests {
    use tinylsa_model::TinyCnnLsaConfig;

    use super::*;

    fn left_out(kind: NetworkKind) -> ModelSection {
        kind.small().into()
    }

    fn changed(change: impl FnOnce(&mut TinyCnnLsaConfig)) -> ModelSection {
        let mut config = TinyCnnLsaConfig::default().with_image_keys(ImageKeys::default());
        change(&mut config);
        config.into()
    }

    #[test]
    fn what_is_left_out_is_taken_from_the_images_and_what_is_given_stays() {
        let form = ImageForm { shape: ImageShape { channels: 3, height: 28, width: 56 }, classes: 7 };
        let statistics = ChannelStatistics { mean: vec![0.1, 0.2, 0.3], deviation: vec![0.4, 0.5, 0.6] };
        for &kind in NetworkKind::ALL {
            let section = left_out(kind);
            section.validate().unwrap();
            let error = section.network().unwrap_err();
            assert_eq!((error.key, error.found), (format!("model.{}.input", kind.name()), "absent".to_owned()));
            let network = section.completed(form, &statistics).network().unwrap();
            assert_eq!((network.input(), network.classes()), (form.shape, 7));
            let keys = network.image_keys();
            assert_eq!((keys.mean, keys.deviation), (Some(statistics.mean.clone()), Some(vec![0.4, 0.5, 0.6])));
        }

        let given = ModelSection::from(TinyCnnLsaConfig::default());
        assert_eq!(given.completed(form, &statistics), given);
        assert_eq!(given.network().unwrap(), TinyCnnLsaConfig::default().into());
    }

    #[test]
    fn a_section_is_read_back_as_it_was_written() {
        for &kind in NetworkKind::ALL {
            let section = left_out(kind);
            let text = toml::to_string(&section).unwrap();
            assert_eq!(toml::from_str::<ModelSection>(&text).unwrap(), section, "{text}");
            let kind_alone = format!("kind = \"{}\"", kind.name());
            assert_eq!(toml::from_str::<ModelSection>(&kind_alone).unwrap(), section);
        }
        let other = "kind = \"vit\"\n[vgg]\nstages = 3\n";
        let error = toml::from_str::<ModelSection>(other).unwrap_err().to_string();
        assert!(error.contains("stages"), "a table that does not count is still read: {error}");
        let unknown = toml::from_str::<ModelSection>("kind = \"vit\"\n[lstm]\n").unwrap_err().to_string();
        assert!(unknown.contains("lstm") && unknown.contains("resnet"), "{unknown}");
    }

    #[test]
    fn layers_are_checked_before_the_images_are_known() {
        let wrong = changed(|config| config.stages[1].stride = 3);
        assert_eq!(wrong.validate().unwrap_err().key, "tinycnn-lsa.stages.1.stride");
        let deep = changed(|config| config.stages.iter_mut().for_each(|stage| (stage.stride, stage.pool) = (2, true)));
        deep.validate().unwrap();
        changed(|config| config.input_mean = vec![0.5; 3]).validate().unwrap();
        let beyond = changed(|config| config.input_mean = vec![0.5, 1.5]);
        assert_eq!(beyond.validate().unwrap_err().key, "tinycnn-lsa.input_mean.1");
    }
}
