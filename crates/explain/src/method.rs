//! What every explanation method has in common.

use std::cell::OnceCell;
use std::fmt::Debug;

use burn::tensor::{Tensor, TensorData};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tinylsa_settings::InvalidSetting;
use tinylsa_xai::{Execution, ExplainedScore, Image, Target};

use crate::background::Background;
use crate::budget::Budget;
use crate::circumstances::Circumstances;
use crate::error::{Context, Result};
use crate::explainable::{Explainable, ImageAttention};
use crate::maps::{Maps, NamedTensor};
use crate::needs::Needs;
use crate::shared::SharedSettings;

/// An explanation method together with its settings.
///
/// The implementor is the config: `[explain.<name>]` of a config file is deserialised into it, and its `Default` stands
/// for a table that is left out. A new method is one file in `methods/`, which implements this trait and [`Registered`],
/// one line of the list in `methods/mod.rs`, and one page of documentation. No other file names it.
pub trait Method: erased_serde::Serialize + Debug + Send + Sync {
    /// What does not depend on the settings.
    fn facts(&self) -> &'static MethodFacts;

    /// Checks every range.
    ///
    /// # Errors
    /// The first setting outside its range, by its key within the method's table.
    fn validate(&self) -> Result<(), InvalidSetting> {
        Ok(())
    }

    /// Checks the settings against the images, the classes and the model.
    ///
    /// # Errors
    /// The first setting that does not fit, by its key within `[explain]`.
    fn validate_against(&self, _shared: &SharedSettings, _at: &Circumstances) -> Result<(), InvalidSetting> {
        Ok(())
    }

    /// Checks the budget of the cheaper form, which [`Method::budgeted`] returns.
    ///
    /// # Errors
    /// The first setting that does not fit, by its key within `[explain]`.
    fn validate_budget(
        &self,
        _budget: &Budget,
        _shared: &SharedSettings,
        _at: &Circumstances,
    ) -> Result<(), InvalidSetting> {
        Ok(())
    }

    /// Explains one class of one image.
    ///
    /// # Errors
    /// What the method says; that the call was cancelled; that the model does not give what the method needs.
    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained>;

    /// The cheaper form for scores that explain the same image many times.
    fn budgeted(&self, budget: &Budget) -> Box<dyn Method>;

    /// What the method will cost, in words, where that may surprise.
    ///
    /// # Errors
    /// If the image cannot be explained.
    fn announcement(&self, _at: &MethodContext<'_>) -> Result<Option<String>> {
        Ok(None)
    }
}

erased_serde::serialize_trait_object!(Method);

/// A method that the registry can list.
pub trait Registered: Method + Clone + Default + DeserializeOwned + 'static {
    /// What does not depend on the settings.
    const FACTS: MethodFacts;
}

/// What is known of a method whatever its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodFacts {
    /// The name in kebab-case, the same on the command line, in configs, file names and tensors.
    pub name: &'static str,
    /// The name as people write it.
    pub title: &'static str,
    /// What its maps mean.
    pub meaning: Meaning,
    /// What the model has to give.
    pub needs: Needs,
    /// Settings that it shares with other methods.
    pub reads: &'static [SharedSetting],
    /// Whether its result depends on random draws, apart from those of the shared settings.
    pub draws: bool,
    /// Whether its maps are scored. Maps that say nothing of a class are not.
    pub is_scored: bool,
    /// Whether it is a control: a method that does not beat it has shown nothing.
    pub is_control: bool,
}

/// What a method's maps show, and what they do not. Both complete the sentences "Shows …" and "Does not show …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What the maps show.
    pub shows: &'static str,
    /// What they do not show, although it looks like it.
    pub does_not_show: &'static str,
}

impl Meaning {
    /// Both in one line.
    pub fn line(self) -> String {
        format!("Shows {}. Does not show {}.", self.shows, self.does_not_show)
    }
}

/// Settings that several methods share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedSetting {
    /// `[explain.baseline]`: what paths start from.
    Baseline,
    /// `[explain.background]`: the images that stand for the data set.
    Background,
    /// `[explain.segmentation]`: what is shown and hidden.
    Segmentation,
    /// `[explain.fill]`: what stands in for hidden segments.
    Fill,
}

/// An image, the score that is explained, and everything a method may ask for.
#[derive(Debug)]
pub struct MethodContext<'a> {
    /// The model.
    pub model: &'a dyn Explainable,
    /// The settings that methods share.
    pub shared: &'a SharedSettings,
    /// The images that stand for the data set.
    pub background: &'a Background,
    /// Device, batch size, cancellation, and the seed of this image's draws.
    pub execution: Execution,
    /// The image.
    pub image: &'a Image,
    /// The score that is explained.
    pub explained: ExplainedScore,
    traced: OnceCell<ImageAttention>,
}

impl<'a> MethodContext<'a> {
    /// The context of one score of one image.
    pub fn new(
        model: &'a dyn Explainable,
        shared: &'a SharedSettings,
        background: &'a Background,
        execution: Execution,
        image: &'a Image,
        explained: ExplainedScore,
    ) -> Self {
        Self { model, shared, background, execution, image, explained, traced: OnceCell::new() }
    }

    /// The explained score as a target.
    pub fn target(&self) -> Target {
        self.explained.into()
    }

    /// The model as a function that gives scores and nothing else.
    pub fn scorer(&self) -> impl Fn(Tensor<4>) -> Tensor<2> {
        |images| self.model.scores(images)
    }

    /// The model as a function whose scores can be differentiated with respect to the images.
    pub fn differentiable(&self) -> impl Fn(Tensor<4>) -> Tensor<2> {
        |images| self.model.differentiable_scores(images)
    }

    /// The attention of every layer on the image, computed once.
    ///
    /// # Errors
    /// If the model has no attention, or what it gives is none.
    pub fn attention(&self) -> Result<&ImageAttention> {
        if let Some(traced) = self.traced.get() {
            return Ok(traced);
        }
        let source = self.model.attention().context("the model gives no attention")?;
        let traced = source.trace(self.image_pair()).context("failed to trace the attention")?;
        Ok(self.traced.get_or_init(|| traced))
    }

    /// `[2, channels, height, width]`: the image and a copy of it. Alone it would be multiplied in another order of
    /// summation than among others.
    pub fn image_pair(&self) -> Tensor<4> {
        let [channels, height, width] = self.image.shape().dims();
        let data = TensorData::new(self.image.values().to_vec(), [1, channels, height, width]);
        let image = Tensor::from_data(data, &self.execution.device);
        Tensor::cat(vec![image.clone(), image], 0)
    }

    /// The settings that the method runs with, for the files of the explanation.
    ///
    /// # Errors
    /// If they have no form in JSON.
    pub(crate) fn settings_of(&self, method: &dyn Method) -> Result<Value> {
        let mut settings = serde_json::Map::new();
        let own = serde_json::to_value(method)?;
        if own.as_object().is_none_or(|table| !table.is_empty()) {
            settings.insert("method".to_owned(), own);
        }
        for shared in method.facts().reads {
            let (name, value) = match shared {
                SharedSetting::Baseline => ("baseline", json!(self.shared.baseline)),
                SharedSetting::Background => ("background", json!(self.background.description)),
                SharedSetting::Segmentation => ("segmentation", json!(self.shared.segmentation)),
                SharedSetting::Fill => ("fill", json!(self.shared.fill)),
            };
            settings.insert(name.to_owned(), value);
        }
        Ok(Value::Object(settings))
    }
}

/// What a method says of one class of one image.
#[derive(Debug)]
pub struct Explained {
    /// The maps.
    pub maps: Maps,
    /// What tells how far to trust the maps; the same bits whenever the maps are.
    pub diagnostics: Box<dyn Diagnostics>,
    /// What speaks against trusting the maps, in words.
    pub warnings: Vec<String>,
    /// What another library needs to check the maps.
    pub evidence: Vec<NamedTensor>,
}

/// What tells how far to trust a method's maps.
pub trait Diagnostics: erased_serde::Serialize + Debug + Send + Sync {
    /// The most telling figures, a sentence each, without capitals and full stops.
    fn sentences(&self) -> Vec<String> {
        Vec::new()
    }
}

erased_serde::serialize_trait_object!(Diagnostics);

/// A line of the list of methods.
pub(crate) struct Entry {
    pub(crate) facts: &'static MethodFacts,
    pub(crate) default: fn() -> Box<dyn Method>,
}
