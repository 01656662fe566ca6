//! Whether a model and images belong together: their classes, and which of the images the model was trained on.

use tinylsa_data::{Dataset, SplitIndices, stratified_split};
use tinylsa_model::{HeldOut, ModelMetadata};

use tinylsa_settings::UsageError;

use crate::models::NetworkMetadata;

/// Refuses images of other classes than those of the model, and of the same classes under other numbers.
///
/// # Errors
/// [`UsageError`] says what differs.
pub fn require_classes<C>(metadata: &ModelMetadata<C>, dataset: &Dataset) -> Result<(), UsageError> {
    let (model, images) = (&metadata.class_names, &dataset.class_names);
    if model.len() != images.len() {
        return Err(UsageError(format!(
            "the model knows {} classes, but the images of {} have {}",
            model.len(),
            dataset.name,
            images.len()
        )));
    }
    let mut numbered = model.iter().zip(images.iter()).enumerate();
    match numbered.find(|(_, (model, images))| model != images) {
        Some((class, (model, images))) => Err(UsageError(format!(
            "class {class} is {model:?} to the model, but {images:?} among the images of {}",
            dataset.name
        ))),
        None => Ok(()),
    }
}

/// The record of a split, as a model file holds it.
pub(crate) fn held_out(training_set: &Dataset, images: usize, seed: u64) -> HeldOut {
    HeldOut { images, seed, training_set: Some(training_set.digest()) }
}

/// What is asked for beside what the model file says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AskedSplit {
    /// Images of the validation split.
    pub(crate) validation: Option<usize>,
    pub(crate) seed: Option<u64>,
}

/// The division of the training images that a model was trained with. What its file says cannot be overruled: another
/// division would measure the model on images that it was trained on, under the name of a validation split.
///
/// # Errors
/// [`UsageError`] if the file does not say it and neither do the arguments; if they contradict each other; if these are
/// not the images that the model was trained on.
pub(crate) fn split_of_training(
    metadata: &NetworkMetadata,
    training_set: &Dataset,
    asked: AskedSplit,
) -> Result<SplitIndices, UsageError> {
    if metadata.dataset != training_set.name.id() {
        return Err(UsageError(format!(
            "the model was trained on {}, so {} has no training and validation split for it; --split test measures it there",
            metadata.dataset, training_set.name
        )));
    }
    let split = |images: usize, seed: u64| {
        stratified_split(&training_set.labels, images, seed).map_err(|error| UsageError(error.to_string()))
    };
    let Some(recorded) = &metadata.held_out else {
        let (Some(images), Some(seed)) = (asked.validation, asked.seed) else {
            let text =
                "the model file does not say which images it was not trained on; --validation N and --seed S say it";
            return Err(UsageError(text.to_owned()));
        };
        return split(images, seed);
    };
    let contradicts = |what: &str, asked: &dyn std::fmt::Display, recorded: &dyn std::fmt::Display| {
        UsageError(format!(
            "{what} {asked} contradicts the model file: the model was trained with {recorded}, and another split holds \
             images that it was trained on"
        ))
    };
    if let Some(images) = asked.validation.filter(|&images| images != recorded.images) {
        return Err(contradicts("--validation", &images, &recorded.images));
    }
    if let Some(seed) = asked.seed.filter(|&seed| seed != recorded.seed) {
        return Err(contradicts("--seed", &seed, &recorded.seed));
    }
    if recorded.training_set.as_ref().is_some_and(|digest| *digest != training_set.digest()) {
        return Err(UsageError(format!(
            "the model was trained on other images of {} than these; --run DIR takes those of its run",
            training_set.name
        )));
    }
    split(recorded.images, recorded.seed)
}

/// The training images that a model was not trained on, by their number among all training images: the validation split, as
/// the model file records it.
///
/// # Errors
/// [`UsageError`] if the file does not record it, or these are not the images that the model was trained on.
pub fn validation_split(metadata: &NetworkMetadata, training_set: &Dataset) -> Result<Vec<u32>, UsageError> {
    if metadata.held_out.is_none() {
        let text = "the model file does not say which images the model was not trained on, so that there is no \
                    validation split to count in; --split test counts in the test split";
        return Err(UsageError(text.to_owned()));
    }
    Ok(split_of_training(metadata, training_set, AskedSplit::default())?.validation)
}

#[cfg(test)]
mod tests {
    use tinylsa_data::{FASHION_MNIST_CLASSES, SyntheticConfig, synthetic_garments};
    use tinylsa_model::TinyCnnLsaConfig;

    use super::*;

    fn garments(seed: u64) -> Dataset {
        synthetic_garments(&SyntheticConfig { train: 200, test: 10, seed }).unwrap().train
    }

    fn metadata(held_out: Option<HeldOut>) -> NetworkMetadata {
        let config = TinyCnnLsaConfig::default();
        NetworkMetadata {
            held_out,
            ..NetworkMetadata::new(&config.into(), &FASHION_MNIST_CLASSES, "synthetic-garments")
        }
    }

    #[test]
    fn classes_are_compared_by_number_and_name() {
        let dataset = garments(0);
        require_classes(&metadata(None), &dataset).unwrap();
        let refused = |change: &dyn Fn(&mut Vec<String>)| {
            let mut metadata = metadata(None);
            change(&mut metadata.class_names);
            require_classes(&metadata, &dataset).unwrap_err().to_string()
        };
        let five = refused(&|names| names.truncate(5));
        assert_eq!(five, "the model knows 5 classes, but the images of synthetic garments have 10");
        let permuted = refused(&|names| names.swap(1, 8));
        assert_eq!(permuted, "class 1 is \"Bag\" to the model, but \"Trouser\" among the images of synthetic garments");
        let other = refused(&|names| names[9] = "Shoe".to_owned());
        assert!(other.starts_with("class 9 is \"Shoe\" to the model"), "{other}");
    }

    #[test]
    fn the_split_is_the_one_that_the_model_was_trained_with() {
        let dataset = garments(0);
        let expected = stratified_split(&dataset.labels, 40, 3).unwrap();
        let recorded = metadata(Some(held_out(&dataset, 40, 3)));
        let split = |metadata: &NetworkMetadata, validation, seed| {
            split_of_training(metadata, &dataset, AskedSplit { validation, seed }).map_err(|error| error.to_string())
        };
        assert_eq!(split(&recorded, None, None), Ok(expected.clone()));
        assert_eq!(split(&recorded, Some(40), Some(3)), Ok(expected.clone()));
        assert_eq!(split(&metadata(None), Some(40), Some(3)), Ok(expected));
        assert!(split(&recorded, Some(39), None).unwrap_err().contains("--validation 39 contradicts the model file"));
        assert!(split(&recorded, None, Some(0)).unwrap_err().contains("trained with 3, and another split"));
        for (validation, seed) in [(None, None), (Some(40), None), (None, Some(3))] {
            let error = split(&metadata(None), validation, seed).unwrap_err();
            assert!(error.contains("does not say which images it was not trained on"), "{error}");
        }
        assert!(split(&metadata(None), Some(201), Some(0)).unwrap_err().contains("expected at most 200"));
    }

    #[test]
    fn the_validation_split_is_the_one_that_the_model_file_records() {
        let dataset = garments(0);
        let recorded = metadata(Some(held_out(&dataset, 40, 3)));
        let expected = stratified_split(&dataset.labels, 40, 3).unwrap().validation;
        assert_eq!(validation_split(&recorded, &dataset), Ok(expected));
        let error = validation_split(&metadata(None), &dataset).unwrap_err().to_string();
        assert!(error.contains("no validation split to count in"), "{error}");
        let error = validation_split(&recorded, &garments(1)).unwrap_err().to_string();
        assert!(error.contains("trained on other images"), "{error}");
    }

    #[test]
    fn other_images_than_those_of_the_training_have_no_split() {
        let recorded = metadata(Some(held_out(&garments(0), 40, 3)));
        let error = split_of_training(&recorded, &garments(1), AskedSplit::default()).unwrap_err().to_string();
        assert!(error.contains("trained on other images of synthetic garments than these"), "{error}");
        let elsewhere = NetworkMetadata { dataset: "fashion-mnist".to_owned(), ..recorded };
        let error = split_of_training(&elsewhere, &garments(0), AskedSplit::default()).unwrap_err().to_string();
        assert!(error.contains("trained on fashion-mnist, so synthetic garments has no"), "{error}");
    }
}
