use std::sync::Weak;

use proptest::prelude::*;

use super::*;
use tinylsa_shape::ImageShape;

use crate::dataset::{DatasetName, Split, shared_names};

/// Colour images of four pixels, told apart by their brightness.
fn dataset(len: usize) -> Arc<Dataset> {
    Arc::new(Dataset {
        name: DatasetName::new("folder/squares"),
        split: Split::Train,
        shape: ImageShape { channels: 3, height: 2, width: 2 },
        class_names: shared_names(&[""; 10]),
        images: (0..len * 12).map(|value| (value % 251) as u8).collect(),
        labels: (0..len as u32).map(|index| index % 10).collect(),
        masks: None,
    })
}

fn config(len: u32) -> LoaderConfig {
    LoaderConfig {
        indices: (0..len).collect(),
        batch_size: 8,
        seed: 1,
        epoch: 0,
        shuffle: true,
        augmentation: None,
        mixing: MixingConfig::none(),
        drop_last: false,
        first_batch: 0,
        prefetch: 0,
    }
}

fn batches(dataset: &Arc<Dataset>, config: LoaderConfig) -> Vec<Batch> {
    BatchLoader::new(Arc::clone(dataset), config).unwrap().collect()
}

fn indices(batches: &[Batch]) -> Vec<u32> {
    batches.iter().flat_map(|batch| batch.indices.clone()).collect()
}

fn small_augmentation() -> AugmentationConfig {
    AugmentationConfig { crop_padding: 1, erasing_area: [0.2, 0.6], ..AugmentationConfig::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn neither_prefetching_nor_resuming_changes_a_bit(
        len in 1_usize..70, batch_size in 1_usize..20, epoch in 0_u64..5, drop_last: bool, shuffle: bool, skip in 0_usize..9,
    ) {
        let dataset = dataset(len);
        let mixing = MixingConfig { probability: 0.5, ..MixingConfig::none() };
        let augmentation = Some(small_augmentation());
        let config =
            LoaderConfig { batch_size, epoch, shuffle, augmentation, mixing, drop_last, ..config(len as u32) };
        let all = batches(&dataset, config.clone());
        for prefetch in [0, 1, 4] {
            let resumed = LoaderConfig { prefetch, first_batch: skip, ..config.clone() };
            let loader = BatchLoader::new(Arc::clone(&dataset), resumed).unwrap();
            prop_assert_eq!(loader.batches(), all.len());
            prop_assert_eq!(loader.len(), all.len().saturating_sub(skip));
            prop_assert_eq!(loader.collect::<Vec<_>>(), &all[skip.min(all.len())..]);
        }
    }

    #[test]
    fn an_epoch_shows_every_image_once(len in 1_usize..70, batch_size in 1_usize..20, prefetch in 0_usize..3) {
        let dataset = dataset(len);
        let batches = batches(&dataset, LoaderConfig { batch_size, prefetch, ..config(len as u32) });
        prop_assert_eq!(batches.len(), len.div_ceil(batch_size));
        let mut seen = indices(&batches);
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..len as u32).collect::<Vec<_>>());
        for (position, batch) in batches.iter().enumerate() {
            prop_assert_eq!((batch.position, batch.images.len()), (position, batch.len() * 12));
            for (image, &index) in batch.images.chunks(12).zip(&batch.indices) {
                prop_assert_eq!(image, to_unit(dataset.image(index as usize)));
            }
            let labels: Vec<u32> = batch.indices.iter().map(|&index| dataset.label(index as usize)).collect();
            prop_assert_eq!(&batch.labels, &labels);
        }
    }
}

#[test]
fn order_and_variation_change_with_epoch_and_seed() {
    let dataset = dataset(64);
    let base = indices(&batches(&dataset, config(64)));
    assert_ne!(base, (0..64).collect::<Vec<_>>());
    assert_ne!(base, indices(&batches(&dataset, LoaderConfig { epoch: 1, ..config(64) })));
    assert_ne!(base, indices(&batches(&dataset, LoaderConfig { seed: 2, ..config(64) })));

    let varied = LoaderConfig { shuffle: false, augmentation: Some(small_augmentation()), ..config(64) };
    let first = batches(&dataset, varied.clone());
    assert_eq!(indices(&first), (0..64).collect::<Vec<_>>());
    assert_ne!(first[0].images, batches(&dataset, LoaderConfig { epoch: 1, ..varied })[0].images);
}

#[test]
fn a_short_last_batch_can_be_left_out() {
    let dataset = dataset(20);
    let lengths = |drop_last| -> Vec<usize> {
        batches(&dataset, LoaderConfig { drop_last, ..config(20) }).iter().map(Batch::len).collect()
    };
    assert_eq!(lengths(false), [8, 8, 4]);
    assert_eq!(lengths(true), [8, 8]);
}

#[test]
fn dropping_the_loader_early_ends_its_thread() {
    let dataset = dataset(1000);
    let weak: Weak<Dataset> = Arc::downgrade(&dataset);
    let mut loader = BatchLoader::new(dataset, LoaderConfig { prefetch: 2, ..config(1000) }).unwrap();
    assert!(loader.next().is_some());
    assert!(weak.upgrade().is_some(), "the thread works on the dataset");
    drop(loader);
    assert!(weak.upgrade().is_none(), "the thread has ended and let the dataset go");
}

#[test]
fn a_config_that_does_not_fit_is_refused() {
    let message = |dataset: Arc<Dataset>, config| BatchLoader::new(dataset, config).unwrap_err().to_string();
    assert_eq!(
        message(dataset(5), LoaderConfig { batch_size: 0, ..config(5) }),
        "the batch size is 0, expected at least 1"
    );
    assert_eq!(message(dataset(5), config(7)), "index 5 at position 5 names no image, expected less than 5");
    let augmentation = Some(AugmentationConfig { flip_probability: 2.0, ..AugmentationConfig::none() });
    assert_eq!(
        message(dataset(5), LoaderConfig { augmentation, ..config(5) }),
        "flip_probability is 2, expected 0 to 1"
    );
    let mut broken = Arc::unwrap_or_clone(dataset(5));
    broken.images.truncate(50);
    assert_eq!(message(Arc::new(broken), config(5)), "the dataset holds 50 values, expected 60 for 5 images of 3×2×2");
    let augmentation = Some(AugmentationConfig { crop_padding: 2, ..AugmentationConfig::none() });
    assert_eq!(
        message(dataset(5), LoaderConfig { augmentation, ..config(5) }),
        "crop_padding is 2, expected at most 1, one half of the shorter side of images of 3×2×2"
    );
}

#[test]
fn no_images_make_no_batches() {
    assert!(batches(&dataset(3), config(0)).is_empty());
    assert!(batches(&dataset(3), LoaderConfig { prefetch: 2, ..config(0) }).is_empty());
}
