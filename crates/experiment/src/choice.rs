//! Which images are explained, and which serve as their background.

use std::collections::BTreeSet;

use rand::seq::SliceRandom;
use rand::seq::index::sample;
use tinylsa_data::{Dataset, Split, to_unit};
use tinylsa_explain::{Background, BackgroundConfig, ImageChoice, ImageToExplain, Source};
use tinylsa_random::{Draw, Purpose};
use tinylsa_train::Predictions;
use tinylsa_xai::{ExplainError, Image};

use tinylsa_settings::UsageError;

const SAMPLE: Purpose = Purpose::new("test images drawn at random to be explained");
const BACKGROUND: Purpose = Purpose::new("background images of expected gradients");

/// The name of the image of a dataset with this number.
pub fn subject_name(dataset: &Dataset, index: u32) -> String {
    format!("{}-{index}", dataset.split)
}

/// The name of the image with this number in the validation split.
pub fn validation_subject_name(index: u32) -> String {
    format!("validation-{index}")
}

/// The image of a dataset with this number.
///
/// # Errors
/// [`UsageError`] if there is no such image.
pub fn subject(dataset: &Dataset, index: u32, choice: Option<String>) -> Result<ImageToExplain, UsageError> {
    let number = index as usize;
    if number >= dataset.len() {
        return Err(UsageError(format!(
            "there is no image {number}: the {} split of {} has {} images, 0 to {}",
            dataset.split,
            dataset.name,
            dataset.len(),
            dataset.len().saturating_sub(1)
        )));
    }
    let image = image(dataset, number).map_err(|error| UsageError(error.to_string()))?;
    let is_decisive = |mask: &[u8]| mask.iter().map(|&pixel| pixel != 0).collect();
    Ok(ImageToExplain {
        id: subject_name(dataset, index),
        source: Source { from: format!("{}, {} split", dataset.name, dataset.split), number: Some(index) },
        choice,
        image,
        label: Some(dataset.label(number) as usize),
        truth_mask: dataset.mask(number).filter(|mask| mask.contains(&1)).map(is_decisive),
    })
}

/// The image with this number in the validation split, which holds these images of the training split.
///
/// # Errors
/// [`UsageError`] if there is no such image.
pub fn validation_subject(training: &Dataset, held_out: &[u32], index: u32) -> Result<ImageToExplain, UsageError> {
    let Some(&number) = held_out.get(index as usize) else {
        return Err(UsageError(format!(
            "there is no image {index}: the validation split of {} has {} images, 0 to {}",
            training.name,
            held_out.len(),
            held_out.len().saturating_sub(1)
        )));
    };
    let source = Source { from: format!("{}, validation split", training.name), number: Some(index) };
    Ok(ImageToExplain { id: validation_subject_name(index), source, ..subject(training, number, None)? })
}

fn image(dataset: &Dataset, number: usize) -> Result<Image, ExplainError> {
    Image::new(to_unit(dataset.image(number)), dataset.shape.dims())
}

/// Fewer images than this that were drawn at random are no sample to measure scores on: their intervals would be too wide
/// to say anything.
const SMALLEST_SAMPLE: usize = 5;

/// The images that are explained, each once, and those of them that scores are measured on.
#[derive(Debug)]
pub(crate) struct ChosenImages {
    pub(crate) images: Vec<ImageToExplain>,
    /// The names of those that were drawn at random; nothing if they are too few to be a sample.
    pub(crate) sample: Option<BTreeSet<String>>,
}

/// The images that a config chooses: class by class the surest and the least sure of those that are predicted right and the
/// surest of those that are not, then those that it names, then those that are drawn from the seed. `predictions` are those
/// of all images of the dataset in order.
///
/// # Errors
/// [`UsageError`] if an image that is named does not exist.
pub(crate) fn chosen(
    dataset: &Dataset,
    predictions: &Predictions,
    choice: &ImageChoice,
    seed: u64,
) -> Result<ChosenImages, UsageError> {
    let confidence = |index: usize| predictions.row(index)[predictions.predicted(index)];
    let mut numbered: Vec<(u32, Option<String>)> = Vec::new();
    for class in 0..predictions.classes() {
        let of_class = (0..predictions.len()).filter(|&index| predictions.labels()[index] as usize == class);
        let (mut right, mut wrong): (Vec<usize>, Vec<usize>) =
            of_class.partition(|&index| predictions.predicted(index) == class);
        for list in [&mut right, &mut wrong] {
            list.sort_by(|&left, &other| confidence(other).total_cmp(&confidence(left)));
        }
        let kinds: [(&mut dyn Iterator<Item = &usize>, usize, &str); 3] = [
            (&mut right.iter(), choice.right_highest, "right with the highest confidence"),
            (&mut right.iter().rev(), choice.right_lowest, "right with the lowest confidence"),
            (&mut wrong.iter(), choice.wrong_highest, "wrong with the highest confidence"),
        ];
        for (list, count, why) in kinds {
            numbered.extend(list.take(count).map(|&index| (index as u32, Some(why.to_owned()))));
        }
    }
    numbered.extend(choice.indices.iter().map(|&index| (index, None)));
    let drawn = drawn(dataset.len(), choice.random, seed);
    numbered.extend(drawn.iter().map(|&index| (index, Some("one of the images drawn at random".to_owned()))));
    let mut images: Vec<ImageToExplain> = Vec::new();
    let mut sample = BTreeSet::new();
    for (place, (index, why)) in numbered.iter().enumerate() {
        let image = subject(dataset, *index, why.clone())?;
        if place >= numbered.len() - drawn.len() {
            sample.insert(image.id.clone());
        }
        if images.iter().all(|other| other.id != image.id) {
            images.push(image);
        }
    }
    Ok(ChosenImages { images, sample: (sample.len() >= SMALLEST_SAMPLE).then_some(sample) })
}

/// The numbers of different images, each as likely as any other; the first of a longer list are those of a shorter one.
fn drawn(images: usize, count: usize, seed: u64) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..images as u32).collect();
    numbers.shuffle(&mut Draw { seed, purpose: SAMPLE, epoch: 0, index: 0 }.generator());
    numbers.truncate(count);
    numbers
}

/// Different images of a dataset, drawn from the seed.
///
/// # Errors
/// If the dataset is empty.
pub fn background(dataset: &Dataset, config: &BackgroundConfig, seed: u64) -> Result<Background, ExplainError> {
    let mut generator = Draw { seed, purpose: BACKGROUND, epoch: 0, index: 0 }.generator();
    let count = config.images.min(dataset.len());
    let numbers = sample(&mut generator, dataset.len(), count);
    let half = match dataset.split {
        Split::Train => "training",
        Split::Test => "test",
    };
    Ok(Background {
        images: numbers.into_iter().map(|number| image(dataset, number)).collect::<Result<_, _>>()?,
        description: format!("{count} {half} images of {}", dataset.name),
        warning: None,
    })
}

#[cfg(test)]
mod tests {
    use tinylsa_data::{DatasetName, ImageShape};

    use super::*;

    fn dataset(labels: Vec<u32>) -> Dataset {
        Dataset {
            name: DatasetName::SYNTHETIC_GARMENTS,
            split: Split::Test,
            shape: ImageShape::grey(1, 2),
            class_names: (0..10).map(|class| class.to_string()).collect(),
            images: (0..2 * labels.len() as u8).collect(),
            masks: Some([1, 0].repeat(labels.len())),
            labels,
        }
    }

    /// Class 0: image 0 right and sure, 1 right and unsure, 2 wrong. Class 1: image 3 right.
    fn predictions() -> Predictions {
        Predictions::new(2, vec![0.9, 0.1, 0.6, 0.4, 0.2, 0.8, 0.3, 0.7], vec![0, 0, 0, 1]).unwrap()
    }

    #[test]
    fn each_class_gives_its_surest_and_its_least_sure() {
        let dataset = dataset(vec![0, 0, 0, 1]);
        let ids = |right_highest, right_lowest, wrong_highest, indices: &[u32]| -> Vec<String> {
            let choice =
                ImageChoice { right_highest, right_lowest, wrong_highest, indices: indices.to_vec(), random: 0 };
            let found = chosen(&dataset, &predictions(), &choice, 0).unwrap();
            assert_eq!(found.sample, None);
            found.images.into_iter().map(|image| image.id).collect()
        };
        assert_eq!(ids(1, 0, 0, &[]), ["test-0", "test-3"]);
        assert_eq!(ids(0, 1, 0, &[]), ["test-1", "test-3"]);
        assert_eq!(ids(0, 0, 5, &[]), ["test-2"]);
        assert_eq!(ids(1, 1, 1, &[3, 1]), ["test-0", "test-1", "test-2", "test-3"]);
        assert_eq!(ids(0, 0, 0, &[2]), ["test-2"]);
    }

    #[test]
    fn a_sample_is_drawn_from_all_images_whatever_else_is_chosen() {
        let dataset = dataset(vec![0; 40]);
        let predictions = Predictions::new(2, [0.9, 0.1].repeat(40), vec![0; 40]).unwrap();
        let found = |right_highest, random, seed| {
            let choice = ImageChoice { right_highest, right_lowest: 0, wrong_highest: 0, indices: Vec::new(), random };
            chosen(&dataset, &predictions, &choice, seed).unwrap()
        };
        let ids = |found: &ChosenImages| found.images.iter().map(|image| image.id.clone()).collect::<Vec<_>>();
        let eight = found(0, 8, 7);
        assert_eq!(eight.sample, Some(ids(&eight).into_iter().collect()));
        assert_eq!((ids(&eight).len(), ids(&eight)), (8, ids(&found(0, 8, 7))));
        assert_eq!(ids(&eight)[..5], ids(&found(0, 5, 7)), "a larger sample keeps a smaller one");
        assert_ne!(ids(&eight), ids(&found(0, 8, 8)));
        assert_eq!(found(0, 4, 7).sample, None, "too few");
        // an image that was chosen is drawn as likely as any other, and explained once
        let all = found(40, 40, 7);
        assert_eq!((all.images.len(), all.sample.unwrap().len()), (40, 40));
        let mixed = found(3, 8, 7);
        assert_eq!(mixed.sample, eight.sample);
        assert_eq!(ids(&mixed)[..3], ["test-0", "test-1", "test-2"]);
        let is_drawn = |image: &ImageToExplain| image.choice.as_deref() == Some("one of the images drawn at random");
        assert!(mixed.images[3..].iter().all(is_drawn));
    }

    #[test]
    fn an_image_that_is_not_there_is_named_with_how_many_there_are() {
        let error = subject(&dataset(vec![0, 1]), 2, None).unwrap_err().to_string();
        assert!(error.contains("no image 2") && error.contains("2 images, 0 to 1"), "{error}");
        assert_eq!(subject(&dataset(vec![0, 1]), 1, None).unwrap().truth_mask, Some(vec![true, false]));
    }

    #[test]
    fn the_validation_split_counts_for_itself() {
        let training = dataset(vec![0, 1, 1]);
        let found = validation_subject(&training, &[2, 0], 0).unwrap();
        assert_eq!((found.id.as_str(), found.label), ("validation-0", Some(1)));
        assert_eq!(found.image, subject(&training, 2, None).unwrap().image);
        assert!(found.source.to_string().ends_with("validation split, image 0"), "{}", found.source);
        let error = validation_subject(&training, &[2, 0], 2).unwrap_err().to_string();
        assert!(error.contains("no image 2") && error.contains("2 images, 0 to 1"), "{error}");
    }

    #[test]
    fn a_background_holds_no_image_twice() {
        let dataset = dataset(vec![0; 40]);
        let found = background(&dataset, &BackgroundConfig { images: 30 }, 3).unwrap();
        let mut values: Vec<String> = found.images.iter().map(|image| format!("{:?}", image.values())).collect();
        values.sort();
        values.dedup();
        assert_eq!(values.len(), 30);
        assert_eq!(background(&dataset, &BackgroundConfig { images: 99 }, 3).unwrap().images.len(), 40);
    }
}
