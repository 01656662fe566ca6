//! The names of the sources in configs, and of the images for people.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize};
use tinylsa_settings::printable;

use super::{ImageSource, SOURCES};
use crate::dataset::DatasetName;

static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| SOURCES.iter().map(|source| source.name()).collect());

/// The name of one of the [`SOURCES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct SourceName(&'static str);

impl SourceName {
    /// The photographs of Zalando.
    pub const FASHION_MNIST: Self = Self("fashion-mnist");
    /// The images that this crate draws itself.
    pub const SYNTHETIC_GARMENTS: Self = Self("synthetic-garments");

    /// The source with this name, if there is one.
    pub fn new(name: &str) -> Option<Self> {
        NAMES.iter().find(|known| **known == name).copied().map(Self)
    }

    /// The name in configs.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The source itself.
    ///
    /// # Panics
    /// Never: a name that is none of a source cannot be made.
    pub fn source(self) -> &'static dyn ImageSource {
        *SOURCES.iter().find(|source| source.name() == self.0).expect("a source name is one of SOURCES")
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl<'de> Deserialize<'de> for SourceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::new(&name).ok_or_else(|| serde::de::Error::unknown_variant(&name, &NAMES))
    }
}

impl DatasetName {
    /// The name for people, such as `Fashion-MNIST`.
    pub fn title(&self) -> &str {
        let source = SOURCES.iter().find(|source| source.name() == self.id());
        source.map_or_else(|| self.id().rsplit('/').next().unwrap_or_default(), |source| source.title())
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&printable(self.title()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_with_a_title() {
        let check = |name: &DatasetName, id: &str, title: &str| {
            assert_eq!(serde_json::to_string(name).unwrap(), format!("{id:?}"));
            assert_eq!(&serde_json::from_str::<DatasetName>(&format!("{id:?}")).unwrap(), name);
            assert_eq!((name.id(), name.title()), (id, title));
        };
        check(&DatasetName::FASHION_MNIST, "fashion-mnist", "Fashion-MNIST");
        check(&DatasetName::SYNTHETIC_GARMENTS, "synthetic-garments", "synthetic garments");
        check(&DatasetName::new("folder/кошки"), "folder/кошки", "кошки");
        assert_eq!(DatasetName::new("idx/a\u{1b}[31m").to_string(), r"a\u{1b}[31m");
    }
}
