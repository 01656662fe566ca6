//! A vision transformer of one's own with a class token, explained by its attention.
//!
//! Images are 30 × 20 pixels, each with one small pattern at a random place: stripes that lie, stand or lean. The program
//! trains the network, then draws where it looks: rollout, flow, gradient-weighted rollout and the maps of chosen tokens.
//! `cargo run -p own-vit -- DIR` leaves the drawings in DIR.

use std::error::Error;
use std::path::PathBuf;

use rand::RngExt;
use tinylsa_data::{Dataset, DatasetName, Split, stratified_split, to_unit};
use tinylsa_explain::{
    Background, ExplainConfig, ExplainedClassifier, Explainer, ImageToExplain, Maps, MethodId, Origin, Request,
    RolloutMaps, Source, write_image,
};
use tinylsa_model::{Classifier, ImageShape};
use tinylsa_random::{Draw, Purpose};
use tinylsa_train::{TrainingPlan, Views, predict};
use tinylsa_xai::{Execution, Image};
use transformer::{GRID, Vit, VitConfig};

mod transformer;

const SHAPE: ImageShape = ImageShape::grey(30, 20);
const METHODS: [&str; 4] = ["attention-rollout", "gradient-rollout", "attention-flow", "fixed-query"];

/// How many test images are explained.
const EXPLAINED: usize = 4;

/// Patterns of 8 × 8 pixels; the masks know where.
fn patterns(split: Split, count: u32) -> Dataset {
    let (mut images, mut masks) = (Vec::new(), Vec::new());
    for index in 0..count {
        let draw = Draw { seed: 1, purpose: Purpose::new(&split.to_string()), epoch: 0, index: index.into() };
        let mut random = draw.generator();
        let (top, left) = (random.random_range(0..=22), random.random_range(0..=12));
        for (y, x) in (0..30).flat_map(|y| (0..20).map(move |x| (y, x))) {
            let inside = (top..top + 8).contains(&y) && (left..left + 8).contains(&x);
            let stripe = [y, x, y + x][index as usize % 3] % 4 < 2;
            images.push(random.random_range(0..60) + if inside && stripe { 180 } else { 0 });
            masks.push(u8::from(inside));
        }
    }
    let class_names = ["lying", "standing", "leaning"].map(str::to_owned).into();
    let labels = (0..count).map(|index| index % 3).collect();
    Dataset { name: DatasetName::new("stripes"), split, shape: SHAPE, class_names, images, labels, masks: Some(masks) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: own-vit DIR")?);
    let (train, test) = (patterns(Split::Train, 900), patterns(Split::Test, 150));
    let split = stratified_split(&train.labels, 90, 0)?;
    let mut plan =
        TrainingPlan::new(VitConfig { width: 32, heads: 2, blocks: 2 }, train, split, &out.join("checkpoints"));
    (plan.train.epochs, plan.train.batch_size, plan.train.ema.decay) = (12, 30, 0.95);
    let model = plan.run()?.model;

    let indices: Vec<u32> = (0..test.len() as u32).collect();
    let accuracy = predict(&*model.predictor(), &test, &indices, Views::Plain)?.accuracy();
    println!("test accuracy {accuracy:.3}");
    assert!(accuracy > 0.9, "the network has not learned the stripes");

    let model = ExplainedClassifier::new(&model).with_attention(GRID, Vit::tapped);
    let (config, background, methods) = (ExplainConfig::default(), Background::default(), MethodId::chosen(&METHODS)?);
    let explainer =
        Explainer { model: &model, config: &config, background: &background, execution: Execution::default() };
    let request = Request::new(&methods, &test.class_names);
    let origin = Origin { model: "not saved".to_owned(), dataset: Some(test.name.to_string()), seed: 0 };
    let (mut inside, mut covered) = (0.0, 0.0);
    for index in 0..EXPLAINED {
        let mask: Vec<bool> = test.mask(index).ok_or("no masks")?.iter().map(|&inside| inside == 1).collect();
        let image = Image::new(to_unit(test.image(index)), SHAPE)?;
        let image = ImageToExplain {
            source: Source { from: "stripes, test split".to_owned(), number: Some(index as u32) },
            label: Some(test.label(index) as usize),
            truth_mask: Some(mask.clone()),
            ..ImageToExplain::new(format!("test-{index}"), image)
        };
        let explanation = explainer.explain(image, &request)?;
        write_image(&out.join(&explanation.id), &explanation, &origin, &explainer.execution.cancellation)?;
        for method in &explanation.methods {
            if let Maps::Rollout(RolloutMaps { pooled, gradient_weighted: true, .. }) = &method.maps {
                inside += share_inside(pooled, &mask) / EXPLAINED as f64;
                covered += share_inside(&vec![1.0; pooled.len()], &mask) / EXPLAINED as f64;
            }
        }
    }
    println!(
        "the pattern covers {:.0} % of the tokens and has {:.0} % of the gradient-weighted rollout",
        100.0 * covered,
        100.0 * inside
    );
    assert!(inside > 2.0 * covered, "the map does not show what the network looks at");
    Ok(())
}

/// The share of a map over the tokens that falls on tokens which the pattern covers by half.
fn share_inside(map: &[f64], mask: &[bool]) -> f64 {
    let covered = |token: usize| {
        let (top, left) = (token / GRID.columns * 5, token % GRID.columns * 5);
        let pixels = (top..top + 5).flat_map(|y| (left..left + 5).map(move |x| y * SHAPE.width + x));
        pixels.filter(|&pixel| mask[pixel]).count() > 12
    };
    let inside: f64 = map.iter().enumerate().filter(|(token, _)| covered(*token)).map(|(_, value)| value).sum();
    inside / map.iter().sum::<f64>()
}
