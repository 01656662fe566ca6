use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use tinylsa_data::photograph::Polarity;
use tinylsa_data::to_unit;
use tinylsa_model::LoadedInferenceModel;
use tinylsa_train::softmax;

use super::load_inference_model_or_pretrained;
use crate::outcome::{UsageError, say};
use crate::picture::{SIDE, load_picture};

/// How many classes are told of each picture.
const TOLD: usize = 3;

/// What stands behind `classify`.
#[derive(Args, Debug)]
pub(crate) struct ClassifyArguments {
    /// PNG or JPEG pictures of one garment each.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// A model.safetensors of a run; without it, the weights that ship with the program.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Classified {
    image: PathBuf,
    /// Whether the picture was turned into its negative, because its ground is light.
    inverted: bool,
    /// The most probable classes, the first the most probable.
    classes: Vec<ClassProbability>,
}

#[derive(Debug, Serialize)]
struct ClassProbability {
    name: String,
    probability: f32,
}

/// Says what is on each picture.
pub(crate) fn run(arguments: &ClassifyArguments) -> Result<()> {
    let loaded = load_inference_model_or_pretrained(arguments.model.as_deref())?;
    if loaded.metadata.model.image_size != SIDE {
        return Err(UsageError(format!("the model does not take pictures of {SIDE}×{SIDE}")).into());
    }
    let results = arguments.images.iter().map(|image| classify(&loaded, image)).collect::<Result<Vec<_>>>()?;
    if arguments.json {
        return say(serde_json::to_string_pretty(&results)?);
    }
    for result in results {
        let classes: Vec<String> =
            result.classes.iter().map(|class| format!("{} {:.1} %", class.name, 100.0 * class.probability)).collect();
        say(format!("{}: {}", result.image.display(), classes.join(", ")))?;
    }
    Ok(())
}

fn classify(loaded: &LoadedInferenceModel, path: &Path) -> Result<Classified> {
    let picture = load_picture(path)?;
    let temperature = loaded.metadata.temperature() as f32;
    let mut probabilities = loaded.model.logits(&to_unit(&picture.pixels))?;
    for logit in &mut probabilities {
        *logit /= temperature;
    }
    softmax(&mut probabilities, loaded.metadata.model.classes);
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
    Ok(Classified { image: path.to_owned(), inverted: picture.polarity == Polarity::DarkOnLight, classes })
}
