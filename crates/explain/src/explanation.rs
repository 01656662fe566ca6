//! What explaining an image leaves: everything that is written, drawn and scored afterwards.

use std::fmt::{self, Display, Formatter};

use serde_json::Value;
use tinylsa_settings::printable;
use tinylsa_xai::{ExplainedScore, Image};

use crate::explainable::AttentionFacts;
use crate::maps::{Maps, NamedTensor};
use crate::registry::MethodId;

/// One image, explained by several methods.
#[derive(Clone, Debug)]
pub struct ImageExplanation {
    /// The name of the image's folder, such as `test-17` or the stem of a file.
    pub id: String,
    /// Where the image is from.
    pub source: Source,
    /// Why the image was chosen, such as "right with the highest confidence"; nothing if it was named.
    pub choice: Option<String>,
    /// The image, 0 is black and 1 is white.
    pub image: Image,
    /// The true class, where it is known.
    pub label: Option<usize>,
    /// The class of the largest logit.
    pub predicted: usize,
    /// The score that is explained: of a class, or of a class against another.
    pub target: ExplainedScore,
    /// One for each class.
    pub logits: Vec<f32>,
    /// Their softmax.
    pub probabilities: Vec<f32>,
    /// The softmax of the logits divided by the temperature, where the model has one.
    pub calibrated: Option<Vec<f32>>,
    /// The temperature that calibrates the model.
    pub temperature: Option<f64>,
    /// The names of the classes.
    pub class_names: Vec<String>,
    /// What a reader of the maps of attention must know of the model.
    pub attention: AttentionFacts,
    /// The pixels that decide the class, where they are known.
    pub truth_mask: Option<Vec<bool>>,
    /// The seed of the image's own draws.
    pub seed: u64,
    /// In the order of the registry.
    pub methods: Vec<MethodExplanation>,
}

impl ImageExplanation {
    /// The name of a class, as it may be shown on a terminal and a page.
    pub fn class_name(&self, class: usize) -> String {
        self.class_names.get(class).map_or_else(|| format!("class {class}"), |name| printable(name).into_owned())
    }

    /// What is explained: the name of a class, or "Coat rather than Pullover".
    pub fn target_name(&self) -> String {
        let class = self.class_name(self.target.class);
        self.target.against.map_or(class.clone(), |other| format!("{class} rather than {}", self.class_name(other)))
    }

    /// The probability of a class as it is shown: calibrated where the model has a temperature. NaN for no class.
    pub fn shown_probability(&self, class: usize) -> f32 {
        let shown = self.calibrated.as_ref().unwrap_or(&self.probabilities);
        shown.get(class).copied().unwrap_or(f32::NAN)
    }
}

/// One method's explanation of one image.
#[derive(Clone, Debug)]
pub struct MethodExplanation {
    /// The method.
    pub method: MethodId,
    /// How long it took.
    pub seconds: f64,
    /// The maps.
    pub maps: Maps,
    /// What tells how far to trust the maps, as it is written to files.
    pub diagnostics: Value,
    /// The most telling figures of the diagnostics, in words.
    pub sentences: Vec<String>,
    /// The settings that the method ran with.
    pub settings: Value,
    /// What speaks against trusting the maps, in words.
    pub warnings: Vec<String>,
    /// What another library needs to check the maps.
    pub evidence: Vec<NamedTensor>,
}

/// Where an image is from; captions say it in the words of its [`Display`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The data set or the file, and what a reader must know about it.
    pub from: String,
    /// The place in the data set.
    pub number: Option<u32>,
}

impl Display for Source {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&describe_images(&self.from, self.number.as_slice()))
    }
}

/// Images of one data set or file, with their places in it.
pub(crate) fn describe_images(from: &str, numbers: &[u32]) -> String {
    match numbers {
        [] => from.to_owned(),
        [number] => format!("{from}, image {number}"),
        _ => format!("{from}, images {}", numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}
