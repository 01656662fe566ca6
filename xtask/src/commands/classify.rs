use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use image::GrayImage;
use image::codecs::png::PngEncoder;
use serde::Serialize;
use tinylsa_data::photograph::{Found, Polarity, PreparedImage};
use tinylsa_data::to_unit;
use tinylsa_model::{ImageShape, LoadedInferenceModel};
use tinylsa_settings::printable_path;
use tinylsa_system::{OutputDir, write_atomically};
use tracing::error;

use super::load_inference_model_or_pretrained;
use crate::outcome::{UsageError, chain, say};
use crate::picture::{SIDE, load_picture};

/// How many classes are told of each image.
const TOLD: usize = 3;
/// What the directory of `--save-prepared` is marked as.
const PREPARED: &str = "prepared images";
/// The longest part of a file's name that the name of its prepared image begins with.
const NAME: usize = 60;

/// Arguments of the `classify` command.
#[derive(Args, Debug)]
pub(crate) struct ClassifyArguments {
    /// PNG or JPEG images of one garment each.
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
    /// Whether the image was turned into its negative, because its ground is lighter than the garment.
    inverted: bool,
    /// How sure it is that the garment was found.
    found: Found,
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

#[derive(Debug, Serialize)]
struct ClassProbability {
    name: String,
    probability: f32,
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
    let loaded = load_inference_model_or_pretrained(arguments.model.as_deref())?;
    let (found, expected) = (loaded.metadata.config.input, ImageShape::grey(SIDE, SIDE));
    if found != expected {
        return Err(UsageError(format!("the network expects {found}, images are prepared as {expected}")).into());
    }
    let output = arguments.save_prepared.as_deref().map(claim).transpose()?;
    let mut entries = Vec::with_capacity(arguments.images.len());
    let mut failures = 0;
    for (number, path) in arguments.images.iter().enumerate() {
        let entry = match classify(&loaded, path, output.as_ref(), number + 1) {
            Ok(classified) => Entry::Classified(classified),
            Err(error) => {
                failures += 1;
                let failed = Failed { image: ImageName::of(path), error: chain(&error) };
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
    loaded: &LoadedInferenceModel,
    path: &Path,
    output: Option<&OutputDir>,
    number: usize,
) -> Result<Classified> {
    let prepared = load_picture(path)?;
    let saved = output.map(|output| save(&prepared, output.path(), path, number)).transpose()?;
    let probabilities = loaded.metadata.probabilities(&loaded.model.logits(&to_unit(&prepared.pixels))?)?;
    let mut classes: Vec<ClassProbability> = probabilities
        .into_iter()
        .enumerate()
        .map(|(index, probability)| ClassProbability {
            name: loaded.metadata.class_names.get(index).map_or_else(|| index.to_string(), Clone::clone),
            probability,
        })
        .collect();
    classes.sort_by(|left, right| right.probability.total_cmp(&left.probability));
    classes.truncate(TOLD);
    Ok(Classified {
        image: ImageName::of(path),
        inverted: prepared.polarity == Polarity::DarkOnLight,
        found: prepared.found,
        prepared: saved.map(|path| path.to_string_lossy().into_owned()),
        classes,
    })
}

/// The directory of prepared images, without those of an earlier call.
fn claim(dir: &Path) -> Result<OutputDir> {
    let output = OutputDir::claim(dir, PREPARED)?;
    let failed = || format!("failed to remove earlier images from {}", printable_path(dir));
    for entry in std::fs::read_dir(dir).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        if path.file_name().is_some_and(|name| is_prepared_name(&name.to_string_lossy())) {
            std::fs::remove_file(path).with_context(failed)?;
        }
    }
    Ok(output)
}

fn save(prepared: &PreparedImage, dir: &Path, source: &Path, number: usize) -> Result<PathBuf> {
    let path = dir.join(prepared_name(source, number));
    let side = SIDE as u32;
    let image = GrayImage::from_raw(side, side, prepared.pixels.clone())
        .with_context(|| format!("the prepared image has not {SIDE}×{SIDE} pixels"))?;
    let mut bytes = Vec::new();
    image.write_with_encoder(PngEncoder::new(&mut bytes)).context("failed to encode a prepared image")?;
    write_atomically(&path, &bytes).with_context(|| format!("failed to write {}", printable_path(&path)))?;
    Ok(path)
}

/// A name that is unique by the number of the image, and safe whatever the image is called.
fn prepared_name(source: &Path, number: usize) -> String {
    let stem = source.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let safe = |letter: char| if letter.is_alphanumeric() || letter == '-' || letter == '_' { letter } else { '_' };
    format!("{number:04}-{}.png", stem.chars().take(NAME).map(safe).collect::<String>())
}

/// Whether [`prepared_name`] gives such names.
fn is_prepared_name(name: &str) -> bool {
    name.strip_suffix(".png")
        .and_then(|name| name.split_once('-'))
        .is_some_and(|(number, _)| number.len() >= 4 && number.bytes().all(|byte| byte.is_ascii_digit()))
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
        let doubtful = if self.found.is_doubtful() { " (doubtful)" } else { "" };
        format!(
            "{}: {}; garment found with confidence {:.2}{doubtful}",
            printable_path(path),
            classes.join(", "),
            self.found.confidence
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_prepared_images_are_safe_and_recognised() {
        for (source, expected) in [
            ("a/dress.png", "0007-dress.png"),
            ("...png", "0007-__.png"),
            ("..", "0007-.png"),
            ("a b\n.jpg", "0007-a_b_.png"),
            ("Röcke.jpeg", "0007-Röcke.png"),
        ] {
            assert_eq!(prepared_name(Path::new(source), 7), expected);
            assert!(is_prepared_name(expected));
        }
        assert_eq!(prepared_name(Path::new(&"x".repeat(300)), 12_345).len(), "12345-.png".len() + NAME);
        for foreign in ["holiday.png", "1-a.png", "2024-report.pdf", "abcd-a.png"] {
            assert!(!is_prepared_name(foreign), "{foreign}");
        }
    }
}
