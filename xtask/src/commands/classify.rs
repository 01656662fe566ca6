use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Args;
use serde::Serialize;
use tinylsa_data::photograph::{Found, Polarity};
use tinylsa_experiment::chain;
use tinylsa_experiment::classify::{ClassProbability, ClassifiedPhotograph, PreparedDirectory, classify_photograph};
use tinylsa_experiment::models::{AskedNetwork, load_model_or_pretrained};
use tinylsa_settings::printable_path;
use tracing::error;

use crate::outcome::say;

/// How many classes are told of each image.
const TOLD: usize = 3;

/// Arguments of the `classify` command.
#[derive(Args, Debug)]
pub(crate) struct ClassifyArguments {
    /// PNG or JPEG images, for a model of garments of one garment each.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// A model.safetensors of a run; without it, the weights that ship with the program.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Write what the network sees of each image to this directory, which must be empty, new, or one of these.
    #[arg(long, value_name = "DIR")]
    save_prepared: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// What is said of one image.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Entry {
    Classified(Classified),
    Failed(Failed),
}

#[derive(Debug, Serialize)]
struct Classified {
    #[serde(flatten)]
    image: ImageName,
    /// Whether the image was turned into its negative, because its ground is lighter than the garment; left out for a
    /// model that sees all of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    inverted: Option<bool>,
    /// How sure it is that the garment was found; left out likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<Found>,
    /// Where the image is that the network saw, if it was saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    prepared: Option<String>,
    /// The most probable classes, the first the most probable.
    classes: Vec<ClassProbability>,
}

#[derive(Debug, Serialize)]
struct Failed {
    #[serde(flatten)]
    image: ImageName,
    error: String,
}

/// The name of a file, which need not be text.
#[derive(Debug, Serialize)]
struct ImageName {
    /// With U+FFFD for what is no text.
    image: String,
    /// In quotes, with what is no text and control characters escaped; left out if there is neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    image_escaped: Option<String>,
}

/// Says what is on each image. An image that cannot be classified does not keep the others from being classified.
pub(crate) fn run(arguments: &ClassifyArguments) -> Result<()> {
    let loaded = AskedNetwork::from(load_model_or_pretrained(arguments.model.as_deref())?);
    let output = arguments.save_prepared.as_deref().map(PreparedDirectory::claim).transpose()?;
    let mut entries = Vec::with_capacity(arguments.images.len());
    let mut failures = 0;
    for (number, path) in arguments.images.iter().enumerate() {
        let entry = match classify(&loaded, path, output.as_ref(), number + 1) {
            Ok(classified) => Entry::Classified(classified),
            Err(error) => {
                failures += 1;
                let failed = Failed { image: ImageName::of(path), error: chain(error.as_ref()) };
                error!("{}", failed.error);
                Entry::Failed(failed)
            }
        };
        if !arguments.json
            && let Entry::Classified(classified) = &entry
        {
            say(classified.describe(path))?;
        }
        entries.push(entry);
    }
    if arguments.json {
        say(serde_json::to_string_pretty(&entries)?)?;
    }
    match (failures, entries.len()) {
        (0, _) => Ok(()),
        (_, 1) => Err(anyhow!("the image could not be classified")),
        (failures, count) => Err(anyhow!("{failures} of {count} images could not be classified")),
    }
}

fn classify(
    loaded: &AskedNetwork,
    path: &Path,
    output: Option<&PreparedDirectory>,
    number: usize,
) -> Result<Classified> {
    let ClassifiedPhotograph { prepared, mut classes } = classify_photograph(loaded, path)?;
    let saved = output.map(|output| output.save(&prepared, path, number)).transpose()?;
    classes.truncate(TOLD);
    Ok(Classified {
        image: ImageName::of(path),
        inverted: prepared.garment.as_ref().map(|garment| garment.polarity == Polarity::DarkOnLight),
        found: prepared.garment.map(|garment| garment.found),
        prepared: saved.map(|path| path.to_string_lossy().into_owned()),
        classes,
    })
}

impl ImageName {
    fn of(path: &Path) -> Self {
        let (image, shown) = (path.to_string_lossy().into_owned(), printable_path(path));
        let image_escaped = (shown != image).then_some(shown);
        Self { image, image_escaped }
    }
}

impl Classified {
    fn describe(&self, path: &Path) -> String {
        let classes: Vec<String> =
            self.classes.iter().map(|class| format!("{} {:.1} %", class.name, 100.0 * class.probability)).collect();
        let searched = self.found.as_ref().map_or_else(String::new, |found| {
            let doubtful = if found.is_doubtful() { " (doubtful)" } else { "" };
            format!("; garment found with confidence {:.2}{doubtful}", found.confidence)
        });
        format!("{}: {}{searched}", printable_path(path), classes.join(", "))
    }
}
