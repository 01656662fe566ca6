//! A convolutional network of one's own, from a folder of PNG files to explained images.
//!
//! The program draws images of seven classes, trains a network of burn's own layers on them, stops another run of the
//! same plan and resumes it to the same weights, measures, saves and loads the network, explains test images by four
//! methods and scores these. `cargo run -p own-cnn -- DIR` leaves all of it in DIR.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use network::{Cnn, CnnConfig};
use tinylsa_data::{FolderConfig, channel_statistics, load_folder, stratified_split, to_unit};
use tinylsa_explain::scores::Scoring;
use tinylsa_explain::{
    Background, ExplainConfig, ExplainedClassifier, Explainer, ImageToExplain, MethodId, Origin, Request, Source,
    write_image,
};
use tinylsa_model::{Classifier, ModelFile};
use tinylsa_train::{Progress, Trained, TrainingOutcome, TrainingPlan, Views, evaluate, predict, train};
use tinylsa_xai::{Execution, Image, ScoreKind};

mod images;
mod network;

const METHODS: [&str; 4] = ["integrated-gradients", "grad-cam", "lime", "kernel-shap"];
/// How many test images are explained.
const EXPLAINED: usize = 4;

/// Asks for a stop after some steps, as a user does who presses Ctrl-C.
struct StopAfter<'a> {
    steps: usize,
    stop: &'a AtomicBool,
}

impl Progress for StopAfter<'_> {
    fn step_done(&mut self, _images: usize, _loss: f64, _accuracy: f64) {
        self.steps -= 1;
        if self.steps == 0 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: own-cnn DIR")?);
    images::draw(&out.join("images"), 7)?;
    let images = load_folder(&out.join("images"), &FolderConfig::default())?;
    let split = stratified_split(&images.train.labels, 70, 0)?;
    println!("{} images of {}, {} for the test", images.train.len(), images.train.shape, images.test.len());

    let plan = |checkpoints: &str| {
        let network = CnnConfig { input: images.train.shape, classes: images.train.classes(), dropout: 0.1 };
        let mut plan = TrainingPlan::new(network, images.train.clone(), split.clone(), &out.join(checkpoints));
        (plan.train.epochs, plan.train.batch_size, plan.train.ema.decay) = (20, 35, 0.9);
        plan
    };
    let trained = plan("whole").run()?;
    let resumed = stopped_and_resumed(&plan("stopped"))?;
    let file = trained.model.to_safetensors(&images.train.class_names, "shapes")?;
    let of_resumed = resumed.model.to_safetensors(&images.train.class_names, "shapes")?;
    let path = out.join("model.safetensors");
    fs::write(&path, &file)?;
    let loaded = Cnn::load(&path, &Device::flex())?;
    let again = Cnn::from_safetensors(&of_resumed, &Device::flex())?;
    println!("trained {} epochs: {}, stopped and resumed: {}", trained.history.len(), loaded.sha256, again.sha256);
    assert_eq!(loaded.sha256, again.sha256, "a run that was stopped ends with other weights");

    let indices: Vec<u32> = (0..images.test.len() as u32).collect();
    let predictions = predict(&*loaded.model.predictor(), &images.test, &indices, Views::Plain)?;
    let accuracy = evaluate(&predictions, 0)?.accuracy;
    println!("test accuracy {:.3}, 95 % interval {:.3} to {:.3}", accuracy.value, accuracy.low, accuracy.high);
    assert!(accuracy.low > 0.8, "the network has not learned the shapes");

    let model = ExplainedClassifier::new(&loaded.model).with_feature_maps(Cnn::features, Cnn::scores);
    let methods = MethodId::chosen(&METHODS)?;
    let mut config = ExplainConfig::default();
    config.shared.fill.mean = Some(channel_statistics(&images.train, &split.train)?.mean);
    let (background, execution) = (Background::default(), Execution::default());
    let explainer = Explainer { model: &model, config: &config, background: &background, execution };
    let request = Request::new(&methods, &loaded.metadata.class_names);
    let origin = Origin { model: loaded.sha256.clone(), dataset: Some("shapes".to_owned()), seed: 0 };
    let mut scoring = Scoring::new(&explainer, EXPLAINED)?;
    for index in (0..EXPLAINED).map(|place| place * images.test.len() / EXPLAINED) {
        let pixels = Image::new(to_unit(images.test.image(index)), images.test.shape)?;
        let image = ImageToExplain::new(format!("test-{index}"), pixels);
        let source = Source { from: "shapes, test split".to_owned(), number: Some(index as u32) };
        let image = ImageToExplain { source, label: Some(images.test.label(index) as usize), ..image };
        let explanation = explainer.explain(image, &request)?;
        let written =
            write_image(&out.join(&explanation.id), &explanation, &origin, &explainer.execution.cancellation)?;
        assert_eq!(written.drawings.len(), METHODS.len() + 1);
        scoring.add(&explanation)?;
    }

    let table = scoring.table()?;
    let deletion = table.scores.iter().find(|column| column.kind == ScoreKind::DeletionArea).ok_or("no deletion")?;
    println!("area under the deletion curve ({}), less is better:", deletion.variant);
    let area = |method: &str| Some(deletion.entries.iter().find(|entry| entry.method == method)?.mean.as_ref()?.mean);
    let random = area("random").ok_or("the control was not scored")?;
    for method in METHODS {
        let area = area(method).ok_or("a method was not scored")?;
        println!("{method:>21} {area:6.2}, random {random:.2}");
        assert!(area < random, "{method} finds no pixels that the network needs");
    }
    Ok(())
}

/// Trains until a stop in the middle of the third epoch, then resumes from the checkpoint.
fn stopped_and_resumed(plan: &TrainingPlan<CnnConfig>) -> Result<Trained<Cnn>, Box<dyn Error>> {
    let stop = AtomicBool::new(false);
    match train(plan, &stop, &mut StopAfter { steps: 25, stop: &stop })? {
        TrainingOutcome::Interrupted { checkpoint, .. } => println!("stopped at {}", checkpoint.display()),
        TrainingOutcome::Finished(_) => return Err("the stop came too late".into()),
    }
    Ok(plan.resume()?)
}
