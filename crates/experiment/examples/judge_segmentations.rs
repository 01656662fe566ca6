//! Scores the segment methods over several segmentations, image by image, on images that the shipped weights were not
//! trained on. The default segmentation of `[explain.segmentation]` was chosen by it (`docs/LOG.md`).
//!
//! ```text
//! cargo run --release --package tinylsa-experiment --example judge_segmentations -- 300 grid-4x3 grid-7x7 slic-40 > scores.jsonl
//! ```
//!
//! `grid-ROWSxCOLUMNS` is a grid, `slic-SEGMENTS` and `slic-SEGMENTS-COMPACTNESS` are superpixels. A line of the output is
//! one score of one map of one image: `{"segmentation", "image", "method", "score", "variant", "value"}`.

#![allow(clippy::print_stdout, reason = "an example shows its result on the terminal")]

use std::error::Error;

use burn::tensor::Device;
use tinylsa_experiment::choice::validation_subject;
use tinylsa_experiment::matching::validation_split;
use tinylsa_experiment::model_images::{ImageRequest, ImagesOf};
use tinylsa_experiment::models::load_model_or_pretrained;
use tinylsa_explain::scores::Scoring;
use tinylsa_explain::{
    Background, ExplainConfig, ExplainedNetwork, Explainer, MethodId, Request, ScoresConfig, SharedSettings, execution,
};
use tinylsa_xai::{Baseline, Cancellation, GridConfig, ScoreScale, SegmentationConfig, SegmentationKind, SlicConfig};

/// The methods over the shared segments.
const METHODS: [&str; 3] = ["kernel-shap", "permutation-shap", "lime"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: u32 = arguments.next().ok_or("expected the number of images, then segmentations")?.parse()?;
    let segmentations =
        arguments.map(|name| Ok((segmentation(&name)?, name))).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let loaded = load_model_or_pretrained(None)?;
    let images = ImagesOf { metadata: &loaded.metadata, file: None };
    let images = images.at_hand(&ImageRequest::default())?.ok_or("the images of the weights are not on this machine")?;
    let held_out = validation_split(&loaded.metadata, &images.train)?;
    let model = ExplainedNetwork::from(loaded.model);
    let methods: Vec<MethodId> = METHODS.iter().filter_map(|name| MethodId::named(name)).collect();
    let background = Background::default();
    for number in 0..count {
        for (segmentation, name) in &segmentations {
            let config = ExplainConfig {
                methods: methods.clone(),
                shared: SharedSettings { segmentation: segmentation.clone(), ..SharedSettings::default() },
                scores: ScoresConfig {
                    scales: vec![ScoreScale::Logits],
                    baselines: vec![Baseline::Black, Baseline::Blur],
                    sensitivity_images: 0,
                    randomisation_images: 0,
                    ..ScoresConfig::default()
                },
                ..ExplainConfig::default()
            };
            let execution = execution(Device::flex(), config.batch_size, 0, Cancellation::default());
            let explainer = Explainer { model: &model, config: &config, background: &background, execution };
            let subject = validation_subject(&images.train, &held_out, number)?;
            let explanation = explainer.explain(subject, &Request::new(&methods, &loaded.metadata.class_names))?;
            for method in &explanation.methods {
                let seconds = method.seconds;
                let line = serde_json::json!({
                    "segmentation": name, "image": number, "method": method.method.name(), "score": "seconds",
                    "variant": "", "value": seconds, "diagnostics": method.diagnostics["solution"]["evaluations"],
                });
                println!("{line}");
            }
            let mut scoring = Scoring::new(&explainer, 1)?;
            scoring.add(&explanation)?;
            for column in scoring.table()?.scores {
                for entry in column.entries {
                    let line = serde_json::json!({
                        "segmentation": name, "image": number, "method": entry.method, "score": column.kind,
                        "variant": column.variant, "value": entry.mean.map(|mean| mean.mean),
                    });
                    println!("{line}");
                }
            }
        }
    }
    Ok(())
}

/// The segmentation of this name.
fn segmentation(name: &str) -> Result<SegmentationConfig, Box<dyn Error>> {
    let parts: Vec<&str> = name.split('-').collect();
    let default = SegmentationConfig::default();
    match parts.as_slice() {
        ["grid", cells] => {
            let (rows, columns) = cells.split_once('x').ok_or("expected grid-ROWSxCOLUMNS")?;
            let grid = GridConfig { rows: rows.parse()?, columns: columns.parse()? };
            Ok(SegmentationConfig { kind: SegmentationKind::Grid, grid, ..default })
        }
        ["slic", segments, compactness @ ..] => {
            let mut slic = SlicConfig { segments: segments.parse()?, ..SlicConfig::default() };
            if let [compactness] = compactness {
                slic.compactness = compactness.parse()?;
            }
            Ok(SegmentationConfig { kind: SegmentationKind::Slic, slic, ..default })
        }
        _ => Err(format!("unknown segmentation {name:?}").into()),
    }
}
