use tinylsa_data::{Dataset, to_unit};
use tinylsa_model::{ImageShape, Predictor};

use crate::interval::{Interval, wilson};
use crate::measure::{MeasureError, require_finite, require_images, require_scores};

/// Images of a forward pass in evaluation.
pub(crate) const BATCH: usize = 250;

/// The probabilities of every class for some images: of one image at least, all of them finite, each with the label of
/// one of the classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    classes: usize,
    probabilities: Vec<f32>,
    labels: Vec<u32>,
}

/// What the network is shown of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Views {
    /// The image.
    Plain,
    /// The image, its mirror image, and both shifted by one pixel to each of the four sides; the probabilities of
    /// the ten views are averaged.
    MirroredAndShifted,
}

impl Predictions {
    /// Probabilities from elsewhere: a row of `classes` for each label.
    ///
    /// # Errors
    /// [`MeasureError`] if there are none, or if they do not belong together.
    pub fn new(classes: usize, probabilities: Vec<f32>, labels: Vec<u32>) -> Result<Self, MeasureError> {
        require_scores("probability", classes, &probabilities, &labels)?;
        Ok(Self { classes, probabilities, labels })
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The true class of each image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// A row of probabilities for each image.
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// The number of images, at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is one image at least")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The probabilities of one image.
    ///
    /// # Panics
    /// If `index` is not below [`Predictions::len`].
    pub fn row(&self, index: usize) -> &[f32] {
        &self.probabilities[index * self.classes..][..self.classes]
    }

    /// The most probable class of one image; the first of several.
    ///
    /// # Panics
    /// If `index` is not below [`Predictions::len`].
    pub fn predicted(&self, index: usize) -> usize {
        argmax(self.row(index))
    }

    /// The number of images whose most probable class is theirs.
    pub fn correct(&self) -> usize {
        (0..self.len()).filter(|&index| self.predicted(index) == self.labels[index] as usize).count()
    }

    /// Share of images whose most probable class is theirs.
    pub fn accuracy(&self) -> f64 {
        self.correct() as f64 / self.len() as f64
    }

    /// The accuracy with Wilson's 95 % interval.
    pub fn accuracy_with_interval(&self) -> Interval {
        wilson(self.correct() as u64, self.len() as u64)
    }

    /// Mean negative log-likelihood of the true class, in nats.
    pub fn nll(&self) -> f64 {
        (0..self.len()).map(|index| self.nll_of(index)).sum::<f64>() / self.len() as f64
    }

    /// The same of one image.
    pub(crate) fn nll_of(&self, index: usize) -> f64 {
        -f64::from(self.row(index)[self.labels[index] as usize].max(f32::MIN_POSITIVE)).ln()
    }
}

/// The position of the largest value; the first of several. 0 if there are none.
pub fn argmax(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, index| if row[index] > row[best] { index } else { best })
}

/// Turns rows of `classes` logits into probabilities, in place.
pub fn softmax(logits: &mut [f32], classes: usize) {
    for row in logits.chunks_exact_mut(classes) {
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for value in &mut *row {
            *value = (*value - highest).exp();
        }
        let sum: f32 = row.iter().sum();
        for value in row {
            *value /= sum;
        }
    }
}

/// The probabilities that a network gives the images with these indices.
///
/// Networks are measured in the form in which they are used, which is their
/// [`predictor`](tinylsa_model::Classifier::predictor): the forward pass, or a faster form whose logits differ from it by
/// rounding alone.
///
/// # Errors
/// [`MeasureError`] if there are no indices or one is not of the dataset, if the images have another shape than the
/// network's, if a label is not one of its classes, or if a logit is not finite.
pub fn predict(
    model: &dyn Predictor,
    dataset: &Dataset,
    indices: &[u32],
    views: Views,
) -> Result<Predictions, MeasureError> {
    let labels = labels_for(model, dataset, indices)?;
    let classes = model.classes();
    let mut probabilities = Vec::with_capacity(indices.len() * classes);
    for (batch, first) in indices.chunks(BATCH).zip((0..).step_by(BATCH)) {
        let images: Vec<Vec<f32>> = batch.iter().map(|&index| to_unit(dataset.image(index as usize))).collect();
        probabilities.extend(averaged(model, &images, views, first)?);
    }
    Predictions::new(classes, probabilities, labels)
}

/// The labels of the images with these indices, after checking that the network can be measured on them.
pub(crate) fn labels_for(model: &dyn Predictor, dataset: &Dataset, indices: &[u32]) -> Result<Vec<u32>, MeasureError> {
    let (found, expected) = (dataset.shape, model.input());
    if found != expected {
        return Err(MeasureError::ImageShape { found, expected });
    }
    require_images(indices.len(), 1, "a measurement")?;
    if let Some(&index) = indices.iter().find(|&&index| index as usize >= dataset.len()) {
        return Err(MeasureError::Index { index, images: dataset.len() });
    }
    dataset.check()?;
    let labels: Vec<u32> = indices.iter().map(|&index| dataset.label(index as usize)).collect();
    let classes = model.classes();
    match labels.iter().position(|&label| label as usize >= classes) {
        Some(index) => Err(MeasureError::Label { index, label: labels[index], classes }),
        None => Ok(labels),
    }
}

/// The logits of some images, as many and as finite as they must be; the first is that of image `first`.
pub(crate) fn finite_logits(model: &dyn Predictor, pixels: &[f32], first: usize) -> Result<Vec<f32>, MeasureError> {
    let (logits, classes) = (model.logits(pixels)?, model.classes());
    let images = pixels.len() / model.input().values();
    if logits.len() != images * classes {
        return Err(MeasureError::Shape { values: logits.len(), images, classes });
    }
    require_finite("logit", classes, &logits, first)?;
    Ok(logits)
}

fn averaged(model: &dyn Predictor, images: &[Vec<f32>], views: Views, first: usize) -> Result<Vec<f32>, MeasureError> {
    let (shape, classes) = (model.input(), model.classes());
    let poses = poses(views);
    let mut sums = vec![0.0; images.len() * classes];
    for &pose in poses {
        let pixels: Vec<f32> = images.iter().flat_map(|image| posed(image, shape, pose)).collect();
        let mut probabilities = finite_logits(model, &pixels, first)?;
        softmax(&mut probabilities, classes);
        for (sum, probability) in sums.iter_mut().zip(probabilities) {
            *sum += probability / poses.len() as f32;
        }
    }
    Ok(sums)
}

#[derive(Clone, Copy)]
struct Pose {
    mirrored: bool,
    right: isize,
    down: isize,
}

fn poses(views: Views) -> &'static [Pose] {
    const fn pose(mirrored: bool, right: isize, down: isize) -> Pose {
        Pose { mirrored, right, down }
    }
    const ALL: [Pose; 10] = [
        pose(false, 0, 0),
        pose(false, 1, 0),
        pose(false, -1, 0),
        pose(false, 0, 1),
        pose(false, 0, -1),
        pose(true, 0, 0),
        pose(true, 1, 0),
        pose(true, -1, 0),
        pose(true, 0, 1),
        pose(true, 0, -1),
    ];
    match views {
        Views::Plain => &ALL[..1],
        Views::MirroredAndShifted => &ALL,
    }
}

/// The image in another pose; what comes in from outside is black.
fn posed(image: &[f32], shape: ImageShape, pose: Pose) -> Vec<f32> {
    let ImageShape { height, width, .. } = shape;
    let mut result = vec![0.0; image.len()];
    let channels = image.chunks_exact(shape.pixels()).zip(result.chunks_exact_mut(shape.pixels()));
    for (image, result) in channels {
        for row in 0..height {
            for column in 0..width {
                let source_row = row.checked_add_signed(-pose.down).filter(|&row| row < height);
                let source_column = column.checked_add_signed(-pose.right).filter(|&column| column < width);
                if let (Some(source_row), Some(source_column)) = (source_row, source_column) {
                    let source_column = if pose.mirrored { width - 1 - source_column } else { source_column };
                    result[row * width + column] = image[source_row * width + source_column];
                }
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use tinylsa_data::{DatasetName, Split};
    use tinylsa_model::{AttentionConfig, InferenceModel, StageConfig, TinyCnnLsaConfig, state_of};

    use super::*;

    #[test]
    fn poses_shift_and_mirror() {
        let image = [1.0, 2.0, 3.0, 4.0];
        let show = |mirrored, right, down| posed(&image, ImageShape::grey(2, 2), Pose { mirrored, right, down });
        assert_eq!(show(false, 0, 0), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(show(false, 1, 0), [0.0, 1.0, 0.0, 3.0]);
        assert_eq!(show(false, 0, -1), [3.0, 4.0, 0.0, 0.0]);
        assert_eq!(show(true, 0, 0), [2.0, 1.0, 4.0, 3.0]);
        assert_eq!(show(true, 1, 0), [0.0, 2.0, 0.0, 4.0]);
    }

    #[test]
    fn each_channel_of_an_image_that_is_no_square_takes_the_pose() {
        // Two channels of one row and three columns.
        let shape = ImageShape { channels: 2, height: 1, width: 3 };
        let posed = posed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], shape, Pose { mirrored: true, right: 1, down: 0 });
        assert_eq!(posed, [0.0, 3.0, 2.0, 0.0, 6.0, 5.0]);
    }

    #[test]
    fn softmax_of_hand_computed_rows() {
        let mut rows = [0.0, 3.0_f32.ln(), 1000.0, 0.0];
        softmax(&mut rows, 2);
        for (found, expected) in rows.iter().zip([0.25, 0.75, 1.0, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{rows:?}");
        }
    }

    #[test]
    fn the_first_of_equal_values_is_the_largest() {
        assert_eq!(argmax(&[0.2, 0.4, 0.4]), 1);
    }

    fn network() -> InferenceModel {
        let stages = vec![StageConfig { channels: 4, stride: 2, residual_blocks: 0, pool: false }];
        let attention = AttentionConfig { blocks: 0, heads: 2, ..AttentionConfig::default() };
        let config = TinyCnnLsaConfig {
            input: ImageShape::grey(4, 4),
            classes: 3,
            stages,
            attention,
            ..TinyCnnLsaConfig::default()
        };
        let model = config.init(&Device::flex()).unwrap();
        let mut state = state_of(&model);
        // Finite, but a product with what the head reads is not.
        state.get_mut("norm.beta").unwrap().values.fill(1e30);
        state.get_mut("head.weight").unwrap().values.fill(1e30);
        InferenceModel::from_state(&config, &state).unwrap()
    }

    fn images(side: usize, labels: &[u32]) -> Dataset {
        Dataset {
            name: DatasetName::SYNTHETIC_GARMENTS,
            split: Split::Test,
            shape: ImageShape::grey(side, side),
            class_names: (0..4).map(|class| class.to_string()).collect(),
            images: vec![7; labels.len() * side * side],
            labels: labels.to_vec(),
            masks: None,
        }
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let refused = |dataset: &Dataset, indices: &[u32]| {
            predict(&network(), dataset, indices, Views::Plain).unwrap_err().to_string()
        };
        assert_eq!(refused(&images(4, &[0]), &[]), "there are 0 images, expected at least 1 for a measurement");
        assert_eq!(refused(&images(5, &[0]), &[0]), "the images are 1×5×5, the network expects 1×4×4");
        assert_eq!(refused(&images(4, &[0, 1]), &[1, 2]), "there is no image 2, the dataset has 2");
        let short = Dataset { images: vec![7; 31], ..images(4, &[0, 1]) };
        assert_eq!(refused(&short, &[1]), "the dataset holds 31 values, expected 32 for 2 images of 1×4×4");
        let expected = "image 1 has label 3, expected less than the 3 classes of the network";
        assert_eq!(refused(&images(4, &[0, 3]), &[0, 1]), expected);
        let expected = "the logit of class 0 of image 0 is inf, expected a finite number";
        assert_eq!(refused(&images(4, &[0, 1]), &[1]), expected);
    }

    #[test]
    fn probabilities_from_elsewhere_belong_together() {
        let new = |probabilities: &[f32], labels: &[u32]| Predictions::new(2, probabilities.to_vec(), labels.to_vec());
        let refused = |probabilities: &[f32], labels: &[u32]| new(probabilities, labels).unwrap_err().to_string();
        assert!(refused(&[], &[]).starts_with("there are 0 images"));
        assert_eq!(refused(&[0.5; 3], &[0, 1]), "there are 3 scores for 2 images, expected 2 for each");
        assert!(refused(&[0.5; 4], &[0, 2]).starts_with("image 1 has label 2"));
        let nan = refused(&[0.5, 0.5, 0.5, f32::NAN], &[0, 1]);
        assert_eq!(nan, "the probability of class 1 of image 1 is NaN, expected a finite number");
        assert!((new(&[0.9, 0.1, 0.8, 0.2], &[0, 1]).unwrap().accuracy() - 0.5).abs() < 1e-12);
    }
}
