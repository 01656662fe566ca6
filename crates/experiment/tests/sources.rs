//! Collections with published checksums, through files of the same form: what decides about them is a value.

use std::path::Path;

use tinylsa_data::{
    KMNIST, MNIST, Publication, SourceFile, SyntheticConfig, channel_statistics, load_published, stratified_split,
    synthetic_garments,
};
use tinylsa_experiment::dataset::LoadedDataset;
use tinylsa_experiment::evaluate::evaluate_model_on;
use tinylsa_experiment::evaluation::SplitName;
use tinylsa_experiment::finished::FinishedRun;
use tinylsa_experiment::{Experiment, ExperimentError, RunOptions, Unwatched};
use tinylsa_model::ConfigOfImages;
use tinylsa_system::sha256_hex;

const SMALL: [&str; 17] = [
    "data.validation=20",
    "train.epochs=1",
    "train.batch_size=20",
    "model.tinycnn-lsa.stages.0.channels=8",
    "model.tinycnn-lsa.stages.1.channels=8",
    "model.tinycnn-lsa.stages.2.channels=16",
    "model.tinycnn-lsa.attention.blocks=1",
    "model.tinycnn-lsa.attention.heads=2",
    "model.tinycnn-lsa.attention.mlp_width=16",
    "explain.methods=[\"input-gradient\", \"expected-gradients\", \"attention-rollout\"]",
    "explain.background.images=3",
    "explain.scores.enabled=false",
    "explain.images.right_highest=0",
    "explain.images.right_lowest=0",
    "explain.images.wrong_highest=0",
    "explain.images.random=0",
    "explain.images.indices=[1]",
];

fn experiment(name: &str) -> Experiment {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(name);
    Experiment::from_file(&path, &SMALL.map(str::to_owned)).unwrap()
}

/// Files in the form of `published` with other content, and the publication that they are the genuine files of.
fn republished(published: &Publication, directory: &Path) -> Publication {
    let garments = synthetic_garments(&SyntheticConfig { train: 100, test: 30, seed: 2 }).unwrap();
    let mut contents = Vec::new();
    for dataset in [&garments.train, &garments.test] {
        let count = (dataset.len() as u32).to_be_bytes();
        contents.push([&[0, 0, 8, 3], &count[..], &[0, 0, 0, 28, 0, 0, 0, 28], &dataset.images].concat());
        contents.push([&[0, 0, 8, 1], &count[..], &dataset.label_bytes()].concat());
    }
    let mut files = published.files;
    for (file, content) in files.iter_mut().zip(&contents) {
        std::fs::write(directory.join(file.unpacked_name()), content).unwrap();
        let digest: &'static str = sha256_hex(content).leak();
        *file = SourceFile { content_bytes: content.len() as u64, content_sha256: Some(digest), ..*file };
    }
    Publication { files, ..*published }
}

#[test]
fn digits_and_characters_are_trained_measured_and_explained() {
    for (published, config) in [(&MNIST, "mnist.toml"), (&KMNIST, "kmnist.toml")] {
        let folder = tempfile::tempdir().unwrap();
        assert!(load_published(published, folder.path()).is_err());
        let own = republished(published, folder.path());
        // The product's own checksums refuse these files.
        let refused = load_published(published, folder.path()).unwrap_err().to_string();
        assert!(refused.contains("other content than was published") || refused.contains("no checksum"), "{refused}");
        let published_images = load_published(&own, folder.path()).unwrap();
        assert_eq!(
            (published_images.train.name.id(), &*published_images.train.class_names[3]),
            (published.id, published.class_names[3])
        );

        let options = RunOptions { out: Some(folder.path().join("run")), ..RunOptions::default() };
        let images = LoadedDataset {
            train: published_images.train,
            test: published_images.test,
            checksums: published_images.checksums,
            substitution: None,
        };
        let run = experiment(config).run_on(images.clone(), &options, &mut Unwatched).unwrap();

        // Mean and deviation are those of the images that were trained on, without the validation split.
        let split = stratified_split(&images.train.labels, 20, 0).unwrap();
        let statistics = channel_statistics(&images.train, &split.train).unwrap();
        let network = run.config.model.network().unwrap();
        let keys = network.image_keys();
        assert_eq!(
            (keys.mean.as_ref(), keys.deviation.as_ref()),
            (Some(&statistics.mean), Some(&statistics.deviation))
        );
        assert_eq!(run.config.explain.shared.fill.mean.as_ref(), Some(&statistics.mean));
        assert_eq!(FinishedRun::read(&run.path).unwrap().config, run.config, "what the run directory says");

        let model = run.path.join("model.safetensors");
        let measured = evaluate_model_on(&model, images.clone(), SplitName::Test).unwrap();
        assert_eq!(measured.report, run.evaluation);
        let validation = evaluate_model_on(&model, images, SplitName::Validation).unwrap();
        assert_eq!((validation.report.images, validation.dataset.name.id()), (20, published.id));
        assert!(run.path.join("explanations/test-1/expected-gradients.png").is_file());
        let report = std::fs::read_to_string(run.report()).unwrap();
        assert!(report.contains(published.title) && report.contains(published.class_names[3]), "{config}");
    }
}

#[test]
fn images_in_memory_are_known_again_and_contradictions_are_refused() {
    let garments = synthetic_garments(&SyntheticConfig { train: 60, test: 20, seed: 2 }).unwrap();
    let images = LoadedDataset::in_memory(garments.train, garments.test);
    let folder = tempfile::tempdir().unwrap();
    let options = RunOptions { out: Some(folder.path().join("run")), ..RunOptions::default() };
    let experiment = experiment("folder.toml");
    let mut other = images.clone();
    other.test.class_names = ["a".to_owned()].into();
    let error = experiment.run_on(other.clone(), &options, &mut Unwatched).unwrap_err();
    assert!(matches!(error, ExperimentError::Usage(_)) && error.to_string().contains("the label of image"), "{error}");
    other.test.labels.fill(0);
    let error = experiment.run_on(other, &options, &mut Unwatched).unwrap_err().to_string();
    assert!(error.starts_with("the classes are T-shirt/top, Trouser"), "{error}");
    let mut empty = images.clone();
    (empty.test.images, empty.test.labels, empty.test.masks) = (Vec::new(), Vec::new(), None);
    let error = experiment.run_on(empty, &options, &mut Unwatched).unwrap_err().to_string();
    assert!(error.contains("holds no image"), "{error}");
    assert!(!folder.path().join("run").exists());

    experiment.run_on(images.clone(), &options, &mut Unwatched).unwrap();
    let resumed = RunOptions { resume: true, ..options };
    assert!(experiment.run_on(images.clone(), &resumed, &mut Unwatched).unwrap().was_finished);
    let mut train = images.train.clone();
    train.images[0] ^= 1;
    let changed = LoadedDataset::in_memory(train, images.test);
    let error = experiment.run_on(changed, &resumed, &mut Unwatched).unwrap_err().to_string();
    assert!(error.contains("the SHA-256 of train"), "{error}");
}
