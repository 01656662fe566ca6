//! Plans that cannot be trained are refused before anything is computed or allocated.

use crate::common::plain_recipe;

use std::sync::Arc;

use burn::tensor::Device;
use tinylsa_data::{Dataset, DatasetName, FASHION_MNIST_CLASSES, ImageShape, Split};
use tinylsa_model::{StageConfig, TinyCnnLsa, TinyCnnLsaConfig, load_predictor};
use tinylsa_train::{TrainError, Training, TrainingPlan};

/// Twenty black images of two classes, and a network as small as can be.
fn plan() -> TrainingPlan<TinyCnnLsaConfig> {
    let dataset = Dataset {
        name: DatasetName::SYNTHETIC_GARMENTS,
        split: Split::Train,
        shape: ImageShape::grey(28, 28),
        class_names: FASHION_MNIST_CLASSES.map(str::to_owned).into(),
        images: vec![0; 20 * 784],
        labels: (0..20).map(|index| index % 2).collect(),
        masks: None,
    };
    TrainingPlan {
        model: TinyCnnLsaConfig {
            stages: vec![StageConfig { channels: 4, stride: 2, residual_blocks: 0, pool: true }],
            ..TinyCnnLsaConfig::default()
        },
        train: plain_recipe(),
        seed: 0,
        dataset: Arc::new(dataset),
        train_indices: (0..16).collect(),
        validation_indices: (16..20).collect(),
        device: Device::flex(),
        checkpoints: "no/such/directory".into(),
        load_teacher: load_predictor::<TinyCnnLsa>,
    }
}

#[track_caller]
fn refused(change: impl FnOnce(&mut TrainingPlan<TinyCnnLsaConfig>)) -> TrainError {
    let mut plan = plan();
    Training::start(&plan).unwrap();
    change(&mut plan);
    Training::start(&plan).unwrap_err()
}

#[test]
fn batches_that_no_memory_holds_are_refused_with_their_size() {
    let error = refused(|plan| {
        plan.model.stages = vec![StageConfig { channels: 512, stride: 1, residual_blocks: 15, pool: true }];
        plan.train.batch_size = 65_536;
        plan.train_indices = (0..16).cycle().take(65_536).collect();
    });
    let TrainError::Memory { batch_size: 65_536, needed, available } = error else { panic!("{error}") };
    assert!(needed > 1 << 42 && available < 1 << 42, "{needed} {available}");
    let said = error.to_string();
    assert!(
        said.starts_with("`train.batch_size` of 65536 needs about ") && said.ends_with(" GiB are available"),
        "{said}"
    );
}

#[test]
fn a_network_beyond_every_bound_is_refused_by_its_key() {
    let error = refused(|plan| plan.model.attention.mlp_width = 1_000_000_000);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "attention.mlp_width is 1000000000, expected 0 to 4096");
    let error = refused(|plan| {
        plan.model.stages = vec![StageConfig { channels: 1024, stride: 1, residual_blocks: 16, pool: false }; 2];
    });
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.ends_with("parameters, expected at most 268435456"), "{source}");
}

#[test]
fn validation_images_are_there_and_of_known_classes() {
    let error = refused(|plan| plan.validation_indices = Arc::new([]));
    assert!(matches!(error, TrainError::NoValidationImages), "{error}");
    let error = refused(|plan| {
        let mut dataset = (*plan.dataset).clone();
        dataset.labels[18] = 10;
        plan.dataset = Arc::new(dataset);
    });
    assert!(matches!(error, TrainError::Label { index: 18, label: 10, classes: 10 }), "{error}");
}

#[test]
fn images_that_there_are_not_and_crops_wider_than_the_image_are_refused() {
    let errors = [
        refused(|plan| plan.train_indices = (4..21).collect()),
        refused(|plan| plan.validation_indices = (4..21).collect()),
    ];
    let reason = |error: TrainError| std::error::Error::source(&error).unwrap().to_string();
    for error in errors {
        assert_eq!(reason(error), "index 20 at position 16 names no image, expected less than 20");
    }
    let error = reason(refused(|plan| plan.train.augmentation.crop_padding = 15));
    assert!(error.contains("augmentation.crop_padding") && error.contains("at most 14"), "{error}");
}

#[test]
fn a_dataset_that_contradicts_itself_is_refused() {
    let error = refused(|plan| {
        let mut dataset = (*plan.dataset).clone();
        dataset.images.truncate(100);
        plan.dataset = Arc::new(dataset);
    });
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "the dataset holds 100 values, expected 15680 for 20 images of 1×28×28");
}

#[test]
fn images_of_another_shape_than_the_network_expects_are_refused() {
    let error = refused(|plan| plan.model.input.width = 32);
    assert_eq!(error.to_string(), "the images are 1×28×28, the network expects 1×28×32");
}
