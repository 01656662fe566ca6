//! What the `explain` command line names: a class, images of a dataset, files.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use tinylsa_model::ModelConfig;
use tinylsa_xai::Image;
use tracing::warn;

use super::arguments::{ExplainArguments, IndexedSplit};
use tinylsa_experiment::choice::{subject, subject_name, validation_subject, validation_subject_name};
use tinylsa_experiment::dataset::{LoadedDataset, require_size};
use tinylsa_experiment::image_file::load_image;
use tinylsa_experiment::matching::validation_split;
use tinylsa_experiment::model_images::ImagesOf;
use tinylsa_experiment::models::NetworkMetadata;
use tinylsa_explain::{ImageToExplain, MethodId, SharedSetting, Source, names_of_files};
use tinylsa_settings::printable_path;

/// The images that --index counts in, or that serve as the background: those that the model was trained on, unless
/// the command line says otherwise. Nothing for files whose model's images are not on this machine.
pub(super) fn collection(
    arguments: &ExplainArguments,
    metadata: &NetworkMetadata,
    methods: &[MethodId],
) -> Result<Option<LoadedDataset>> {
    let by_index = !arguments.index.is_empty();
    if !by_index && !methods.iter().any(|method| method.facts().reads.contains(&SharedSetting::Background)) {
        return Ok(None);
    }
    let (images_of, request) =
        (ImagesOf { metadata, file: arguments.model.as_deref() }, arguments.collection.request());
    let images =
        if by_index { Some(images_of.obtain(&request, &Arc::default())?) } else { images_of.at_hand(&request)? };
    match &images {
        Some(images) => require_size(&images.train, metadata.config.input())?,
        None => {
            warn!("the background of expected-gradients is noise, since there are no training images on this machine");
        }
    }
    Ok(images)
}

/// The numbers that `--index` names, each once.
pub(super) fn numbers(arguments: &ExplainArguments) -> impl Iterator<Item = u32> {
    let mut seen = HashSet::new();
    arguments.index.iter().cloned().flatten().filter(move |&number| seen.insert(number))
}

/// The names of these images, without a look at them.
pub(super) fn names(arguments: &ExplainArguments, images: &LoadedDataset) -> Vec<String> {
    let of_split = |number: u32| match arguments.split {
        Some(IndexedSplit::Train) => subject_name(&images.train, number),
        Some(IndexedSplit::Validation) => validation_subject_name(number),
        Some(IndexedSplit::Test) | None => subject_name(&images.test, number),
    };
    numbers(arguments).map(of_split).collect()
}

/// The images of a split with these numbers, each once, as far as they are `wanted`.
pub(super) fn from_dataset(
    arguments: &ExplainArguments,
    images: &LoadedDataset,
    metadata: &NetworkMetadata,
    wanted: impl Fn(u32) -> bool,
) -> Result<Vec<ImageToExplain>> {
    let held_out = match arguments.split {
        Some(IndexedSplit::Validation) => validation_split(metadata, &images.train)?,
        Some(IndexedSplit::Train | IndexedSplit::Test) | None => Vec::new(),
    };
    let of_split = |index: u32| match arguments.split {
        Some(IndexedSplit::Train) => subject(&images.train, index, None),
        Some(IndexedSplit::Validation) => validation_subject(&images.train, &held_out, index),
        Some(IndexedSplit::Test) | None => subject(&images.test, index, None),
    };
    let wanted = numbers(arguments).filter(|&number| wanted(number));
    Ok(wanted.map(of_split).collect::<Result<_, _>>()?)
}

/// One subject a file, called by its stem. Files that cannot be read are added to the failures.
pub(super) fn from_files(
    images: &[PathBuf],
    metadata: &NetworkMetadata,
    failures: &mut Vec<anyhow::Error>,
) -> Result<Vec<ImageToExplain>> {
    let mut subjects: Vec<ImageToExplain> = Vec::new();
    for (path, id) in images.iter().zip(names_of_files(images)) {
        match load_image(path, metadata) {
            Ok(image) => subjects.push(ImageToExplain {
                id,
                source: Source { from: printable_path(path), number: None },
                choice: None,
                image: Image::new(image.to_unit(), image.shape)?,
                label: None,
                truth_mask: None,
            }),
            Err(failure) => failures.push(failure.into()),
        }
    }
    Ok(subjects)
}
