//! A directory for the Hub of Hugging Face: the weights, a config that its pages read, and a model card whose figures they
//! show.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use burn::tensor::Device;
use serde::Serialize;
use tinylsa_model::networks::{Network, NetworkConfig};
use tinylsa_model::{HeldOut, ModelConfig, ModelFile, Precision, state_of};
use tinylsa_settings::{UsageError, printable};
use tinylsa_system::{require_new_directory, sha256_hex, write_directory};

use super::front_matter::FrontMatter;
use crate::card::{ModelCard, markdown};
use crate::error::ExperimentError;
use crate::evaluation::EvaluationReport;
use crate::finished::FinishedRun;
use crate::models::{LoadedNetwork, MODEL};

/// What computes with the files, to the Hub.
const LIBRARY: &str = "tinylsa";
/// The file of the config.
const CONFIG: &str = "config.json";
/// The file of the model card.
const CARD: &str = "README.md";
/// The file of the figures of a measured card.
const FIGURES: &str = "model-card.json";
/// What the weights that ship may be used under, as the Hub names licences.
const SHIPPED_LICENSES: [&str; 2] = ["mit", "apache-2.0"];
/// The card of the weights that ship, as it was when this crate was built.
const SHIPPED_CARD: &str = include_str!("../../model-card.json");

/// What is known of a model beside its file.
#[derive(Clone, Debug)]
pub enum HubFigures<'a> {
    /// Nothing: its card has no figures.
    None,
    /// What the run measured whose weights these are.
    Run(&'a FinishedRun),
    /// What `card` measured of the weights.
    Card(Box<ModelCard>),
}

/// What is to be given away, and how.
#[derive(Clone, Debug)]
pub struct HubRequest<'a> {
    /// The model.
    pub loaded: &'a LoadedNetwork,
    /// In which the weights are stored. What a file of 16 bits held goes back into the same bytes, whichever is asked for.
    pub precision: Precision,
    /// What is known of these weights.
    pub figures: HubFigures<'a>,
    /// The licences of the weights, as the Hub names them, such as `mit`; empty if they are not known.
    pub licenses: &'a [String],
}

/// The files of a directory for the Hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFiles {
    /// `config.json`: kind and config of the network, classes, input and temperature.
    pub config: String,
    /// `model.safetensors`, which describes itself.
    pub model: Vec<u8>,
    /// `README.md`: the model card, with what the Hub reads at its head.
    pub card: String,
    /// `model-card.json`: the figures of a measured card; none without one.
    pub figures: Option<String>,
    /// Whether the card has figures: those of other weights are left out, such as those of a run whose weights are rounded.
    pub has_figures: bool,
}

/// The card of the weights that ship.
///
/// # Errors
/// If this crate was built with a file that is no card.
pub fn shipped_card() -> Result<ModelCard, ExperimentError> {
    let card = serde_json::from_str(SHIPPED_CARD).context("failed to read the card of the weights that ship");
    Ok(card?)
}

/// The licences of the weights that ship, as the Hub names them.
pub fn shipped_licenses() -> Vec<String> {
    SHIPPED_LICENSES.map(str::to_owned).to_vec()
}

/// Reads the card of a model from the JSON file that `card` wrote.
///
/// # Errors
/// If the file is missing or is none.
pub fn read_card(path: &Path) -> Result<ModelCard, ExperimentError> {
    let read = || -> Result<ModelCard> { Ok(serde_json::from_slice(&std::fs::read(path)?)?) };
    let card = read().with_context(|| format!("failed to read {}, expected the JSON of a model card", path.display()));
    Ok(card?)
}

/// Refuses a directory that holds something, before anything is computed.
///
/// # Errors
/// [`ExperimentError::Usage`] if it is no directory or not empty.
pub fn require_new(dir: &Path) -> Result<(), ExperimentError> {
    match require_new_directory(dir) {
        Ok(()) => Ok(()),
        Err(error) if is_taken(error.kind()) => Err(UsageError(error.to_string()).into()),
        Err(error) => {
            let error = anyhow::Error::from(error).context(format!("failed to look at {}", dir.display()));
            Err(error.into())
        }
    }
}

fn is_taken(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty)
}

impl HubRequest<'_> {
    /// Makes the files.
    ///
    /// # Errors
    /// [`ExperimentError::Usage`] if the card is of other weights or a licence is no identifier; otherwise what is wrong with
    /// the weights.
    pub fn files(&self) -> Result<HubFiles, ExperimentError> {
        Ok(self.made()?)
    }

    fn made(&self) -> Result<HubFiles> {
        let &Self { loaded, precision, ref figures, licenses } = self;
        if let Some(license) = licenses.iter().find(|license| !is_identifier(license)) {
            let text = format!("the licence {license:?} is none of the Hub's, such as mit or apache-2.0");
            return Err(UsageError(text).into());
        }
        let Stored { precision, model } = Stored::of(loaded, precision)?;
        let stored = Network::from_safetensors(&model, &Device::flex())?;
        let stored = state_of(&stored.model);
        let (figures, measured) = match figures {
            HubFigures::None => (None, None),
            HubFigures::Run(run) => {
                let is_measured = state_of(&run.load_model()?.model) == stored;
                (is_measured.then_some(&run.evaluation), None)
            }
            HubFigures::Card(card) => {
                if card.weights.sha256 != loaded.sha256 || state_of(&loaded.model) != stored {
                    let text = format!(
                        "the card is of other weights: of a file with the SHA-256 {}; `card` measures these",
                        printable(&card.weights.sha256)
                    );
                    return Err(UsageError(text).into());
                }
                (Some(&card.test), Some(card.as_ref()))
            }
        };
        let (kind, dataset) = (loaded.metadata.config.kind(), loaded.metadata.dataset.as_str());
        let front = FrontMatter { kind, dataset, licenses, figures };
        let body = match measured {
            Some(card) => markdown(card)?,
            None => self.words(figures),
        };
        Ok(HubFiles {
            config: self.config(precision)?,
            model,
            card: format!("{}\n{body}\n{}", front.yaml(), self.use_of()),
            figures: measured
                .map(|card| Ok::<_, serde_json::Error>(serde_json::to_string_pretty(card)? + "\n"))
                .transpose()?,
            has_figures: figures.is_some(),
        })
    }

    /// `config.json`.
    fn config(&self, precision: Precision) -> Result<String> {
        let metadata = &self.loaded.metadata;
        let config = &metadata.config;
        let [channels, height, width] = config.input().dims();
        let numbered = || metadata.class_names.iter().enumerate();
        let described = Described {
            library_name: LIBRARY,
            model_type: LIBRARY,
            architectures: [config.network_kind().title()],
            kind: config.kind(),
            config,
            num_channels: channels,
            image_size: [height, width],
            input: Input { least: 0, most: 1, order: "channels, rows, columns", normalisation: "part of the network" },
            num_labels: metadata.class_names.len(),
            id2label: numbered().map(|(class, name)| (class, name.as_str())).collect(),
            label2id: numbered().map(|(class, name)| (name.as_str(), class)).collect(),
            dataset: &metadata.dataset,
            temperature: metadata.temperature,
            held_out: metadata.held_out.as_ref(),
            dtype: match precision {
                Precision::Single => "float32",
                Precision::Half => "float16",
            },
        };
        Ok(serde_json::to_string_pretty(&described)? + "\n")
    }

    /// The card of a model that `card` has not measured.
    fn words(&self, figures: Option<&EvaluationReport>) -> String {
        let metadata = &self.loaded.metadata;
        let config = &metadata.config;
        let measured = figures.map_or_else(
            || "Nothing was measured of these weights. `tinylsa card` does it.".to_owned(),
            EvaluationReport::describe,
        );
        format!(
            "# {} on {}\n\nAn image of {} values (channels × height × width) is taken for one of: {}.\nImages of another kind \
             get one of these names, too.\n\n{measured}\n",
            config.network_kind().title(),
            metadata.dataset,
            config.input(),
            metadata.class_names.join(", ")
        )
    }

    /// How the directory is used.
    fn use_of(&self) -> String {
        let input = self.loaded.metadata.config.input();
        format!(
            "## Using this directory\n\n\
             `{MODEL}` describes itself: kind and config of the network, classes, temperature and the images that were held \
             out.\n`{CONFIG}` says the same to programs that do not read it. Images have the shape {input} (channels × height × \
             width) and\nvalues from 0 to 1; their normalisation is part of the network.\n\n\
             ```sh\n\
             tinylsa evaluate --model DIR\n\
             tinylsa classify IMAGE --model DIR\n\
             tinylsa explain IMAGE --model DIR --method all --out explained\n\
             ```\n"
        )
    }
}

/// What `config.json` holds. Numbers of 32 bits are written as such, as in the model file.
#[derive(Serialize)]
struct Described<'a> {
    library_name: &'a str,
    model_type: &'a str,
    architectures: [&'a str; 1],
    kind: &'a str,
    config: &'a NetworkConfig,
    num_channels: usize,
    image_size: [usize; 2],
    input: Input<'a>,
    num_labels: usize,
    id2label: BTreeMap<usize, &'a str>,
    label2id: BTreeMap<&'a str, usize>,
    dataset: &'a str,
    temperature: Option<f64>,
    held_out: Option<&'a HeldOut>,
    dtype: &'a str,
}

/// What the network takes.
#[derive(Serialize)]
struct Input<'a> {
    least: u8,
    most: u8,
    order: &'a str,
    normalisation: &'a str,
}

/// The weights as they are stored.
struct Stored {
    precision: Precision,
    model: Vec<u8>,
}

impl Stored {
    fn of(loaded: &LoadedNetwork, precision: Precision) -> Result<Self> {
        // weights that do not fit 16 bits come from no file of 16 bits
        if let Ok(model) = loaded.to_safetensors(Precision::Half)
            && sha256_hex(&model) == loaded.sha256
        {
            return Ok(Self { precision: Precision::Half, model });
        }
        Ok(Self { precision, model: loaded.to_safetensors(precision)? })
    }
}

/// Whether the Hub could have a licence of this name: small letters, digits, dots and dashes.
fn is_identifier(license: &str) -> bool {
    let is_part = |part: char| part.is_ascii_lowercase() || part.is_ascii_digit() || "-.".contains(part);
    !license.is_empty() && license.chars().all(is_part)
}

impl HubFiles {
    /// Writes the directory as a whole or not at all.
    ///
    /// # Errors
    /// [`ExperimentError::Usage`] if there is something under its name; otherwise what the file system says.
    pub fn write(&self, dir: &Path) -> Result<(), ExperimentError> {
        let mut files = vec![(CONFIG, self.config.as_bytes()), (MODEL, &self.model), (CARD, self.card.as_bytes())];
        files.extend(self.figures.as_ref().map(|figures| (FIGURES, figures.as_bytes())));
        match write_directory(dir, &files) {
            Ok(()) => Ok(()),
            Err(error) if is_taken(error.kind()) => Err(UsageError(error.to_string()).into()),
            Err(error) => Err(anyhow::Error::from(error).context(format!("failed to write {}", dir.display())).into()),
        }
    }
}
