//! Scores the segment methods over several segmentations, image by image, on images that the shipped weights were not
//! trained on. The default segmentation of `[explain.segmentation]` was chosen by it (`docs/LOG.md`).
//!
//! ```text
//! cargo run --release --package tinylsa-experiment --example judge_segmentations -- 300 grid-4x3 grid-7x7 slic-40 > scores.jsonl
//! ```
//!
//! The images of the weights, Fashion-MNIST, are looked for where `cargo xtask explain` looks for them
//! (`FASHION_MNIST_DIR`). `grid-ROWSxCOLUMNS` is a grid, `slic-SEGMENTS` and `slic-SEGMENTS-COMPACTNESS` are superpixels. A line of the output is
//! one score of one map of one image: `{"segmentation", "image", "method", "score", "value"}`.

#![allow(clippy::print_stdout, reason = "an example shows its result on the terminal")]

use std::cell::{Cell, RefCell};
use std::error::Error;

use burn::tensor::{Device, Tensor};
use serde_json::json;
use tinylsa_experiment::choice::validation_subject;
use tinylsa_experiment::matching::validation_split;
use tinylsa_experiment::model_images::{ImageRequest, ImagesOf};
use tinylsa_experiment::models::load_model_or_pretrained;
use tinylsa_explain::{
    Background, ExplainConfig, Explainer, ImageExplanation, Maps, MethodExplanation, MethodId, Request, SharedSettings,
    execution, explained,
};
use tinylsa_xai::{
    AttributionKind, Baseline, Cancellation, Execution, FillConfig, GridConfig, Probe, ScoreScale, Scorer,
    SegmentationConfig, SegmentationKind, SlicConfig, deletion_insertion, faithfulness_correlation, infidelity,
    mu_fidelity,
};

/// The methods over the shared segments.
const METHODS: [&str; 3] = ["kernel-shap", "permutation-shap", "lime"];
/// What stands for missing pixels in deletion and insertion; the first one in the other scores.
const BASELINES: [Baseline; 2] = [Baseline::Black, Baseline::Blur];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: u32 = arguments.next().ok_or("expected the number of images, then segmentations")?.parse()?;
    let segmentations =
        arguments.map(|name| Ok((segmentation(&name)?, name))).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let loaded = load_model_or_pretrained(None)?;
    let images = ImagesOf { metadata: &loaded.metadata, file: None };
    let images =
        images.at_hand(&ImageRequest::default())?.ok_or("the images of the weights are not on this machine")?;
    let held_out = validation_split(&loaded.metadata, &images.train)?;
    let model = explained(&loaded.model);
    let methods: Vec<MethodId> = METHODS.iter().filter_map(|name| MethodId::named(name)).collect();
    let (background, request) = (Background::default(), Request::new(&methods, &loaded.metadata.class_names));
    for number in 0..count {
        let memory = Memory::default();
        for (segmentation, name) in &segmentations {
            let shared = SharedSettings { segmentation: segmentation.clone(), ..SharedSettings::default() };
            let config = ExplainConfig { methods: methods.clone(), shared, ..ExplainConfig::default() };
            let execution = execution(Device::flex(), config.batch_size, 0, Cancellation::default());
            let explainer = Explainer { model: model.as_ref(), config: &config, background: &background, execution };
            let subject = validation_subject(&images.train, &held_out, number)?;
            let explanation = explainer.explain(subject, &request)?;
            for method in &explanation.methods {
                for (score, value) in scores(&explainer, &memory, &explanation, method)? {
                    let method = method.method.name();
                    let line = json!({ "segmentation": name, "image": number, "method": method, "score": score, "value": value });
                    println!("{line}");
                }
            }
        }
    }
    Ok(())
}

/// Numbers by their names; nothing where one is not defined.
type Named = Vec<(String, Option<f64>)>;

/// The scores of a map as an experiment computes them, and what the map cost.
fn scores(
    explainer: &Explainer<'_>,
    memory: &Memory,
    explanation: &ImageExplanation,
    method: &MethodExplanation,
) -> Result<Named, Box<dyn Error>> {
    let Maps::Pixels(found) = &method.maps else { return Err("expected a map over the pixels".into()) };
    let (config, fill) = (&explainer.config.scores, FillConfig::default());
    let execution = Execution { seed: explanation.seed, ..explainer.execution.clone() };
    let plain = |images: Tensor<4>| explainer.model.scores(images);
    let map = found.attribution.per_pixel();
    let mut scores = Vec::new();
    for baseline in BASELINES {
        let probe = Probe { baseline, ..probe(&plain, explanation, &fill, &execution) };
        let areas = deletion_insertion(&probe, &map, &config.deletion)?;
        scores.push((format!("deletion, {baseline:?}"), Some(areas.deletion_area)));
        scores.push((format!("insertion, {baseline:?}"), Some(areas.insertion_area)));
    }
    // these perturb the image in a way that does not depend on the map
    let ask = |place| Remembering { scorer: &plain, answers: &memory.0[place], asked: Cell::new(0) };
    let (first, second, third) = (ask(0), ask(1), ask(2));
    let found_faithful =
        faithfulness_correlation(&probe(&first, explanation, &fill, &execution), &map, &config.faithfulness)?;
    scores.push(("faithfulness".to_owned(), found_faithful));
    let found_mu = mu_fidelity(&probe(&second, explanation, &fill, &execution), &map, &config.mu_fidelity)?;
    scores.push(("mu-fidelity".to_owned(), found_mu));
    let values = &found.attribution.values;
    let third = probe(&third, explanation, &fill, &execution);
    let found_infidelity = infidelity(&third, values, AttributionKind::Contribution, &config.infidelity)?;
    scores.push(("infidelity".to_owned(), found_infidelity.scaled));
    scores.push(("evaluations".to_owned(), method.diagnostics["sampling"]["evaluations"].as_f64()));
    scores.push(("relative error".to_owned(), method.diagnostics["sampling"]["relative_standard_error"].as_f64()));
    let inert = method.diagnostics["inert_segments"].as_array().map(|inert| inert.len() as f64);
    let segments = method.diagnostics["solution"]["players"].as_f64();
    scores.extend([("inert segments".to_owned(), inert), ("segments".to_owned(), segments)]);
    scores.push(("seconds".to_owned(), Some(method.seconds)));
    Ok(scores)
}

fn probe<'a, S: Scorer>(
    scorer: &'a S,
    explanation: &'a ImageExplanation,
    fill: &'a FillConfig,
    execution: &'a Execution,
) -> Probe<'a, S> {
    let (image, target) = (&explanation.image, explanation.target.into());
    Probe { scorer, image, target, scale: ScoreScale::Logits, baseline: BASELINES[0], fill, execution }
}

/// The answers to the questions of three scores about an image.
#[derive(Default)]
struct Memory([RefCell<Vec<Tensor<2>>>; 3]);

/// A scorer that answers the same questions again, in the same order, from memory.
struct Remembering<'a, S> {
    scorer: &'a S,
    answers: &'a RefCell<Vec<Tensor<2>>>,
    asked: Cell<usize>,
}

impl<S: Scorer> Scorer for Remembering<'_, S> {
    fn scores(&self, images: Tensor<4>) -> Tensor<2> {
        let question = self.asked.replace(self.asked.get() + 1);
        if let Some(answer) = self.answers.borrow().get(question) {
            return answer.clone();
        }
        let answer = self.scorer.scores(images);
        self.answers.borrow_mut().push(answer.clone());
        answer
    }
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
