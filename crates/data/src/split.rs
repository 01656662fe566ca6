use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use thiserror::Error;
use tinylsa_random::{Draw, Purpose};
use tinylsa_settings::counted;

const VALIDATION_SPLIT: Purpose = Purpose::new("data/validation-split");

/// A division of a training set by indices: every image is in exactly one part, and both parts are sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitIndices {
    /// The images to train on.
    pub train: Vec<u32>,
    /// The images on which every choice is made.
    pub validation: Vec<u32>,
}

/// More validation images were asked for than there are images.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "the validation split has {}, expected at most {available}, the size of the training set",
    counted(*requested, "image")
)]
pub struct SplitError {
    /// The images asked for.
    pub requested: usize,
    /// The images there are.
    pub available: usize,
}

/// Sets aside exactly `validation` of the images with these labels, so that every class keeps its proportion.
///
/// A class of `n` of `N` images gives `validation * n / N` of them, rounded down; the images then missing come one
/// each from the classes with the largest remainders (Hamilton's method), the lower class first. Which images of a
/// class are set aside depends on the seed alone: where the classes are of one size, as in Fashion-MNIST, what a smaller
/// split sets aside is part of what a larger one of the same seed does.
///
/// ```
/// let labels: Vec<u32> = (0..600).map(|index| index % 10).collect();
/// let split = tinylsa_data::stratified_split(&labels, 50, 7)?;
/// assert_eq!((split.train.len(), split.validation.len()), (550, 50));
/// # Ok::<(), tinylsa_data::SplitError>(())
/// ```
///
/// # Errors
/// [`SplitError`] if there are fewer than `validation` labels.
pub fn stratified_split(labels: &[u32], validation: usize, seed: u64) -> Result<SplitIndices, SplitError> {
    if validation > labels.len() {
        return Err(SplitError { requested: validation, available: labels.len() });
    }
    let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (index, &label) in labels.iter().enumerate() {
        members.entry(label).or_default().push(index as u32);
    }
    let sizes: Vec<usize> = members.values().map(Vec::len).collect();
    let mut split = SplitIndices { train: Vec::with_capacity(labels.len() - validation), validation: Vec::new() };
    for ((&class, members), quota) in members.iter_mut().zip(quotas(&sizes, validation)) {
        let draw = Draw { seed, purpose: VALIDATION_SPLIT, epoch: 0, index: u64::from(class) };
        members.shuffle(&mut draw.generator());
        split.validation.extend_from_slice(&members[..quota]);
        split.train.extend_from_slice(&members[quota..]);
    }
    split.train.sort_unstable();
    split.validation.sort_unstable();
    Ok(split)
}

/// How many of `total` fall to each class.
fn quotas(sizes: &[usize], total: usize) -> Vec<usize> {
    let images = sizes.iter().sum::<usize>().max(1);
    let mut quotas: Vec<usize> = sizes.iter().map(|&size| total * size / images).collect();
    let missing = total - quotas.iter().sum::<usize>();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&class| std::cmp::Reverse(total * sizes[class] % images));
    for &class in &by_remainder[..missing] {
        quotas[class] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_split_is_exact_disjoint_complete_and_proportional(
            labels in prop::collection::vec(0_u32..10, 1..400), share in 0.0..=1.0_f64, seed: u64,
        ) {
            let validation = (share * labels.len() as f64) as usize;
            let split = stratified_split(&labels, validation, seed).unwrap();
            prop_assert_eq!(split.validation.len(), validation);
            let mut all = [split.train.clone(), split.validation.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len() as u32).collect::<Vec<_>>());
            for class in 0..10 {
                let members = (0..labels.len()).filter(|&index| labels[index] == class);
                let size = members.clone().count();
                let taken = members.filter(|&index| split.validation.contains(&(index as u32))).count();
                let fair = validation as f64 * size as f64 / labels.len() as f64;
                prop_assert!((taken as f64 - fair).abs() < 1.0);
            }
        }
    }

    #[test]
    fn the_seed_alone_chooses_the_images() {
        let labels: Vec<u32> = (0..1000).map(|index| index % 10).collect();
        assert_eq!(stratified_split(&labels, 100, 1), stratified_split(&labels, 100, 1));
        assert_ne!(stratified_split(&labels, 100, 1), stratified_split(&labels, 100, 2));
    }

    #[test]
    fn of_equal_classes_a_smaller_split_is_part_of_a_larger_one() {
        let labels: Vec<u32> = (0..1000).map(|index| index % 10).collect();
        let [small, large] = [37, 205].map(|validation| stratified_split(&labels, validation, 3).unwrap().validation);
        assert!(small.iter().all(|index| large.contains(index)));
    }

    #[test]
    fn too_many_validation_images_are_refused() {
        let error = stratified_split(&[0, 1, 2], 4, 0).unwrap_err();
        assert_eq!(error, SplitError { requested: 4, available: 3 });
    }

    #[test]
    fn labels_may_be_far_apart() {
        let labels: Vec<u32> = (0..100).map(|index| if index % 2 == 0 { 0 } else { u32::MAX }).collect();
        let split = stratified_split(&labels, 10, 0).unwrap();
        assert_eq!(split.validation.iter().filter(|&&index| labels[index as usize] == 0).count(), 5);
    }
}
